// Jobs whose input, step, checkpoint and result are blobs, in a store whose process ends, or whose power is cut, at each
// operation in turn. Each opening must find every job that was acknowledged, every blob that a job names, and nothing that
// none names; and what is left must come to its end.
import 'fake-indexeddb/auto'
import { createScheduler, inline } from 'offstage'
import { defineJobs, type JobContext } from 'offstage/worker'
import { expect, onTestFinished, test, vi } from 'vitest'
import type { JobRecord } from '../../src/job/record.ts'
import { nextTask } from '../../src/platform/hop.ts'
import { manualClock } from '../../src/shared/manual-clock.ts'
import { seededRandom } from '../../src/shared/seeded-random.ts'
import { FileMedium } from '../../src/store/file-medium.ts'
import { idbMedium } from '../../src/store/idb-medium.ts'
import { Journal } from '../../src/store/journal.ts'
import type { Medium } from '../../src/store/medium.ts'
import { SimDisk, SimFileSystem } from '../simulation/sim-disk.ts'

/** A text of its own for each blob of each job, so that each can be told from all others. */
const textOf = (id: string, what: string): string => `${what} of ${id} `.repeat(1 + (id.length % 3))
const blobOf = (id: string, what: string): Blob => new Blob([textOf(id, what)], { type: 'text/plain' })

const jobs = defineJobs({
  /** Fails at its first attempt, after it has kept a step and a checkpoint. */
  async develop({ id }: { id: string; photo: Blob }, job: JobContext) {
    await job.step('stamp', () => [blobOf(id, 'stamp')])
    if (!job.checkpointed) {
      await job.checkpoint({ half: blobOf(id, 'half') })
      throw new Error('in the dark')
    }
    return { print: blobOf(id, 'print') }
  },
})
type Bench = ReturnType<typeof createScheduler<typeof jobs>>

const ids = ['a', 'bb', 'ccc', 'dddd'] as const
/** So that there is a compaction, and a batch of several frames. */
const sizes = { valueBytesMax: 10_000, compactBytesMin: 1_500, frameBytes: 300 }
const forever = { count: 1_000, ageMs: Number.POSITIVE_INFINITY }

/** Where jobs are kept, and what ends. */
interface Place {
  readonly isRelaxed: boolean
  openMedium(): Medium
  /** How many blobs are there, whether a job names them or not. */
  blobsThere(): Promise<number>
  /** Carries out what the store waits for. Returns whether there was something. */
  step(): boolean
  /** Whether what is running has ended by now, and hears nothing any more. */
  readonly isDead: boolean
  /** Whether what has ended still gets errors. Otherwise its calls never settle. */
  readonly refuses: boolean
}

/** One place after the other, the processes that have it, and what they were promised. */
class History {
  readonly #place: Place
  readonly #clock = manualClock()
  readonly #added = new Set<string>()
  readonly #completed = new Set<string>()
  readonly #removing = new Set<string>()
  readonly #removed = new Set<string>()
  /** What was promised and not found; blobs that are not as they were; blobs that nothing names; blobs found. */
  readonly figures = { lost: 0, blobless: 0, orphans: 0, found: 0 }

  constructor(place: Place) {
    this.#place = place
  }

  /** Adds one job, then several at once; they run; some are removed, which the seal and the compaction follow. */
  work(): Promise<void> {
    return this.#live(async (scheduler) => {
      const [first, ...others] = ids
      const requestOf = (id: string) => ({
        name: 'develop' as const,
        input: { id, photo: blobOf(id, 'photo') },
        options: { id, attempts: 3, backoff: { type: 'fixed', delayMs: 10 } as const },
      })
      const follow = async (job: { id: string; result(): Promise<unknown> }) => {
        await job.result()
        this.#note(this.#completed, job.id)
      }
      const [one] = await scheduler.addMany([requestOf(first)])
      this.#note(this.#added, first)
      await follow(one as NonNullable<typeof one>)
      const many = await scheduler.addMany(others.map(requestOf))
      for (const { id } of many) this.#note(this.#added, id)
      await Promise.all(many.map(follow))
      for (const id of ids.slice(0, 2)) {
        this.#removing.add(id)
        await scheduler.remove(id)
        this.#note(this.#removed, id)
      }
    })
  }

  /** Whatever is left comes to its end. */
  settle(): Promise<void> {
    return this.#live(async (scheduler) => {
      for (;;) {
        await scheduler.onIdle()
        const { scheduled, failed } = await scheduler.counts()
        expect(failed).toBe(0)
        if (scheduled === 0) return
        await nextTask()
      }
    })
  }

  look(): Promise<void> {
    return this.#live(async (scheduler) => void (await scheduler.counts()))
  }

  #note(promised: Set<string>, id: string): void {
    if (!this.#place.isDead) promised.add(id)
  }

  /** Until it has done what it is to do and is closed, or has ended. */
  async #live(act: (scheduler: Bench) => Promise<void>): Promise<void> {
    const scheduler = this.#open()
    await this.#until(
      act(scheduler).then(() => scheduler.close()),
      () => this.#place.isDead,
    )
    if (!this.#place.isDead) return
    const closed = scheduler.close({ mode: 'now' })
    // What is refused is tried once more. That must be over before the next process starts.
    if (this.#place.refuses) await this.#until(closed)
  }

  /** Lets the place and the clock go on until `work` is done, or `isOver`. */
  async #until(work: Promise<void>, isOver = () => false): Promise<void> {
    let outcome: { trouble?: unknown } | undefined
    work.then(
      () => (outcome = {}),
      (trouble) => (outcome = { trouble }),
    )
    for (let idle = 0; !outcome && !isOver(); idle++) {
      if (idle > 1_000) throw new Error('nothing happens any more')
      for (let turns = 0; turns < 20; turns++) await undefined
      if (this.#place.step()) idle = 0
      else await nextTask()
      // Blobs are read elsewhere, and jobs go through tasks of their own: it takes a while until nothing goes on by itself.
      if (idle > 4) this.#clock.advance(1_000)
    }
    if (outcome?.trouble && !isOver()) throw outcome.trouble
  }

  #open(): Bench {
    const journal = new Journal(this.#place.openMedium(), { ...sizes, isRelaxed: this.#place.isRelaxed })
    const { open } = journal
    journal.open = async (host) => {
      const stored = await open.call(journal, host)
      await this.#compare(stored.records)
      return stored
    }
    return createScheduler<typeof jobs>(inline(jobs), {
      store: journal,
      workers: 2,
      clock: this.#clock,
      random: seededRandom(1),
      keep: { completed: forever, failed: forever, cancelled: forever },
    })
  }

  async #compare(records: readonly JobRecord[]): Promise<void> {
    const { figures } = this
    const found = new Map(records.map((record) => [record.id, record]))
    const isKept = (id: string) => !this.#removing.has(id)
    for (const id of this.#added) if (isKept(id) && !found.has(id)) figures.lost++
    for (const id of this.#completed) if (isKept(id) && found.get(id)?.state !== 'completed') figures.lost++
    for (const id of this.#removed) if (found.has(id)) figures.lost++
    const blobs = new Set<unknown>()
    for (const { id, input, checkpoint, steps, result } of records) {
      const named: [unknown, string][] = [[(input as { photo: Blob }).photo, 'photo']]
      if (checkpoint) named.push([(checkpoint as { half: Blob }).half, 'half'])
      for (const stamp of (steps?.get('stamp') as Blob[] | undefined) ?? []) named.push([stamp, 'stamp'])
      if (result) named.push([(result as { print: Blob }).print, 'print'])
      for (const [blob, what] of named) {
        blobs.add(blob)
        if (!(blob instanceof Blob) || (await blob.text()) !== textOf(id, what)) figures.blobless++
      }
    }
    if (this.#place.isDead) return
    figures.found += blobs.size
    figures.orphans += (await this.#place.blobsThere()) - blobs.size
  }
}

type Figures = History['figures'] & { operations: number; runs: number }

/** At each operation of a whole history in turn. `make` makes a place, with a function that says when it ends. */
async function atEach<Made extends Place & { readonly done: number }>(
  name: string,
  make: (seed: number) => Made,
  /** After so many operations from now on. */
  endAfter: (place: Made, operations: number) => void,
  /** What comes behind the end. */
  restart: (place: Made) => void,
): Promise<Figures> {
  const whole = make(0)
  await new History(whole).work()
  const sum: Figures = { operations: whole.done, runs: 0, lost: 0, blobless: 0, orphans: 0, found: 0 }
  for (let at = 1; at < sum.operations; at++) {
    const place = make(at)
    const history = new History(place)
    endAfter(place, at)
    await history.work()
    restart(place)
    // Every second one ends once more, while it opens or goes on.
    if (at % 2 === 0) {
      endAfter(place, 1 + (at % 29))
      await history.settle()
      restart(place)
    }
    await history.settle()
    await history.look()
    sum.runs++
    for (const what of ['lost', 'blobless', 'orphans', 'found'] as const) sum[what] += history.figures[what]
  }
  console.log(`${name}: ${JSON.stringify(sum)}`)
  return sum
}

// Files.

const folder = '/data/jobs'

class Machine implements Place {
  readonly system: SimFileSystem
  readonly isRelaxed: boolean
  readonly refuses = false
  #disk: SimDisk
  #operationsMax = Number.POSITIVE_INFINITY
  isDead = false

  constructor(seed: number, isRelaxed: boolean) {
    this.system = new SimFileSystem(seededRandom(seed))
    this.isRelaxed = isRelaxed
    this.#disk = new SimDisk(this.system, 1)
  }

  get done(): number {
    return this.#disk.done
  }

  openMedium(): Medium {
    const disk = new SimDisk(this.system, 1)
    this.#disk = disk
    return new FileMedium(() => disk, folder, { durability: this.isRelaxed ? 'relaxed' : 'strict' })
  }

  async blobsThere(): Promise<number> {
    return [...this.system.names.keys()].filter((path) => path.startsWith(`${folder}/attachment.`)).length
  }

  endAfter(operations: number): void {
    this.#operationsMax = operations
  }

  step(): boolean {
    const disk = this.#disk
    if (disk.done >= this.#operationsMax) {
      // Of the operations that it was waiting for some may be carried out, and the last in part.
      disk.kill()
      this.isDead = true
    } else if (disk.pending > 0) {
      disk.step()
      return true
    }
    return false
  }

  restart(isPowerCut: boolean): void {
    if (isPowerCut) this.system.cutPower()
    this.isDead = false
    this.#operationsMax = Number.POSITIVE_INFINITY
  }
}

/** On Deno a new task comes milliseconds later, and each row takes half a minute. */
const isSlow = 'Deno' in globalThis

test.each([
  ['strict', 'kill'],
  ...(isSlow
    ? []
    : ([
        ['strict', 'power cut'],
        ['relaxed', 'kill'],
        ['relaxed', 'power cut'],
      ] as const)),
] as const)('files, %s: a %s after each operation on the disk', { timeout: 120_000 }, async (durability, end) => {
  const figures = await atEach(
    `files, ${durability}, ${end}`,
    (seed) => new Machine(seed, durability === 'relaxed'),
    (machine, operations) => machine.endAfter(operations),
    (machine) => machine.restart(end === 'power cut'),
  )
  expect(figures).toMatchObject({ blobless: 0, orphans: 0 })
  // What is not sealed yet may be lost with the power, but never one of two things that belong together.
  if (durability === 'strict' || end === 'kill') expect(figures.lost).toBe(0)
  expect(figures.runs).toBeGreaterThan(100)
  expect(figures.found).toBeGreaterThan(figures.runs * 5)
})

// IndexedDB.

const { transaction: begin } = IDBDatabase.prototype

class Page implements Place {
  readonly isRelaxed = false
  readonly refuses = true
  readonly #name = `blob-crashes-${Math.random()}`
  readonly #seed: number
  #transactionsMax = Number.POSITIVE_INFINITY
  done = 0
  isDead = false

  constructor(seed: number) {
    this.#seed = seed
    const page = this
    vi.spyOn(IDBDatabase.prototype, 'transaction').mockImplementation(function (this: IDBDatabase, ...args) {
      const transaction = begin.apply(this, args)
      if (this.name === page.#name) page.#began(transaction)
      return transaction
    })
  }

  /** The last one comes through, and nobody hears of it, or does not. Whatever a page that is dead still begins is undone. */
  #began(transaction: IDBTransaction): void {
    const wasDead = this.isDead
    this.isDead ||= ++this.done > this.#transactionsMax
    if (wasDead || (this.isDead && this.#seed % 4 < 2)) transaction.abort()
  }

  openMedium(): Medium {
    return idbMedium(this.#name, { durability: 'strict', transactionBytes: 500, onTrouble: () => {} })
  }

  blobsThere(): Promise<number> {
    return new Promise((resolve, reject) => {
      const opening = indexedDB.open(this.#name)
      opening.onerror = () => reject(opening.error)
      opening.onsuccess = () => {
        const database = opening.result
        const [storeName] = database.objectStoreNames
        const store = begin.call(database, storeName as string, 'readonly').objectStore(storeName as string)
        const keys = store.getAllKeys()
        keys.onsuccess = () => {
          database.close()
          // Those of blobs are numbers.
          resolve(keys.result.filter((key) => typeof key === 'number').length)
        }
      }
    })
  }

  step(): boolean {
    return false
  }

  endAfter(transactions: number): void {
    this.#transactionsMax = this.done + transactions
  }

  restart(): void {
    this.isDead = false
    this.#transactionsMax = Number.POSITIVE_INFINITY
  }
}

test('IndexedDB: the page ends at each transaction', { timeout: 120_000 }, async () => {
  onTestFinished(() => void vi.restoreAllMocks())
  const figures = await atEach(
    'IndexedDB',
    (seed) => new Page(seed),
    (page, transactions) => page.endAfter(transactions - 1),
    (page) => page.restart(),
  )
  expect(figures).toMatchObject({ lost: 0, blobless: 0, orphans: 0 })
  expect(figures.runs).toBeGreaterThan(20)
  expect(figures.found).toBeGreaterThan(figures.runs * 5)
})

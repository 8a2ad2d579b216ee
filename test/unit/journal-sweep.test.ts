// One fault at a time, everywhere: each disk call fails in each way, each prefix and each flipped bit of a journal. Every
// opening must find exactly what was acknowledged, or the state before a torn last batch, or say what is wrong and
// change nothing. What it cuts off it reports. Batches have one frame or several.
import { describe, expect, test } from 'vitest'
import type { JobRecord } from '../../src/job/record.ts'
import type { OffstageError } from '../../src/shared/errors.ts'
import { manualClock } from '../../src/shared/manual-clock.ts'
import { FileMedium } from '../../src/store/file-medium.ts'
import { headerBytes } from '../../src/store/frame.ts'
import { Journal } from '../../src/store/journal.ts'
import type { Change, Stored } from '../../src/store/store.ts'
import { Chance } from '../simulation/chance.ts'
import { randomRecord, randomRows, randomUpdate } from '../simulation/records.ts'
import { type Fault, SimDisk, SimFileSystem } from '../simulation/sim-disk.ts'
import { Truth } from '../simulation/truth.ts'

const folder = '/data/jobs'
const path = `${folder}/journal`

const isStored = (found: unknown): found is Stored => typeof found === 'object' && found !== null && 'rows' in found

/** A journal on a disk whose calls are carried out as soon as they are made. */
class Bench {
  readonly chance = new Chance(1)
  readonly compactBytesMin: number
  readonly system = new SimFileSystem(this.chance.random)
  readonly truth = new Truth()
  disk = new SimDisk(this.system, 1)
  readonly isRelaxed: boolean
  journal: Journal
  isStopped = false
  reported: OffstageError[] = []
  #isCrashed = false
  calls = 0
  /** The number of the call that goes wrong, and how. */
  fault: { readonly at: number; readonly how: Fault | 'crash' } | undefined

  constructor({ isRelaxed = false, compactBytesMin = 3_000 } = {}) {
    this.isRelaxed = isRelaxed
    this.compactBytesMin = compactBytesMin
    this.journal = this.#make()
  }

  #make(): Journal {
    this.disk = new SimDisk(this.system, 1)
    this.disk.plan = (name) => {
      this.calls++
      // A folder above that we may not open is one that we did not make.
      if (name === 'syncFolder' && this.fault?.how === faults.EACCES) return undefined
      if (this.fault?.at !== this.calls || this.fault.how === 'crash') return undefined
      return this.fault.how
    }
    const durability = this.isRelaxed ? 'relaxed' : 'strict'
    return new Journal(new FileMedium(() => this.disk, folder, { durability }), {
      isRelaxed: this.isRelaxed,
      valueBytesMax: 1_000_000,
      compactBytesMin: this.compactBytesMin,
      // A record takes about as much.
      frameBytes: 100,
    })
  }

  /** Until the promise settles, or the process dies. */
  async during<Value>(promise: Promise<Value>): Promise<Value | OffstageError | 'crashed'> {
    let outcome: { value: Value | OffstageError } | undefined
    promise.then(
      (value) => (outcome = { value }),
      (error) => (outcome = { value: error }),
    )
    for (let idle = 0; !outcome; ) {
      await undefined
      if (this.disk.pending === 0) {
        if (++idle > 10_000) throw new Error('nothing happens any more')
        continue
      }
      idle = 0
      if (this.fault?.how === 'crash' && this.fault.at === this.calls + 1) {
        this.#isCrashed = true
        return 'crashed'
      }
      this.disk.step()
    }
    return outcome.value
  }

  async open(): Promise<Stored | OffstageError | 'crashed'> {
    this.isStopped = false
    this.reported = []
    const host = {
      clock: manualClock(),
      random: this.chance.random,
      errors: [],
      report: (error: OffstageError) => this.reported.push(error),
      stopped: () => {
        this.isStopped = true
      },
    }
    return this.during(this.journal.open(host) as Promise<Stored>)
  }

  async commit(changes: readonly Change[]): Promise<unknown> {
    this.truth.begin(changes)
    const outcome = await this.during(this.journal.commit(changes))
    if (outcome === undefined) this.truth.done()
    else if (outcome !== 'crashed' && !this.isStopped) this.truth.refused()
    return outcome
  }

  /** The process is gone, the power with it, and another begins. */
  restart(isPowerCut: boolean): void {
    this.fault = undefined
    this.disk.kill()
    if (isPowerCut) this.system.cutPower()
    this.journal = this.#make()
    this.#isCrashed = false
  }

  get isOver(): boolean {
    return this.#isCrashed || this.isStopped
  }

  /** Batches of all sizes, and compactions. */
  async work(batches: number): Promise<void> {
    const opened = await this.open()
    if (!isStored(opened)) return
    let seq = 0
    for (let batch = 0; batch < batches && !this.isOver; batch++) {
      const known = [...this.truth.records.values()]
      const changes: Change[] = []
      if (known.length > 3) {
        const before = known[batch % known.length] as JobRecord
        const after = batch % 3 === 0 ? undefined : randomUpdate(this.chance, before, batch)
        changes.push({ before, after })
      }
      for (let count = 0; count < 1 + (batch % 2); count++) {
        const rows = batch % 2 === 0 ? { rows: randomRows(this.chance, seq) } : {}
        changes.push({ before: undefined, after: randomRecord(this.chance, ++seq), ...rows })
      }
      await this.commit(changes)
    }
    if (!this.isOver) await this.during(this.journal.close())
  }
}

/** Enough for two compactions. */
const batches = 60

const faults: Record<string, Fault | 'crash'> = {
  ENOSPC: { code: 'ENOSPC', partly: 0.5 },
  EIO: { code: 'EIO', partly: 0.5 },
  EACCES: { code: 'EACCES' },
  'a short write': { partly: 0.3 },
  'a crash': 'crash',
}

describe.each(Object.entries(faults))('%s', (_name, how) => {
  test('at each call to the disk in turn', { timeout: 60_000 }, async () => {
    const whole = new Bench()
    await whole.work(batches)
    expect(whole.calls).toBeGreaterThan(100)
    for (let at = 1; at <= whole.calls; at++) {
      const bench = new Bench()
      bench.fault = { at, how }
      await bench.work(batches)
      bench.restart(at % 2 === 0)
      const found = await bench.open()
      expect(isStored(found), `call ${at}: ${(found as OffstageError).message}`).toBe(true)
      bench.truth.recovered(found as Stored)
    }
  })
})

/** The states behind each batch, and where it ends. Every third has two frames or more. */
async function hundredRecords({ isRelaxed = false } = {}): Promise<{
  bytes: Uint8Array
  states: Map<number, JobRecord[]>
  ends: number[]
}> {
  const bench = new Bench({ isRelaxed, compactBytesMin: 1_000_000 })
  expect(await bench.open()).toEqual({ records: [], rows: [] })
  const states = new Map<number, JobRecord[]>()
  const inode = () => bench.system.names.get(path) as { content: Uint8Array }
  const ends: number[] = []
  const note = () => {
    ends.push(inode().content.length)
    states.set(inode().content.length, [...bench.truth.records.values()])
  }
  note()
  for (let seq = 1; seq <= 100; ) {
    const changes: Change[] = []
    for (let left = seq % 3 === 0 ? 4 : 1; left > 0; left--, seq++) {
      // Small ones: this is about frames.
      changes.push({ before: undefined, after: { ...randomRecord(bench.chance, seq), input: seq } })
    }
    await bench.commit(changes)
    note()
  }
  await bench.during(bench.journal.close())
  note()
  return { bytes: inode().content.slice(), states, ends }
}

/** What an opening of these bytes makes of them. */
async function openBytes(
  bytes: Uint8Array,
  isRelaxed = false,
): Promise<{ found: readonly JobRecord[] | OffstageError; isUntouched: boolean; reported: OffstageError[] }> {
  const bench = new Bench({ isRelaxed })
  bench.system.create('/data', 'folder')
  bench.system.create(folder, 'folder')
  bench.system.create(path, 'file').write(bytes, 0)
  const before = bench.system.image(path)
  const opened = (await bench.open()) as Stored | OffstageError
  const found = isStored(opened) ? opened.records : opened
  const isUntouched = bench.system.image(path) === before && bench.disk.writes === 0
  return { found, isUntouched, reported: bench.reported }
}

const idsOf = (records: readonly JobRecord[]): string => records.map(({ seq }) => seq).join()

test('each prefix of a journal is the state behind its last whole batch', { timeout: 60_000 }, async () => {
  const { bytes, states, ends } = await hundredRecords()
  for (let length = 0; length < bytes.length; length += length < 300 || length > bytes.length - 200 ? 1 : 11) {
    const { found, isUntouched, reported } = await openBytes(bytes.subarray(0, length))
    const end = ends.filter((each) => each <= length).at(-1)
    if (end !== undefined) {
      expect(found, `${length} bytes`).toBeInstanceOf(Array)
      expect(idsOf(found as JobRecord[]), `${length} bytes`).toBe(idsOf(states.get(end) as JobRecord[]))
      const cut = length === end ? [] : [expect.stringContaining(`${length - end} bytes, from byte ${end} on`)]
      expect(reported.map(({ message }) => message)).toEqual(cut)
    } else if (!Array.isArray(found)) {
      // Not even one batch: it may be anything, and is left alone.
      expect(found).toMatchObject({ code: 'STORE_CORRUPT' })
      expect(isUntouched).toBe(true)
    } else {
      expect(found).toEqual([])
    }
  }
})

test.each([
  ['strict', false],
  ['relaxed', true],
])(
  'each flipped bit before the seal of a close is refused, and nothing is changed: %s',
  {
    timeout: 120_000,
  },
  async (_name, isRelaxed) => {
    const { bytes, states, ends } = await hundredRecords({ isRelaxed })
    const lastBegins = ends.at(-2) as number
    const stride = process.env.CI ? 1 : 29
    for (let bit = 0; bit < bytes.length * 8; bit += stride) {
      const flipped = bytes.slice()
      flipped[bit >> 3] = (flipped[bit >> 3] as number) ^ (1 << (bit & 7))
      const { found, isUntouched, reported } = await openBytes(flipped, isRelaxed)
      if (Array.isArray(found)) {
        // Only the seal is unprotected: without it everything is there.
        expect(bit >> 3, `bit ${bit} was not noticed`).toBeGreaterThanOrEqual(lastBegins)
        expect(idsOf(found)).toBe(idsOf(states.get(lastBegins) as JobRecord[]))
        expect(reported).toMatchObject([{ code: 'STORE_WRITE_FAILED', message: expect.stringContaining('44 bytes') }])
        continue
      }
      expect(found, `bit ${bit}`).toMatchObject({ code: 'STORE_CORRUPT' })
      expect(isUntouched, `bit ${bit}: refused, and changed`).toBe(true)
    }
    expect(bytes.length - lastBegins).toBe(headerBytes)
  },
)

test('relaxed, without a seal: what a flipped bit takes along is reported, with how much', async () => {
  const { bytes, states, ends } = await hundredRecords({ isRelaxed: true })
  const unsealed = bytes.subarray(0, -headerBytes)
  const [begin, end] = ends.slice(9, 11) as [number, number]
  const flipped = unsealed.slice()
  flipped[begin + headerBytes] = (flipped[begin + headerBytes] as number) ^ 1
  const { found, reported } = await openBytes(flipped, true)
  expect(idsOf(found as JobRecord[])).toBe(idsOf(states.get(begin) as JobRecord[]))
  expect(end).toBeLessThan(unsealed.length)
  expect(reported).toMatchObject([{ code: 'STORE_CORRUPT' }])
  expect(reported[0]?.message).toContain(`${unsealed.length - begin} bytes, from byte ${begin} on`)
  expect(reported[0]?.message).toContain(`a copy is in ${folder}/journal.torn`)
  // Seals aside, all frames behind it were counted.
  expect(reported[0]?.message).toMatch(/at least \d\d+ batches/)
})

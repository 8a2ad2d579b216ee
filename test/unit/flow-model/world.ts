// The real thing: schedulers, one after the other, on a simulated disk whose process may be killed and whose power may be cut;
// handlers that end when the test says so; and everything that can be seen of them.
import { createScheduler, inline } from 'offstage'
import { type Flow, flows } from 'offstage/flows'
import { type ManualClock, manualClock, seededRandom } from 'offstage/testing'
import { defineJobs, type JobContext, NonRetryableError } from 'offstage/worker'
import type { JobRecord } from '../../../src/job/record.ts'
import { nextTask } from '../../../src/platform/hop.ts'
import { FileMedium } from '../../../src/store/file-medium.ts'
import { Journal } from '../../../src/store/journal.ts'
import type { Change, Row, Stored } from '../../../src/store/store.ts'
import { SimDisk, SimFileSystem } from '../../simulation/sim-disk.ts'
import type { Keeps } from './model.ts'
import { jobNames } from './shapes.ts'

interface Attempt {
  complete(result: string): void
  fail(message: string, isForGood: boolean): void
  snooze(ms: number): void
}

export interface Start {
  readonly jobId: string
  readonly attempt: number
  readonly parents: Readonly<Record<string, unknown>>
}

interface Outcome {
  readonly value?: unknown
  readonly error?: unknown
}

/** A call of `flow.result()`, and what it has come to. */
export interface Watch {
  readonly flow: Flow
  outcome: Outcome | undefined
}

const folder = '/data/jobs'
/** So that there are batches of several frames, and now and then a compaction. */
const sizes = { valueBytesMax: 10_000, compactBytesMin: 4_000, frameBytes: 300 }
/** After so many tasks without a call of the disk nothing goes on by itself any more. */
const quietTasks = 8

/** The world whose handlers run. */
let stage: World | undefined

const source = inline(
  defineJobs(
    Object.fromEntries(
      jobNames.map((name) => [
        name,
        (_: undefined, job: JobContext) =>
          new Promise<string>((resolve, reject) => {
            const world = stage as World
            const { id, attempt, parents, signal } = job
            world.starts.push({ jobId: id, attempt, parents })
            world.attempts.set(id, {
              complete: resolve,
              snooze: (ms) =>
                void Promise.resolve()
                  .then(() => job.snooze(ms))
                  .catch(reject),
              fail: (message, isForGood) => reject(isForGood ? new NonRetryableError(message) : new Error(message)),
            })
            signal.addEventListener('abort', () => {
              world.attempts.delete(id)
              reject(signal.reason)
            })
          }),
      ]),
    ),
  ),
)

export class World {
  readonly #system: SimFileSystem
  readonly #isRelaxed: boolean
  readonly #keeps: Keeps
  readonly workers: number
  clock: ManualClock = manualClock()
  #disk: SimDisk
  /** The process is killed instead of this call of the disk. */
  #killAt = Number.POSITIVE_INFINITY
  scheduler!: ReturnType<World['open']>
  plan!: ReturnType<typeof flows>

  // What is committed, and what was seen.

  records = new Map<string, JobRecord>()
  rows = new Map<string, Row>()
  /** What the newest opening has found. */
  found: Stored | undefined
  starts: Start[] = []
  attempts = new Map<string, Attempt>()
  handles = new Map<string, Flow>()
  watches: Watch[] = []
  flowEvents: { readonly type: string; readonly flowId: string; readonly jobId?: string; readonly key?: string }[] = []
  started: string[] = []
  problems: unknown[] = []
  /** By the id of a job: whom the end of its attempt is told. */
  readonly #ends = new Map<string, () => void>()

  constructor(seed: number, isRelaxed: boolean, workers: number, keeps: Keeps) {
    this.#system = new SimFileSystem(seededRandom(seed))
    this.#isRelaxed = isRelaxed
    this.#keeps = keeps
    this.workers = workers
    this.#disk = new SimDisk(this.#system, 1)
  }

  get isDead(): boolean {
    return this.#disk.isDead
  }

  /** Starts a process. */
  open() {
    stage = this
    this.clock = manualClock(this.clock.now())
    this.found = undefined
    this.attempts.clear()
    this.#ends.clear()
    this.handles.clear()
    this.watches = []
    this.started = []
    this.#killAt = Number.POSITIVE_INFINITY
    const disk = new SimDisk(this.#system, 1)
    this.#disk = disk
    const durability = this.#isRelaxed ? 'relaxed' : 'strict'
    const journal = new Journal(new FileMedium(() => disk, folder, { durability }), {
      ...sizes,
      isRelaxed: this.#isRelaxed,
    })
    this.#listenTo(journal)
    const scheduler = createScheduler(source, {
      store: journal,
      workers: this.workers,
      clock: this.clock,
      random: seededRandom(1),
      keep: this.#keeps,
    })
    const isHeard = () => !disk.isDead
    for (const type of ['flow:completed', 'flow:failed'] as const)
      scheduler.on(type, (event) => isHeard() && this.flowEvents.push(event))
    scheduler.on('started', ({ jobId }) => isHeard() && this.started.push(jobId))
    for (const type of ['completed', 'failed', 'retrying', 'snoozed'] as const)
      scheduler.on(type, ({ jobId }) => {
        if (isHeard()) this.#ends.get(jobId)?.()
      })
    scheduler.on('error', ({ error }) => isHeard() && this.problems.push(error))
    this.scheduler = scheduler
    this.plan = flows(scheduler)
    return scheduler
  }

  /** Keeps a copy of what is committed. */
  #listenTo(journal: Journal): void {
    const { open, commit } = journal
    journal.open = async (host) => {
      const found = await open.call(journal, host)
      this.records = new Map(found.records.map((record) => [record.id, record]))
      this.rows = new Map(found.rows.map((row) => [row.key, row]))
      this.found = found
      return found
    }
    journal.commit = async (changes: readonly Change[]) => {
      await commit.call(journal, changes)
      for (const { before, after, rows = [] } of changes) {
        if (after) this.records.set(after.id, after)
        else if (before) this.records.delete(before.id)
        for (const row of rows) {
          if (row.value === undefined) this.rows.delete(row.key)
          else this.rows.set(row.key, row)
        }
      }
    }
  }

  killAfter(calls: number): void {
    this.#killAt = this.#disk.done + calls
  }

  /** Ends the process, unless that has happened. What is not synced may go with the power. */
  async end(isPowerCut: boolean): Promise<void> {
    if (!this.isDead) this.#disk.kill()
    // What is under way in memory goes nowhere.
    await this.settle()
    if (isPowerCut && !this.#isRelaxed) this.#system.cutPower()
  }

  /** Lets everything go on until nothing does by itself any more, or the process has ended. */
  async settle(): Promise<void> {
    const disk = this.#disk
    for (let quiet = 0; quiet < quietTasks; quiet++) {
      for (let turns = 0; turns < 10; turns++) await undefined
      // What is overdue is the clock's to do.
      if (quiet === quietTasks - 3) this.clock.advance(0)
      if (disk.pending === 0) await nextTask()
      else if (disk.done >= this.#killAt) disk.kill()
      else {
        disk.step()
        quiet = -1
      }
    }
  }

  /** Lets a handler end. Resolves when that is committed. */
  endAttempt(id: string, end: (attempt: Attempt) => void): Promise<void> {
    return new Promise((resolve) => {
      this.#ends.set(id, resolve)
      end(this.attempts.get(id) as Attempt)
      this.attempts.delete(id)
    })
  }

  watch(flow: Flow): void {
    const watch: Watch = { flow, outcome: undefined }
    this.watches.push(watch)
    flow.result().then(
      (value) => (watch.outcome = { value }),
      (error) => (watch.outcome = { error }),
    )
  }

  async add(id: string, spec: object): Promise<Flow> {
    const flow = (await this.plan.add(spec as never, { id })) as Flow
    this.handles.set(id, flow)
    this.watch(flow)
    return flow
  }

  /** Finds a flow again after an opening. */
  async find(id: string): Promise<void> {
    const flow = await this.plan.get(id)
    if (!flow) return
    this.handles.set(id, flow)
    this.watch(flow)
  }
}

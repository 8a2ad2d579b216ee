// The scheduler against a model of a hundred lines: whatever happens, in whatever order, each job is where the promises
// of the design say it is, every promise settles once, and nothing is left behind. The same courses run on every store,
// and those that keep jobs are closed and opened again in between.
import 'fake-indexeddb/auto'
import fc from 'fast-check'
import { createScheduler, inline, type Job, OffstageError, type State } from 'offstage'
import { fileStore } from 'offstage/file'
import { type ManualClock, manualClock, seededRandom } from 'offstage/testing'
import { defineJobs, type JobContext, NonRetryableError, RetryAfter } from 'offstage/worker'
import { expect, test } from 'vitest'
import { fromThread } from '../../src/pool/protocol.ts'
import { thrownToWire } from '../../src/shared/error-wire.ts'
import type { Port } from '../../src/shared/port.ts'
import { idbMedium } from '../../src/store/idb-medium.ts'
import { Journal } from '../../src/store/journal.ts'
import { memoryStore } from '../../src/store/memory-store.ts'
import type { Store } from '../../src/store/store.ts'
import { MemoryMedium } from '../support/memory-medium.ts'
import { temporaryFolder } from '../support/testing.ts'

const runs = Number(process.env.OFFSTAGE_MODEL_RUNS ?? 500)
const folder = temporaryFolder()
let places = 0

interface Kind {
  /** Makes a place, and answers how to open it. */
  readonly make: () => () => Store
  /** Whether it can be opened while a scheduler of a dead process still has it. */
  readonly canBeKilled: boolean
  /** Real input and output takes its time. */
  readonly runs: number
  readonly isSlow: boolean
  /** Nobody looks on at the jobs: no listeners, no signals, no snapshots. Then most of their moves are made in place. */
  readonly isUnseen?: boolean
}

/** Whatever is committed takes several frames, unless it is one small change. */
const journal = (medium: ConstructorParameters<typeof Journal>[0]) =>
  new Journal(medium, { valueBytesMax: 10_000, frameBytes: 60 })

const kinds: Record<string, Kind> = {
  memory: { make: () => memoryStore, canBeKilled: false, runs, isSlow: false },
  'memory, unseen': { make: () => memoryStore, canBeKilled: false, runs, isSlow: false, isUnseen: true },
  journal: {
    make: () => {
      const frames: Uint8Array[][] = [[]]
      let medium: MemoryMedium | undefined
      return () => {
        medium?.kill()
        medium = new MemoryMedium(frames)
        return journal(medium)
      }
    },
    canBeKilled: true,
    runs,
    isSlow: false,
  },
  idb: {
    make: () => {
      const name = `model-${++places}`
      return () => journal(idbMedium(name, { durability: 'strict', transactionBytes: 100, onTrouble: () => {} }))
    },
    canBeKilled: true,
    runs: Math.ceil(runs / 20),
    isSlow: true,
  },
  file: {
    make: () => {
      const path = `${folder}/model-${++places}`
      return () => fileStore(path, { durability: 'relaxed' })
    },
    canBeKilled: false,
    runs: Math.ceil(runs / 20),
    isSlow: true,
  },
}
const commandsMax = Number(process.env.OFFSTAGE_MODEL_COMMANDS ?? 60)
const backoffMs = 1_000
const interruptionsMax = 3
const crashesMax = 3
/** What ran when its process was killed runs on trial: not before, for so long, and in turns of so long with all else. */
const graceMs = 1_000
const trialMs = 5_000
const turnMs = 10_000
/** A job that ended its thread lets others go first: after so long, and twice as long each time, it is back at its place. */
const restMs = 100

/** Jobs that end when the test says so. Each has a type of its own: types that prove short are sent ahead of time. */
const stage = new Map<string, { finish(): void; fail(error?: Error): void; snooze(ms: number): void }>()
const handlers = Object.fromEntries(
  Array.from({ length: commandsMax * 2 }, (_, index) => [
    `job${index}`,
    (_input: undefined, job: JobContext) =>
      new Promise<string>((resolve, reject) => {
        job.signal.addEventListener('abort', () => reject(job.signal.reason))
        const leave = (throwing: () => never) => {
          try {
            throwing()
          } catch (error) {
            reject(error)
          }
        }
        stage.set(job.id, {
          finish: () => resolve(job.id),
          fail: (error = new Error('failed')) => reject(error),
          snooze: (ms) => leave(() => job.snooze(ms)),
        })
      }),
  ]),
)

interface Expected {
  state: State
  priority: number
  dueAt: number
  readonly seq: number
  readonly attempts: number
  failures: number
  interruptions: number
  crashes: number
  startedAt: number
  restsUntil: number
  runAt: number
  settled: 'no' | 'resolved' | 'rejected'
  /** The signal it was added with counts until the job has ended once, or its process has. */
  hasSignal: boolean
}

/** What the design promises, in the plainest code. */
class Model {
  readonly jobs: Expected[] = []
  isPaused = false
  isQueuePaused = false
  now = 0
  /** When the first suspect of this life was met. */
  openedAt = 0

  add(priority: number, attempts: number, delayMs: number): void {
    const dueAt = this.now + delayMs
    const state = delayMs > 0 ? 'scheduled' : 'queued'
    this.jobs.push({
      state,
      priority,
      dueAt,
      seq: this.jobs.length,
      attempts,
      failures: 0,
      interruptions: 0,
      crashes: 0,
      startedAt: 0,
      restsUntil: 0,
      runAt: dueAt,
      settled: 'no',
      hasSignal: true,
    })
  }

  get running(): Expected | undefined {
    return this.jobs.find(({ state }) => state === 'running')
  }

  get canStart(): boolean {
    const isPaused = this.isPaused || this.isQueuePaused
    return !isPaused && !this.running && this.line.length > 0
  }

  get line(): Expected[] {
    return this.jobs.filter(({ state, restsUntil }) => state === 'queued' && restsUntil <= this.now)
  }

  /** One thread: the first in line starts when nothing runs. */
  start(): void {
    if (!this.canStart) return
    const order = (a: Expected, b: Expected) => b.priority - a.priority || a.dueAt - b.dueAt || a.seq - b.seq
    const isTheirTurn = Math.floor((this.now - this.openedAt) / turnMs) % 2 === 1
    const suspects = this.line.filter(({ crashes }) => crashes > 0)
    const others = this.line.filter(({ crashes }) => crashes === 0)
    const first = suspects.length > 0 && (isTheirTurn || others.length === 0) ? suspects : others
    if (first === suspects && this.now < this.openedAt + graceMs) return
    const [next] = first.sort(order)
    if (next) Object.assign(next, { state: 'running', startedAt: this.now })
  }

  end(job: Expected, state: 'completed' | 'failed' | 'cancelled'): void {
    job.state = state
    if (state === 'completed') job.crashes = 0
    job.hasSignal = false
    job.settled = state === 'completed' ? 'resolved' : 'rejected'
  }

  /** `waitMs`: what the handler asks for, in place of the back-off. */
  fail(job: Expected, waitMs = backoffMs): void {
    job.failures++
    job.crashes = 0
    if (waitMs === Number.POSITIVE_INFINITY || job.failures >= job.attempts) return this.end(job, 'failed')
    this.putOff(job, waitMs)
  }

  snooze(job: Expected, ms: number): void {
    job.crashes = 0
    this.putOff(job, ms)
  }

  putOff(job: Expected, ms: number): void {
    job.state = ms > 0 ? 'scheduled' : 'queued'
    job.runAt = this.now + ms
  }

  crash(): void {
    const job = this.running
    if (!job) return
    job.interruptions++
    job.crashes = 0
    if (job.interruptions === interruptionsMax) this.end(job, 'failed')
    else job.state = 'queued'
    job.restsUntil = this.now + restMs * 2 ** (job.failures + job.interruptions - 1)
  }

  /**
   * Closed at once and opened again: what ran is in line again, and what belonged to the process is gone. The pause of a queue is
   * kept.
   */
  restart(): void {
    this.isPaused = false
    this.openedAt = this.now
    for (const job of this.jobs) {
      if (job.state === 'running') job.state = 'queued'
      // Its promise was rejected; there is another for whoever asks again.
      job.hasSignal = false
      job.restsUntil = 0
    }
  }

  /** The process dies. */
  kill(): void {
    const job = this.running
    this.restart()
    if (job && ++job.crashes === crashesMax) this.end(job, 'failed')
  }

  advance(ms: number): void {
    this.now += ms
    const { running } = this
    if (running && this.now - running.startedAt >= trialMs) running.crashes = 0
    for (const job of this.jobs) if (job.state === 'scheduled' && job.runAt <= this.now) job.state = 'queued'
  }
}

/** The real thing, with hands on its threads and its clock. */
class Real {
  clock: ManualClock = manualClock()
  jobs: Job[] = []
  readonly controllers: AbortController[] = []
  readonly settlements: string[][] = []
  readonly started: string[] = []
  readonly ports: Port[] = []
  scheduler: ReturnType<Real['open']>
  readonly #kind: Kind
  readonly #openStore: () => Store
  readonly #startedAt = this.clock.now()

  constructor(kind: Kind) {
    this.#kind = kind
    this.#openStore = kind.make()
    this.scheduler = this.open()
  }

  open() {
    const source = inline(defineJobs(handlers))
    const serveInline = (port: Port) => {
      this.ports.push(port)
      return source.serveInline(port as never)
    }
    const keepAll = { count: Number.POSITIVE_INFINITY, ageMs: Number.POSITIVE_INFINITY }
    const scheduler = createScheduler(
      { serveInline },
      {
        store: this.#openStore(),
        workers: 1,
        clock: this.clock,
        random: seededRandom(1),
        keep: { completed: keepAll, failed: keepAll, cancelled: keepAll },
      },
    )
    if (!this.#kind.isUnseen) scheduler.on('started', ({ jobId }) => this.started.push(jobId))
    return scheduler
  }

  /** Every promise of the old life has settled; the jobs are found again by their ids. */
  async restart(): Promise<void> {
    await this.scheduler.close({ mode: 'now' })
    await this.settle()
    for (const [index, settlements] of this.settlements.entries())
      expect(settlements, `settlements of ${this.jobs[index]?.id}`).toHaveLength(1)
    await this.#reopen()
  }

  /** The process dies: the old scheduler is left where it is, and never hears of anything again. */
  async kill(): Promise<void> {
    this.clock = manualClock(this.clock.now())
    await this.#reopen()
  }

  async #reopen(): Promise<void> {
    this.scheduler = this.open()
    const jobs = await Promise.all(this.jobs.map(({ id }) => this.scheduler.get(id)))
    this.jobs = jobs as Job[]
    for (const job of this.jobs) this.watch(job)
  }

  get isUnseen(): boolean {
    return this.#kind.isUnseen === true
  }

  /** The states of all jobs, without looking at any of them. */
  async states(): Promise<State[]> {
    const found = new Map<string, State>()
    for (const state of Object.keys(this.scheduler.snapshot().counts) as State[])
      for (const { id } of await this.scheduler.find({ state })) found.set(id, state)
    return this.jobs.map(({ id }) => found.get(id) as State)
  }

  get elapsed(): number {
    return this.clock.now() - this.#startedAt
  }

  async add(priority: number, attempts: number, delayMs: number): Promise<void> {
    const name = `job${this.jobs.length}`
    const controller = new AbortController()
    const { signal } = controller
    this.controllers.push(controller)
    const options = { priority, attempts, delayMs, backoff: { type: 'fixed', delayMs: backoffMs } } as const
    const seen = this.#kind.isUnseen ? options : { ...options, signal }
    const job = (await this.scheduler.add[name]?.(undefined, seen)) as Job
    this.jobs.push(job)
    this.watch(job)
  }

  watch(job: Job): void {
    const settlements: string[] = []
    this.settlements[this.jobs.indexOf(job)] = settlements
    job.result().then(
      () => settlements.push('resolved'),
      () => settlements.push('rejected'),
    )
  }

  /** The thread dies under whatever it runs. */
  crash(): void {
    this.ports.at(-1)?.post([fromThread.fatal, thrownToWire(new Error('crash'))])
  }

  /** Lets every message, microtask and thread start that is on its way arrive. */
  async settle(): Promise<void> {
    for (let pass = 0; pass < (this.#kind.isSlow ? 3 : 1); pass++) {
      for (let turn = 0; turn < 12; turn++) await new Promise((resolve) => setImmediate(resolve))
      // Whatever was written is committed and announced.
      if (this.#kind.isSlow) await this.scheduler.counts().catch(() => {})
    }
  }
}

type Command = { readonly name: string; readonly run: (model: Model, real: Real) => Promise<void> }

const pick = <T>(items: readonly T[], at: number): number => at % items.length
const runningJob = (model: Model, real: Real) => {
  const { running } = model
  return running && { expected: running, id: (real.jobs[running.seq] as Job).id }
}

/** Acts on one job of both; nothing when there is none yet. */
const onJob =
  (act: (expected: Expected, job: Job, model: Model, real: Real) => Promise<void>) =>
  (at: number) =>
  async (model: Model, real: Real) => {
    if (model.jobs.length === 0) return
    const index = pick(model.jobs, at)
    await act(model.jobs[index] as Expected, real.jobs[index] as Job, model, real)
  }

const isLive = ({ state }: Expected): boolean => ['scheduled', 'queued', 'running'].includes(state)

const cancel = onJob(async (expected, job, model) => {
  expect(await job.cancel('test')).toBe(isLive(expected))
  if (isLive(expected)) model.end(expected, 'cancelled')
})
const abort = onJob(async (expected, _job, model, real) => {
  if (real.isUnseen) return
  real.controllers[expected.seq]?.abort(new Error('test'))
  if (expected.hasSignal) model.end(expected, 'cancelled')
})
const retry = onJob(async (expected, job, _model, real) => {
  const canRetry = expected.state === 'failed' || expected.state === 'cancelled'
  expect(await job.retry()).toBe(canRetry)
  if (!canRetry) return
  Object.assign(expected, { state: 'queued', failures: 0, interruptions: 0, crashes: 0, restsUntil: 0, settled: 'no' })
  real.watch(job)
})
const promote = onJob(async (expected, job, model, real) => {
  expect(await real.scheduler.promote(job.id)).toBe(expected.state === 'scheduled')
  if (expected.state !== 'scheduled') return
  expected.state = 'queued'
  expected.dueAt = Math.min(expected.dueAt, model.now)
})
const setPriority = (at: number, priority: number) =>
  onJob(async (expected, job) => {
    expect(await job.setPriority(priority)).toBe(isLive(expected))
    // Who asks for another place gets it at once.
    if (isLive(expected)) Object.assign(expected, { priority, restsUntil: 0 })
  })(at)

async function pauseQueue(model: Model, { scheduler }: Real, isPaused: boolean): Promise<void> {
  model.isQueuePaused = isPaused
  const queue = scheduler.queue('default')
  await (isPaused ? queue.pause() : queue.resume())
}

const restart: Command = {
  name: 'restart',
  run: async (model, real) => {
    model.restart()
    await real.restart()
  },
}

const kill: Command = {
  name: 'kill',
  run: async (model, real) => {
    model.kill()
    await real.kill()
  },
}

const number = fc.nat({ max: 1_000 })
const priority = fc.integer({ min: -2, max: 2 })
const commands: readonly fc.WeightedArbitrary<Command>[] = [
  {
    weight: 6,
    arbitrary: fc
      .tuple(priority, fc.integer({ min: 1, max: 3 }), fc.constantFrom(0, 0, 0, 500, 2 ** 31))
      .map(([p, attempts, delayMs]) => ({
        name: `add(${p}, ${attempts}, ${delayMs})`,
        run: async (model: Model, real: Real) => {
          model.add(p, attempts, delayMs)
          await real.add(p, attempts, delayMs)
        },
      })),
  },
  {
    weight: 2,
    arbitrary: fc.constant({
      name: 'add while the queue is paused',
      run: async (model: Model, real: Real) => {
        await pauseQueue(model, real, true)
        model.add(0, 2, 0)
        await real.add(0, 2, 0)
        await settle(model, real)
        await pauseQueue(model, real, false)
      },
    }),
  },
  {
    weight: 4,
    arbitrary: fc.constant({
      name: 'finish',
      run: async (model: Model, real: Real) => {
        const job = runningJob(model, real)
        if (!job) return
        model.end(job.expected, 'completed')
        stage.get(job.id)?.finish()
      },
    }),
  },
  {
    weight: 3,
    arbitrary: fc.constant({
      name: 'fail',
      run: async (model: Model, real: Real) => {
        const job = runningJob(model, real)
        if (!job) return
        model.fail(job.expected)
        stage.get(job.id)?.fail()
      },
    }),
  },
  {
    weight: 1,
    arbitrary: fc.constant({
      name: 'fail for good',
      run: async (model: Model, real: Real) => {
        const job = runningJob(model, real)
        if (!job) return
        model.fail(job.expected, Number.POSITIVE_INFINITY)
        stage.get(job.id)?.fail(new NonRetryableError('for good'))
      },
    }),
  },
  {
    weight: 2,
    arbitrary: fc.tuple(fc.boolean(), fc.constantFrom(0, 500, 5_000)).map(([isSnooze, ms]) => ({
      name: isSnooze ? `snooze(${ms})` : `ask again(${ms})`,
      run: async (model: Model, real: Real) => {
        const job = runningJob(model, real)
        if (!job) return
        if (isSnooze) model.snooze(job.expected, ms)
        else model.fail(job.expected, ms)
        if (isSnooze) stage.get(job.id)?.snooze(ms)
        else stage.get(job.id)?.fail(new RetryAfter(ms))
      },
    })),
  },
  {
    weight: 5,
    arbitrary: fc.constant({
      name: 'crash',
      run: async (model: Model, real: Real) => {
        if (!model.running) return
        model.crash()
        real.crash()
        await real.settle()
        real.clock.advance(0)
      },
    }),
  },
  ...[
    number.map((at) => ({ name: `cancel(${at})`, run: cancel(at) })),
    number.map((at) => ({ name: `abort(${at})`, run: abort(at) })),
    number.map((at) => ({ name: `retry(${at})`, run: retry(at) })),
    number.map((at) => ({ name: `promote(${at})`, run: promote(at) })),
    fc.tuple(number, priority).map(([at, p]) => ({ name: `setPriority(${at}, ${p})`, run: setPriority(at, p) })),
    fc.constant({
      name: 'pause',
      run: async (model: Model, real: Real) => {
        model.isPaused = true
        real.scheduler.pause()
      },
    }),
    fc.constant({
      name: 'resume',
      run: async (model: Model, real: Real) => {
        model.isPaused = false
        real.scheduler.resume()
      },
    }),
    fc.boolean().map((isPaused) => ({
      name: isPaused ? 'pause the queue' : 'resume the queue',
      run: async (model: Model, real: Real) => pauseQueue(model, real, isPaused),
    })),
  ].map((arbitrary) => ({ weight: 1, arbitrary })),
  {
    weight: 2,
    arbitrary: fc.constantFrom(1, 499, 1_000, 5_000, 2 ** 31).map((ms) => ({
      name: `advance(${ms})`,
      run: async (model: Model, real: Real) => {
        model.advance(ms)
        real.clock.advance(ms)
      },
    })),
  },
]

/** Both go on until nothing changes by itself any more. */
async function settle(model: Model, real: Real): Promise<void> {
  await real.settle()
  model.start()
}

async function compare(model: Model, real: Real, trace: string): Promise<void> {
  const states = model.jobs.map(({ state }) => state)
  expect(await real.states(), trace).toEqual(states)
  if (!real.isUnseen) {
    const snapshots = real.jobs.map((job) => job.snapshot())
    expect(
      snapshots.map(({ state }) => state),
      trace,
    ).toEqual(states)
    expect(
      snapshots.map(({ priority }) => priority),
      trace,
    ).toEqual(model.jobs.map((job) => job.priority))
  }
  expect(
    real.settlements.map((list) => list[0] ?? 'no'),
    trace,
  ).toEqual(model.jobs.map(({ settled }) => settled))
  for (const [state, count] of Object.entries(real.scheduler.snapshot().counts)) {
    expect(count, `${trace}: count of ${state}`).toBe(states.filter((each) => each === state).length)
  }
}

/** On the clock of the test. */
const closeMs = 60_000

const names = Object.keys(kinds)
test.each(names)(
  'any course of events leaves every job where the model has it: %s',
  { timeout: 20 * 60_000 },
  async (name) => {
    const kind = kinds[name] as Kind
    const restarts = { weight: name.startsWith('memory') ? 0 : 2, arbitrary: fc.constant(restart) }
    const kills = { weight: kind.canBeKilled ? 2 : 0, arbitrary: fc.constant(kill) }
    const courses = fc.asyncProperty(
      fc.array(fc.oneof(...commands, restarts, kills), { maxLength: commandsMax }),
      fc.constantFrom('finish', 'now'),
      async (course, mode) => {
        const model = new Model()
        const real = new Real(kind)
        const trace: string[] = []
        for (const { name, run } of course) {
          trace.push(name)
          await run(model, real)
          await settle(model, real)
          await compare(model, real, trace.join(' '))
        }
        const closing = real.scheduler.close({ mode: mode as 'finish' | 'now', timeoutMs: closeMs })
        const last = runningJob(model, real)
        if (last && mode === 'finish') {
          stage.get(last.id)?.finish()
          model.end(last.expected, 'completed')
        }
        await real.settle()
        // What hangs is given up by now, and shows below.
        real.clock.advance(closeMs)
        await closing
        await real.settle()
        // Whoever still waited is told that there is nothing to wait for; nobody is told twice.
        for (const [index, { settled }] of model.jobs.entries()) {
          expect(real.settlements[index], trace.join(' ')).toEqual([settled === 'no' ? 'rejected' : settled])
        }
        expect(real.clock.timers).toBe(0)
        await expect(real.scheduler.counts()).rejects.toThrow(OffstageError)
      },
    )
    await fc.assert(courses, { numRuns: kind.runs, endOnFailure: false })
  },
)

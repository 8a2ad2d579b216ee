// Who ended a thread, its job or its module, where the platform does not say when a module is through: web workers, played
// here by what looks like one, whose module fails when the test says so, or whose jobs do.
import { createScheduler, type SchedulerOptions } from 'offstage'
import { type ManualClock, manualClock } from 'offstage/testing'
import { expect, onTestFinished, test } from 'vitest'
import { isHello } from '../../src/platform/hello.ts'
import { hop, nextTask } from '../../src/platform/hop.ts'
import type { Attempt, PoolWorker } from '../../src/pool/pool-worker.ts'
import { Probation } from '../../src/pool/probation.ts'
import { fromThread, toThread, toThreadFields } from '../../src/pool/protocol.ts'
import { Claims } from '../../src/shared/claims.ts'
import { Journal } from '../../src/store/journal.ts'
import { TimerQueue } from '../../src/timers/timer-queue.ts'
import { MemoryMedium } from '../support/memory-medium.ts'

type Jobs = { work(input: 'good' | 'deadly' | 'long'): string }

/** So much time passes at once. */
const stepMs = 50

interface World {
  readonly clock: ManualClock
  /** So long after `defineJobs` the module fails. */
  failsAfterMs: number | undefined
  /** And so long after its start a deadly job ends its thread. */
  diesAfterMs: number
  readonly workers: ThreadPlay[]
  /** What began, and how old its thread was then. */
  readonly begun: { readonly id: string; readonly ageMs: number }[]
}

class ThreadPlay extends EventTarget {
  readonly #world: World
  readonly #madeAt: number
  #mark = 0
  #claims: Claims | undefined
  #letGo = (): void => {}
  isLoading = true
  isEnded = false

  constructor(world: World) {
    super()
    this.#world = world
    this.#madeAt = world.clock.monotonic()
    world.workers.push(this)
  }

  postMessage(message: unknown): void {
    if (this.isEnded) return
    if (isHello(message)) this.#load(message)
    else this.#receive(message as unknown[])
  }

  #load({ mark, lock }: { readonly mark: number; readonly lock: string }): void {
    if (this.#mark !== 0) return
    this.#mark = mark
    // Node 24 and Deno have locks, and then a thread holds one as long as it lives.
    const held = new Promise<void>((resolve) => {
      this.#letGo = resolve
    })
    const { locks } = (globalThis.navigator ?? {}) as Partial<Navigator>
    const ready = () => {
      this.isLoading = false
      this.#say(fromThread.ready)
      if (this.#world.failsAfterMs !== undefined) this.#endAfter(this.#world.failsAfterMs, 'no database')
    }
    // In a task of its own, as messages come.
    const hold = () => {
      hop(ready)
      return held
    }
    if (locks) void locks.request(lock, hold)
    else void hold()
  }

  #receive(batch: unknown[]): void {
    for (let at = 0; at < batch.length - 1; at += 1 + (toThreadFields[batch[at] as number] as number)) {
      const [operation, wireId] = batch.slice(at, at + 2)
      if (operation === toThread.claims) this.#claims = new Claims(wireId as SharedArrayBuffer)
      if (operation !== toThread.run && operation !== toThread.runFirst) continue
      const [id, input] = [batch[at + 3], batch[at + (operation === toThread.run ? 7 : 4)]]
      queueMicrotask(() => this.#begin(wireId as number, id as string, input as string))
    }
  }

  #begin(wireId: number, id: string, input: string): void {
    const { begun, clock, diesAfterMs } = this.#world
    if (this.#claims && !this.#claims.claim(wireId)) return
    begun.push({ id, ageMs: clock.monotonic() - this.#madeAt })
    this.#say(fromThread.begun, wireId)
    if (input === 'deadly') this.#endAfter(diesAfterMs, 'out of memory')
    if (input === 'good') clock.startTimer(() => this.#say(fromThread.done, wireId, 1, 'done'), 1_000, false)
  }

  #say(...message: unknown[]): void {
    if (this.isEnded) return
    this.dispatchEvent(new MessageEvent('message', { data: [...message, -this.#mark] }))
  }

  #endAfter(ms: number, message: string): void {
    this.#world.clock.startTimer(
      () => this.isEnded || this.dispatchEvent(Object.assign(new Event('error'), { message })),
      ms,
      false,
    )
  }

  terminate(): void {
    this.isLoading = false
    this.isEnded = true
    this.#letGo()
  }
}

function start(options: SchedulerOptions<never> = {}) {
  const clock = manualClock()
  const world: World = { clock, failsAfterMs: undefined, diesAfterMs: 200, workers: [], begun: [] }
  const scheduler = createScheduler<Jobs>(() => new ThreadPlay(world) as never, {
    workers: 1,
    startTimeoutMs: 10_000,
    clock,
    ...options,
  } as never)
  const errors: unknown[] = []
  scheduler.on('worker:exit', ({ error }) => error && errors.push(error))
  onTestFinished(() => scheduler.close({ mode: 'now' }))
  const pass = async (ms: number) => {
    for (let passed = 0; passed < ms; passed += stepMs) {
      // However long that takes here.
      while (world.workers.some(({ isLoading }) => isLoading)) await nextTask()
      clock.advance(stepMs)
      await nextTask()
    }
  }
  const settled = async <Value>(promise: Promise<Value>): Promise<Value | Error> => {
    const outcome = promise.catch((error: Error) => error)
    let isOver = false
    outcome.then(() => {
      isOver = true
    })
    for (await nextTask(); !isOver; ) await pass(stepMs)
    return outcome
  }
  /** Of each of its attempts, whether its thread had lived for longer than it takes a deadly job to end one. */
  const attempts = (id: string) =>
    world.begun.filter((each) => each.id === id).map(({ ageMs }) => (ageMs > world.diesAfterMs ? 'proven' : 'new'))
  return { world, scheduler, errors, pass, settled, attempts }
}

const loadFailed = { code: 'WORKER_LOAD_FAILED', message: expect.stringContaining('no database') }

test('a module that fails later is not loaded, and no job is blamed for it a third time', async () => {
  const { world, scheduler, errors, settled, attempts } = start()
  world.failsAfterMs = 300
  const runs = ['a', 'b', 'c'].map((id) => settled(scheduler.run.work('good', { id })))
  for (const run of runs) expect(await run).toMatchObject(loadFailed)
  for (const id of ['a', 'b', 'c']) expect(attempts(id).length).toBeLessThanOrEqual(2)
  // As with any start that fails: longer and longer pauses.
  expect(errors.map(String).filter((error) => error.includes('tried again in 400 ms'))).toHaveLength(1)
  world.failsAfterMs = undefined
  expect(await settled(scheduler.run.work('good'))).toBe('done')
})

test('what is stored waits until the module is mended', async () => {
  const store = new Journal(new MemoryMedium([[]]), { valueBytesMax: 10_000 })
  const { world, scheduler, pass, settled } = start({ store })
  world.failsAfterMs = 300
  const job = await settled(scheduler.add.work('good'))
  await pass(30_000)
  expect(await scheduler.counts()).toMatchObject({ queued: 1, failed: 0 })
  world.failsAfterMs = undefined
  expect(await settled((job as Awaited<ReturnType<typeof scheduler.add.work>>).result())).toBe('done')
})

test('a deadly job is poisoned the third time, on a thread that had lived for longer than those before', async () => {
  const { scheduler, settled, attempts } = start()
  expect(await settled(scheduler.run.work('deadly', { id: 'a' }))).toMatchObject({
    code: 'JOB_POISONED',
    cause: { code: 'WORKER_CRASHED', message: expect.stringContaining('out of memory') },
  })
  expect(attempts('a')).toEqual(['new', 'new', 'proven'])
  // The module is known to load now.
  expect(await settled(scheduler.run.work('deadly', { id: 'b' }))).toMatchObject({ code: 'JOB_POISONED' })
  expect(attempts('b')).toEqual(['new', 'new', 'new'])
})

test('after a minute that is to be seen again', async () => {
  const { scheduler, pass, settled, attempts } = start()
  await settled(scheduler.run.work('deadly'))
  await pass(61_000)
  await settled(scheduler.run.work('deadly', { id: 'a' }))
  expect(attempts('a')).toEqual(['new', 'new', 'proven'])
})

test('another thread that has lived for longer shows as well that the module loads', async () => {
  const { scheduler, pass, settled, attempts } = start({ workers: 2 })
  scheduler.run.work('long').catch(() => {})
  await pass(1_000)
  await settled(scheduler.run.work('deadly', { id: 'a' }))
  expect(attempts('a')).toEqual(['new', 'new', 'new'])
})

test.each([
  ['none', [], true],
  ['one that took long to load, and has not lived for half as long again since', [0, 399], true],
  ['one that has', [0, 400], false],
])('of other threads, %s', (_what, ages, shields) => {
  const clock = manualClock()
  const probation = new Probation(new TimerQueue(clock), 10_000)
  clock.advance(1_000)
  const workerOf = (madeAt: number, readyAt: number) =>
    ({ madeAt, readyAt, port: { answersEarly: true } }) as PoolWorker
  const attempt = { worker: workerOf(800, 900), record: { interruptions: 2 } } as Attempt
  expect(
    probation.shields(
      attempt,
      ages.map((age) => workerOf(0, 1_000 - age)),
    ),
  ).toBe(shields)
})

test('one that has lived for no longer does not: threads of one module fail together', async () => {
  const { world, scheduler, settled, attempts } = start({ workers: 3 })
  world.failsAfterMs = 300
  const runs = ['a', 'b', 'c'].map((id) => settled(scheduler.run.work('long', { id })))
  for (const run of runs) expect(await run).toMatchObject(loadFailed)
  expect(attempts('a').length).toBeLessThanOrEqual(2)
})

test('a third time on a thread that has lived for less is not counted', async () => {
  const { world, scheduler, pass, settled, attempts } = start({ workers: 2 })
  world.diesAfterMs = 2_000
  const running = settled(scheduler.run.work('deadly', { id: 'a' }))
  while (world.workers.length < 2) await pass(stepMs)
  await pass(500)
  // It gets a thread of its own, which is there when the other one has ended.
  expect(await settled(scheduler.run.work('good'))).toBe('done')
  expect(await running).toMatchObject({ code: 'JOB_POISONED' })
  expect(attempts('a')).toEqual(['new', 'new', 'new', 'proven'])
})

test('it takes no longer than `startTimeoutMs`, and as long if need be', async () => {
  const { world, scheduler, settled, attempts } = start({ startTimeoutMs: 1_000 })
  world.diesAfterMs = 900
  expect(await settled(scheduler.run.work('deadly', { id: 'a' }))).toMatchObject({ code: 'JOB_POISONED' })
  expect(attempts('a')).toEqual(['new', 'new', 'proven'])
  expect(world.begun[2]?.ageMs).toBeLessThan(1_200)
})

test('what has lived for `startTimeoutMs` was not loading', async () => {
  const { world, scheduler, settled, attempts } = start({ startTimeoutMs: 1_000 })
  world.diesAfterMs = 1_000
  expect(await settled(scheduler.run.work('deadly', { id: 'a' }))).toMatchObject({ code: 'JOB_POISONED' })
  expect(attempts('a')).toEqual(['new', 'new', 'new'])
})

test.each(['finish', 'now', 'drain'] as const)(
  'close({ mode: %j }) while a thread shows that it lives',
  async (mode) => {
    const { world, scheduler, pass, settled } = start()
    world.diesAfterMs = 2_000
    const running = scheduler.run.work('deadly', { id: 'a' }).catch((error: unknown) => error)
    while (world.workers.length < 3) await pass(stepMs)
    await pass(100)
    const closing = scheduler.close({ mode })
    // The others need no time for it.
    await (mode === 'drain' ? settled(closing) : closing)
    expect(await running).toMatchObject({ code: mode === 'drain' ? 'JOB_POISONED' : 'SCHEDULER_CLOSED' })
    expect(world.workers.map(({ isEnded }) => isEnded)).toEqual([true, true, true])
    expect(world.clock.timers).toBe(0)
  },
)

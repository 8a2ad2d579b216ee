// What the pool makes of threads that do not listen, or do not live, where nothing but their messages tells.
import { expect, onTestFinished, test } from 'vitest'
import { createRecord, resolveDefaults } from '../../src/job/job-options.ts'
import { nextTask } from '../../src/platform/hop.ts'
import { Pool } from '../../src/pool/pool.ts'
import type { Attempt } from '../../src/pool/pool-worker.ts'
import { fromThread, toThread } from '../../src/pool/protocol.ts'
import { manualClock } from '../../src/shared/manual-clock.ts'
import type { Port } from '../../src/shared/port.ts'
import { TimerQueue } from '../../src/timers/timer-queue.ts'

class Thread implements Port {
  readonly sent: unknown[][] = []
  isClosed = false
  say = (_message: unknown[]): void => {}
  die = (_cause: unknown): void => {}

  post(batch: unknown[]): void {
    // As in pages that are not cross-origin isolated.
    if (batch.some((field) => field instanceof SharedArrayBuffer)) throw new Error('this memory cannot be shared')
    this.sent.push(batch)
  }
  onMessage(listener: (message: unknown[]) => void): void {
    this.say = listener
    queueMicrotask(() => listener([fromThread.ready]))
  }
  onClose(listener: (cause: unknown) => void): void {
    this.die = listener
  }
  async close(): Promise<void> {
    this.isClosed = true
  }
  hold(): void {}
}

function pool(max = 1) {
  const threads: Thread[] = []
  const lost: string[] = []
  const told: string[] = []
  const clock = manualClock()
  const nothing = () => {}
  const options = { min: 1, max, idleMs: 1_000, concurrency: 1, graceMs: 100, startTimeoutMs: 1_000, errors: [] }
  const spawn = async () => {
    const thread = new Thread()
    threads.push(thread)
    return thread
  }
  const made = new Pool<undefined>({ ...options, spawn }, new TimerQueue(clock), {
    parentsOf: () => undefined,
    onBegun: () => told.push('begun'),
    onDone: () => told.push('done'),
    onFailed: nothing,
    onSnoozed: nothing,
    onRateLimited: nothing,
    onWaiting: nothing,
    onProgress: nothing,
    onValue: nothing,
    onLog: nothing,
    onSave: nothing,
    onLost: (_run, loss) => lost.push(loss),
    beforeMessages: nothing,
    afterMessages: nothing,
    onRoom: nothing,
    onOnline: nothing,
    onExit: nothing,
    onStartFailed: nothing,
    hasWork: () => false,
  })
  onTestFinished(() => made.close())
  const grow = async () => {
    made.grow(1)
    await nextTask()
  }
  const reserve = (timeoutMs?: number): Attempt<undefined> => {
    const record = createRecord(
      { id: 'id', name: 'work', input: undefined, seq: 1, lineTime: 0 },
      timeoutMs === undefined ? undefined : { timeoutMs },
      resolveDefaults(undefined),
      0,
    )
    const slot = made.roomFor('work', false)
    if (!slot) throw new Error('there is no room')
    return made.reserve(slot, undefined, record, undefined, false)
  }
  const send = (run: Attempt<undefined>) => {
    made.send(run)
    made.flush()
    return run
  }
  const start = (timeoutMs?: number) => send(reserve(timeoutMs))
  /** So much time that it is looked often enough. */
  const pass = async () => {
    for (let look = 0; look < 8; look++) {
      clock.advance(250)
      await nextTask()
    }
  }
  return { threads, lost, told, clock, grow, reserve, send, start, pass }
}

test('an attempt that would say that it begins, and does not, is taken back, and its thread is ended', async () => {
  const { threads, lost, grow, start, pass } = pool()
  await grow()
  start()
  const [thread] = threads
  expect(thread?.sent).toEqual([[toThread.run, 1, 'work', 'id', 0, 1, 0, undefined]])
  await pass()
  expect(lost).toEqual(['released'])
  expect(thread?.isClosed).toBe(true)
})

test('one that has reported so may take as long as it likes', async () => {
  const { threads, lost, grow, start, pass } = pool()
  await grow()
  const { wireId } = start()
  threads[0]?.say([fromThread.begun, wireId])
  await pass()
  expect([lost, threads[0]?.isClosed]).toEqual([[], false])
})

test('of one that is tiny nothing is known, unless it has a time limit', async () => {
  const { threads, lost, grow, start, pass } = pool()
  await grow()
  for (let time = 0; time < 8; time++) threads[0]?.say([fromThread.done, start().wireId, 10, undefined])
  const { wireId } = start()
  await pass()
  expect(lost).toEqual([])
  threads[0]?.say([fromThread.done, wireId, 10, undefined])
  start(1_000)
  await pass()
  expect(lost).toEqual(['released'])
})

test('a machine that slept, or a page whose timers are late, does not take that for a deaf thread', async () => {
  const { lost, clock, grow, start } = pool()
  await grow()
  start()
  for (const ms of [250, 3_600_000, 3_600_000]) {
    clock.advance(ms)
    await nextTask()
  }
  expect(lost).toEqual([])
})

test('threads that die without a job are replaced after longer and longer pauses, those that a job ended at once', async () => {
  const { threads, clock, grow, start } = pool()
  const dies = async () => {
    threads.at(-1)?.die(new Error('gone'))
    await grow()
    return threads.length
  }
  await grow()
  start()
  expect(await dies()).toBe(2)
  start()
  expect(await dies()).toBe(3)
  expect(await dies()).toBe(4)
  expect(await dies()).toBe(4)
  clock.advance(100)
  await grow()
  expect(await dies()).toBe(5)
  clock.advance(199)
  await grow()
  expect(threads.length).toBe(5)
  clock.advance(1)
  await grow()
  expect(threads.length).toBe(6)
})

test('what a worker reports about an attempt that was not sent is ignored', async () => {
  const { threads, told, grow, reserve, send } = pool()
  await grow()
  const run = reserve()
  threads[0]?.say([fromThread.begun, run.wireId, fromThread.done, run.wireId, 10, 'forged'])
  expect(told).toEqual([])
  send(run)
  threads[0]?.say([fromThread.begun, run.wireId, fromThread.done, run.wireId, 10, 'right'])
  expect(told).toEqual(['begun', 'done'])
})

test('an attempt begins once, however often its thread says so', async () => {
  const { threads, told, grow, start } = pool()
  await grow()
  const { wireId } = start()
  threads[0]?.say([fromThread.begun, wireId, fromThread.begun, wireId])
  threads[0]?.say([fromThread.begun, wireId])
  expect(told).toEqual(['begun'])
})

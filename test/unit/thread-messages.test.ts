// A thread that says what no thread of offstage says: it is ended, its jobs go on elsewhere, and nobody else notices.
import fc from 'fast-check'
import { createScheduler, type Scheduler } from 'offstage'
import { manualClock } from 'offstage/testing'
import { defineJobs, type JobContext } from 'offstage/worker'
import { expect, onTestFinished, test } from 'vitest'
import { fromThread } from '../../src/pool/protocol.ts'
import { isCloneable } from '../../src/shared/clone.ts'
import { type ServeInline, serveInline } from '../../src/shared/inline.ts'
import type { Port } from '../../src/shared/port.ts'
import { heard, turn } from '../support/testing.ts'

let begun: (() => void)[] = []
const jobs = defineJobs({
  echo: (value: unknown) => value,
  /** Ends when the test says so. */
  hold: (value: unknown) => new Promise((resolve) => begun.push(() => resolve(value))),
  async talk(count: number, job: JobContext<number>) {
    for (let n = 1; n <= count; n++) {
      job.progress(n)
      job.log(n)
      await job.send(n)
      await job.checkpoint(n)
      await job.step(`step ${n}`, () => n)
    }
    return count
  },
})

/** A scheduler over threads on whose lines the test can say anything, and a clock that goes on while somebody waits. */
function start(workers = 1) {
  begun = []
  const lines: Port[] = []
  const ends: unknown[] = []
  const serve: ServeInline = (port) => {
    lines.push(port)
    return (jobs as unknown as { [serveInline]: ServeInline })[serveInline](port)
  }
  const clock = manualClock()
  const scheduler: Scheduler<typeof jobs> = createScheduler<typeof jobs>({ serveInline: serve }, { workers, clock })
  scheduler.on('worker:exit', ({ error }) => ends.push(error))
  onTestFinished(() => scheduler.close({ mode: 'now' }))
  const settled = async <Value>(promise: Promise<Value>): Promise<Value> => {
    let isOver = false
    const over = () => {
      isOver = true
    }
    promise.then(over, over)
    while (!isOver) {
      await turn()
      clock.advance(20)
    }
    return promise
  }
  const forge = (message: unknown) => lines.at(-1)?.post(message as never)
  return { scheduler, lines, ends, forge, settled }
}

/** Says the same each time that the job begins, and lets it end when that was heard. */
async function disturb(message: unknown) {
  const { scheduler, ends, forge, settled } = start()
  const running = scheduler.run.hold('right', { id: 'a' }).catch((error) => error)
  while (begun.length === 0) await turn()
  forge(message)
  for (let n = 0; n < 5; n++) await turn()
  const wasEnded = ends.length > 0
  if (wasEnded) await settled(heard(scheduler, 'started'))
  while (begun.length < (wasEnded ? 2 : 1)) await turn()
  for (const end of begun) end()
  return { result: await settled(running), ends, next: await settled(scheduler.run.echo('next')) }
}

/** Of the attempt that runs; nothing has run on that thread before. */
const wireId = 1
const wire = { kind: 'value', value: 'forged' }
const holes = new Array(3)

test.each([
  ['nothing', null],
  ['a text', 'x'],
  ['a number', 7],
  ['an object', {}],
  ['what looks like an array', { length: 3, 0: fromThread.done, 1: wireId, 2: 3 }],
  ['a map', new Map([[1, 2]])],
  ['packed nonsense', { packed: 'x' }],
  ['a list in a list', [[]]],
  ['a list of nothing', [null]],
  ['holes', holes],
  ['an operation that there is not', [99, wireId]],
  ['an operation below all', [-1, wireId]],
  ['half an operation', [fromThread.begun + 0.5, wireId]],
  ['the name of a method', ['map', wireId]],
  ['an operation as text', [`${fromThread.begun}`, wireId]],
  ['a message that is cut off', [fromThread.done, wireId, 1]],
  ['a message behind which nothing is right', [fromThread.begun, wireId, 99]],
  ['a wireId that is no number', [fromThread.begun, {}]],
  ['a wireId that is too large to be one', [fromThread.begun, 10n]],
  ['a time that is no number', [fromThread.done, wireId, 'long', 'forged']],
  ['a time before the beginning', [fromThread.done, wireId, -1, 'forged']],
  ['no time', [fromThread.done, wireId, Number.NaN, 'forged']],
  ['a time without end', [fromThread.failed, wireId, Number.POSITIVE_INFINITY, wire, undefined]],
  ['a failure that asks for no span of time', [fromThread.failed, wireId, 1, wire, 'soon']],
  ['a failure that asks for a time before the beginning', [fromThread.failed, wireId, 1, wire, -1]],
  ['a snooze of no span of time', [fromThread.snoozed, wireId, Number.NaN]],
  ['a rest of no span of time', [fromThread.rateLimited, wireId, -1]],
  ['a snooze without end', [fromThread.snoozed, wireId, Number.POSITIVE_INFINITY]],
  ['a wait for nothing', [fromThread.waiting, wireId, []]],
  ['a wait of no kind', [fromThread.waiting, wireId, [['nap', 'k', '', undefined, 1]]]],
  ['a wait with no key', [fromThread.waiting, wireId, [['sleep', 7, '', undefined, 1]]]],
  ['a wait for a signal with no name', [fromThread.waiting, wireId, [['signal', 'k', null, undefined, 1]]]],
  ['a wait until no time', [fromThread.waiting, wireId, [['sleep', 'k', '', 'later', undefined]]]],
  ['a wait for no span of time', [fromThread.waiting, wireId, [['sleep', 'k', '', undefined, -1]]]],
  ['a log of no list', [fromThread.log, wireId, 5]],
  ['a step with no name', [fromThread.save, wireId, 1, { a: 1 }, 5]],
  ['a step that nobody waits for', [fromThread.save, wireId, 'first', 'step', 5]],
  ['that it is ready, once more', [fromThread.ready]],
])('%s: the thread is ended, and the job runs again', async (_what, message) => {
  const { result, ends, next } = await disturb(message)
  expect(result).toBe('right')
  expect(next).toBe('next')
  expect(ends).toHaveLength(1)
  expect(ends[0]).toMatchObject({ code: 'WORKER_CRASHED', message: expect.stringContaining('an invalid message') })
})

test.each([
  ['an empty message', []],
  ['of an attempt that never was', [fromThread.done, 77, 1, 'forged', fromThread.failed, -3, 1, wire, undefined]],
  ['of the snooze of one that never was', [fromThread.snoozed, 77, 1]],
  ['that it has begun, again and again', [fromThread.begun, wireId, fromThread.begun, wireId]],
  [
    'progress, values and logs',
    [fromThread.progress, wireId, 1, fromThread.value, wireId, 2, fromThread.log, wireId, [3]],
  ],
  ['a checkpoint that it never made', [fromThread.save, wireId, 7, '', 'forged']],
  ['a step that it never made', [fromThread.save, wireId, -7, 'step', 'forged']],
])('%s: harms nobody', async (_what, message) => {
  expect(await disturb(message)).toEqual({ result: 'right', ends: [], next: 'next' })
})

test('valid messages before the first invalid one are handled, and none after it', async () => {
  const { scheduler, forge, settled } = start()
  const results = ['a', 'b'].map((id) => scheduler.run.hold(id))
  while (begun.length === 0) await turn()
  forge([fromThread.done, wireId, 1, 'said', fromThread.log, wireId + 1, 5, fromThread.done, wireId + 1, 1, 'forged'])
  expect(await settled(results[0] as Promise<unknown>)).toBe('said')
  while (begun.length < 2) {
    await turn()
    await settled(turn())
  }
  for (const end of begun) end()
  expect(await settled(results[1] as Promise<unknown>)).toBe('b')
})

test('a job that says such things each time is poison, and its neighbours are not', async () => {
  const { scheduler, forge, settled } = start()
  const running = scheduler.run.hold('never').catch((error) => error)
  const waiting = scheduler.run.echo('waits')
  for (let times = 1; times <= 3; times++) {
    while (begun.length < times) await settled(turn())
    forge([99])
    await settled(turn())
  }
  expect(await settled(running)).toMatchObject({ code: 'JOB_POISONED' })
  expect(await settled(waiting)).toBe('waits')
})

test('before it is ready: it could not be started, and another is', async () => {
  const ports: Port[] = []
  const serve: ServeInline = (port) => {
    ports.push(port)
    if (ports.length === 1) port.post(['x'])
    else return (jobs as unknown as { [serveInline]: ServeInline })[serveInline](port)
    return () => {}
  }
  const scheduler = createScheduler<typeof jobs>({ serveInline: serve }, { workers: 1 })
  onTestFinished(() => scheduler.close({ mode: 'now' }))
  const exit = heard(scheduler, 'worker:exit')
  const result = scheduler.run.echo('right')
  expect((await exit).error).toMatchObject({
    code: 'WORKER_LOAD_FAILED',
    message: expect.stringContaining('an invalid message'),
  })
  expect(await result).toBe('right')
})

// Any message, except one that cannot be told from the truth: that a running attempt has ended.
const live = fc.integer({ min: 1, max: 12 })
const noTicket = fc.oneof(fc.integer({ min: 1_000, max: 5_000 }), fc.integer({ max: 0 }))
const anything = fc.anything({ withBigInt: true, withDate: true, withMap: true, withSet: true, withTypedArray: true })
const retryMs = fc.constantFrom(undefined, 0, 5, Number.POSITIVE_INFINITY)
const messages = fc.oneof(
  fc.tuple(fc.constant(fromThread.begun), live),
  fc.tuple(fc.constantFrom(fromThread.progress, fromThread.value), live, anything),
  fc.tuple(fc.constant(fromThread.log), live, fc.array(anything)),
  fc.tuple(fc.constant(fromThread.save), live, fc.integer(), fc.string(), anything),
  fc.tuple(fc.constant(fromThread.done), noTicket, fc.nat(), anything),
  fc.tuple(fc.constant(fromThread.failed), noTicket, fc.nat(), anything, retryMs),
  fc.tuple(fc.constant(fromThread.snoozed), noTicket, fc.nat()),
)
const wrongTime = fc.oneof(fc.constantFrom(Number.NaN, -1, Number.POSITIVE_INFINITY, null, '1'), fc.object())
const wrongMessages = fc.oneof(
  fc.tuple(fc.constant(fromThread.done), live, wrongTime, anything),
  fc.tuple(fc.constant(fromThread.failed), live, wrongTime, anything, retryMs),
  fc.tuple(fc.constant(fromThread.snoozed), live, wrongTime),
  fc.tuple(fc.constantFrom(fromThread.log, fromThread.save), live, anything),
  fc.tuple(fc.constant(fromThread.fatal), anything),
  fc.array(anything, { minLength: 1, maxLength: 3 }),
)
const message = fc.oneof(
  anything,
  fc.array(messages, { maxLength: 4 }).map((each) => each.flat()),
  fc.tuple(fc.array(messages, { maxLength: 2 }), wrongMessages).map(([right, wrong]) => [...right.flat(), ...wrong]),
)

test('whatever a thread says, every call settles, and what is asked afterwards is answered right', {
  timeout: 10 * 60_000,
}, async () => {
  const courses = fc.asyncProperty(
    fc.array(message.filter(isCloneable), { minLength: 1, maxLength: 4 }),
    fc.integer({ min: 1, max: 2 }),
    async (messages, workers) => {
      const { scheduler, forge, settled } = start(workers)
      const calls = [1, 2, 3].flatMap((n) => [scheduler.run.echo(n), scheduler.run.talk(n)])
      const outcomes = calls.map((call) => call.catch((error) => error.code))
      for (const each of messages) {
        await settled(turn())
        forge(each)
      }
      const expected = [1, 2, 3].flatMap((n) => [n, n])
      for (const [at, outcome] of (await settled(Promise.all(outcomes))).entries())
        expect([expected[at], 'JOB_POISONED']).toContainEqual(outcome)
      expect(await settled(scheduler.run.echo('after'))).toBe('after')
      expect(await settled(scheduler.run.talk(2))).toBe(2)
      expect(await settled(scheduler.counts())).toMatchObject({ queued: 0, running: 0, scheduled: 0 })
      await settled(scheduler.close())
    },
  )
  await fc.assert(courses, { numRuns: 200, endOnFailure: true })
})

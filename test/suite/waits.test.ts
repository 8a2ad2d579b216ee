// Handlers that wait without holding a thread: for a time, for signals, for both; and messages into a job that runs.
import { describe, expect, test } from 'vitest'
import { manualClock } from '../../src/shared/manual-clock.ts'
import { day } from '../fixtures/waits.ts'
import { kinds, stores } from '../support/stores.ts'
import { heard, places, start } from '../support/testing.ts'

const errorOf = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    (value) => expect.unreachable(`resolved with ${String(value)}`),
    (error: unknown) => error,
  )

describe.each(places)('on %s', (place) => {
  describe('sleep', () => {
    test.each(['remind', 'remindYielding'] as const)(
      '%s goes on after days, with what its steps have recorded',
      async (name) => {
        const clock = manualClock()
        const scheduler = start(place, 'waits', { clock })
        const waits: (number | undefined)[] = []
        scheduler.on('waiting', ({ runAt, at }) => {
          waits.push(runAt && runAt - at)
          clock.advance(3 * day)
        })
        const job = await scheduler.add[name](3 * day)
        const sleeps = name === 'remind' ? 2 : 1
        expect(await job.result()).toEqual(name === 'remind' ? ['first in 1', 'second in 2', 3] : ['first in 1', 2])
        expect(waits).toHaveLength(sleeps)
        for (const ms of waits) expect(ms).toBeGreaterThan(3 * day - 1_000)
        expect(job.snapshot()).toMatchObject({ state: 'completed', attempt: sleeps + 1 })
      },
    )

    test('holds no thread and no place, counts as no work, and says why', async () => {
      const clock = manualClock()
      const scheduler = start(place, 'waits', { clock, queues: { narrow: { concurrency: 1 } } })
      const waiting = heard(scheduler, 'waiting')
      const job = await scheduler.add.remind(day, { queue: 'narrow', attempts: 1 })
      const { runAt, signals } = await waiting
      expect(signals).toEqual([])
      expect(job.snapshot()).toMatchObject({ state: 'scheduled', runAt, attempt: 1, error: undefined })
      await scheduler.onIdle()
      expect(scheduler.snapshot()).toMatchObject({ isIdle: true, counts: { scheduled: 1, running: 0 } })
      expect(scheduler.stats().workers.busy).toBe(0)
      expect(await scheduler.run.add([1, 2], { queue: 'narrow' })).toBe(3)
      expect(await scheduler.whyWaiting(job.id)).toMatchObject([
        { reason: 'delayed', detail: expect.stringContaining('handler waits') },
      ])
      await scheduler.close({ mode: 'drain' })
    })

    test('`promote` ends it', async () => {
      const scheduler = start(place, 'waits', { clock: manualClock() })
      const waiting = heard(scheduler, 'waiting')
      const job = await scheduler.add.remindYielding(day)
      await waiting
      expect(await scheduler.promote(job.id)).toBe(true)
      expect(await job.result()).toEqual(['first in 1', 2])
    })

    test('a wall clock that is set back does not make it longer', async () => {
      const clock = manualClock()
      const scheduler = start(place, 'waits', { clock })
      const waiting = heard(scheduler, 'waiting')
      const job = await scheduler.add.remindYielding(day)
      await waiting
      clock.setWall(clock.now() - 10 * day)
      clock.advance(day)
      expect(await job.result()).toEqual(['first in 1', 2])
    })

    test('an async generator waits with `yield*` too, for a signal until a time as well', async () => {
      const clock = manualClock()
      const scheduler = start(place, 'waits', { clock })
      scheduler.on('waiting', () => clock.advance(day))
      expect(await scheduler.run.remindStreaming(day)).toEqual([undefined, 3])
    })

    test('cancelled while it sleeps', async () => {
      const scheduler = start(place, 'waits', { clock: manualClock() })
      const waiting = heard(scheduler, 'waiting')
      const job = await scheduler.add.remind(day)
      const error = errorOf(job.result())
      await waiting
      await job.cancel('enough')
      expect(await error).toMatchObject({ code: 'JOB_CANCELLED', cause: 'enough' })
    })
  })

  describe('waitFor', () => {
    test.each(['approve', 'approveYielding'] as const)('%s goes on when the signal comes', async (name) => {
      const scheduler = start(place, 'waits')
      const waiting = heard(scheduler, 'waiting')
      const job = await scheduler.add[name]({} as never)
      expect(await waiting).toMatchObject({ jobId: job.id, signals: ['approved'], runAt: undefined })
      expect(job.snapshot()).toMatchObject({ state: 'blocked', attempt: 1 })
      expect(await scheduler.whyWaiting(job.id)).toEqual([
        { reason: 'blocked', detail: "It is waiting for the signal 'approved'." },
      ])
      expect(await scheduler.signal(job.id, 'rejected', 'no')).toBe(true)
      expect(job.snapshot()).toMatchObject({ state: 'blocked' })
      const told = heard(scheduler, 'signal')
      expect(await scheduler.signal(job.id, 'approved', 'by Ann')).toBe(true)
      expect(await told).toMatchObject({ jobId: job.id, name, signal: 'approved', value: 'by Ann', attempt: 1 })
      expect(await job.result()).toEqual(name === 'approve' ? { answers: ['by Ann'], attempt: 2 } : 'by Ann')
    })

    test('signals that came before are kept, in order, and each is received once', async () => {
      const scheduler = start(place, 'waits')
      scheduler.pause()
      const job = await scheduler.add.approve({ times: 4 })
      for (const n of [1, 2, 3]) await scheduler.signal(job.id, 'approved', n)
      scheduler.resume()
      await heard(scheduler, 'waiting')
      await scheduler.signal(job.id, 'approved')
      expect(await job.result()).toEqual({ answers: [1, 2, 3, undefined], attempt: 2 })
    })

    test('gives up after `timeoutMs`, with `undefined`; a signal that comes later is for the next wait', async () => {
      const clock = manualClock()
      const scheduler = start(place, 'waits', { clock })
      const first = heard(scheduler, 'waiting')
      const job = await scheduler.add.approve({ timeoutMs: day, times: 2 })
      await first
      expect(job.snapshot()).toMatchObject({ state: 'scheduled' })
      expect(await scheduler.whyWaiting(job.id)).toMatchObject([{ reason: 'delayed' }, { reason: 'blocked' }])
      const second = heard(scheduler, 'waiting')
      clock.advance(day)
      await second
      await scheduler.signal(job.id, 'approved', 'late')
      expect(await job.result()).toEqual({ answers: [undefined, 'late'], attempt: 3 })
    })

    test('several waits at once: the attempt ends when steps beside them are done', async () => {
      const clock = manualClock()
      const scheduler = start(place, 'waits', { clock })
      const first = heard(scheduler, 'waiting')
      const job = await scheduler.add.all()
      expect((await first).signals).toEqual(['a', 'b'])
      const second = heard(scheduler, 'waiting')
      await scheduler.signal(job.id, 'b', 2)
      expect((await second).signals).toEqual(['a'])
      const third = heard(scheduler, 'waiting')
      await scheduler.signal(job.id, 'a', 1)
      expect(await third).toMatchObject({ signals: [] })
      clock.advance(day)
      expect(await job.result()).toEqual({ a: 1, b: 2, attempt: 4 })
    })

    test.each([
      ['a signal', 'stopped'],
      ['a time', 'late'],
    ])('the first of two waits: %s', async (_what, first) => {
      const clock = manualClock()
      const scheduler = start(place, 'waits', { clock })
      const waiting = heard(scheduler, 'waiting')
      const job = await scheduler.add.either()
      await waiting
      if (first === 'stopped') await scheduler.signal(job.id, 'stop')
      else clock.advance(day)
      expect(await job.result()).toEqual({ first, attempt: 2 })
    })

    test('`catch` and `finally` around a wait run only where the handler goes on', async () => {
      const scheduler = start(place, 'waits')
      const waiting = heard(scheduler, 'waiting')
      const job = await scheduler.add.around()
      await waiting
      await scheduler.signal(job.id, 'go')
      expect(await job.result()).toEqual(['try 1', 'try 2', 'finally 2'])
    })

    test('code beside a wait that is no step is given up, and begins no step afterwards', async () => {
      const scheduler = start(place, 'waits')
      const waiting = heard(scheduler, 'waiting')
      const job = await scheduler.add.beside()
      await waiting
      await scheduler.signal(job.id, 'go')
      expect(await job.result()).toEqual(['went on'])
    })

    test('one that nobody waits for holds nothing up', async () => {
      const scheduler = start(place, 'waits')
      expect(await scheduler.run.notAwaited()).toBe('done')
    })

    test('a later attempt gets the same again after a failure', async () => {
      const scheduler = start(place, 'waits')
      const waiting = heard(scheduler, 'waiting')
      const job = await scheduler.add.failAfterWait(undefined, { attempts: 3 })
      await waiting
      await scheduler.signal(job.id, 'go', 'once')
      expect(await job.result()).toEqual(['once', 4])
    })

    test('a job that is cancelled stops waiting, beside a step too', async () => {
      const scheduler = start(place, 'waits')
      const working = heard(scheduler, 'progress')
      const job = await scheduler.add.waitBesideWork()
      const error = errorOf(job.result())
      await working
      await job.cancel()
      expect(await error).toMatchObject({ code: 'JOB_CANCELLED' })
      expect(await scheduler.run.add([1, 1])).toBe(2)
    })

    test('waits whose order is not certain have keys', async () => {
      const scheduler = start(place, 'waits')
      const waiting = heard(scheduler, 'waiting')
      const job = await scheduler.add.keyed()
      await waiting
      await scheduler.signal(job.id, 'go', 1)
      await scheduler.signal(job.id, 'go', 2)
      expect(await job.result()).toEqual([1, 2])
    })

    test('no signal for a job that has ended, or that there is not', async () => {
      const scheduler = start(place, 'waits')
      const job = await scheduler.add.add([1, 1])
      await job.result()
      expect(await scheduler.signal(job.id, 'approved')).toBe(false)
      expect(await scheduler.signal('nobody', 'approved')).toBe(false)
    })
  })

  describe('on', () => {
    test('a signal reaches the attempt that runs, and those that came before, in order', async () => {
      const scheduler = start(place, 'waits')
      scheduler.pause()
      const job = await scheduler.add.listen()
      await scheduler.signal(job.id, 'note', 1)
      await scheduler.signal(job.id, 'note', 2)
      const listening = heard(scheduler, 'progress')
      scheduler.resume()
      await listening
      await scheduler.signal(job.id, 'note', 3)
      await scheduler.signal(job.id, 'stop')
      expect(await job.result()).toEqual([1, 2, 3])
      expect(job.snapshot().attempt).toBe(1)
    })

    test('what a listener has received does not come again', async () => {
      const scheduler = start(place, 'waits')
      const listening = heard(scheduler, 'progress')
      const job = await scheduler.add.listenThenWait(undefined, { attempts: 2 })
      await listening
      const waiting = heard(scheduler, 'waiting')
      await scheduler.signal(job.id, 'note', 'first')
      await waiting
      await scheduler.signal(job.id, 'note', 'second')
      expect(await job.result()).toBe('second')
    })

    test('what a listener throws fails the attempt', async () => {
      const scheduler = start(place, 'waits')
      const listening = heard(scheduler, 'progress')
      const job = await scheduler.add.listenBadly()
      await listening
      await scheduler.signal(job.id, 'note')
      expect(await errorOf(job.result())).toMatchObject({ name: 'RangeError', message: 'bad listener' })
    })
  })

  test.each([
    ['sleep', [-1], '`ms`'],
    ['sleep', ['5'], '`ms`'],
    ['sleep', [Number.NaN], '`ms`'],
    ['sleep', [1, { key: '' }], '`key`'],
    ['sleep', [1, { key: 'offstage:x' }], '`key`'],
    ['sleep', [1, { until: 5 }], '`until`'],
    ['waitFor', [], '`name`'],
    ['waitFor', [''], '`name`'],
    ['waitFor', ['a', { timeoutMs: -1 }], '`timeoutMs`'],
    ['waitFor', ['a', { timeout: 1 }], '`timeout`'],
    ['waitFor', ['a', { key: 7 }], '`key`'],
    ['waitFor', ['a', 5], 'options'],
    ['on', ['a', 5], '`listener`'],
    ['on', [7, () => {}], '`name`'],
  ] as const)('%s(%j) is refused', async (call, args, named) => {
    const scheduler = start(place, 'waits')
    const functions = args.map((arg) => (typeof arg === 'function' ? undefined : arg))
    const error = await errorOf(scheduler.run.wrongArgument({ call, args: functions }))
    expect(error).toMatchObject({ code: 'INVALID_OPTION', message: expect.stringContaining(named) })
  })

  describe('keys', () => {
    test.each([
      ['two steps', 'charge the card', 'refund the card'],
      ['a step and a wait', "step('approved')", 'waitFor'],
      ['a wait and a step', 'waitFor', "step('approved')"],
      ['a wait where a step was recorded', "step('approved')", 'waitFor'],
      ['a step where a wait was recorded', 'waitFor', "step('approved')"],
      ['a sleep where a wait was recorded', 'waitFor', 'sleep'],
      ['another signal in a later attempt', "job.waitFor('a')", "job.waitFor('b')"],
      ['two waits', "job.waitFor('a')", "job.waitFor('b')"],
    ])('%s: the error names both, and the job is not tried again', async (how, one, other) => {
      const scheduler = start(place, 'waits', { clock: manualClock() })
      const error = await errorOf(scheduler.run.wrongKey(how, { attempts: 9 }))
      expect(error).toMatchObject({ code: 'STEP_MISMATCH' })
      expect((error as Error).message).toContain(one)
      expect((error as Error).message).toContain(other)
    })

    test('another signal where one was there at once: the error names both', async () => {
      const scheduler = start(place, 'waits', { clock: manualClock() })
      scheduler.pause()
      const how = 'another signal where one was there at once'
      const job = await scheduler.add.wrongKey(how, { attempts: 9 })
      await scheduler.signal(job.id, 'a')
      scheduler.resume()
      const error = await errorOf(job.result())
      expect(error).toMatchObject({ code: 'STEP_MISMATCH' })
      expect((error as Error).message).toContain("belongs to job.waitFor('a') and to job.waitFor('b')")
    })
  })
})

test.each(kinds.filter((kind) => kind !== 'memory'))('waits and signals outlive the process: %s', async (kind) => {
  const place = stores[kind]()
  const open = () => start('inline', 'waits', { store: place('waits') })
  const first = open()
  const waiting = heard(first, 'waiting')
  const job = await first.add.approve({ times: 2 }, { id: 'order' })
  await waiting
  const again = heard(first, 'waiting')
  await first.signal('order', 'approved', { at: new Date(5) })
  await again
  expect(job.snapshot()).toMatchObject({ state: 'blocked' })
  await first.close()

  const second = open()
  second.pause()
  await second.signal('order', 'other')
  await second.signal('order', 'approved', new Map([[1, 2]]))
  await second.close()

  const third = open()
  const result = await (await third.get<'approve'>('order'))?.result()
  expect(result).toEqual({ answers: [{ at: new Date(5) }, new Map([[1, 2]])], attempt: 3 })
})

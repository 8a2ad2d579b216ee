// Handlers that take many jobs in one call.
import type { Scheduler } from 'offstage'
import { manualClock } from 'offstage/testing'
import { many } from 'offstage/worker'
import { describe, expect, test } from 'vitest'
import type { jobs } from '../fixtures/many.ts'
import { kinds, stores } from '../support/stores.ts'
import { heard, places, start, turn } from '../support/testing.ts'

type Jobs = Scheduler<typeof jobs>

/** Adds jobs of one type in one commit. */
async function addAll(scheduler: Jobs, name: keyof typeof jobs, inputs: readonly unknown[], options: object = {}) {
  return scheduler.addMany(inputs.map((input) => ({ name, input, options })) as never)
}

const outcomesOf = async (added: Awaited<ReturnType<typeof addAll>>) =>
  (await Promise.allSettled(added.map((job) => job.result()))).map((each) =>
    each.status === 'fulfilled' ? each.value : each.reason,
  )

const runAll = async (...args: Parameters<typeof addAll>) => outcomesOf(await addAll(...args))

/** Until a job has reported so often. */
const begun = (scheduler: Jobs, times: number): Promise<void> =>
  new Promise((resolve) => {
    let left = times
    scheduler.on('progress', () => --left === 0 && resolve())
  })

describe.each(places)('on %s', (place) => {
  test('jobs that can start at the same time are together, up to `max`', async () => {
    const scheduler = start(place, 'many')
    await scheduler.run.plain(1)
    expect(await runAll(scheduler, 'together', [1, 2, 3, 4, 5, 6])).toEqual([
      [1, 4],
      [2, 4],
      [3, 4],
      [4, 4],
      [5, 2],
      [6, 2],
    ])
    expect(await scheduler.run.together(7)).toEqual([7, 1])
  })

  test('the first waits `waitMs` for others, and no longer than until they are enough', async () => {
    const clock = manualClock()
    const scheduler = start(place, 'many', { clock })
    await scheduler.run.plain(1)
    const few = [await scheduler.add.patient(1), await scheduler.add.patient(2)]
    await turn()
    expect(few.map((job) => job.snapshot().state)).toEqual(['running', 'running'])
    clock.advance(1_000)
    expect(await outcomesOf(few as never)).toEqual([
      [1, 2],
      [2, 2],
    ])
    expect(await runAll(scheduler, 'patient', [1, 2, 3])).toEqual([
      [1, 3],
      [2, 3],
      [3, 3],
    ])
  })

  test('one that is cancelled while they gather is not among them', async () => {
    const clock = manualClock()
    const scheduler = start(place, 'many', { clock })
    await scheduler.run.plain(1)
    const [one, two] = await addAll(scheduler, 'patient', [1, 2])
    await one?.cancel()
    clock.advance(1_000)
    expect(await two?.result()).toEqual([2, 1])
  })

  test('a signal that comes while they gather is received', async () => {
    const clock = manualClock()
    const scheduler = start(place, 'many', { clock })
    await scheduler.run.plain(1)
    const [one, two] = await addAll(scheduler, 'hears', [1, 2])
    await scheduler.signal(two?.id as string, 'note', 'hello')
    clock.advance(1_000)
    expect(await outcomesOf([one, two] as never)).toEqual([undefined, 'hello'])
  })

  test('an error among the results fails that job alone, which is tried again', async () => {
    const scheduler = start(place, 'many')
    await scheduler.run.plain(1)
    const [, one] = await runAll(scheduler, 'odd', [2, 3])
    expect(one).toMatchObject({ name: 'RangeError', message: '3 is odd' })
    expect(await runAll(scheduler, 'odd', [2, 3, 4, 5], { attempts: 2 })).toEqual([
      [2, 4],
      [3, 2],
      [4, 4],
      [5, 2],
    ])
  })

  test('what the handler throws fails all of them', async () => {
    const scheduler = start(place, 'many')
    await scheduler.run.plain(1)
    const errors = await runAll(scheduler, 'throws', [1, 2])
    expect(errors).toMatchObject([{ message: 'all 2' }, { message: 'all 2' }])
  })

  test('a wrong number of results fails all of them for good, and says both numbers', async () => {
    const scheduler = start(place, 'many')
    await scheduler.run.plain(1)
    const added = await addAll(scheduler, 'tooFew', [1, 2, 3], { attempts: 3 })
    const code = 'INVALID_RESULTS'
    for (const error of await outcomesOf(added))
      expect(error).toMatchObject({ code, message: expect.stringMatching(/an array of 3 results.*got 2/) })
    expect(added.map((job) => job.snapshot().attempt)).toEqual([1, 1, 1])
    expect(await runAll(scheduler, 'nothing', [1])).toMatchObject([
      { code, message: expect.stringContaining('got undefined') },
    ])
  })

  test('progress, steps and checkpoints are those of each job', async () => {
    const scheduler = start(place, 'many')
    await scheduler.run.plain(1)
    const progress = new Map<string, unknown>()
    scheduler.on('progress', (event) => progress.set(event.jobId, event.progress))
    const added = await addAll(scheduler, 'reports', [1, 2, 3], { attempts: 2 })
    expect(await outcomesOf(added)).toEqual([
      ['step 1 in 1', undefined],
      ['step 2 in 1', 2],
      ['step 3 in 1', undefined],
    ])
    expect(added.map(({ id }) => progress.get(id))).toEqual([1, 2, 3])
  })

  test('a job that is cancelled in mid-call costs the others neither their thread nor their results', async () => {
    const clock = manualClock()
    const scheduler = start(place, 'many', { clock, graceMs: 100, concurrency: 2 })
    await scheduler.run.plain(1)
    let exits = 0
    scheduler.on('worker:exit', () => exits++)
    const isBegun = heard(scheduler, 'progress')
    const added = await addAll(scheduler, 'gated', [1, 2, 3])
    await isBegun
    await added[1]?.cancel()
    for (let n = 0; n < 5; n++) {
      clock.advance(100)
      await turn()
    }
    expect(exits).toBe(0)
    await scheduler.run.open()
    const [one, two, three] = await outcomesOf(added)
    expect([one, three]).toEqual([1, 3])
    expect(two).toMatchObject({ code: 'JOB_CANCELLED' })
  })

  test('its signal is aborted, and the rest goes on', async () => {
    const scheduler = start(place, 'many', { graceMs: 60_000 })
    await scheduler.run.plain(1)
    const areBegun = begun(scheduler, 3)
    const added = await addAll(scheduler, 'untilAborted', [false, true, false])
    await areBegun
    await added[1]?.cancel('no more')
    const [one, two, three] = await outcomesOf(added)
    expect([one, three]).toEqual([false, false])
    expect(two).toMatchObject({ code: 'JOB_CANCELLED', cause: 'no more' })
  })

  test('each has its own time limit', async () => {
    const clock = manualClock()
    const scheduler = start(place, 'many', { clock, graceMs: 60_000 })
    await scheduler.run.plain(1)
    const areBegun = begun(scheduler, 2)
    const added = await scheduler.addMany([
      { name: 'untilAborted', input: false },
      { name: 'untilAborted', input: true, options: { timeoutMs: 500 } },
    ])
    await areBegun
    clock.advance(500)
    const [one, two] = await outcomesOf(added as never)
    expect(one).toBe(false)
    expect(two).toMatchObject({ code: 'JOB_TIMEOUT' })
  })

  test('when all of a call are cancelled and it does not end, its thread is ended', async () => {
    const clock = manualClock()
    const scheduler = start(place, 'many', { clock, graceMs: 100 })
    await scheduler.run.plain(1)
    const areBegun = begun(scheduler, 2)
    await addAll(scheduler, 'deaf', [1, 2])
    await areBegun
    const exit = heard(scheduler, 'worker:exit')
    expect(await scheduler.cancel({ name: 'deaf' })).toBe(2)
    clock.advance(100)
    expect((await exit).error).toMatchObject({ code: 'WORKER_CRASHED' })
    expect(await scheduler.run.plain(2)).toBe(2)
  })

  test.runIf(place === 'threads')('when a thread dies in a call, its jobs run one by one', async () => {
    const scheduler = start(place, 'many')
    await scheduler.run.plain(1)
    const [one, two, three] = await runAll(scheduler, 'fatal', ['a', 'crash', 'b'])
    expect([one, three]).toEqual([
      ['a', 1],
      ['b', 1],
    ])
    expect(two).toMatchObject({ code: 'JOB_POISONED' })
  })

  test('each counts for the limits of its queue', async () => {
    const scheduler = start(place, 'many', { queues: { default: { concurrency: 2 } } })
    await scheduler.run.plain(1)
    expect(await runAll(scheduler, 'together', [1, 2, 3])).toEqual([
      [1, 2],
      [2, 2],
      [3, 1],
    ])
  })

  test('a call has one place on its thread', async () => {
    const scheduler = start(place, 'many', { concurrency: 2 })
    await scheduler.run.plain(1)
    const areBegun = begun(scheduler, 3)
    const added = await addAll(scheduler, 'untilAborted', [true, true, true])
    await areBegun
    expect(await scheduler.run.turn(3)).toBe(3)
    await Promise.all(added.map((job) => job.cancel()))
  })

  test('what goes around handlers goes around each job, and one that fails there is not in the call', async () => {
    const scheduler = start(place, 'many')
    await scheduler.run.plain(1)
    const added = await scheduler.addMany([
      { name: 'together', input: 1 },
      { name: 'together', input: 2, options: { headers: { does: 'refuse' } } },
      { name: 'together', input: 3 },
    ])
    const [one, two, three] = await outcomesOf(added as never)
    expect([one, three]).toEqual([
      [1, 2],
      [3, 2],
    ])
    expect(two).toMatchObject({ code: 'MIDDLEWARE_FAILED' })
  })

  test('inputs are brought up and checked one by one', async () => {
    const scheduler = start(place, 'many')
    await scheduler.run.plain(1)
    const added = await scheduler.addMany([
      { name: 'checked', input: 'ann' as never },
      { name: 'checked', input: { name: 'bob' }, options: { version: 2 } },
      { name: 'checked', input: { name: 7 } as never, options: { version: 2 } },
    ])
    const [one, two, three] = await outcomesOf(added as never)
    expect([one, two]).toEqual([
      ['ann', 2],
      ['bob', 2],
    ])
    expect(three).toMatchObject({ code: 'INVALID_INPUT' })
  })

  test('none can wait, and one that puts itself off puts off all', async () => {
    const scheduler = start(place, 'many')
    await scheduler.run.plain(1)
    expect(await runAll(scheduler, 'sleeps', [1])).toMatchObject([
      { code: 'INVALID_OPTION', message: expect.stringContaining('job.sleep() is not for a handler that takes many') },
    ])
    expect(await runAll(scheduler, 'snoozes', [1, 2])).toEqual([
      [1, 2],
      [2, 2],
    ])
  })
})

describe.each(kinds)('with %s', (kind) => {
  test('those whose starts are committed together are together', async () => {
    const scheduler = start('inline', 'many', { store: stores[kind]()('many') } as never)
    expect(await runAll(scheduler, 'together', [1, 2, 3, 4])).toEqual([
      [1, 4],
      [2, 4],
      [3, 4],
      [4, 4],
    ])
  })
})

const handler = () => []
test.each([
  [() => many({ max: 0 }, handler), 'Expected `max` to be an integer from 1 to 1000, got 0'],
  [() => many({} as never, handler), 'Expected `max` to be an integer from 1 to 1000'],
  [() => many({ max: 2, waitMs: -1 }, handler), 'Expected `waitMs` to be'],
  [() => many({ max: 2, wait: 1 } as never, handler), 'There is no option `wait`; there are: max, waitMs'],
  [() => many(5 as never, handler), 'Expected `options` to be an object'],
  [() => many({ max: 2 }, undefined as never), 'Expected `handler` to be a function'],
])('many refuses %s', (call, message) => {
  expect(call).toThrow(message)
})

test('a test may call a handler of many with one job', async () => {
  const double = many({ max: 2 }, (inputs: readonly number[]) =>
    inputs.map((n) => (n < 0 ? new RangeError('less than nothing') : 2 * n)),
  )
  expect(await double(2, undefined as never)).toBe(4)
  await expect(double(-1, undefined as never)).rejects.toThrow('less than nothing')
})

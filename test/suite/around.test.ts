// What goes around the run of each handler.
import type { JobOptions } from 'offstage'
import { defineJobs } from 'offstage/worker'
import { describe, expect, test } from 'vitest'
import { heard, places, start } from '../support/testing.ts'

const errorOf = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    (value) => expect.unreachable(`resolved with ${String(value)}`),
    (error: unknown) => error,
  )

/** Inline, all tests share the trails of the fixture. */
let ids = 0
const newId = () => `job ${++ids}`

const does = (what: string, options: JobOptions = {}) => ({ headers: { does: what }, ...options })

describe.each(places)('on %s', (place) => {
  test('it goes around each run, the first outermost', async () => {
    const id = newId()
    const scheduler = start(place, 'around')
    expect(await scheduler.run.echo(1, { id })).toBe(1)
    expect(await scheduler.run.trail(id)).toEqual(['outer of echo 1', 'inner', 'outer has a result', 'outer releases'])
  })

  test('it may change the input and the result, or answer in place of the handler', async () => {
    const scheduler = start(place, 'around')
    expect(await scheduler.run.echo(4, does('double'))).toBe(8)
    expect(await scheduler.run.echo(4, { headers: { result: 'changed', tenant: 'ann' } })).toEqual([4, 'ann'])
    expect(await scheduler.run.echo(4, does('answer'))).toBe('answered without the handler')
  })

  test('generators are driven within it, and their progress is reported', async () => {
    const scheduler = start(place, 'around')
    const progress = heard(scheduler, 'progress')
    expect(await scheduler.run.steps(3)).toBe(3)
    expect((await progress).progress).toBe(1 / 3)
    expect(await scheduler.run.stream(3)).toBe(3)
  })

  test('what is transferred is transferred', async () => {
    const scheduler = start(place, 'around')
    const bytes = await scheduler.run.move(8)
    expect(bytes).toBeInstanceOf(Uint8Array)
    expect(bytes.length).toBe(8)
  })

  test('an error of the handler stays what it is', async () => {
    const id = newId()
    const scheduler = start(place, 'around')
    const error = await errorOf(scheduler.run.fail('card', { id }))
    expect(error).toMatchObject({ message: 'card' })
    expect(error).not.toHaveProperty('code')
    expect(await scheduler.run.trail(id)).toContain('outer sees card')
  })

  test('an error in it fails its job, and names it', async () => {
    const id = newId()
    const scheduler = start(place, 'around')
    expect(await errorOf(scheduler.run.echo(1, does('throw', { id })))).toMatchObject({
      code: 'MIDDLEWARE_FAILED',
      message: "The middleware 'inner' around the handler has failed: TypeError: no tenant",
      cause: { message: 'no tenant' },
    })
    expect(await scheduler.run.trail(id)).toContain('outer sees MIDDLEWARE_FAILED')
    expect(await errorOf(scheduler.run.echo(1, does('throw unnamed')))).toMatchObject({
      message: "The middleware '3' around the handler has failed: TypeError: nothing",
    })
    expect(await scheduler.run.echo(2)).toBe(2)
  })

  test('it decides about the next attempt as a handler does', async () => {
    const id = newId()
    const scheduler = start(place, 'around')
    const refused = await scheduler.add.echo(1, does('refuse', { attempts: 3 }))
    expect(await errorOf(refused.result())).toMatchObject({ code: 'MIDDLEWARE_FAILED' })
    expect(refused.snapshot().attempt).toBe(1)
    expect(await scheduler.run.echo(1, does('snooze', { id }))).toBe(1)
    expect(await scheduler.run.trail(id)).toContain('outer sees ATTEMPT_ENDED')
    const retrying = heard(scheduler, 'retrying')
    const late = await scheduler.add.echo(1, does('later', { attempts: 2 }))
    await retrying
    expect(await scheduler.whyWaiting(late.id)).toMatchObject([{ reason: 'backing-off' }])
  })

  test('when the handler waits, what is around it ends, and runs again with the next attempt', async () => {
    const id = newId()
    const scheduler = start(place, 'around')
    const waiting = heard(scheduler, 'waiting')
    const job = await scheduler.add.approve(undefined, { id })
    await waiting
    const before = ['outer of approve 1', 'inner', 'outer sees ATTEMPT_ENDED', 'outer releases']
    expect(await scheduler.run.trail(id)).toEqual(before)
    await scheduler.signal(id, 'approved', 'Ann')
    expect(await job.result()).toEqual(['first in 1', 'Ann', 2])
    const after = ['outer of approve 2', 'inner', 'outer has a result', 'outer releases']
    expect(await scheduler.run.trail(id)).toEqual([...before, ...after])
  })

  test('it may wait itself, put the job off, and go around jobs that run jobs', async () => {
    const scheduler = start(place, 'around')
    const waiting = heard(scheduler, 'waiting')
    const job = await scheduler.add.echo('open', does('wait'))
    await waiting
    await scheduler.signal(job.id, 'open')
    expect(await job.result()).toBe('open')
    expect(await scheduler.run.later(undefined)).toBe(2)
    expect(await scheduler.run.parent(4)).toBe(10)
  })

  test('a cancel comes through to the handler', async () => {
    const id = newId()
    const scheduler = start(place, 'around')
    const running = heard(scheduler, 'progress')
    const job = await scheduler.add.endless(undefined, { id })
    await running
    await job.cancel('no more')
    expect(await scheduler.run.trail(id)).toContain('outer sees JOB_CANCELLED')
  })

  test('an unknown job is unknown', async () => {
    const scheduler = start(place, 'around')
    const run = scheduler.run as unknown as Record<string, () => Promise<unknown>>
    expect(await errorOf(run.nothing?.() as Promise<unknown>)).toMatchObject({ code: 'UNKNOWN_JOB' })
  })
})

test.each([
  [{ around: 'x' }, 'Expected `around` to be an array of functions'],
  [{ around: [1] }, 'Expected `around` to be an array of functions'],
  [{ arround: [] }, 'There is no option `arround`; there are: around'],
  [5, 'Expected `options` to be an object'],
])('defineJobs refuses %o', (options, message) => {
  expect(() => defineJobs({}, options as never)).toThrow(message)
})

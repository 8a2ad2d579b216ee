// Handlers whose inputs have versions: older ones are brought up, newer ones wait.
import { versioned } from 'offstage/worker'
import { describe, expect, test } from 'vitest'
import { heard, places, start } from '../support/testing.ts'

const mail = { to: ['ann', 'bob'], subject: 'hello' }

describe.each(places)('on %s', (place) => {
  test('an input is brought up step by step, and the newest one is left alone', async () => {
    const { run } = start(place, 'versions')
    expect(await run.mail('ann' as never)).toBe('none to ann')
    expect(await run.mail({ to: 'ann', subject: 'hi' } as never, { version: 2 })).toBe('hi to ann')
    expect(await run.mail(mail, { version: 3 })).toBe('hello to ann and bob')
  })

  test('the version of a type is said once, and a job may have another', async () => {
    const { run } = start(place, 'versions', { defaults: { mail: { version: 3, tags: ['x'] } } } as never)
    expect(await run.mail(mail)).toBe('hello to ann and bob')
    expect(await run.mail(mail, { headers: { trace: 'x' }, attempts: 2 })).toBe('hello to ann and bob')
    expect(await run.mail('ann' as never, { version: 1 })).toBe('none to ann')
  })

  test('a schema checks the newest version, and middleware sees it', async () => {
    const scheduler = start(place, 'versions')
    const log = heard(scheduler, 'log')
    expect(await scheduler.run.inside('ann' as never)).toBe('ann')
    expect((await log).args).toEqual([{ name: 'ann' }])
    expect(await scheduler.run.outside('ann' as never)).toBe('ann')
    await expect(scheduler.run.inside('' as never)).rejects.toMatchObject({ code: 'INVALID_INPUT' })
    await expect(scheduler.run.outside({ name: '' }, { version: 2 })).rejects.toMatchObject({ code: 'INVALID_INPUT' })
  })

  test('what an upcast throws fails the job', async () => {
    const { run } = start(place, 'versions')
    await expect(run.failing('x')).rejects.toMatchObject({ name: 'TypeError', message: 'cannot be read' })
    expect(await run.failing('x', { version: 2 })).toBe('x')
  })

  test.each(['mail', 'plain'] as const)('%s: an input that is newer than the code waits, and says so', async (name) => {
    const scheduler = start(place, 'versions')
    const waiting = heard(scheduler, 'waiting')
    const job = await scheduler.add[name](mail, { version: 4, attempts: 1 })
    await waiting
    expect(job.snapshot()).toMatchObject({ state: 'blocked', error: undefined })
    expect(await scheduler.whyWaiting(job.id)).toMatchObject([
      {
        reason: 'blocked',
        detail: expect.stringMatching(`version 4.*'${name}' up to version ${name === 'mail' ? 3 : 1}`),
      },
    ])
    await scheduler.onIdle()
    expect(await scheduler.run.plain(1)).toBe(1)
    await scheduler.update(job.id, { input: mail, version: name === 'mail' ? 3 : 1 })
    expect(await job.result()).toEqual(name === 'mail' ? 'hello to ann and bob' : mail)
  })

  test('a child has the version that its parent says', async () => {
    const scheduler = start(place, 'versions')
    expect(await scheduler.run.parent(mail)).toBe('hello to ann and bob')
  })

  test.each([0, 1.5, '2'])('the version %s is refused', async (version) => {
    const scheduler = start(place, 'versions')
    await expect(scheduler.add.plain(1, { version } as never)).rejects.toMatchObject({
      code: 'INVALID_OPTION',
      message: expect.stringContaining('`version`'),
    })
  })
})

const handler = (value: unknown) => value
test.each([
  [() => versioned(0, {}, handler), 'Expected `version` to be an integer from 1'],
  [() => versioned(2, [] as never, handler), 'Expected `upcasts` to be an object'],
  [
    () => versioned(2, {}, handler),
    'a function for version 1, which makes an input of version 2 of its, got undefined',
  ],
  [() => versioned(3, { 1: handler, 2: 7 } as never, handler), 'a function for version 2'],
  [() => versioned(2, { 1: handler, 2: handler }, handler), "functions for versions below 2 alone, got '2'"],
  [() => versioned(1, {}, undefined as never), 'Expected `handler` to be a function'],
])('versioned refuses %s', (call, message) => {
  expect(call).toThrow(message)
})

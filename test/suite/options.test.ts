// What is asked for is what the caller said when it was said.
import { describe, expect, test } from 'vitest'
import { places, start } from '../support/testing.ts'

describe.each(places)('on %s', (place) => {
  test("options are the caller's only until the call returns", async () => {
    const scheduler = start(place, 'values')
    const backoff: Record<string, unknown> = { type: 'fixed', delayMs: 60_000 }
    const tags = ['a']
    const options = { id: 'mine', attempts: 2, backoff, tags, priority: 1 }
    const innocent = scheduler.add.echo('innocent')
    const adding = scheduler.add.echo('mine', options as never)
    Object.assign(backoff, { delayMs: 1, onRetry() {} })
    tags.push('b')
    options.priority = 9
    const inherited = scheduler.add.echo('other', { backoff: Object.create({ type: 'fixed', delayMs: 10 }) })
    const [, job] = await Promise.all([innocent, adding, inherited])
    expect(await scheduler.find({ tag: 'b' })).toEqual([])
    expect(job.snapshot().priority).toBe(1)
    const wrong = { backoff: Object.create({ type: 'fixed', delayMs: 'soon' }) }
    await expect(scheduler.add.echo('wrong', wrong)).rejects.toMatchObject({ code: 'INVALID_OPTION' })
  })

  test("options of a scheduler are the caller's only until it is made", async () => {
    const defaults = { echo: { tags: ['mine'], backoff: { type: 'fixed' as const, delayMs: 1 } } }
    const scheduler = start(place, 'values', { defaults: defaults as never })
    defaults.echo.tags.push('late')
    Object.assign(defaults.echo.backoff, { onRetry() {} })
    await scheduler.add.echo(1)
    expect(await scheduler.find({ tag: 'late' })).toEqual([])
    expect(await scheduler.find({ tag: 'mine' })).toHaveLength(1)
  })
})

// `clean`: removes jobs that ended long enough ago, and nothing else.
import { manualClock } from 'offstage/testing'
import { describe, expect, test } from 'vitest'
import { type Place, places, start, turn } from '../support/testing.ts'

/** Two jobs that ended a second ago, one that ended now, and one that is yet to start. */
async function finished(place: Place) {
  const clock = manualClock()
  const scheduler = start(place, 'jobs', { clock })
  const run = async (name: 'double' | 'fail', id: string, options: object = {}) =>
    scheduler.run[name](id as never, { id, ...options }).catch(() => {})
  await run('double', 'old')
  await run('fail', 'old failed', { queue: 'mails', tags: ['x'] })
  clock.advance(1_000)
  await run('double', 'new')
  await scheduler.add.double(1, { id: 'later', delayMs: 60_000 })
  const left = async () => (await scheduler.find()).map(({ id }) => id)
  return { scheduler, left }
}

describe.each(places)('on %s', (place) => {
  test('removes what ended long enough ago, in whatever way, and nothing else', async () => {
    const { scheduler, left } = await finished(place)
    expect(await scheduler.clean({ olderThanMs: 1_001 })).toBe(0)
    expect(await scheduler.clean({ olderThanMs: 1_000 })).toBe(2)
    expect(await left()).toEqual(['new', 'later'])
    expect(await scheduler.clean({ olderThanMs: 0 })).toBe(1)
    expect(await left()).toEqual(['later'])
  })

  test.each([
    [{ state: 'failed' }, ['old', 'new', 'later']],
    [{ state: ['completed', 'cancelled'] }, ['old failed', 'later']],
    [{ name: 'double' }, ['old failed', 'later']],
    [{ queue: 'mails' }, ['old', 'new', 'later']],
    [{ tag: 'x' }, ['old', 'new', 'later']],
    [{ queue: 'mails', name: 'double' }, ['old', 'old failed', 'new', 'later']],
  ] as const)('%j', async (filter, expected) => {
    const { scheduler, left } = await finished(place)
    await scheduler.clean({ ...filter, olderThanMs: 0 })
    expect(await left()).toEqual(expected)
  })

  test('lets other work in between when there are many, and passes over what was retried meanwhile', async () => {
    const scheduler = start(place, 'jobs', { keep: { cancelled: { count: 10_000 } } })
    scheduler.pause()
    await scheduler.addMany(
      Array.from({ length: 2_500 }, (_, n) => ({ name: 'noop', options: { id: `${n}` } }) as const),
    )
    await scheduler.cancel({ all: true })
    const turns: number[] = []
    let removed = 0
    scheduler.on('removed', () => ++removed)
    const cleaning = scheduler.clean({ olderThanMs: 0 })
    void scheduler.retry('2499')
    const isOver = cleaning.then(() => true)
    while (!(await Promise.race([isOver, turn()]))) turns.push(removed)
    expect(await cleaning).toBe(2_499)
    expect(turns.some((count) => count > 0 && count < 2_499)).toBe(true)
    expect(await scheduler.counts()).toMatchObject({ cancelled: 0, queued: 1 })
  })
})

// `watch`: a list that is kept up to date. It always says what `find` says, and says it with the same objects while nothing changed.
import type { JobSnapshot, Scheduler } from 'offstage'
import { manualClock } from 'offstage/testing'
import { describe, expect, test, vi } from 'vitest'
import { seededRandom } from '../../src/shared/seeded-random.ts'
import type { jobs } from '../fixtures/jobs.ts'
import { heard, places, start, turn } from '../support/testing.ts'

type Jobs = Scheduler<typeof jobs>
const idsOf = (list: readonly { readonly id: string }[]) => list.map(({ id }) => id)
const asFound = async (scheduler: Jobs, filter: Parameters<Jobs['find']>[0]) =>
  (await scheduler.find(filter)).map((job) => ({ ...job.snapshot() }))

describe.each(places)('on %s', (place) => {
  test('jobs come, change and go, in the order of adding', async () => {
    const scheduler = start(place, 'jobs')
    scheduler.pause()
    const list = scheduler.watch()
    expect(list.snapshot()).toEqual([])
    const [a, b] = [await scheduler.add.double(1, { id: 'a' }), await scheduler.add.double(2, { id: 'b', priority: 1 })]
    expect(list.snapshot()).toMatchObject([
      { id: 'a', state: 'queued' },
      { id: 'b', state: 'queued' },
    ])
    await a.setPriority(3)
    expect(list.snapshot()[0]).toMatchObject({ priority: 3 })
    scheduler.resume()
    await Promise.all([a.result(), b.result()])
    expect(list.snapshot().map(({ state }) => state)).toEqual(['completed', 'completed'])
    await scheduler.remove('a')
    expect(idsOf(list.snapshot())).toEqual(['b'])
  })

  test('jobs without other observers are shown as well', async () => {
    const scheduler = start(place, 'jobs')
    const list = scheduler.watch({ state: 'completed' })
    for (let n = 0; n < 5; n++) void scheduler.run.noop()
    await scheduler.onIdle()
    expect(list.snapshot()).toHaveLength(5)
    expect(list.snapshot().every(({ startedAt, finishedAt }) => startedAt && finishedAt)).toBe(true)
  })

  test('a job whose state, tag or queue does not fit is not in it; it comes when it does', async () => {
    const scheduler = start(place, 'jobs')
    scheduler.pause()
    const failed = scheduler.watch({ state: ['failed', 'cancelled'], name: 'double' })
    const tagged = scheduler.watch({ tag: 'x', queue: 'default' })
    const job = await scheduler.add.double(1)
    await scheduler.add.noop()
    expect([failed.snapshot(), tagged.snapshot()]).toEqual([[], []])
    await scheduler.update(job.id, { tags: ['x'] })
    await job.cancel()
    expect([idsOf(failed.snapshot()), idsOf(tagged.snapshot())]).toEqual([[job.id], [job.id]])
    await job.retry()
    expect([idsOf(failed.snapshot()), idsOf(tagged.snapshot())]).toEqual([[], [job.id]])
  })

  test('the newest progress is in it', async () => {
    const scheduler = start(place, 'jobs')
    const list = scheduler.watch({ state: 'running' })
    const job = await scheduler.add.beginAndHang()
    await heard(scheduler, 'progress')
    await vi.waitFor(() => expect(list.snapshot()).toMatchObject([{ progress: 'begun' }]))
    await job.cancel()
    expect(list.snapshot()).toEqual([])
  })

  test('frozen; another array only when something changed, and then the same objects for all that did not', async () => {
    const scheduler = start(place, 'jobs')
    scheduler.pause()
    await scheduler.addMany([{ name: 'noop' }, { name: 'noop' }, { name: 'noop' }])
    const list = scheduler.watch({ queue: 'default' })
    const observer = vi.fn()
    list.subscribe(observer)
    const before = list.snapshot()
    expect(list.snapshot()).toBe(before)
    expect([Object.isFrozen(before), before.every((each) => Object.isFrozen(each))]).toEqual([true, true])
    await scheduler.add.noop(undefined, { queue: 'other' })
    const [, second] = before as [JobSnapshot, JobSnapshot, JobSnapshot]
    await scheduler.setPriority(second.id, second.priority)
    expect([list.snapshot(), observer.mock.calls.length]).toEqual([before, 0])
    expect(list.snapshot()).toBe(before)
    await scheduler.setPriority(second.id, 5)
    const after = list.snapshot()
    expect(observer).toHaveBeenCalledTimes(1)
    expect(after).not.toBe(before)
    expect([after[0] === before[0], after[1] === before[1], after[2] === before[2]]).toEqual([true, false, true])
  })

  test('a burst is one call', async () => {
    // With a clock that stands still it takes no time, so it is not shown piece by piece.
    const scheduler = start(place, 'jobs', { clock: manualClock() })
    scheduler.pause()
    const list = scheduler.watch()
    const observer = vi.fn()
    list.subscribe(observer)
    await Promise.all(Array.from({ length: 500 }, () => scheduler.add.noop()))
    expect(list.snapshot()).toHaveLength(500)
    expect(observer.mock.calls.length).toBeLessThan(3)
  })

  test('of many that fit the first are shown; when these go, the next come up', async () => {
    const scheduler = start(place, 'jobs')
    scheduler.pause()
    const list = scheduler.watch({ state: 'queued', limit: 3 })
    const ids = idsOf(await scheduler.addMany(Array.from({ length: 20 }, () => ({ name: 'noop' }) as const)))
    expect(idsOf(list.snapshot())).toEqual(ids.slice(0, 3))
    for (let gone = 1; gone <= 19; gone++) {
      await scheduler.cancel(ids[gone - 1] as string)
      expect(idsOf(list.snapshot())).toEqual(ids.slice(gone, gone + 3))
    }
    await scheduler.retry(ids[4] as string)
    expect(idsOf(list.snapshot())).toEqual([ids[4], ids[19]])
  })

  test('whatever happens, it says what `find` says', async () => {
    const scheduler = start(place, 'jobs')
    const random = seededRandom(7)
    const pick = <T>(items: readonly T[]) => items[Math.floor(random() * items.length)] as T
    const filters = [
      {},
      { limit: 4 },
      { state: 'queued', limit: 2 },
      { state: ['failed', 'completed'] },
      { tag: 'x', limit: 3 },
      { name: 'double', queue: 'two' },
    ] as const
    const lists = filters.map((filter) => scheduler.watch(filter))
    const ids: string[] = []
    for (let step = 0; step < 300; step++) {
      const id = pick(ids)
      const options = { tags: pick([[], ['x']]), queue: pick(['default', 'two']), delayMs: pick([0, 0, 60_000]) }
      const act = Math.floor(random() * 10)
      if (act < 4 || !id)
        ids.push((await scheduler.add[pick(['double', 'noop', 'fail'] as const)](1 as never, options)).id)
      else if (act === 4) await scheduler.cancel(id)
      else if (act === 5) await scheduler.retry(id)
      else if (act === 6) await scheduler.update(id, { tags: pick([[], ['x']]), priority: pick([1, 2]) })
      else if (act === 7) await scheduler.remove(id)
      else if (act === 8) await scheduler.promote(id)
      else if (scheduler.isPaused) scheduler.resume()
      else scheduler.pause()
      if (step % 10 !== 0) continue
      scheduler.pause()
      await vi.waitFor(async () => expect((await scheduler.counts()).running).toBe(0))
      for (const [at, list] of lists.entries())
        expect(list.snapshot(), `${step}: ${JSON.stringify(filters[at])}`).toEqual(
          await asFound(scheduler, filters[at]),
        )
      scheduler.resume()
    }
  })

  test('closed, it stays as it is, and holds nothing up', async () => {
    const scheduler = start(place, 'jobs')
    const list = scheduler.watch()
    const observer = vi.fn()
    const stop = list.subscribe(observer)
    await scheduler.run.noop()
    const before = list.snapshot()
    expect(before).toHaveLength(1)
    list.close()
    list.close()
    observer.mockClear()
    await scheduler.run.noop()
    expect(list.snapshot()).toBe(before)
    expect(observer).not.toHaveBeenCalled()
    stop()
  })

  test('it ends with the scheduler', async () => {
    const scheduler = start(place, 'jobs')
    const list = scheduler.watch()
    await scheduler.add.noop()
    await scheduler.close()
    expect(list.snapshot()).toHaveLength(1)
    expect(() => scheduler.watch()).toThrow('closed')
  })
})

test('a long list is brought up to date at intervals, and is right in the end', async () => {
  const scheduler = start('inline', 'jobs')
  scheduler.pause()
  const list = scheduler.watch({ state: 'queued', limit: Number.POSITIVE_INFINITY })
  const jobs = await scheduler.addMany(Array.from({ length: 5_000 }, () => ({ name: 'noop' }) as const))
  const observer = vi.fn()
  list.subscribe(observer)
  for (const { id } of jobs.slice(0, 50)) await scheduler.cancel(id)
  // On a busy machine a pass over the list takes a tenth of a second, and the pause after it nine times as long.
  await vi.waitFor(() => expect(list.snapshot()).toHaveLength(4_950), { timeout: 15_000 })
  expect(idsOf(list.snapshot())).toEqual(idsOf(jobs.slice(50)))
  expect(observer.mock.calls.length).toBeLessThan(50)
})

test('a long list is right when the scheduler is closed', async () => {
  const scheduler = start('inline', 'jobs')
  scheduler.pause()
  const list = scheduler.watch({ state: 'queued', limit: Number.POSITIVE_INFINITY })
  const jobs = await scheduler.addMany(Array.from({ length: 5_000 }, () => ({ name: 'noop' }) as const))
  for (const { id } of jobs.slice(0, 20)) await scheduler.cancel(id)
  await scheduler.close({ mode: 'now' })
  expect(idsOf(list.snapshot())).toEqual(idsOf(jobs.slice(20)))
})

test('a list of ten thousand does not hold up jobs that come one after the other', async () => {
  const scheduler = start('inline', 'jobs')
  const later = { name: 'noop', options: { delayMs: 3_600_000 } } as const
  await scheduler.addMany(Array.from({ length: 10_000 }, () => later))
  const list = scheduler.watch({ limit: 20_000 })
  const observer = vi.fn()
  list.subscribe(observer)
  for (let n = 0; n < 300; n++) await scheduler.run.noop()
  expect(observer.mock.calls.length).toBeLessThan(150)
  const all = idsOf(await scheduler.find({ limit: 20_000 }))
  await vi.waitFor(() => expect(idsOf(list.snapshot())).toEqual(all))
})

test('what is no filter is refused', () => {
  const scheduler = start('inline', 'jobs')
  for (const filter of [{ state: 'waiting' }, { after: 'a' }, { limit: 0 }, { nme: 'x' }, [], null])
    expect(() => scheduler.watch(filter as never)).toThrow(expect.objectContaining({ code: 'INVALID_OPTION' }))
  expect(() => scheduler.watch().subscribe('x' as never)).toThrow('`listener`')
})

test('an observer that throws is reported, and harms no other', async () => {
  const scheduler = start('inline', 'jobs')
  const errors: unknown[] = []
  scheduler.on('error', ({ error }) => errors.push(error))
  const list = scheduler.watch()
  const other = vi.fn()
  list.subscribe(() => {
    throw new Error('mine')
  })
  list.subscribe(other)
  await scheduler.run.noop()
  await turn()
  expect(errors[0]).toMatchObject({ message: 'mine' })
  expect(other).toHaveBeenCalled()
})

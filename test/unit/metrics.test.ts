// `offstage/metrics`: what happened, by job type and by queue; the same wherever it is asked, and only what is committed.
import { createScheduler, inline, type Scheduler, type SchedulerOptions } from 'offstage'
import { type Metrics, metrics } from 'offstage/metrics'
import { manualClock } from 'offstage/testing'
import { describe, expect, onTestFinished, test } from 'vitest'
import { jobs } from '../fixtures/jobs.ts'
import type { Jobs } from '../support/engine-cases.ts'
import { Disk } from '../support/full-store.ts'
import { serveOverChannel } from '../support/remote.ts'
import { FakeOrigin, type FakeTab } from '../support/tabs.ts'
import { heard } from '../support/testing.ts'

function start(options: SchedulerOptions<never> = {}): Scheduler<Jobs> {
  const scheduler = createScheduler<Jobs>(inline(jobs as never), { workers: 1, ...options } as never)
  onTestFinished(() => scheduler.close({ mode: 'now' }))
  return scheduler
}

function openIn(tab: FakeTab): Scheduler<Jobs> {
  const scheduler = createScheduler<Jobs>(inline(jobs as never), { workers: 1, store: tab.store } as never)
  onTestFinished(() => (tab.isDead ? undefined : scheduler.close({ mode: 'now' })))
  return scheduler
}

/** Schedulers that ask, all of whose jobs are measured where they run. */
const places: Record<string, () => Promise<Scheduler<Jobs>>> = {
  'an engine of its own': async () => start(),
  'an engine with a store': async () => start({ store: new Disk().store }),
  'a tab that leads': async () => openIn(new FakeOrigin().openTab()),
  'a tab that follows': async () => {
    const origin = new FakeOrigin()
    const leader = openIn(origin.openTab())
    metrics(leader)
    await leader.counts()
    const follower = openIn(origin.openTab())
    await follower.counts()
    return follower
  },
  'a client over a message channel': async () => {
    const { scheduler, client } = serveOverChannel()
    metrics(scheduler)
    return client
  },
}

const itemOf = <Item extends { readonly name: string }>(items: readonly Item[], name: string): Item | undefined =>
  items.find((item) => item.name === name)

const countsOf = (items: Metrics['types'], name: string) => {
  const { added, started, completed, failed, cancelled, retrying, snoozed } = itemOf(items, name) as Metrics['types'][0]
  return { added, started, completed, failed, cancelled, retrying, snoozed }
}

describe.each(Object.entries(places))('in %s', (_name, open) => {
  test('what happened, by type and by queue, as plain data', async () => {
    const scheduler = await open()
    const { read } = metrics(scheduler)
    await scheduler.counts()
    for (const n of [1, 2, 3]) await scheduler.run.double(n, { queue: 'maths' })
    await scheduler.run.fail('no', { attempts: 3, queue: 'mail' }).catch(() => {})
    const cancelled = await scheduler.add.double(1, { delayMs: 1e7 })
    await cancelled.cancel()
    await scheduler.queue('paused').pause()
    const figures = await read()
    const none = { added: 0, started: 0, completed: 0, failed: 0, cancelled: 0, retrying: 0, snoozed: 0 }
    expect(countsOf(figures.types, 'double')).toEqual({ ...none, added: 4, started: 3, completed: 3, cancelled: 1 })
    expect(countsOf(figures.types, 'fail')).toEqual({ ...none, added: 1, started: 3, failed: 1, retrying: 2 })
    expect(countsOf(figures.queues, 'maths')).toEqual({ ...none, added: 3, started: 3, completed: 3 })
    expect(countsOf(figures.queues, 'default')).toEqual({ ...none, added: 1, cancelled: 1 })
    expect(itemOf(figures.queues, 'paused')).toMatchObject({ ...none, isPaused: true, size: 0, running: 0 })
    expect(itemOf(figures.types, 'fail')?.runMs.count).toBe(3)
    expect(itemOf(figures.types, 'fail')?.waitMs.count).toBe(3)
    expect(figures.counts).toMatchObject({ completed: 3, failed: 1, cancelled: 1 })
    expect(figures.at).toBeGreaterThanOrEqual(figures.since)
    expect(JSON.parse(JSON.stringify(figures))).toEqual(figures)
  })
})

test('times and rates go by the clock of the scheduler', async () => {
  const clock = manualClock()
  const scheduler = start({ clock })
  const { read } = metrics(scheduler)
  scheduler.pause()
  const job = await scheduler.add.hang(undefined, { queue: 'slow' })
  clock.advance(4_000)
  const begun = heard(scheduler, 'started')
  scheduler.resume()
  await begun
  clock.advance(1_000)
  await job.cancel()
  await scheduler.run.noop()
  const { types, since, at } = await read()
  expect(at - since).toBe(5_000)
  const hang = itemOf(types, 'hang')
  expect(hang?.waitMs).toMatchObject({ count: 1, sum: 4_000 })
  expect(Math.abs((hang?.waitMs.p50 ?? 0) - 4_000)).toBeLessThan(600)
  // It was cancelled: how long it would have run nobody knows.
  expect(hang?.runMs).toEqual({ count: 0, sum: 0, p50: 0, p95: 0, p99: 0 })
  expect(itemOf(types, 'noop')?.perSecond).toEqual({ added: 0.1, completed: 0.1, failed: 0 })
})

test('what the store refuses is not counted', async () => {
  const disk = new Disk()
  const scheduler = start({ store: disk.store })
  const { read } = metrics(scheduler)
  await scheduler.counts()
  disk.isFull = true
  await expect(scheduler.add.double(1)).rejects.toMatchObject({ code: 'STORE_WRITE_FAILED' })
  disk.isFull = false
  expect(await scheduler.run.double(2)).toBe(4)
  expect(countsOf((await read()).types, 'double')).toMatchObject({ added: 1, completed: 1 })
})

test('beyond 1,000 queues the others are measured together', async () => {
  const scheduler = start()
  const { read } = metrics(scheduler)
  await scheduler.addMany(
    Array.from({ length: 1_003 }, (_, n) => ({ name: 'double' as const, input: n, options: { queue: `user ${n}` } })),
  )
  await scheduler.onIdle()
  const { queues } = await read()
  expect(queues.filter(({ added }) => added > 0)).toHaveLength(1_001)
  expect(itemOf(queues, '')).toMatchObject({ added: 3, completed: 3 })
  expect(itemOf(queues, 'user 999')).toMatchObject({ added: 1 })
})

test('the next leader measures from when it leads; the one before counts no more', async () => {
  const origin = new FakeOrigin()
  const tabs = [origin.openTab(), origin.openTab()] as const
  const first = openIn(tabs[0])
  metrics(first)
  expect(await first.run.double(1)).toBe(2)
  const second = openIn(tabs[1])
  const { read } = metrics(second)
  expect(countsOf((await read()).types, 'double')).toMatchObject({ completed: 1 })
  tabs[0].sleep()
  expect(await second.run.double(2)).toBe(4)
  expect(countsOf((await read()).types, 'double')).toMatchObject({ completed: 1 })
  tabs[0].wake()
  expect(await first.run.double(3)).toBe(6)
  const again = await metrics(first).read()
  expect(countsOf(again.types, 'double')).toMatchObject({ added: 2, completed: 2 })
})

test('only of what createScheduler has made, and where it is measured', async () => {
  expect(() => metrics({} as never)).toThrow('createScheduler')
  const { client } = serveOverChannel()
  await expect(metrics(client).read()).rejects.toMatchObject({ code: 'EXTENSION_MISSING' })
  const scheduler = start()
  const { read } = metrics(scheduler)
  await scheduler.close()
  await expect(read()).rejects.toMatchObject({ code: 'SCHEDULER_CLOSED' })
})

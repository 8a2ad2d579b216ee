// Values that are kept: whatever ends, a process, a tab or a wire, a reader goes on behind the value that it read last. It receives
// every value that is kept once, and a number never stands for two values.
import { createScheduler, inline, type Job, OffstageError, type Scheduler, type SchedulerOptions } from 'offstage'
import { manualClock } from 'offstage/testing'
import { defineJobs, type JobContext } from 'offstage/worker'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import type { Change } from '../../src/store/store.ts'
import { jobs as fixture } from '../fixtures/jobs.ts'
import { read } from '../support/engine-cases.ts'
import { Disk } from '../support/full-store.ts'
import { serve, startClient, Wire } from '../support/remote.ts'
import { FakeOrigin, type FakeTab } from '../support/tabs.ts'
import { heard, turn } from '../support/testing.ts'

const jobs = defineJobs({
  ...fixture,
  /** Sends up to so many values in each attempt. */
  async lines(count: number, job: JobContext<unknown, string>) {
    for (let n = 1; n <= count; n++) {
      await job.send(`${job.attempt}: ${n}`)
      await turn()
    }
    return job.attempt
  },
  async sendEach(values: string[], job: JobContext<unknown, string>) {
    for (const value of values) await job.send(value)
    await turn()
  },
})
type Jobs = typeof jobs

const turns = async (count: number) => {
  for (let n = 0; n < count; n++) await turn()
}

/** A process on this disk. It dies behind so many batches, as the power would end it. */
function boot(disk: Pick<Disk, 'store'>, batches = Number.POSITIVE_INFINITY, options: SchedulerOptions<never> = {}) {
  const { store } = disk
  const clock = manualClock()
  const process = { isDead: false, scheduler: undefined as unknown as Scheduler<Jobs>, clock }
  const commit = (changes: never) => {
    if (process.isDead || batches-- <= 0) {
      process.isDead = true
      return new Promise<void>(() => {})
    }
    return store.commit(changes)
  }
  process.scheduler = createScheduler<Jobs>(inline(jobs), {
    store: { ...store, commit },
    workers: 1,
    clock,
    ...options,
  } as never)
  onTestFinished(() => (process.isDead ? undefined : process.scheduler.close({ mode: 'now' })))
  return process
}

const valueRows = (disk: Disk) => [...disk.rows.values()].filter(({ table }) => table === 'offstage:values')

/** Reads on, and writes down which value had which number. Resolves at the end, or when the process is dead. */
async function readOn(job: Job, known: Map<number, unknown>) {
  const values = job.values({ after: known.size })
  for await (const value of values) {
    const number = values.after as number
    expect(known.has(number)).toBe(false)
    known.set(number, value)
  }
}

test('wherever the process ends, a reader that goes on misses nothing and gets nothing twice', async () => {
  for (let batches = 1; batches < 14; batches++) {
    const disk = new Disk()
    const known = new Map<number, unknown>()
    const first = boot(disk, batches)
    const adding = first.scheduler.add.lines(8, { id: 'a', keepValues: 100 }).then((job) => readOn(job, known))
    await Promise.race([adding, turns(60)])
    const second = boot(disk)
    const job = (await second.scheduler.get('a')) ?? (await second.scheduler.add.lines(8, { id: 'a', keepValues: 100 }))
    const reading = readOn(job, known)
    // What ran when the process ended runs on trial.
    for (let n = 0; n < 8; n++) {
      second.clock.advance(1_000)
      await turns(12)
    }
    await reading
    const kept = [...known].sort(([a], [b]) => a - b).map(([, value]) => value)
    expect([...known.keys()], `after ${batches} batches`).toEqual(kept.map((_, index) => index + 1))
    expect(kept.slice(-8)).toEqual(Array.from({ length: 8 }, (_, n) => `${attemptOf(job)}: ${n + 1}`))
    expect(await read(job.values({ after: 0 }))).toEqual(kept)
  }
})

const attemptOf = (job: Job) => job.snapshot().attempt

test('the store has the newest values and no more, and none of a job that is gone', async () => {
  const disk = new Disk()
  const { scheduler } = boot(disk)
  const job = await scheduler.add.send(100, { id: 'a', keepValues: 10 })
  await job.result()
  expect(
    valueRows(disk)
      .map(({ value }) => (value as [number])[0])
      .sort((a, b) => a - b),
  ).toEqual([91, 92, 93, 94, 95, 96, 97, 98, 99, 100])
  await scheduler.close()
  const next = boot(disk).scheduler
  expect(await read((await next.get('a'))?.values() as never)).toEqual([91, 92, 93, 94, 95, 96, 97, 98, 99, 100])
  await next.remove('a')
  expect(valueRows(disk)).toEqual([])
})

test('a job that is removed while it sends leaves nothing, and neither does one that is replaced', async () => {
  const disk = new Disk()
  const { scheduler } = boot(disk)
  const sends = async (id: string, options = {}) => {
    const job = await scheduler.add.send(1_000, { id, keepValues: 5, ...options })
    const values = job.values()
    await values.next()
    return values
  }
  await sends('a')
  await scheduler.remove('a')
  expect(valueRows(disk)).toEqual([])
  await scheduler.add.send(3, { id: 'b', keepValues: 5 }).then((job) => job.result())
  await scheduler.add.send(1, { id: 'b', keepValues: 5, ifExists: 'replace' }).then((job) => job.result())
  expect(valueRows(disk)).toHaveLength(1)
})

test('values of a job that is gone, as a salvaged store may have them, are dropped; before a gap nothing is kept', async () => {
  const disk = new Disk()
  const first = boot(disk)
  await first.scheduler.add.send(6, { id: 'a', keepValues: 5 }).then((job) => job.result())
  await first.scheduler.close()
  const [record] = disk.records.values()
  const seq = record?.seq as number
  disk.rows.set(JSON.stringify(['offstage:values', `${seq + 1} 1`]), {
    table: 'offstage:values',
    key: `${seq + 1} 1`,
    value: [1, 'stray'],
  })
  disk.rows.delete(JSON.stringify(['offstage:values', `${seq} ${4 % 5}`]))
  const { scheduler } = boot(disk)
  const job = await scheduler.get('a')
  expect(await read(job?.values() as never)).toEqual([5, 6])
  await turns(2)
  expect([...disk.rows.values()].filter(({ key }) => key === `${seq + 1} 1`)).toEqual([])
})

test('a value is told once the store has it', async () => {
  const disk = new Disk()
  const { scheduler, clock } = boot(disk)
  scheduler.pause()
  const job = await scheduler.add.send(1, { keepValues: 5 })
  const onValue = vi.fn()
  job.on('value', onValue)
  const reading = job.values().next()
  const isTold = vi.fn()
  void reading.then(isTold)
  const starts = heard(scheduler, 'started')
  scheduler.resume()
  await starts
  disk.isFull = true
  await turns(10)
  expect(onValue).not.toHaveBeenCalled()
  expect(isTold).not.toHaveBeenCalled()
  disk.isFull = false
  clock.advance(1_000)
  expect(await reading).toEqual({ done: false, value: 1 })
  expect(onValue).toHaveBeenCalledTimes(1)
})

describe('a value that cannot be stored fails its job alone', () => {
  const refusal = (what: string) => new OffstageError('DATA_CLONE', `The ${what} is odd.`, { jobId: 'a' })

  test('found when it arrives', async () => {
    const { store } = new Disk()
    const check = (value: unknown, what: string) => {
      if (value === 'odd') throw refusal(what)
    }
    const { scheduler } = boot({ store: { ...store, check } })
    const job = await scheduler.add.sendEach(['even', 'odd', 'never'], { id: 'a', keepValues: 5, attempts: 3 })
    await expect(job.result()).rejects.toMatchObject({ code: 'DATA_CLONE', message: 'The value is odd.' })
    expect(job.snapshot().attempt).toBe(1)
    expect(await read(job.values())).toEqual(['even'])
  })

  test('found when it is written: its number goes to the next', async () => {
    const { store } = new Disk()
    let isOdd = true
    const commit = async (changes: readonly Change[]) => {
      const isIn = changes.some(({ rows }) => rows?.some(({ value }) => (value as unknown[])?.[1] === 'odd'))
      if (isIn && isOdd) throw refusal('value')
      await store.commit(changes)
    }
    const { scheduler } = boot({ store: { ...store, commit } })
    const job = await scheduler.add.sendEach(['odd', 'even'], { id: 'a', keepValues: 5, attempts: 3 })
    await expect(job.result()).rejects.toMatchObject({ code: 'DATA_CLONE' })
    expect(await scheduler.run.double(1)).toBe(2)
    isOdd = false
    await job.retry()
    await job.result()
    expect(await read(job.values({ after: 0 }))).toEqual(['odd', 'even'])
  })
})

describe('in tabs', () => {
  function startIn(tab: FakeTab): Scheduler<Jobs> {
    const scheduler = createScheduler<Jobs>(inline(jobs), { workers: 1, store: tab.store } as never)
    onTestFinished(() => (tab.isDead ? undefined : scheduler.close({ mode: 'now' })))
    return scheduler
  }

  async function pair() {
    const origin = new FakeOrigin()
    const [leaderTab, followerTab] = [origin.openTab(), origin.openTab()]
    const leader = startIn(leaderTab)
    await leader.counts()
    const follower = startIn(followerTab)
    await follower.counts()
    onTestFinished(() => expect(origin.disk.problems).toEqual([]))
    return { origin, leaderTab, followerTab, leader, follower }
  }

  /** Reads so many values. */
  async function take(values: AsyncIterator<unknown>, count: number) {
    const taken: unknown[] = []
    while (taken.length < count) taken.push((await values.next()).value)
    return taken
  }

  test('a reader in a follower goes on when the leader has gone, with the values of the next attempt', async () => {
    const { leaderTab, follower } = await pair()
    const job = await follower.add.lines(100, { id: 'a', keepValues: 500 })
    const values = job.values({ after: 0 })
    const before = await take(values, 10)
    leaderTab.leave()
    const all = [...before, ...(await read(values))]
    expect(all.slice(-100)).toEqual(Array.from({ length: 100 }, (_, n) => `2: ${n + 1}`))
    expect(await read(job.values({ after: 0 }))).toEqual(all)
  })

  test('a reader in a leader that falls asleep goes on from the next one, and from itself again', async () => {
    const { leader, leaderTab, follower, followerTab } = await pair()
    const job = await leader.add.lines(60, { id: 'a', keepValues: 500 })
    const values = job.values()
    const all = await take(values, 5)
    const leads = heard(follower, 'leader')

    leaderTab.sleep()
    await leads
    leaderTab.wake()
    all.push(...(await take(values, 20)))
    followerTab.leave()
    all.push(...(await read(values)))
    expect(values.after).toBe(all.length)
    expect(await read(job.values({ after: 0 }))).toEqual(all)
  })

  test('a page that is loaded again goes on where it stopped, while the page before it may still be there', async () => {
    const { origin, followerTab, follower } = await pair()
    const job = await follower.add.lines(50, { id: 'a', keepValues: 100 })
    const values = job.values()
    const before = await take(values, 7)
    const page = startIn(origin.openTab())
    const again = (await page.get('a'))?.values({ after: values.after })
    followerTab.leave()
    expect([...before, ...(await read(again as never))]).toEqual(Array.from({ length: 50 }, (_, n) => `1: ${n + 1}`))
  })

  test('a reader in a follower reads to the end of a job that has ended, when the leader goes meanwhile', async () => {
    const { leaderTab, follower } = await pair()
    const job = await follower.add.send(60, { id: 'a', keepValues: 100 })
    await job.result()
    const values = job.values()
    const before = await take(values, 3)
    leaderTab.leave()
    expect([...before, ...(await read(values))]).toEqual(Array.from({ length: 60 }, (_, n) => n + 1))
  })

  test('a reader in a follower that has fallen behind is told so', async () => {
    const { follower } = await pair()
    const job = await follower.add.send(40, { id: 'a', keepValues: 10 })
    await job.result()
    await expect(read(job.values({ after: 29 }))).rejects.toMatchObject({ code: 'VALUES_GONE', jobId: 'a' })
  })
})

test('over a wire that is cut behind any message, each value comes once', async () => {
  for (const type of ['read', 'ack', 'value', 'end'] as const) {
    const host = serve()
    const { scheduler: client, engine } = startClient()
    const wire = new Wire(host, engine)
    wire.connect()
    const job = await client.add.send(100, { keepValues: 200 })
    let cuts = 0
    wire.onPost = (_by, [said]) => {
      if (said !== type || cuts++ > 4) return
      wire.cut()
      void turn().then(() => wire.connect())
    }
    expect(await read(job.values({ after: 0 })), type).toEqual(Array.from({ length: 100 }, (_, n) => n + 1))
    expect(cuts).toBeGreaterThan(0)
    expect(wire.problems).toEqual([])
    wire.onPost = () => {}
  }
})

test('`keepValues` of a type can be taken back by a job', async () => {
  const scheduler = createScheduler<Jobs>(inline(jobs), { defaults: { send: { keepValues: 5 } } })
  onTestFinished(() => scheduler.close({ mode: 'now' }))
  const [kept, none] = [await scheduler.add.send(3), await scheduler.add.send(3, { keepValues: 0 })]
  await kept.result()
  expect(await read(kept.values({ after: 1 }))).toEqual([2, 3])
  expect(() => none.values({ after: 1 })).toThrow('no `keepValues`')
})

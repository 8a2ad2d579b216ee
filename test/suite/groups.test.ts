// Groups of a queue: they take turns, each within limits of its own, also after a restart.

import type { Scheduler, SchedulerOptions } from 'offstage'
import { grouped } from 'offstage/groups'
import { manualClock } from 'offstage/testing'
import { describe, expect, test, vi } from 'vitest'
import { type RateLimit, rateLimitTypes } from '../../src/queue/rate-limit.ts'
import type { Jobs } from '../support/engine-cases.ts'
import { kinds, stores } from '../support/stores.ts'
import { heard, places, start, turn } from '../support/testing.ts'

/** The ids of the jobs that start, in order. */
function startsOf(scheduler: Scheduler<Jobs>): string[] {
  const ids: string[] = []
  scheduler.on('started', ({ jobId }) => void ids.push(jobId))
  return ids
}

const inMail = (group: string | undefined, id: string) => ({ queue: 'mail', id, ...(group !== undefined && { group }) })

describe.each(places)('%s', (place) => {
  const startGrouped = (mail: ReturnType<typeof grouped>, options: SchedulerOptions<never> = {}) =>
    start(place, 'jobs', { queues: { mail }, ...options }) as Scheduler<Jobs>

  test("a user's 10,000 jobs do not hold up another's one", async () => {
    const scheduler = startGrouped(grouped())
    const starts = startsOf(scheduler)
    const many = Array.from({ length: 10_000 }, (_, n) => ({
      name: 'double' as const,
      input: n,
      options: inMail('big', `big ${n}`),
    }))
    await scheduler.pause()
    await scheduler.addMany(many)
    const one = await scheduler.add.double(1, inMail('small', 'small'))
    await scheduler.resume()
    await one.result()
    expect(starts.indexOf('small')).toBeLessThan(3)
  })

  test('no more jobs of a group run at a time than it may; others go on', async () => {
    const scheduler = startGrouped(grouped({ concurrency: 2 }), { concurrency: 10 })
    const running = new Map<string, number>()
    const most = new Map<string, number>()
    const count = (by: number) => (event: { readonly jobId: string }) => {
      const group = event.jobId.slice(0, 1)
      const now = (running.get(group) ?? 0) + by
      running.set(group, now)
      most.set(group, Math.max(most.get(group) ?? 0, now))
    }
    scheduler.on('started', count(1))
    scheduler.on('completed', count(-1))
    const ids = ['a', 'b', 'c', 'd'].flatMap((group) => [1, 2, 3, 4, 5].map((n) => [group, `${group}${n}`] as const))
    await Promise.all(ids.map(([group, id]) => scheduler.run.later(1, inMail(group === 'd' ? undefined : group, id))))
    expect([most.get('a'), most.get('b'), most.get('c')]).toEqual([2, 2, 2])
    // What has no group has no limits of one.
    expect(most.get('d')).toBeGreaterThan(2)
  })

  test('the limits of the queue hold beside those of its groups', async () => {
    const scheduler = startGrouped(grouped({ concurrency: 2 }, { concurrency: 3 }), { concurrency: 10 })
    let [running, most] = [0, 0]
    scheduler.on('started', () => {
      running++
      most = Math.max(most, running)
    })
    scheduler.on('completed', () => void running--)
    await Promise.all(['a', 'b', 'c', 'a', 'b', 'c'].map((group, n) => scheduler.run.later(1, inMail(group, `${n}`))))
    expect(most).toBe(3)
    const [state] = (await scheduler.queues()).filter(({ name }) => name === 'mail')
    expect(state).toMatchObject({ concurrency: 3, size: 0, running: 0 })
  })
})

describe.each(rateLimitTypes)('a rate limit for each group: %s', (type) => {
  test('holds, by the clock of the scheduler', async () => {
    const clock = manualClock()
    const rateLimit: RateLimit = { type, limit: 2, intervalMs: 60_000 }
    const scheduler = start('inline', 'jobs', { clock, queues: { mail: grouped({ rateLimit }) } }) as Scheduler<Jobs>
    const starts = startsOf(scheduler)
    const a = [1, 2, 3, 4].map((n) => scheduler.run.double(n, inMail('a', `a${n}`)))
    const b = [1, 2].map((n) => scheduler.run.double(n, inMail('b', `b${n}`)))
    await Promise.all([...a.slice(0, 2), ...b])
    expect([...starts].sort()).toEqual(['a1', 'a2', 'b1', 'b2'])
    const [why] = await scheduler.whyWaiting('a3')
    expect(why?.reason).toBe('group')
    expect(why?.detail).toContain("The group 'a' starts at most 2 jobs in 60000 ms; the next in ")
    clock.advance(60_000)
    await Promise.all(a)
    expect(starts.slice(4)).toEqual(['a3', 'a4'])
  })
})

test('weights: a table, the rest has 1', async () => {
  const mail = grouped({ weight: { gold: 3 } })
  const scheduler = start('inline', 'jobs', { queues: { mail } }) as Scheduler<Jobs>
  const starts = startsOf(scheduler)
  await scheduler.pause()
  const all = ['gold', 'free'].flatMap((group) =>
    Array.from({ length: 6 }, (_, n) => scheduler.run.double(n, inMail(group, `${group} ${n}`))),
  )
  await scheduler.resume()
  await Promise.all(all)
  expect(starts.map((id) => id[0]).join('')).toBe('gggfgggfffff')
})

test('priorities count within a group, and for the queue among others', async () => {
  const scheduler = start('inline', 'jobs', { queues: { mail: grouped() } }) as Scheduler<Jobs>
  const starts = startsOf(scheduler)
  await scheduler.pause()
  const all = [
    scheduler.run.double(1, { ...inMail('a', 'a low'), priority: -5 }),
    scheduler.run.double(1, { id: 'other', priority: 1 }),
    scheduler.run.double(1, { ...inMail('b', 'b usual') }),
    scheduler.run.double(1, { ...inMail('b', 'b high'), priority: 2 }),
  ]
  await scheduler.resume()
  await Promise.all(all)
  // It is the turn of `a` although its job has the lowest priority, because `b` has one that goes before `other`.
  expect(starts).toEqual(['a low', 'b high', 'other', 'b usual'])
})

test('a queue that is not grouped keeps the group, and does nothing with it', async () => {
  const scheduler = start('inline', 'jobs') as Scheduler<Jobs>
  const starts = startsOf(scheduler)
  await scheduler.pause()
  const all = ['a', 'a', 'b'].map((group, n) => scheduler.run.double(n, inMail(group, `${group}${n}`)))
  await scheduler.resume()
  await Promise.all(all)
  expect(starts).toEqual(['a0', 'a1', 'b2'])
  expect((await scheduler.get('b2'))?.snapshot().group).toBe('b')
})

test('a drain runs the jobs of groups that are paused', async () => {
  const scheduler = start('inline', 'jobs', { queues: { mail: grouped() } }) as Scheduler<Jobs>
  await scheduler.queue('mail').group('a').pause()
  const job = scheduler.run.double(1, inMail('a', 'a'))
  await scheduler.close({ mode: 'drain' })
  expect(await job).toBe(2)
})

describe.each(kinds)('in a %s store', (kind) => {
  const open = stores[kind]()
  const mail = grouped({ strict: true })
  const live = (place: string, clock = manualClock()) => {
    const scheduler = start('inline', 'jobs', { store: open(place), clock, queues: { mail } }) as Scheduler<Jobs>
    return { scheduler, clock, starts: startsOf(scheduler) }
  }

  test('strict: a job that waits for its next attempt holds up those of its group, and no others', async () => {
    const { scheduler, clock, starts } = live('strict')
    const retrying = heard(scheduler, 'retrying')
    const first = scheduler.run.failUntil(2, { ...inMail('a', 'a1'), attempts: 2, backoff: [1_000] })
    const second = scheduler.run.double(2, inMail('a', 'a2'))
    await retrying
    await scheduler.run.double(1, inMail('b', 'b1'))
    await turn()
    expect(starts).toEqual(['a1', 'b1'])
    expect(await scheduler.whyWaiting('a2')).toContainEqual({
      reason: 'group',
      detail: "The group 'a' first goes on with a job that waits for its next attempt.",
    })
    expect(scheduler.queue('mail').size).toBe(1)
    // What only waits for its time keeps the place, whatever is changed about it.
    await scheduler.setPriority('a1', 0)
    await turn()
    expect(starts).toEqual(['a1', 'b1'])
    clock.advance(1_000)
    await Promise.all([first, second])
    expect(starts).toEqual(['a1', 'b1', 'a1', 'a2'])
  })

  test('strict: when the job that holds up its group is cancelled, the next goes on', async () => {
    const { scheduler, starts } = live('cancelled')
    const retrying = heard(scheduler, 'retrying')
    const first = scheduler.run.failUntil(2, { ...inMail('a', 'a1'), attempts: 2, backoff: [1_000] }).catch(() => {})
    const second = scheduler.run.double(2, inMail('a', 'a2'))
    await retrying
    await scheduler.cancel('a1')
    await Promise.all([first, second])
    expect(starts).toEqual(['a1', 'a2'])
  })

  if (kind === 'memory') return

  test('strict: after a restart the job still holds up its group', async () => {
    const first = live('again')
    const retrying = heard(first.scheduler, 'retrying')
    await first.scheduler.add.failUntil(2, { ...inMail('a', 'a1'), attempts: 2, backoff: [1_000] })
    await first.scheduler.add.double(2, inMail('a', 'a2'))
    await retrying
    await first.scheduler.close()

    const { scheduler, clock, starts } = live('again', first.clock)
    const job = await scheduler.get('a2')
    expect(job?.snapshot()).toMatchObject({ group: 'a', state: 'queued' })
    await scheduler.run.double(1, inMail('b', 'b1'))
    expect(starts).toEqual(['b1'])
    clock.advance(1_000)
    await job?.result()
    expect(starts).toEqual(['b1', 'a1', 'a2'])
  })

  test('limits of a group hold after a restart in place of the options, until they are reset', async () => {
    const twice: RateLimit = { type: 'token-bucket', limit: 1, intervalMs: 1_000, burst: 2 }
    const first = live('limits')
    const group = first.scheduler.queue('mail').group('a')
    await group.setRateLimit(twice)
    await group.setWeight(3)
    await first.scheduler.close()

    const second = live('limits')
    await second.scheduler.counts()
    await second.scheduler.pause()
    const add = (id: string) => second.scheduler.add.double(1, inMail(id.slice(0, 1), id))
    const jobs = await Promise.all(['a1', 'a2', 'a3', 'b1', 'b2'].map(add))
    const limited = heard(second.scheduler, 'rate-limited')
    await second.scheduler.resume()
    expect(await limited).toMatchObject({ queue: 'mail', group: 'a' })
    await Promise.all([0, 1, 3, 4].map((at) => jobs[at]?.result()))
    expect(second.starts).toEqual(['a1', 'a2', 'b1', 'b2'])
    await second.scheduler.queue('mail').group('a').reset()
    expect(await jobs[2]?.result()).toBe(2)
    await second.scheduler.close()

    const third = live('limits')
    await third.scheduler.pause()
    const again = ['a1', 'a2', 'a3', 'b1'].map((id) => third.scheduler.run.double(1, inMail(id.slice(0, 1), `${id}'`)))
    await third.scheduler.counts()
    await third.scheduler.resume()
    await Promise.all(again)
    expect(third.starts.indexOf("b1'")).toBe(1)
  })

  test('a group that is paused is so after a restart, and is not kept once it is resumed', async () => {
    const first = live('paused')
    await first.scheduler.queue('mail').group('a').pause()
    await first.scheduler.close()

    const second = live('paused')
    const group = second.scheduler.queue('mail').group('a')
    await second.scheduler.counts()
    expect([group.isPaused, second.scheduler.queue('mail').isPaused]).toEqual([true, false])
    const job = await second.scheduler.add.double(1, inMail('a', 'a1'))
    await second.scheduler.run.double(1, inMail('b', 'b1'))
    expect([job.snapshot().state, group.size]).toEqual(['queued', 1])
    await group.resume()
    expect(await job.result()).toBe(2)
    await second.scheduler.close()

    const third = live('paused')
    await third.scheduler.counts()
    expect(third.scheduler.queue('mail').group('a').isPaused).toBe(false)
    await vi.waitFor(async () => expect(await third.scheduler.run.double(1, inMail('a', 'a2'))).toBe(2))
  })
})

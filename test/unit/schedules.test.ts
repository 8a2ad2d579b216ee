// Schedules on a clock of our own: when they come, what they add, and what becomes of occurrences that nobody was there for.

import fc from 'fast-check'
import { createScheduler, type EventMap, inline, type SchedulerOptions, type Store } from 'offstage'
import { nextRuns, type ScheduleSpec, schedules } from 'offstage/schedules'
import { type ManualClock, manualClock } from 'offstage/testing'
import { defineJobs, versioned } from 'offstage/worker'
import { describe, expect, onTestFinished, test } from 'vitest'
import { Recurrence } from '../../src/schedules/recurrence.ts'
import { Journal } from '../../src/store/journal.ts'
import { Disk } from '../support/full-store.ts'
import { MemoryMedium } from '../support/memory-medium.ts'
import { FakeOrigin, type FakeTab } from '../support/tabs.ts'
import { turn } from '../support/testing.ts'

const [second, minute, hour, day] = [1_000, 60_000, 3_600_000, 86_400_000]
/** The wall time at which clocks here begin: a Thursday. */
const begin = Date.UTC(2026, 0, 1)

/** The jobs of `hold` that run, by id. */
let holding = new Map<string, () => void>()
const jobs = defineJobs({
  tick: (_input: unknown, { headers }) => headers,
  hold: (_input: unknown, { id, signal }) =>
    new Promise<void>((resolve) => {
      holding.set(id, resolve)
      signal.addEventListener('abort', () => resolve())
    }),
})

interface World {
  readonly clock: ManualClock
  readonly store?: Store
  readonly tab?: FakeTab
}

function start({ clock, tab, store = tab?.store }: World, options: SchedulerOptions<never> = {}) {
  holding = new Map()
  const kept = { count: 1_000, ageMs: Number.POSITIVE_INFINITY }
  const scheduler = createScheduler<typeof jobs>(inline(jobs), {
    clock,
    keep: { completed: kept },
    concurrency: 100,
    ...(store && { store }),
    ...options,
  } as never)
  onTestFinished(() => (tab?.isDead ? undefined : scheduler.close({ mode: 'now' })))
  const fired: string[] = []
  const skipped: EventMap['schedule:skipped'][] = []
  scheduler.on('schedule:fired', ({ jobId }) => fired.push(jobId))
  scheduler.on('schedule:skipped', (event) => skipped.push(event))
  return { scheduler, plan: schedules(scheduler), fired, skipped, clock }
}

type Started = ReturnType<typeof start>

const fresh = (options: SchedulerOptions<never> = {}) => start({ clock: manualClock() }, options)

const turns = async (count = 6) => {
  for (let n = 0; n < count; n++) await turn()
}

/** Lets time pass in steps, and everything happen that comes of each. */
async function pass(clock: ManualClock, ms: number, stepMs = ms): Promise<void> {
  for (let passed = 0; passed < ms; passed += stepMs) {
    clock.advance(Math.min(stepMs, ms - passed))
    await turns()
  }
}

/** The machine sleeps: the wall clock goes on, and no timer fires. */
async function sleep(clock: ManualClock, ms: number): Promise<void> {
  clock.setWall(clock.now() + ms)
  await pass(clock, 30 * second)
}

const at = (id: string, ...times: number[]) => times.map((ms) => `${id}@${new Date(begin + ms).toISOString()}`)
const tick = { name: 'tick' } as const
const hold = { name: 'hold' } as const

describe('a schedule', () => {
  test('adds its job at each occurrence, under an id that says which, with the times in its headers', async () => {
    const { scheduler, plan, fired, clock } = fresh()
    const set = await plan.set('a', { everyMs: hour }, { name: 'tick', options: { headers: { tenant: '7' } } })
    expect(set).toMatchObject({ id: 'a', nextAt: begin + hour, count: 0, isPaused: false, lastAt: undefined })
    await pass(clock, 2 * hour, hour)
    expect(fired).toEqual(at('a', hour, 2 * hour))
    const [first, last] = fired.map((id) => scheduler.get(id))
    const iso = (ms: number) => new Date(begin + ms).toISOString()
    expect(await (await first)?.result()).toEqual({ tenant: '7', scheduledFor: iso(hour) })
    expect(await (await last)?.result()).toEqual({ tenant: '7', scheduledFor: iso(2 * hour), previous: iso(hour) })
    expect(await plan.get('a')).toMatchObject({ count: 2, lastJobId: fired[1], nextAt: begin + 3 * hour })
  })

  test('comes at the times of its expression, in its zone', async () => {
    const { plan, fired, clock } = fresh()
    await plan.set('a', { cron: '30 9 * * MON-FRI', timeZone: 'Europe/Berlin' }, tick)
    await pass(clock, 6 * day, hour)
    const morning = 8.5 * hour
    // From Thursday to Tuesday, without the weekend.
    expect(fired).toEqual(at('a', morning, day + morning, 4 * day + morning, 5 * day + morning))
  })

  test('ends with `limit`, with `endAt`, and begins with `startAt`', async () => {
    const { plan, fired, clock } = fresh()
    await plan.set('limited', { everyMs: hour, limit: 2 }, tick)
    await plan.set('ending', { everyMs: hour, endAt: new Date(begin + 2 * hour) }, tick)
    await plan.set('late', { everyMs: hour, startAt: begin + 90 * minute, limit: 2 }, tick)
    await pass(clock, 4 * hour, 10 * minute)
    expect(fired.filter((id) => id.startsWith('limited'))).toEqual(at('limited', hour, 2 * hour))
    // An occurrence at the very end belongs to it.
    expect(fired.filter((id) => id.startsWith('ending'))).toEqual(at('ending', hour, 2 * hour))
    expect(fired.filter((id) => id.startsWith('late'))).toEqual(at('late', 90 * minute, 150 * minute))
    expect((await plan.list()).map(({ id, nextAt, count }) => [id, nextAt, count])).toEqual([
      ['ending', undefined, 2],
      ['late', undefined, 2],
      ['limited', undefined, 2],
    ])
  })

  test('is paused, resumed, triggered and removed', async () => {
    const { scheduler, plan, fired, skipped, clock } = fresh()
    await plan.set('a', { everyMs: hour }, tick)
    expect(await plan.pause('a')).toBe(true)
    await pass(clock, 5.5 * hour, hour)
    expect(fired).toEqual([])
    expect((await plan.get('a'))?.nextAt).toBeUndefined()
    const triggered = (await plan.trigger('a')) as string
    expect(await (await scheduler.get(triggered))?.result()).toEqual({
      scheduledFor: new Date(clock.now()).toISOString(),
    })
    await plan.resume('a')
    await pass(clock, hour, 10 * minute)
    expect(fired).toEqual(at('a', 6 * hour))
    expect(skipped).toEqual([])
    expect([await plan.remove('a'), await plan.remove('a')]).toEqual([true, false])
    await pass(clock, 2 * hour, hour)
    expect(fired).toHaveLength(1)
    for (const call of [plan.pause('a'), plan.resume('a')]) expect(await call).toBe(false)
    expect([await plan.get('a'), await plan.list(), await plan.trigger('a')]).toEqual([undefined, [], undefined])
  })

  test('keeps its place when it is set again with the same times, and counts from now with others', async () => {
    const { scheduler, plan, fired, clock } = fresh()
    await plan.set('a', { everyMs: hour }, tick)
    await pass(clock, 50 * minute)
    await plan.set('a', { everyMs: hour, overlap: 'allow' }, { name: 'tick', input: 'new' })
    await pass(clock, 10 * minute)
    expect(fired).toEqual(at('a', hour))
    expect((await scheduler.get(fired[0] as string))?.input).toBe('new')
    const { nextAt } = await plan.set('a', { everyMs: 2 * hour }, tick)
    expect(nextAt).toBe(begin + 3 * hour)
    const berlin = await plan.set('b', { cron: '0 12 * * *', timeZone: 'Europe/Berlin' }, tick)
    const tokyo = await plan.set('b', { cron: '0 12 * * *', timeZone: 'Asia/Tokyo' }, tick)
    expect([berlin.nextAt, tokyo.nextAt]).toEqual([begin + 11 * hour, begin + 3 * hour])
  })

  test('that is due keeps its place when it is set again while nobody has noticed yet', async () => {
    const { plan, fired, clock } = fresh()
    await plan.set('a', { everyMs: hour }, tick)
    clock.setWall(begin + hour + 1)
    await plan.set('a', { everyMs: hour }, { name: 'tick', input: 2 })
    await pass(clock, 30 * second)
    expect(fired).toEqual(at('a', hour))
  })

  test('of 1,000 schedules one timer is set', async () => {
    const { plan, fired, clock } = fresh()
    const before = clock.timers
    await Promise.all(
      Array.from({ length: 1_000 }, (_, n) => plan.set(`${n}`, { everyMs: minute, jitterMs: 30 * second }, tick)),
    )
    expect(clock.timers - before).toBeLessThanOrEqual(1)
    await pass(clock, 2 * minute, second)
    expect(fired.length).toBeGreaterThanOrEqual(1_000)
    expect(new Set(fired).size).toBe(fired.length)
  })

  test('with jitter comes later, each time as late as it would have anywhere, and never after the next', async () => {
    const times: number[][] = []
    for (let run = 0; run < 2; run++) {
      const { scheduler, plan, clock } = fresh()
      const heard: number[] = []
      scheduler.on('schedule:fired', ({ scheduledFor }) => heard.push(clock.now() - scheduledFor))
      await plan.set('a', { everyMs: 10 * minute, jitterMs: hour }, tick)
      await pass(clock, 2 * hour, minute)
      times.push(heard)
    }
    expect(times[0]).toEqual(times[1])
    expect(times[0]?.length).toBeGreaterThanOrEqual(5)
    for (const late of times[0] as number[]) expect(late).toBeLessThan(11 * minute)
    expect(new Set(times[0]).size).toBeGreaterThan(1)
  })
})

describe('occurrences that were missed', () => {
  const missed = async (spec: Partial<ScheduleSpec>) => {
    const world = fresh()
    await world.plan.set('a', { everyMs: hour, ...spec } as ScheduleSpec, tick)
    await sleep(world.clock, 5.5 * hour)
    return world
  }

  test('the last of them adds a job, by default', async () => {
    const { fired, skipped } = await missed({})
    expect(fired).toEqual(at('a', 5 * hour))
    expect(skipped).toMatchObject([{ reason: 'missed', scheduledFor: begin + hour }])
  })

  test('none of them does with `skip`', async () => {
    const { plan, fired, skipped } = await missed({ missed: 'skip' })
    expect(fired).toEqual([])
    expect(skipped).toMatchObject([{ reason: 'missed', scheduledFor: begin + hour }])
    expect((await plan.get('a'))?.nextAt).toBe(begin + 6 * hour)
  })

  test('all of them do with `all`, one after the other, the newest `missedMax` of them', async () => {
    const world = await missed({ missed: 'all' })
    expect(world.fired).toEqual(at('a', ...[1, 2, 3, 4, 5].map((n) => n * hour)))
    expect(world.skipped).toEqual([])
    expect(await world.scheduler.counts()).toMatchObject({ completed: 5, blocked: 0 })
    const few = await missed({ missed: 'all', missedMax: 2 })
    expect(few.fired).toEqual(at('a', 4 * hour, 5 * hour))
    expect(few.skipped).toMatchObject([{ reason: 'missed', scheduledFor: begin + hour }])
  })

  test('no more of them add a job than `limit` has left', async () => {
    const { plan, fired } = await missed({ missed: 'all', limit: 2 })
    expect(fired).toEqual(at('a', hour, 2 * hour))
    expect((await plan.get('a'))?.nextAt).toBeUndefined()
  })

  test('one that jitter still holds back is not among them', async () => {
    const spec = { everyMs: hour, jitterMs: hour } as const
    const comesAt = (ms: number) => new Recurrence(spec, 'a', begin).comesAt(begin + ms)
    const { plan, fired, clock } = fresh()
    await plan.set('a', spec, tick)
    await sleep(clock, 2 * hour)
    expect(comesAt(2 * hour)).toBeGreaterThan(clock.now())
    expect(fired).toEqual(at('a', hour))
    await pass(clock, comesAt(2 * hour) - clock.now())
    expect(fired).toEqual(at('a', hour, 2 * hour))
  })

  test('wait for each other with `all`, whatever else `overlap` says', async () => {
    const { scheduler, plan, fired, clock } = fresh()
    await plan.set('a', { everyMs: hour, missed: 'all' }, hold)
    await sleep(clock, 3 * hour)
    expect(fired).toHaveLength(3)
    expect(await scheduler.counts()).toMatchObject({ running: 1, blocked: 2 })
    for (const id of fired) {
      expect([...holding.keys()]).toEqual([id])
      holding.get(id)?.()
      holding.delete(id)
      await turns()
    }
    expect(await scheduler.counts()).toMatchObject({ completed: 3, running: 0, blocked: 0 })
  })

  test('are neither cancelled by the next with `replace`, nor left out because only one was missed', async () => {
    const replaced = fresh()
    await replaced.plan.set('a', { everyMs: hour, missed: 'all', overlap: 'replace' }, hold)
    await sleep(replaced.clock, 2.5 * hour)
    expect(await replaced.scheduler.counts()).toMatchObject({ running: 1, blocked: 1, cancelled: 0 })
    const alone = fresh()
    await alone.plan.set('a', { everyMs: hour, missed: 'all' }, hold)
    await pass(alone.clock, hour)
    await sleep(alone.clock, 1.5 * hour)
    expect(await alone.scheduler.counts()).toMatchObject({ running: 1, blocked: 1 })
  })

  test('one that is noticed within a minute was not missed', async () => {
    const { plan, fired, skipped, clock } = fresh()
    await plan.set('a', { everyMs: hour, missed: 'skip' }, tick)
    await sleep(clock, hour)
    expect(fired).toEqual(at('a', hour))
    expect(skipped).toEqual([])
  })

  test.each(['last', 'all'] as const)(
    'ten years of every second: `%s` takes no longer than it has to',
    async (missed) => {
      const { plan, fired, clock } = fresh()
      await plan.set('a', { cron: '* * * * * *', timeZone: 'UTC', missed }, tick)
      await sleep(clock, 3_652 * day)
      // With `all`, a hundred and the one that is there in time.
      expect(fired).toHaveLength(missed === 'last' ? 1 : 101)
      const { nextAt } = (await plan.get('a')) ?? {}
      expect(nextAt).toBeGreaterThan(clock.now())
    },
  )
})

describe('while the job of the occurrence before has not ended', () => {
  const overlapping = async (overlap?: ScheduleSpec['overlap']) => {
    const world = fresh()
    await world.plan.set('a', { everyMs: hour, overlap }, hold)
    await pass(world.clock, 3 * hour, hour)
    return { ...world, counts: await world.scheduler.counts() }
  }

  test('the new one adds none, by default, until it has', async () => {
    const { fired, skipped, counts, clock } = await overlapping()
    expect(counts).toMatchObject({ running: 1 })
    expect(fired).toEqual(at('a', hour))
    expect(skipped.map(({ reason, scheduledFor }) => [reason, scheduledFor - begin])).toEqual([
      ['overlap', 2 * hour],
      ['overlap', 3 * hour],
    ])
    holding.get(fired[0] as string)?.()
    await turns()
    await pass(clock, hour)
    expect(fired).toEqual(at('a', hour, 4 * hour))
  })

  test('both run with `allow`', async () => {
    const { counts } = await overlapping('allow')
    expect(counts).toMatchObject({ running: 3 })
  })

  test('the new one waits with `queue`, also if the one before is cancelled or removed', async () => {
    const { scheduler, fired, counts } = await overlapping('queue')
    expect(counts).toMatchObject({ running: 1, blocked: 2 })
    await scheduler.cancel(fired[1] as string)
    expect(await scheduler.counts()).toMatchObject({ running: 1, blocked: 1 })
    await scheduler.remove(fired[0] as string)
    await turns()
    expect((await scheduler.get(fired[2] as string))?.snapshot().state).toBe('running')
  })

  test('the one before is cancelled with `replace`', async () => {
    const { scheduler, fired, counts } = await overlapping('replace')
    expect(counts).toMatchObject({ running: 1, cancelled: 2 })
    expect((await scheduler.get(fired[2] as string))?.snapshot().state).toBe('running')
  })

  test('and the schedule is changed to `allow`, those that wait go on waiting, and run', async () => {
    const { scheduler, plan, fired, clock } = await overlapping('queue')
    await plan.set('a', { everyMs: hour, overlap: 'allow' }, hold)
    await pass(clock, hour)
    expect(await scheduler.counts()).toMatchObject({ running: 2, blocked: 2 })
    for (let n = 0; n < 3; n++) {
      for (const release of holding.values()) release()
      await turns()
    }
    expect(await scheduler.counts()).toMatchObject({ completed: fired.length, blocked: 0 })
  })

  test('the one before goes on with `replace` as long as there is no room for the new one', async () => {
    const { scheduler, plan, clock } = fresh({ maxQueued: 1 })
    await plan.set('a', { everyMs: hour, overlap: 'replace' }, hold)
    await pass(clock, hour)
    scheduler.pause()
    const other = await scheduler.add.tick(undefined)
    await pass(clock, hour)
    expect(await scheduler.counts()).toMatchObject({ running: 1, queued: 1, cancelled: 0 })
    await other.cancel()
    await pass(clock, second)
    expect(await scheduler.counts()).toMatchObject({ running: 0, queued: 1, cancelled: 2 })
  })

  test('and the schedule is removed, those that wait run', async () => {
    const { scheduler, plan } = await overlapping('queue')
    await plan.remove('a')
    await turns()
    expect(await scheduler.counts()).toMatchObject({ running: 3 })
  })
})

describe('an occurrence is never run twice, and none is lost', () => {
  test('when the clock is set back', async () => {
    const { plan, fired, clock } = fresh()
    await plan.set('a', { cron: '0 * * * *', timeZone: 'UTC' }, tick)
    await pass(clock, 2 * hour + minute, minute)
    clock.setWall(clock.now() - hour)
    await pass(clock, 2 * hour, minute)
    expect(fired).toEqual(at('a', hour, 2 * hour, 3 * hour))
  })

  test('when the clock is set back, and the schedule is paused, changed, or set anew meanwhile', async () => {
    const { plan, fired, clock } = fresh()
    const hourly = { cron: '0 * * * *', timeZone: 'UTC' } as const
    await plan.set('resumed', hourly, tick)
    await plan.set('changed', hourly, tick)
    await plan.set('anew', hourly, tick)
    await pass(clock, 2 * hour + minute, minute)
    clock.setWall(clock.now() - hour)
    await plan.pause('resumed')
    await plan.resume('resumed')
    await plan.set('changed', { cron: '*/30 * * * *', timeZone: 'UTC' }, tick)
    await plan.remove('anew')
    await plan.set('anew', hourly, tick)
    await pass(clock, 2 * hour, minute)
    const of = (id: string) => fired.filter((jobId) => jobId.startsWith(id))
    expect(of('resumed')).toEqual(at('resumed', hour, 2 * hour, 3 * hour))
    expect(of('changed')).toEqual(at('changed', hour, 2 * hour, 2.5 * hour, 3 * hour))
    expect(of('anew')).toEqual(at('anew', hour, 2 * hour, 3 * hour))
    expect((await plan.get('anew'))?.count).toBe(1)
  })

  describe('when the clock was ten years ahead for a minute', () => {
    const hourly = { cron: '0 * * * *', timeZone: 'UTC' } as const
    const years = 3_652 * day
    const half = 30 * minute
    const ahead = async (clock: ManualClock) => {
      await pass(clock, hour, minute)
      await sleep(clock, years + half)
      await pass(clock, minute)
    }

    test.each(['last', 'skip', 'all'] as const)('it comes again within its period: %s', async (missed) => {
      const { plan, fired, clock } = fresh()
      await plan.set('a', { ...hourly, missed, overlap: 'allow', missedMax: 2 }, tick)
      await ahead(clock)
      const then: string[] = { skip: [], last: at('a', hour + years), all: at('a', years, hour + years) }[missed]
      expect(fired).toEqual([...at('a', hour), ...then])
      clock.setWall(clock.now() - years - half)
      await pass(clock, 2 * hour, minute)
      expect(fired.filter((id) => !then.includes(id))).toEqual(at('a', hour, 2 * hour, 3 * hour))
      expect(await plan.get('a')).toMatchObject({ lastAt: begin + 3 * hour, nextAt: begin + 4 * hour })
    })

    test('over a restart, paused and resumed, or set to other times', async () => {
      const origin = new FakeOrigin()
      const clock = manualClock()
      const first = start({ clock, tab: origin.openTab() })
      for (const id of ['a', 'resumed', 'changed']) await first.plan.set(id, hourly, tick)
      await ahead(clock)
      await first.scheduler.close()
      clock.setWall(clock.now() - years - half)
      const { plan, fired } = start({ clock, tab: origin.openTab() })
      await plan.pause('resumed')
      await plan.resume('resumed')
      await plan.set('changed', { cron: '30 * * * *', timeZone: 'UTC' }, tick)
      await pass(clock, hour, minute)
      expect([...fired].sort()).toEqual([
        ...at('a', 2 * hour),
        ...at('changed', 1.5 * hour),
        ...at('resumed', 2 * hour),
      ])
    })

    test('what came then does not come again', async () => {
      const { plan, fired, clock } = fresh()
      await plan.set('a', { cron: '0 0 1 * *', timeZone: 'UTC' }, tick)
      await sleep(clock, 365 * day)
      clock.setWall(clock.now() - 365 * day)
      await pass(clock, minute)
      await sleep(clock, 364 * day)
      await pass(clock, 32 * day, day)
      expect(fired).toHaveLength(new Set(fired).size)
      expect(fired.map((id) => id.slice(2, 9))).toEqual(['2027-01', '2026-12', '2027-02'])
    })

    test('whatever the clock does, none comes twice, and none stays away for long', async () => {
      const leaps = fc.record({
        by: fc.constantFrom(40 * day, 41 * day, 400 * day, years),
        sign: fc.constantFrom(1, -1),
      })
      const passes = fc.integer({ min: 1, max: 12 })
      await fc.assert(
        fc.asyncProperty(
          fc.array(fc.tuple(leaps, passes), { maxLength: 5 }),
          fc.constantFrom('last', 'skip', 'all'),
          async (steps, missed) => {
            const { plan, fired, clock, scheduler } = fresh()
            await plan.set('a', { everyMs: 6 * hour, missed, missedMax: 3, overlap: 'allow' } as ScheduleSpec, tick)
            let lead = 0
            for (const [{ by, sign }, sixHours] of steps) {
              // It goes ahead for less than a day, and is set right again.
              const leap = lead === 0 ? by : sign < 0 ? -lead : 0
              lead += leap
              clock.setWall(clock.now() + leap)
              await pass(clock, (lead > 0 ? Math.min(sixHours, 3) : sixHours) * 6 * hour, 6 * hour)
            }
            clock.setWall(clock.now() - lead)
            await pass(clock, 2 * minute, minute)
            const before = fired.length
            await pass(clock, 2 * day, 6 * hour)
            expect(fired).toHaveLength(new Set(fired).size)
            expect(fired.length).toBeGreaterThan(before)
            await scheduler.close()
          },
        ),
        { numRuns: 30 },
      )
    })
  })

  test('over a restart', async () => {
    const frames: Uint8Array[][] = [[]]
    const clock = manualClock()
    const open = () => start({ clock, store: new Journal(new MemoryMedium(frames), { valueBytesMax: 1e6 }) })
    const first = open()
    await first.plan.set('a', { everyMs: hour, missed: 'all', overlap: 'queue' }, tick)
    await pass(clock, 2 * hour, hour)
    await first.scheduler.close()
    clock.advance(3 * hour)
    const second = open()
    await second.plan.list()
    await turns(20)
    await pass(clock, hour)
    await turns(20)
    expect([...first.fired, ...second.fired]).toEqual(at('a', ...[1, 2, 3, 4, 5, 6].map((n) => n * hour)))
    expect(await second.plan.get('a')).toMatchObject({ count: 6 })
  })

  test('when those that wait lose the first of their line while no schedules are attached', async () => {
    const frames: Uint8Array[][] = [[]]
    const clock = manualClock()
    const store = () => new Journal(new MemoryMedium(frames), { valueBytesMax: 1e6 })
    const first = start({ clock, store: store() })
    await first.plan.set('a', { everyMs: hour, overlap: 'queue' }, hold)
    await pass(clock, 2 * hour, hour)
    expect(await first.scheduler.counts()).toMatchObject({ running: 1, blocked: 1 })
    await first.scheduler.close({ mode: 'now' })
    const plain = createScheduler<typeof jobs>(inline(jobs), { clock, store: store() } as never)
    expect(await plain.cancel(first.fired[0] as string)).toBe(1)
    await plain.close({ mode: 'now' })
    const second = start({ clock, store: store() })
    await second.plan.list()
    await turns(20)
    expect((await second.scheduler.get(first.fired[1] as string))?.snapshot().state).toBe('running')
  })

  test('when the queue is full: it keeps its place, and comes when there is room', async () => {
    const { scheduler, plan, fired, clock } = fresh({ maxQueued: 1 })
    scheduler.pause()
    const blocker = await scheduler.add.tick(undefined)
    await plan.set('a', { everyMs: hour }, tick)
    await pass(clock, hour, minute)
    expect(fired).toEqual([])
    await blocker.cancel()
    await pass(clock, 2 * second, second)
    expect(fired).toEqual(at('a', hour))
    expect((await plan.get('a'))?.nextAt).toBe(begin + 2 * hour)
  })

  test('when the queue is full, and the clock is set back meanwhile, to a time at which it was due', async () => {
    const { scheduler, plan, fired, clock } = fresh({ maxQueued: 1 })
    scheduler.pause()
    const blocker = await scheduler.add.tick(undefined)
    await plan.set('a', { everyMs: day }, tick)
    await sleep(clock, day + 20 * hour)
    clock.setWall(begin + day + hour)
    await blocker.cancel()
    await pass(clock, second)
    expect(fired).toEqual(at('a', day))
  })

  test('when the queue is full: while it waits, nothing is written', async () => {
    const frames: Uint8Array[][] = [[]]
    const store = new Journal(new MemoryMedium(frames), { valueBytesMax: 1e6 })
    const { scheduler, plan, clock } = start({ clock: manualClock(), store }, { maxQueued: 1 })
    scheduler.pause()
    await scheduler.add.tick(undefined)
    await plan.set('a', { everyMs: hour }, tick)
    await pass(clock, hour)
    const written = frames.flat().length
    await pass(clock, minute, second)
    expect(frames.flat()).toHaveLength(written)
  })

  test('while the scheduler is closing: it keeps its place for the next one', async () => {
    const frames: Uint8Array[][] = [[]]
    const clock = manualClock()
    const open = () => start({ clock, store: new Journal(new MemoryMedium(frames), { valueBytesMax: 1e6 }) })
    const first = open()
    await first.plan.set('a', { everyMs: hour }, tick)
    const busy = await first.scheduler.add.hold(undefined)
    await turns(20)
    const closing = first.scheduler.close()
    await pass(clock, hour)
    expect(first.fired).toEqual([])
    holding.get(busy.id)?.()
    await closing
    const second = open()
    expect(await second.plan.get('a')).toMatchObject({ count: 0, nextAt: begin + hour })
    await pass(clock, 1_000)
    expect(second.fired).toEqual(at('a', hour))
    expect(first.skipped).toEqual([])
  })

  test('while the store takes nothing', async () => {
    const disk = new Disk()
    const { plan, fired, clock } = start({ clock: manualClock(), store: disk.store })
    await plan.set('a', { everyMs: hour }, tick)
    disk.isFull = true
    await expect(plan.set('b', { everyMs: minute }, tick)).rejects.toMatchObject({ code: 'STORE_WRITE_FAILED' })
    await pass(clock, 2 * hour, hour)
    expect(fired).toEqual([])
    disk.isFull = false
    await pass(clock, 2 * second, second)
    expect(fired.length).toBeGreaterThan(0)
    expect(new Set(fired).size).toBe(fired.length)
    expect(await plan.get('b')).toBeUndefined()
    disk.isFull = true
    await expect(plan.remove('a')).rejects.toMatchObject({ code: 'STORE_WRITE_FAILED' })
    disk.isFull = false
    await pass(clock, hour)
    expect(fired.at(-1)).toBe(at('a', 3 * hour)[0])
  })
})

describe('several tabs', () => {
  const open = (tab: FakeTab, clock: ManualClock) => start({ clock, tab })

  test('share their schedules; each occurrence comes once, also when the leading tab goes', async () => {
    const [origin, clock] = [new FakeOrigin(), manualClock()]
    const tabs = [origin.openTab(), origin.openTab(), origin.openTab()]
    const opened = []
    for (const tab of tabs) {
      opened.push(open(tab, clock))
      await opened.at(-1)?.plan.list()
    }
    const [leader, follower, last] = opened as [Started, Started, Started]
    expect(await follower.plan.set('a', { everyMs: minute }, tick)).toMatchObject({ nextAt: begin + minute })
    await pass(clock, 2 * minute, second)
    tabs[0]?.crash()
    await follower.plan.list()
    await pass(clock, 2 * minute, second)
    await follower.scheduler.close()
    await last.plan.list()
    await pass(clock, minute, second)
    const all = at('a', ...[1, 2, 3, 4, 5].map((n) => n * minute))
    expect(leader.fired).toEqual(all.slice(0, 2))
    expect(last.fired).toEqual(all)
    expect((await last.scheduler.find({ name: 'tick' })).map(({ id }) => id)).toEqual(all)
    expect(await last.plan.get('a')).toMatchObject({ count: 5 })
    expect(origin.disk.problems).toEqual([])
  })

  test('a trigger of a following tab adds one job', async () => {
    const [origin, clock] = [new FakeOrigin(), manualClock()]
    const leader = open(origin.openTab(), clock)
    await leader.plan.set('a', { everyMs: hour }, tick)
    const follower = open(origin.openTab(), clock)
    const id = await follower.plan.trigger('a')
    expect((await leader.scheduler.find()).map((job) => job.id)).toEqual([id])
  })
})

test('wherever the journal is cut, a schedule and its jobs agree, and it goes on from there', async () => {
  const frames: Uint8Array[][] = [[]]
  const journal = (from: Uint8Array[][]) => new Journal(new MemoryMedium(from), { valueBytesMax: 1e6, frameBytes: 60, compactBytesMin: 1e9 }) // biome-ignore format: one line.
  const clock = manualClock()
  const first = start({ clock, store: journal(frames) }, { workers: 1, concurrency: 1 })
  await first.plan.set('a', { everyMs: minute, overlap: 'queue', missed: 'all' }, hold)
  await first.plan.set('b', { cron: '* * * * *', timeZone: 'UTC', overlap: 'replace' }, tick)
  for (let n = 0; n < 4; n++) {
    await pass(clock, minute)
    await turns(20)
    for (const release of holding.values()) release()
    await turns(20)
  }
  const all = [...(frames.at(-1) as Uint8Array[])]
  await first.scheduler.close({ mode: 'now' })
  expect(all.length).toBeGreaterThan(20)
  for (let cut = 1; cut <= all.length; cut++) {
    const kept = [all.slice(0, cut).map((frame) => frame.slice())]
    const later = manualClock(begin + 5 * minute)
    const second = start({ clock: later, store: journal(kept) }, { workers: 1, concurrency: 100 })
    const inStep = async () => {
      for (const { id, count, nextAt } of await second.plan.list()) {
        const of = (await second.scheduler.find()).filter((job) => job.id.startsWith(`${id}@`))
        expect([id, of.length], `cut after ${cut}`).toEqual([id, count])
        const newest = Math.max(begin, ...of.map((job) => Date.parse(job.id.slice(2))))
        expect((nextAt as number) - newest).toBe(minute)
      }
    }
    await second.scheduler.counts()
    await turns(10)
    await inStep()
    for (let n = 0; n < 12; n++) {
      for (const release of holding.values()) release()
      // A job that ran when it was cut is on trial first.
      await pass(later, 6_000)
    }
    await inStep()
    expect((await second.scheduler.find({ state: 'blocked' })).length, `cut after ${cut}`).toBe(0)
    await second.scheduler.close({ mode: 'now' })
  }
})

test('the input of a schedule keeps the version of the code that has set it', async () => {
  const [disk, clock] = [new Disk(), manualClock()]
  const letters = defineJobs({ letter: versioned(2, { 1: (to: unknown) => `${to}, brought up` }, (to) => to) })
  const open = (version?: number) => {
    const defaults = { letter: { version } }
    const scheduler = createScheduler<typeof letters>(inline(letters), { clock, store: disk.store, defaults } as never)
    onTestFinished(() => scheduler.close({ mode: 'now' }))
    return { scheduler, plan: schedules(scheduler) }
  }
  const [old, other] = ['old, brought up', 'other, brought up']
  const lives = [
    { version: undefined, ids: ['old'], wanted: [old, other] },
    { version: 2, ids: ['new'], wanted: ['new', old, other] },
    { version: undefined, ids: [], wanted: ['new', old, other] },
  ]
  for (const { version, ids, wanted } of lives) {
    const { scheduler, plan } = open(version)
    for (const id of ids) await plan.set(id, { everyMs: minute }, { name: 'letter', input: id })
    await plan.set('other', { everyMs: minute }, { name: 'letter', input: 'other', options: { version: 1 } })
    const results: unknown[] = []
    scheduler.on('completed', ({ result }) => results.push(result))
    await pass(clock, minute)
    expect(results.sort()).toEqual(wanted)
    const triggered = await scheduler.get((await plan.trigger('old')) as string)
    expect(await triggered?.result()).toBe(old)
    await scheduler.close()
  }
})

describe('what makes no sense is refused, names what is wrong, and changes nothing', () => {
  const every = { everyMs: hour }
  const specs: [what: string, spec: unknown, words: string][] = [
    ['no spec', undefined, '`spec` to be an object'],
    ['neither kind', {}, 'either `cron` or `everyMs`'],
    ['both kinds', { cron: '* * * * *', everyMs: 1 }, 'either `cron` or `everyMs`'],
    ['a zone without an expression', { everyMs: 1, timeZone: 'UTC' }, '`spec.timeZone` belongs to `spec.cron`'],
    ['an unknown zone', { cron: '* * * * *', timeZone: 'Mars/Olympus' }, '`spec.timeZone`'],
    ['an unknown option', { ...every, jitter: 5 }, 'no option `spec.jitter`'],
    ['an expression that never comes', { cron: '0 0 30 2 *' }, 'never does'],
    ['a bad field', { cron: '0 25 * * *' }, "its hour is '25'"],
    ['an end before the start', { ...every, startAt: 10, endAt: 9 }, '`spec.endAt`'],
    ...Object.entries({ everyMs: 0, startAt: 'soon', endAt: new Date(Number.NaN), limit: 0, jitterMs: -1, missed: 'some', missedMax: 1e9, overlap: 'no' }).map(([name, value]): [string, unknown, string] => [`\`${name}\``, { ...every, [name]: value }, `\`spec.${name}\``]), // biome-ignore format: one line.
  ]
  const jobsOf: [what: string, job: unknown, words: string][] = [
    ['no job', undefined, '`job` to be an object'],
    ['no name', {}, '`job.name`'],
    ['an id', { name: 'tick', options: { id: 'a' } }, '`id`'],
    ['a callback', { name: 'tick', options: { onCompleted() {} } }, '`onCompleted`'],
    ['a signal', { name: 'tick', options: { signal: AbortSignal.abort() } }, '`signal`'],
    ['a bad option', { name: 'tick', options: { attempts: 0 } }, '`attempts`'],
    ['a misspelt input', { name: 'tick', inputs: 1 }, 'no option `job.inputs`'],
  ]

  test.each([
    ...specs.map(([what, spec, words]) => [what, 'a', spec, tick, words] as const),
    ...jobsOf.map(([what, job, words]) => [what, 'a', every, job, words] as const),
    ['no id', undefined, every, tick, '`id`'] as const,
    ['an id that is too long', 'a'.repeat(257), every, tick, '`id`'] as const,
  ])('%s', async (_what, id, spec, job, words) => {
    const { plan } = fresh()
    const { message, code } = await plan.set(id as never, spec as never, job as never).catch((error) => error)
    expect([code, message]).toEqual(['INVALID_OPTION', expect.stringContaining(words)])
    expect(await plan.list()).toEqual([])
  })

  test('an input that cannot be copied', async () => {
    const { plan } = fresh()
    await expect(plan.set('a', every, { name: 'tick', input: () => {} })).rejects.toMatchObject({ code: 'DATA_CLONE' })
  })

  test('what is no scheduler, and arguments of nextRuns', () => {
    const refused = expect.objectContaining({ code: 'INVALID_OPTION' })
    expect(() => schedules({} as never)).toThrow(refused)
    expect(() => nextRuns(every, -1)).toThrow(refused)
    expect(() => nextRuns(every, 1, { from: 'now' as never })).toThrow('`options.from`')
  })

  test('what the caller does with spec and input afterwards does not matter', async () => {
    const { scheduler, plan, fired, clock } = fresh()
    const [spec, input] = [{ everyMs: hour as number }, { n: 1 }]
    const set = plan.set('a', spec, { name: 'tick', input })
    spec.everyMs = minute
    input.n = 2
    await set
    await pass(clock, hour)
    expect(fired).toEqual(at('a', hour))
    expect((await scheduler.get(fired[0] as string))?.input).toEqual({ n: 1 })
  })
})

describe('nextRuns', () => {
  test('shows what is to come', () => {
    const runs = nextRuns({ cron: '0 3 * * *', timeZone: 'UTC' }, 3, { from: begin })
    expect(runs).toEqual([3, 27, 51].map((hours) => new Date(begin + hours * hour)))
    expect(nextRuns({ everyMs: hour, limit: 2 }, 5, { from: begin })).toHaveLength(2)
    expect(nextRuns({ everyMs: hour, startAt: begin }, 1, { from: begin - 1 })).toEqual([new Date(begin)])
    expect(nextRuns({ cron: '0 3 * * *', endAt: begin }, 3, { from: begin })).toEqual([])
  })
})

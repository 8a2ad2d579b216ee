import { createScheduler, inline } from 'offstage'
import { nextRuns, type ScheduleSpec, schedules } from 'offstage/schedules'
import { type ManualClock, manualClock } from 'offstage/testing'
import { defineJobs, versioned } from 'offstage/worker'
import { describe, expect, onTestFinished, test } from 'vitest'
import { Recurrence } from '../../src/schedules/recurrence.ts'
import { Disk } from '../support/full-store.ts'
import {
  at,
  begin,
  day,
  fresh,
  hold,
  holding,
  hour,
  minute,
  pass,
  type Started,
  second,
  sleep,
  start,
  tick,
  turns,
} from '../support/schedules.ts'
import { FakeOrigin, type FakeTab } from '../support/tabs.ts'

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

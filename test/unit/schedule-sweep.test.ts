// Whatever the clock does, and wherever the process ends, each occurrence of a schedule comes once.

import fc from 'fast-check'
import { createScheduler, inline } from 'offstage'
import type { ScheduleSpec } from 'offstage/schedules'
import { type ManualClock, manualClock } from 'offstage/testing'
import { describe, expect, test } from 'vitest'
import { Journal } from '../../src/store/journal.ts'
import { Disk } from '../support/full-store.ts'
import { MemoryMedium } from '../support/memory-medium.ts'
import {
  at,
  begin,
  day,
  fresh,
  hold,
  holding,
  hour,
  jobs,
  minute,
  pass,
  second,
  sleep,
  start,
  tick,
  turns,
} from '../support/schedules.ts'
import { FakeOrigin } from '../support/tabs.ts'

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

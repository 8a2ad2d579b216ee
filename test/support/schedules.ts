/** Schedules on a clock of our own. */
import { createScheduler, type EventMap, inline, type SchedulerOptions, type Store } from 'offstage'
import { schedules } from 'offstage/schedules'
import { type ManualClock, manualClock } from 'offstage/testing'
import { defineJobs } from 'offstage/worker'
import { onTestFinished } from 'vitest'
import type { FakeTab } from './tabs.ts'
import { turn } from './testing.ts'

export const [second, minute, hour, day] = [1_000, 60_000, 3_600_000, 86_400_000]
/** The wall time at which clocks here begin: a Thursday. */
export const begin = Date.UTC(2026, 0, 1)

/** The jobs of `hold` that run, by id. */
export const holding = new Map<string, () => void>()
export const jobs = defineJobs({
  tick: (_input: unknown, { headers }) => headers,
  hold: (_input: unknown, { id, signal }) =>
    new Promise<void>((resolve) => {
      holding.set(id, resolve)
      signal.addEventListener('abort', () => resolve())
    }),
})

export interface World {
  readonly clock: ManualClock
  readonly store?: Store
  readonly tab?: FakeTab
}

export function start({ clock, tab, store = tab?.store }: World, options: SchedulerOptions<never> = {}) {
  holding.clear()
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

export type Started = ReturnType<typeof start>

export const fresh = (options: SchedulerOptions<never> = {}) => start({ clock: manualClock() }, options)

export const turns = async (count = 6) => {
  for (let n = 0; n < count; n++) await turn()
}

/** Lets time pass in steps, and everything happen that comes of each. */
export async function pass(clock: ManualClock, ms: number, stepMs = ms): Promise<void> {
  for (let passed = 0; passed < ms; passed += stepMs) {
    clock.advance(Math.min(stepMs, ms - passed))
    await turns()
  }
}

/** The machine sleeps: the wall clock goes on, and no timer fires. */
export async function sleep(clock: ManualClock, ms: number): Promise<void> {
  clock.setWall(clock.now() + ms)
  await pass(clock, 30 * second)
}

export const at = (id: string, ...times: number[]) => times.map((ms) => `${id}@${new Date(begin + ms).toISOString()}`)
export const tick = { name: 'tick' } as const
export const hold = { name: 'hold' } as const

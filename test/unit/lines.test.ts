// The lines of all queues: who is next, and what a queue costs that is not used.
import fc from 'fast-check'
import { createScheduler, inline } from 'offstage'
import { defineJobs } from 'offstage/worker'
import { afterEach, describe, expect, test, vi } from 'vitest'
import type { QueueControl } from '../../src/engine/engine.ts'
import { Lines } from '../../src/engine/lines.ts'
import { LiveJob } from '../../src/engine/live-job.ts'
import { EventBus } from '../../src/events/event-bus.ts'
import { createRecord, resolveDefaults } from '../../src/job/job-options.ts'
import { Limiter } from '../../src/queue/limiter.ts'
import { isBefore } from '../../src/queue/line.ts'
import { manualClock } from '../../src/shared/manual-clock.ts'
import { TimerQueue } from '../../src/timers/timer-queue.ts'

const defaults = resolveDefaults()
const none = () => {}
const bus = new EventBus(
  () => 0,
  () => {},
)

function jobIn(queue: string, priority: number, seq: number): LiveJob {
  const identity = { id: `${seq}`, name: 'job', input: undefined, seq, lineTime: seq }
  return new LiveJob(createRecord(identity, { queue, priority }, defaults, seq))
}

test('whatever joins, quits, starts, ends, pauses and is limited: the next is the first that may start', async () => {
  const names = Array.from({ length: 40 }, (_, n) => `queue ${n}`)
  const command = fc.record({
    type: fc.constantFrom(
      'join',
      'join',
      'join',
      'start',
      'start',
      'start',
      'end',
      'end',
      'quit',
      'move',
      'pause',
      'resume',
      'limit',
    ),
    queue: fc.oneof(fc.nat(1), fc.nat(names.length - 1)),
    priority: fc.integer({ min: -2, max: 2 }),
    at: fc.nat(),
  })
  const play = async (commands: readonly { type: string; queue: number; priority: number; at: number }[]) => {
    const lines = new Lines({ 'queue 0': { concurrency: 2 } }, new TimerQueue(manualClock()), none, none)
    const controls = new Map(names.map((name) => [name, lines.control(name, bus)]))
    const limits = new Map<string, number>([['queue 0', 2]])
    const paused = new Set<string>()
    const waiting: LiveJob[] = []
    const running: LiveJob[] = []
    const runningIn = (name: string) => running.filter(({ record }) => record.queue === name).length
    const mayStart = ({ record: { queue } }: LiveJob) =>
      !paused.has(queue) && runningIn(queue) < (limits.get(queue) ?? 1_000)
    for (const [seq, { type, queue, priority, at }] of commands.entries()) {
      const name = names[queue] as string
      const control = controls.get(name) as QueueControl
      const chosen = waiting[at % Math.max(waiting.length, 1)]
      if (type === 'join') {
        const job = jobIn(name, priority, seq)
        lines.join(job)
        waiting.push(job)
      } else if (type === 'quit' && chosen) {
        waiting.splice(waiting.indexOf(chosen), 1)
        lines.quit(chosen)
      } else if (type === 'move' && chosen) {
        lines.quit(chosen)
        chosen.record = { ...chosen.record, priority }
        lines.join(chosen)
      } else if (type === 'end') {
        const [job] = running.splice(at % Math.max(running.length, 1), 1)
        if (job) lines.leave(job)
      } else if (type === 'pause') {
        paused.add(name)
        control.pause()
      } else if (type === 'resume') {
        paused.delete(name)
        control.resume()
      } else if (type === 'limit') {
        const limit = at % 3 === 0 ? Number.POSITIVE_INFINITY : (at % 3) + runningIn(name)
        limits.set(name, limit)
        control.setConcurrency(limit)
      }
      // p-queue hands out what was given back in a later microtask.
      if (type === 'limit' || type === 'end') await new Promise((resolve) => setImmediate(resolve))
      const [first] = waiting.filter(mayStart).sort((a, b) => (isBefore(a.record, b.record) ? -1 : 1))
      const line = lines.next()
      expect(line?.head).toBe(first)
      const each = names.map((each) => {
        const size = waiting.filter(({ record }) => record.queue === each && !paused.has(each)).length
        return Math.min(size, (limits.get(each) ?? Number.POSITIVE_INFINITY) - runningIn(each))
      })
      expect(lines.startable(1_000)).toBe(each.reduce((sum, n) => sum + n, 0))
      if (type === 'start' && line && first && line.limiter.acquire()) {
        lines.quit(first)
        first.line = line
        waiting.splice(waiting.indexOf(first), 1)
        running.push(first)
      }
      expect([control.size, control.running, control.isPaused]).toEqual([
        waiting.filter(({ record }) => record.queue === name).length,
        runningIn(name),
        paused.has(name),
      ])
    }
  }
  await fc.assert(fc.asyncProperty(fc.array(command, { maxLength: 400, size: 'max' }), play), { numRuns: 50 })
})

describe('a queue for each of many users', () => {
  afterEach(() => void vi.restoreAllMocks())

  test('an empty queue without settings is dropped; one with settings stays, until it has none', () => {
    const lines = new Lines({ limited: { concurrency: 1 } }, new TimerQueue(manualClock()), none, none)
    const jobs = Array.from({ length: 10_000 }, (_, seq) => jobIn(`user ${seq}`, 0, seq))
    for (const job of jobs) lines.join(job)
    expect(lines.count).toBe(10_001)
    for (const job of jobs.slice(5_000)) lines.quit(job)
    for (const job of jobs.slice(0, 5_000)) {
      const line = lines.next()
      expect(line?.head).toBe(job)
      line?.limiter.acquire()
      lines.quit(job)
      job.line = line
      lines.leave(job)
    }
    expect(lines.count).toBeLessThan(20)
    for (const job of jobs) expect(job.line).toBeUndefined()

    const handles = jobs.map((_, n) => lines.control(`user ${n}`, bus))
    for (const { size, running, isPaused } of handles) expect([size, running, isPaused]).toEqual([0, 0, false])
    expect(lines.count).toBeLessThan(20)
    for (const handle of handles.slice(0, 100)) handle.pause()
    expect(lines.count).toBeGreaterThanOrEqual(101)
    lines.join(jobIn('user 7', 0, 10_001))
    expect(handles[7]).toMatchObject({ isPaused: true, size: 1 })
    expect(lines.next()).toBeUndefined()
    for (const handle of handles) handle.resume()
    expect(lines.next()?.name).toBe('user 7')
    expect(lines.count).toBeLessThan(20)
    expect(lines.control('limited', bus).running).toBe(0)
    for (let n = 0; n < 2; n++) lines.join(jobIn('limited', 9, 10_002 + n))
    const limited = lines.next()
    expect(limited?.name).toBe('limited')
    limited?.limiter.acquire()
    expect(lines.next()?.name).toBe('user 7')
  })

  test('a start costs the same however many queues there are', async () => {
    const hasRoom = vi.spyOn(Limiter.prototype, 'hasRoom')
    const looksPerJob = async (queues: number) => {
      const scheduler = createScheduler(inline(defineJobs({ noop() {} })), { workers: 1 })
      scheduler.pause()
      const ran = Array.from({ length: 20_000 }, (_, n) =>
        scheduler.run.noop?.(undefined, { queue: `user ${n % queues}`, priority: n % 7 }),
      )
      hasRoom.mockClear()
      scheduler.resume()
      await Promise.all(ran)
      await scheduler.close()
      return hasRoom.mock.calls.length / ran.length
    }
    const [one, all] = [await looksPerJob(1), await looksPerJob(20_000)]
    expect(all).toBeLessThan(one * 2 + 2)
  })
})

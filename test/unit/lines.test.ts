// The lines of all queues: who is next, and what a queue costs that is not used.
import fc from 'fast-check'
import { createScheduler, inline } from 'offstage'
import { defineJobs } from 'offstage/worker'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { Lines } from '../../src/engine/lines.ts'
import { LiveJob } from '../../src/engine/live-job.ts'
import { createRecord, resolveDefaults } from '../../src/job/job-options.ts'
import { Limiter } from '../../src/queue/limiter.ts'
import { isBefore, type MakeOrder, type OrderHost, type OwnOrder } from '../../src/queue/order.ts'
import { manualClock } from '../../src/shared/manual-clock.ts'
import { TimerQueue } from '../../src/timers/timer-queue.ts'

const defaults = resolveDefaults()
const none = () => {}

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
    const lines = new Lines({ 'queue 0': { concurrency: 2 } }, new TimerQueue(manualClock()), none, none, none)
    const limits = new Map<string, number>([['queue 0', 2]])
    const paused = new Set<string>()
    const waiting: LiveJob[] = []
    const running: LiveJob[] = []
    const runningIn = (name: string) => running.filter(({ record }) => record.queue === name).length
    const mayStart = ({ record: { queue } }: LiveJob) =>
      !paused.has(queue) && runningIn(queue) < (limits.get(queue) ?? 1_000)
    for (const [seq, { type, queue, priority, at }] of commands.entries()) {
      const name = names[queue] as string
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
        lines.set(name, { isPaused: true })
      } else if (type === 'resume') {
        paused.delete(name)
        lines.set(name, { isPaused: false })
      } else if (type === 'limit') {
        const limit = at % 3 === 0 ? Number.POSITIVE_INFINITY : (at % 3) + runningIn(name)
        limits.set(name, limit)
        lines.set(name, { concurrency: limit })
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
      expect(lines.view(name)).toEqual({
        size: waiting.filter(({ record }) => record.queue === name).length,
        running: runningIn(name),
        isPaused: paused.has(name),
        nextStartAt: undefined,
      })
    }
  }
  await fc.assert(fc.asyncProperty(fc.array(command, { maxLength: 400, size: 'max' }), play), { numRuns: 50 })
})

describe('a queue for each of many users', () => {
  afterEach(() => void vi.restoreAllMocks())

  test('the end of a rest drops no later queue of that name', () => {
    const clock = manualClock()
    const lines = new Lines({}, new TimerQueue(clock), none, none, none)
    let seq = 0
    /** So many others are kept that those before them are dropped. */
    const crowdOut = () => {
      for (let n = 0; n < 20; n++) {
        const job = jobIn(`other ${seq}`, 0, seq++)
        lines.join(job)
        lines.quit(job)
      }
    }
    clock.advance(1)
    const first = jobIn('rests', 0, seq++)
    lines.join(first)
    first.line?.limiter.pace.rest(0)
    lines.quit(first)
    crowdOut()
    const job = jobIn('rests', 0, seq++)
    lines.join(job)
    clock.advance(0)
    crowdOut()
    expect(lines.view('rests').size).toBe(1)
  })

  test('an empty queue without settings is dropped; one with settings stays, until it has none', () => {
    const lines = new Lines({ limited: { concurrency: 1 } }, new TimerQueue(manualClock()), none, none, none)
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

    const names = jobs.map((_, n) => `user ${n}`)
    for (const name of names) expect(lines.view(name)).toMatchObject({ size: 0, running: 0, isPaused: false })
    expect(lines.count).toBeLessThan(20)
    for (const name of names.slice(0, 100)) lines.set(name, { isPaused: true })
    expect(lines.count).toBeGreaterThanOrEqual(101)
    lines.join(jobIn('user 7', 0, 10_001))
    expect(lines.view('user 7')).toMatchObject({ isPaused: true, size: 1 })
    expect(lines.next()).toBeUndefined()
    for (const name of names) lines.set(name, { isPaused: false })
    expect(lines.next()?.name).toBe('user 7')
    expect(lines.count).toBeLessThan(20)
    expect(lines.view('limited').running).toBe(0)
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

test('queues with an order of their own: whatever joins, quits and changes, the next is the first of all heads', () => {
  const command = fc.record({
    type: fc.constantFrom('join', 'join', 'join', 'start', 'quit', 'close', 'open'),
    queue: fc.constantFrom('usual', 'newest', 'evens'),
    priority: fc.integer({ min: -1, max: 1 }),
    at: fc.nat(),
  })
  const play = (commands: readonly { type: string; queue: string; priority: number; at: number }[]) => {
    let isClosed = false
    let open = none
    // One order whose head is always the newest job, and one that may let nothing through although jobs wait.
    const newest = ownOrder((jobs) => jobs.at(-1))
    const evens = ownOrder((jobs) => (isClosed ? undefined : jobs.find(({ record }) => record.seq % 2 === 0)))
    const queues = {
      newest: { order: newest as MakeOrder },
      evens: {
        order: ((host: OrderHost<LiveJob>) => {
          open = host.onOpen
          return evens(host)
        }) as MakeOrder,
      },
    }
    const timers = new TimerQueue(manualClock())
    const lines = new Lines(queues, timers, none, none, none)
    const waiting: LiveJob[] = []
    const headOf = (queue: string) => {
      const jobs = waiting.filter(({ record }) => record.queue === queue)
      if (queue === 'usual') return jobs.sort((a, b) => (isBefore(a.record, b.record) ? -1 : 1))[0]
      if (queue === 'newest') return jobs.at(-1)
      return isClosed ? undefined : jobs.find(({ record }) => record.seq % 2 === 0)
    }
    for (const [seq, { type, queue, priority, at }] of commands.entries()) {
      if (type === 'join') {
        const job = jobIn(queue, priority, seq)
        waiting.push(job)
        lines.join(job)
      } else if (type === 'start') {
        const job = lines.next()?.head
        if (job) {
          lines.quit(job)
          waiting.splice(waiting.indexOf(job), 1)
        }
      } else if (type === 'quit') {
        const [job] = waiting.splice(at % Math.max(waiting.length, 1), 1)
        if (job) lines.quit(job)
      } else if (isClosed === (type === 'open')) {
        isClosed = type === 'close'
        if (!isClosed) open()
      }
      const heads = ['usual', 'newest', 'evens'].flatMap((name) => headOf(name) ?? [])
      const first = heads.sort((a, b) => (isBefore(a.record, b.record) ? -1 : 1))[0]
      expect(lines.next()?.head).toBe(first)
      expect(lines.startable(1) > 0).toBe(first !== undefined)
    }
  }
  fc.assert(fc.property(fc.array(command, { maxLength: 60 }), play))
})

const ownOrder =
  (pick: (jobs: readonly LiveJob[]) => LiveJob | undefined) =>
  (_host: OrderHost<LiveJob>): OwnOrder<LiveJob> => {
    const jobs: LiveJob[] = []
    return {
      get size() {
        return jobs.length
      },
      get head() {
        return pick(jobs)
      },
      get priority() {
        return pick(jobs)?.record.priority as number
      },
      startable: () => (pick(jobs) ? 1 : 0),
      join(job) {
        job.heapIndex = 0
        jobs.push(job)
      },
      quit(job) {
        job.heapIndex = -1
        jobs.splice(jobs.indexOf(job), 1)
      },
    }
  }

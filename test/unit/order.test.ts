// In which order jobs start: last in first out, ageing, and workers that are kept free for urgent jobs.
import fc from 'fast-check'
import { createScheduler, inline, type SchedulerOptions } from 'offstage'
import { manualClock } from 'offstage/testing'
import { defineJobs } from 'offstage/worker'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { Line, type LineOptions } from '../../src/queue/line.ts'
import { isBefore, type Place } from '../../src/queue/order.ts'
import { TimerQueue } from '../../src/timers/timer-queue.ts'
import { turn } from '../support/testing.ts'

interface Item {
  heapIndex: number
  record: Place
}

/** Compares priorities as they are at `now`, in the way of the documentation. */
const olderFirst =
  ({ everyMs, by }: { everyMs: number; by: number }, now: number) =>
  (a: Place, b: Place): boolean => {
    const at = ({ priority, dueAt }: Place) => priority + ((now - dueAt) / everyMs) * by
    return at(a) !== at(b) ? at(a) > at(b) : a.dueAt !== b.dueAt ? a.dueAt < b.dueAt : a.seq < b.seq
  }
const newerFirst = (a: Place, b: Place): boolean =>
  a.priority !== b.priority ? a.priority > b.priority : a.dueAt !== b.dueAt ? a.dueAt > b.dueAt : a.seq > b.seq

describe('whatever joins and quits, the head is the one that the documentation says', () => {
  const command = fc.record({
    type: fc.constantFrom('join', 'join', 'join', 'pop', 'pop', 'quit', 'move', 'wait'),
    priority: fc.integer({ min: -3, max: 3 }),
    laterMs: fc.nat(3),
    at: fc.nat(),
  })
  const ageing = { everyMs: 8, by: 2 }
  const cases: [string, LineOptions, (now: number) => (a: Place, b: Place) => boolean][] = [
    ['lifo', { lifo: true }, () => newerFirst],
    ['ageing', { ageing }, (now) => olderFirst(ageing, now)],
    ['neither', {}, () => isBefore],
  ]
  test.each(cases)('%s', (_, options, orderAt) => {
    const play = (commands: readonly { type: string; priority: number; laterMs: number; at: number }[]) => {
      const clock = manualClock(0)
      const line = new Line<Item>('line', options, new TimerQueue(clock), () => {})
      const model: Item[] = []
      for (const [seq, { type, priority, laterMs, at }] of commands.entries()) {
        const index = at % Math.max(model.length, 1)
        if (type === 'join') {
          const item = { heapIndex: -1, record: { priority, dueAt: Math.max(0, clock.now() - laterMs), seq } }
          line.join(item)
          model.push(item)
        } else if (type === 'wait') {
          clock.advance(at % 20)
        } else if (type === 'move') {
          const item = model[index]
          if (!item) continue
          line.quit(item)
          item.record = { ...item.record, priority }
          line.join(item)
        } else {
          const [item] = model.splice(type === 'pop' ? 0 : index, 1)
          if (!item) continue
          line.quit(item)
          expect(item.heapIndex).toBe(-1)
        }
        const isFirst = orderAt(clock.now())
        model.sort((a, b) => (isFirst(a.record, b.record) ? -1 : 1))
        expect(line.head).toBe(model[0])
        expect(line.size).toBe(model.length)
        if (!line.own || !line.head) continue
        const aged = options.ageing ? ((clock.now() - line.head.record.dueAt) / 8) * 2 : 0
        expect(line.own.priority).toBeCloseTo(line.head.record.priority + aged)
        for (const { record } of model.slice(1))
          expect(line.own.isBefore?.(model[0]?.record as Place, record)).toBe(true)
      }
    }
    fc.assert(fc.property(fc.array(command, { maxLength: 150, size: 'max' }), play))
  })
})

const table = defineJobs({
  note: (name: string) => name,
  async hang(_: undefined, job) {
    await new Promise((_, reject) => job.signal.addEventListener('abort', () => reject(job.signal.reason)))
  },
})

function make(options: SchedulerOptions<never>) {
  const clock = manualClock()
  const scheduler = createScheduler<typeof table>(inline(table), { workers: 1, clock, ...options } as never)
  onTestFinished(() => scheduler.close({ mode: 'now' }))
  const started: string[] = []
  scheduler.on('started', ({ jobId }) => started.push(jobId))
  return { scheduler, clock, started }
}

describe('lifo', () => {
  test('of equal priority, the last one starts first; a job that falls due came when it did', async () => {
    const { scheduler, clock, started } = make({ queues: { news: { lifo: true } } })
    scheduler.pause()
    for (const id of ['a', 'b']) await scheduler.add.note(id, { id, queue: 'news' })
    await scheduler.add.note('first', { id: 'first', queue: 'news', priority: 1 })
    await scheduler.add.note('due', { id: 'due', queue: 'news', delayMs: 10 })
    clock.advance(5)
    await scheduler.add.note('c', { id: 'c', queue: 'news' })
    clock.advance(5)
    await scheduler.add.note('promoted', { id: 'promoted', queue: 'news', delayMs: 100 })
    clock.advance(1)
    await scheduler.promote('promoted')
    const why = await scheduler.whyWaiting('a')
    expect(why.find(({ reason }) => reason === 'behind')?.detail).toBe('Jobs that go before it: 5.')
    scheduler.resume()
    await scheduler.onIdle()
    expect(started).toEqual(['first', 'promoted', 'due', 'c', 'b', 'a'])
  })
})

describe('ageing', () => {
  const queues = { aged: { ageing: { everyMs: 1_000, by: 2 } } }

  test('a job is overtaken only by those that come within the stated time after it', async () => {
    const { scheduler, clock, started } = make({ queues })
    scheduler.pause()
    await scheduler.add.note('low', { id: 'low', queue: 'aged' })
    // The priority 10 is made up for in 5,000 ms.
    clock.advance(4_999)
    await scheduler.add.note('in time', { id: 'in time', queue: 'aged', priority: 10 })
    clock.advance(2)
    await scheduler.add.note('too late', { id: 'too late', queue: 'aged', priority: 10 })
    scheduler.resume()
    await scheduler.onIdle()
    expect(started).toEqual(['in time', 'low', 'too late'])
  })

  test('also by those of other queues', async () => {
    const { scheduler, clock, started } = make({ queues })
    scheduler.pause()
    await scheduler.add.note('low', { id: 'low', queue: 'aged' })
    await scheduler.add.note('other', { id: 'other', priority: 10 })
    clock.advance(4_999)
    const ahead = async (id: string) =>
      (await scheduler.whyWaiting(id)).find(({ reason }) => reason === 'behind')?.detail
    expect([await ahead('low'), await ahead('other')]).toEqual(['Jobs that go before it: 1.', undefined])
    clock.advance(2)
    expect([await ahead('low'), await ahead('other')]).toEqual([undefined, 'Jobs that go before it: 1.'])
    scheduler.resume()
    await scheduler.onIdle()
    expect(started).toEqual(['low', 'other'])
  })

  test('a queue that is always full of urgent jobs starves nobody', async () => {
    const { scheduler, clock, started } = make({ queues })
    scheduler.pause()
    await scheduler.add.note('low', { id: 'low', queue: 'aged' })
    for (let n = 0; n < 20; n++) {
      for (const each of [1, 2]) await scheduler.add.note('x', { id: `${n}/${each}`, queue: 'aged', priority: 10 })
      // One of the two that come each second starts.
      scheduler.once('started', () => scheduler.pause())
      scheduler.resume()
      await vi.waitFor(() => expect(scheduler.isPaused).toBe(true))
      clock.advance(1_000)
    }
    const place = started.indexOf('low')
    expect(place).toBeGreaterThan(4)
    expect(place).toBeLessThan(2 * 6 + 1)
  })

  test('after a restart, the order follows from what is stored', () => {
    // `dueAt`, the priority and the sequence are all that it needs, whatever the process.
    const [before, after] = [manualClock(0), manualClock(50_000)].map(
      (clock) => new Line<Item>('line', { ageing: { everyMs: 10, by: 1 } }, new TimerQueue(clock), () => {}),
    )
    const records = [5, 1, 7, 0, 3].map((priority, seq) => ({ priority, dueAt: 17 * seq, seq }))
    const orderIn = (line: Line<Item>) => {
      for (const record of records) line.join({ heapIndex: -1, record })
      return records.map(() => {
        const head = line.head as Item
        line.quit(head)
        return head.record.seq
      })
    }
    expect(orderIn(after as Line<Item>)).toEqual(orderIn(before as Line<Item>))
  })
})

describe('reserve', () => {
  const reserve = { workers: 1, minPriority: 5 }

  test('ordinary jobs leave workers free, on which urgent ones start', async () => {
    const { scheduler, started } = make({ workers: 3, reserve })
    for (const id of ['a', 'b', 'c']) await scheduler.add.hang(undefined, { id })
    await vi.waitFor(() => expect(started).toEqual(['a', 'b']))
    await vi.waitFor(() => expect(scheduler.stats().workers).toMatchObject({ online: 3, busy: 2 }))
    expect(await scheduler.whyWaiting('c')).toEqual([
      {
        reason: 'no-worker',
        detail: 'The workers that are not busy are kept free for jobs with a priority of 5 or more.',
      },
    ])
    expect(await scheduler.run.note('urgent', { priority: 5 })).toBe('urgent')
    const urgent = await scheduler.add.hang(undefined, { id: 'urgent', priority: 9 })
    await vi.waitFor(() => expect(urgent.snapshot().state).toBe('running'))
    const next = await scheduler.add.note('next', { id: 'next', priority: 9 })
    expect(next.snapshot().state).toBe('queued')
    // The first that is free takes the urgent one. Then two have ordinary jobs no longer.
    await scheduler.cancel('a')
    expect(await next.result()).toBe('next')
    await vi.waitFor(() => expect(started.at(-1)).toBe('c'))
  })

  test('an urgent job does not wait behind one that goes first but has to leave the worker free', async () => {
    const { scheduler, started } = make({
      workers: 2,
      reserve,
      queues: { news: { ageing: { everyMs: 1_000_000, by: 1 } } },
    })
    await scheduler.add.hang(undefined, { id: 'a', priority: 4 })
    await vi.waitFor(() => expect(started).toEqual(['a']))
    await scheduler.add.hang(undefined, { id: 'b', priority: 4 })
    await scheduler.add.note('urgent', { id: 'urgent', queue: 'news', priority: 5 })
    await vi.waitFor(() => expect(started).toEqual(['a', 'urgent']))
  })

  test('a job that has aged enough is urgent', async () => {
    const { scheduler, clock, started } = make({
      workers: 2,
      reserve,
      queues: { aged: { ageing: { everyMs: 1_000, by: 1 } } },
    })
    for (const id of ['a', 'b']) await scheduler.add.hang(undefined, { id, queue: 'aged' })
    await vi.waitFor(() => expect(started).toEqual(['a']))
    clock.advance(4_999)
    await scheduler.run.note('urgent', { priority: 5 })
    expect(started).toEqual(['a', expect.any(String)])
    clock.advance(2)
    // Jobs age without a sign of it, so it takes something that happens for them to be looked at.
    await scheduler.add.note('next', { id: 'next', priority: 5 })
    await vi.waitFor(() => expect(started.at(-1)).toBe('b'))
    expect((await scheduler.get('next'))?.snapshot().state).toBe('queued')
  })

  test('one worker is left for ordinary jobs, however many are to be kept free', async () => {
    for (const workers of [1, 2]) {
      const { scheduler } = make({ workers, reserve: { workers: 9, minPriority: 5 } })
      expect(await scheduler.run.note('ordinary')).toBe('ordinary')
    }
  })

  test('the death of a worker frees its place', async () => {
    const { scheduler, started, clock } = make({ workers: 2, reserve, graceMs: 10 })
    await scheduler.add.hang(undefined, { id: 'a', attempts: 1 })
    await vi.waitFor(() => expect(started).toEqual(['a']))
    await scheduler.add.note('b', { id: 'b' })
    await turn()
    expect(started).toEqual(['a'])
    await scheduler.remove('a')
    clock.advance(10)
    await vi.waitFor(() => expect(started).toEqual(['a', 'b']))
  })
})

// Groups that take turns: against a naive model of arrays, and by what is promised.
import fc from 'fast-check'
import { describe, expect, test, vi } from 'vitest'
import { type GroupOptions, grouped } from '../../src/groups/grouped.ts'
import { Line } from '../../src/queue/line.ts'
import { isBefore, type Place } from '../../src/queue/order.ts'
import { manualClock } from '../../src/shared/manual-clock.ts'
import { TimerQueue } from '../../src/timers/timer-queue.ts'

interface Item {
  heapIndex: number
  record: Place & { readonly group: string | undefined }
}

const keys = ['a', 'b', 'c', 'd', undefined]
const weights: Readonly<Record<string, number>> = { a: 1, b: 2, c: 3 }
const weightOf = (key: string | undefined): number => weights[key ?? ''] ?? 1

const itemOf = (group: string | undefined, seq: number, priority = 0): Item => ({
  heapIndex: -1,
  record: { priority, dueAt: seq, seq, group },
})

function lineOf(options: GroupOptions, onOpen = () => {}) {
  const clock = manualClock()
  const timers = new TimerQueue(clock)
  const report = vi.fn()
  const line = new Line<Item>('line', grouped(options), timers, onOpen, undefined, report)
  const take = (): Item | undefined => {
    const { head } = line
    if (!head) return undefined
    expect(line.acquire(head)).toBe(true)
    line.quit(head)
    line.sent(head)
    line.began(head)
    return head
  }
  return { line, clock, take, report }
}

/** What `Groups` promises, by arrays that are searched. */
class Model {
  readonly waiting: Item[] = []
  readonly held = new Set<Item>()
  readonly running: Item[] = []
  readonly turns: (string | undefined)[] = []
  readonly left = new Map<string | undefined, number>()
  readonly #options: GroupOptions

  constructor(options: GroupOptions) {
    this.#options = options
  }

  of(key: string | undefined): Item[] {
    const jobs = this.waiting.filter(({ record }) => record.group === key)
    return jobs.sort((one, other) => (isBefore(one.record, other.record) ? -1 : 1))
  }

  runningOf(key: string | undefined): number {
    return this.running.filter(({ record }) => record.group === key).length
  }

  canStart(key: string | undefined): boolean {
    const { strict, concurrency = strict ? 1 : Number.POSITIVE_INFINITY } = this.#options
    const [first] = this.of(key)
    const hasRoom = key === undefined || this.runningOf(key) < concurrency
    return first !== undefined && !this.held.has(first) && hasRoom
  }

  /** Whoever may start takes part, and nobody else does. */
  settle(): void {
    for (const key of keys) {
      const at = this.turns.indexOf(key)
      if (at !== -1 && !this.canStart(key)) this.turns.splice(at, 1)
      if (at === -1 && this.canStart(key)) {
        const left = this.left.get(key) ?? 0
        if (left > 0 && left < weightOf(key)) this.turns.unshift(key)
        else {
          this.left.set(key, weightOf(key))
          this.turns.push(key)
        }
      }
      if (this.of(key).length === 0) this.left.set(key, 0)
    }
  }

  start(): Item {
    const [key] = this.turns
    const [item] = this.of(key) as [Item]
    this.waiting.splice(this.waiting.indexOf(item), 1)
    this.running.push(item)
    const left = (this.left.get(key) as number) - 1
    this.left.set(key, left)
    if (left === 0) this.turns.shift()
    this.settle()
    return item
  }
}

describe('against a model', () => {
  const command = fc.record({
    type: fc.constantFrom('join', 'join', 'join', 'start', 'start', 'end', 'end', 'quit', 'hold', 'release'),
    group: fc.constantFrom(...keys),
    priority: fc.oneof({ weight: 3, arbitrary: fc.constant(0) }, fc.integer({ min: -1, max: 1 })),
    at: fc.nat(),
  })
  const play = (
    options: GroupOptions,
    commands: readonly { type: string; group: string | undefined; priority: number; at: number }[],
  ) => {
    const { line, take } = lineOf({ ...options, weight: (key) => weightOf(key) })
    const model = new Model(options)
    const drop = (list: Item[], at: number): Item | undefined => list.splice(at % Math.max(list.length, 1), 1)[0]
    for (const [seq, { type, group, priority, at }] of commands.entries()) {
      if (type === 'join') {
        const item = itemOf(group, seq, priority)
        line.join(item)
        model.waiting.push(item)
      } else if (type === 'start' && model.turns.length > 0) {
        expect(take()).toBe(model.start())
      } else if (type === 'end') {
        const item = drop(model.running, at)
        if (item) line.leave(item)
      } else if (type === 'quit') {
        const item = drop(model.waiting, at)
        if (item) line.quit(item)
        if (item) model.held.delete(item)
      } else if (type === 'hold' && options.strict) {
        // It ran, has failed, and waits for its next attempt.
        const item = drop(model.running, at)
        if (item) {
          line.leave(item)
          line.limits?.hold?.(item)
          // What belongs to no group holds up nobody.
          if (item.record.group === undefined) expect(item.heapIndex).toBe(-1)
        }
        if (item && item.record.group !== undefined) {
          model.waiting.push(item)
          model.held.add(item)
        }
      } else if (type === 'release') {
        const item = [...model.held][at % Math.max(model.held.size, 1)]
        if (item) {
          line.quit(item)
          model.held.delete(item)
          model.settle()
          line.join(item)
        }
      }
      model.settle()
      const [turn] = model.turns
      expect(line.head).toBe(model.turns.length > 0 ? model.of(turn)[0] : undefined)
      expect(line.size).toBe(model.waiting.length - model.held.size)
      if (model.turns.length > 0)
        expect(line.own?.priority).toBe(
          Math.max(...model.turns.map((key) => (model.of(key)[0] as Item).record.priority)),
        )
      expect((line.own?.startable(1) ?? 0) > 0).toBe(model.turns.length > 0)
    }
  }
  const options: [string, GroupOptions][] = [
    ['without limits', {}],
    ['with a concurrency', { concurrency: 2 }],
    ['strict', { strict: true }],
  ]
  test.each(options)('%s: whatever joins, starts, ends and quits, the head is the one whose turn it is', (_, given) => {
    fc.assert(fc.property(fc.array(command, { maxLength: 200 }), (commands) => play(given, commands)))
  })
})

test('groups take turns, and a big one holds up nobody', () => {
  const { line, take } = lineOf({})
  for (let seq = 0; seq < 1_000; seq++) line.join(itemOf('big', seq))
  line.join(itemOf('small', 1_000))
  line.join(itemOf(undefined, 1_001))
  const taken = Array.from({ length: 6 }, () => take()?.record.group)
  expect(taken).toEqual(['big', 'small', undefined, 'big', 'big', 'big'])
})

test('while a group waits for its turn, no other starts more jobs than it has weight', () => {
  const step = fc.record({
    type: fc.constantFrom('join', 'start', 'end'),
    group: fc.constantFrom('a', 'b', 'c', 'd'),
    at: fc.nat(),
  })
  const play = (steps: readonly { type: string; group: string; at: number }[]) => {
    const { line, take } = lineOf({ concurrency: 2, weight: weights })
    const running: Item[] = []
    const waiting = new Map<string, number>()
    /** How many jobs others have started since this group could have. */
    const started = new Map<string, Map<string, number>>()
    const look = (key: string) => {
      const canStart = (waiting.get(key) ?? 0) > 0 && running.filter(({ record }) => record.group === key).length < 2
      if (!canStart) started.delete(key)
      else if (!started.has(key)) started.set(key, new Map())
    }
    for (const [seq, { type, group, at }] of steps.entries()) {
      if (type === 'join') {
        line.join(itemOf(group, seq))
        waiting.set(group, (waiting.get(group) ?? 0) + 1)
      } else if (type === 'start') {
        const item = take()
        if (item) {
          const key = item.record.group as string
          running.push(item)
          waiting.set(key, (waiting.get(key) as number) - 1)
          started.delete(key)
          for (const [other, counts] of started) {
            counts.set(key, (counts.get(key) ?? 0) + 1)
            expect(counts.get(key), `${key} before ${other}`).toBeLessThanOrEqual(weightOf(key))
          }
        }
      } else {
        const [item] = running.splice(at % Math.max(running.length, 1), 1)
        if (item) line.leave(item)
      }
      for (const key of ['a', 'b', 'c', 'd']) look(key)
    }
  }
  fc.assert(fc.property(fc.array(step, { maxLength: 200 }), play))
})

test.each(['sliding-window', 'fixed-window', 'token-bucket'] as const)(
  'a rate limit holds for each group: %s',
  (type) => {
    const { line, clock, take } = lineOf({ rateLimit: { type, limit: 2, intervalMs: 100 } })
    for (let seq = 0; seq < 5; seq++) {
      line.join(itemOf('a', seq))
      line.join(itemOf('b', seq))
    }
    const takeAll = () => {
      const taken: string[] = []
      for (let item = take(); item; item = take()) {
        taken.push(item.record.group as string)
        line.leave(item)
      }
      return taken.join('')
    }
    expect(takeAll()).toBe('abab')
    clock.advance(type === 'token-bucket' ? 50 : 99)
    expect(takeAll()).toBe(type === 'token-bucket' ? 'ab' : '')
    clock.advance(100)
    expect(takeAll()).toBe('abab')
  },
)

test('a turn that its limits have interrupted goes on before others', () => {
  const { line, take } = lineOf({ concurrency: 1, weight: { a: 2 } })
  for (let seq = 0; seq < 4; seq++) {
    line.join(itemOf('a', seq))
    line.join(itemOf('b', seq))
  }
  const order: string[] = []
  for (let item = take(); item; item = take()) {
    order.push(item.record.group as string)
    line.leave(item)
  }
  expect(order.join('')).toBe('aabaabbb')
})

test('a rest holds the jobs of one group; jobs without a group have a rest of their own', () => {
  const onOpen = vi.fn()
  const { line, clock, take } = lineOf({ concurrency: 1 }, onOpen)
  for (const [seq, group] of ['a', 'b', undefined, 'a', 'b', undefined].entries()) line.join(itemOf(group, seq))
  const [a, b, none] = [take(), take(), take()] as [Item, Item, Item]
  line.rest(a, 100)
  line.rest(none, 50)
  for (const item of [a, b, none]) line.leave(item)
  expect(take()?.record.group).toBe('b')
  expect(line.head).toBeUndefined()
  expect(line.limits?.why(itemOf('a', 9))).toBe("The group 'a' rests; the next in 100 ms.")
  clock.advance(50)
  expect(onOpen).toHaveBeenCalled()
  expect(take()?.record.group).toBeUndefined()
  clock.advance(50)
  expect(take()?.record.group).toBe('a')
})

test('a rest that is over before its timer has fired ends for the group that is there, and no later one', () => {
  const { line, clock, take } = lineOf({ concurrency: 1 })
  const jobs = [0, 1, 2].map((seq) => itemOf('a', seq)) as [Item, Item, Item]
  line.join(jobs[0])
  expect(take()).toBe(jobs[0])
  clock.advance(1)
  line.rest(jobs[0], 0)
  line.leave(jobs[0])
  line.join(jobs[1])
  expect(take()).toBe(jobs[1])
  clock.advance(0)
  line.join(jobs[2])
  expect(take()).toBeUndefined()
  line.leave(jobs[1])
  expect(take()).toBe(jobs[2])
})

test('a job whose begin is reported late counts from then on, and the rate limit of its group closes again', () => {
  const onOpen = vi.fn()
  const { line, clock, take } = lineOf({ rateLimit: { limit: 9, intervalMs: 1_000, minGapMs: 100 } }, onOpen)
  const [first, second] = [itemOf('a', 0), itemOf('a', 1)]
  line.join(first)
  line.join(second)
  line.acquire(first)
  line.quit(first)
  line.sent(first)
  clock.advance(100)
  expect(line.head).toBe(second)
  line.began(first)
  expect(line.head).toBeUndefined()
  onOpen.mockClear()
  clock.advance(100)
  expect([onOpen.mock.calls.length, take()]).toEqual([1, second])
  expect(line.limits?.view('a').running).toBe(2)
})

test('a group that is paused and not there is closed to a job that waits outside of the line', () => {
  const { line } = lineOf({})
  const item = itemOf('a', 0)
  line.limits?.set('a', { isPaused: true })
  expect([line.limits?.isOpen(item), line.limits?.why(item)]).toEqual([false, "The group 'a' is paused."])
  line.limits?.set('a', { isPaused: false })
  expect([line.limits?.isOpen(item), line.limits?.why(item)]).toEqual([true, undefined])
})

test('a group without jobs keeps nothing but what it was set to', () => {
  const made: string[] = []
  const rateLimit = { limit: 5, intervalMs: 1_000 }
  const { line, clock, take } = lineOf({ rateLimit, weight: (group) => made.push(group) })
  const run = (seq: number) => {
    line.join(itemOf('a', seq))
    line.leave(take() as Item)
  }
  run(0)
  // Its start still counts.
  run(1)
  expect(made).toEqual(['a'])
  clock.advance(2_000)
  run(2)
  expect(made).toEqual(['a', 'a'])
  line.limits?.set('a', { weight: 2, isPaused: true })
  clock.advance(2_000)
  made.length = 0
  line.join(itemOf('a', 3))
  expect([made, take(), line.limits?.view('a')]).toEqual([
    [],
    undefined,
    { isPaused: true, size: 1, running: 0, waitMs: 0 },
  ])
})

test('a weight that is out of range is reported, and counts as 1', () => {
  const { line, take, report } = lineOf({ weight: (group) => (group === 'a' ? 0 : 2) })
  for (let seq = 0; seq < 4; seq++) {
    line.join(itemOf('a', seq))
    line.join(itemOf('b', seq))
  }
  expect(Array.from({ length: 6 }, () => take()?.record.group).join('')).toBe('abbabb')
  expect(report).toHaveBeenCalledExactlyOnceWith(expect.objectContaining({ code: 'INVALID_OPTION' }))
})

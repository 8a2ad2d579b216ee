import type { GroupView, Order, OrderHost, OwnLimits, OwnOrder, Waiting } from '../queue/order.ts'
import type { Pace } from '../queue/pace.ts'
import type { RateLimit } from '../queue/rate-limit.ts'
import { type QueueSettings, unlike } from '../queue/settings.ts'
import { OffstageError } from '../shared/errors.ts'
import { type HeapItem, IndexedHeap } from '../shared/indexed-heap.ts'
import type { Timer } from '../timers/timer-queue.ts'
import { type Turn, Turns } from './turns.ts'

/** The options of `grouped`, checked and filled in. */
export interface GroupRules {
  readonly concurrency: number
  readonly rateLimit: RateLimit | undefined
  /** Returns how many jobs a group starts in its turn. */
  readonly weightOf: (group: string) => number
  readonly isStrict: boolean
}

/** The jobs of one group: those that wait, and the limits that all of them pass. */
class Group<Item extends Waiting> implements HeapItem, Turn<Group<Item>> {
  /** Its index in the heap of priorities. */
  heapIndex = -1
  isWaiting = false
  before: Group<Item> | undefined
  after: Group<Item> | undefined
  /** `undefined` for jobs that belong to no group. */
  readonly key: string | undefined
  readonly jobs: Order<Item>
  isPaused = false
  running = 0
  concurrency = Number.POSITIVE_INFINITY
  /** Most groups have none: it is made for a rate limit, or a rest. */
  pace: Pace | undefined
  weight = 1
  /** How many jobs it may still start in its turn. 0 until it has one. */
  left = 0
  /** The priority that it has in the heap. */
  priority = 0

  constructor(key: string | undefined, jobs: Order<Item>) {
    this.key = key
    this.jobs = jobs
  }

  /** Whether its limits let one more job start. If the rate limit does not, its pace calls back when it does. */
  get isOpen(): boolean {
    return !this.isPaused && this.running < this.concurrency && (!this.pace || this.pace.isOpen())
  }
}

/**
 * The order of a grouped queue: groups take turns. A group takes part while it has a job that may start. In its turn it starts as
 * many jobs as it has weight, and goes behind all others. If its own limits stop it before, it goes on first when they let it.
 * So while a group waits for its turn, no other starts more jobs than it has weight.
 *
 * Within a group the order is the usual one. Among queues, the priority of this one is the highest of those jobs that are first
 * in a group: a group whose first job has a low priority does not hold up the others.
 *
 * A group is made for its first job. It is dropped when it has no job any more and its pace has nothing to remember. What it was
 * set to at run time is kept beside it.
 */
export class Groups<Item extends Waiting> implements OwnOrder<Item>, OwnLimits<Item> {
  readonly #host: OrderHost<Item>
  readonly #rules: GroupRules
  readonly #groups = new Map<string | undefined, Group<Item>>()
  /** The one that was found last: what happens to a job mostly comes in a row. */
  #last: Group<Item> | undefined
  readonly #turns = new Turns<Group<Item>>()
  /** Those that take turns, the one whose first job has the highest priority first. */
  readonly #priorities = new IndexedHeap<Group<Item>>()
  /** Jobs that wait for their next attempt, and so hold up those behind them in their groups. */
  readonly #held = new Set<Item>()
  /** What groups are set to at run time, unlike the options. */
  readonly #settings = new Map<string, QueueSettings>()
  /** Whether any group has, or has had, a pace. */
  #isPaced = false
  /** Empty groups whose paces remember something. */
  readonly #cooling = new Set<Group<Item>>()
  #sweep: Timer | undefined
  readonly limits = this
  size = 0
  /** Keeps the place of a job that waits for its next attempt. Only of strict groups. */
  readonly hold: ((item: Item) => void) | undefined

  constructor(host: OrderHost<Item>, rules: GroupRules) {
    this.#host = host
    this.#rules = rules
    this.hold = rules.isStrict ? (item) => this.#hold(item) : undefined
  }

  // The order.

  get head(): Item | undefined {
    const { first } = this.#turns
    if (first) this.#last = first
    return first?.jobs.head
  }

  get priority(): number {
    return (this.#priorities.peek() as Group<Item>).priority
  }

  startable(enough: number): number {
    let startable = 0
    for (let group = this.#turns.first; group && startable < enough; group = group.after)
      startable += Math.min(group.jobs.size, group.concurrency - group.running)
    return startable
  }

  join(item: Item): void {
    const group = this.#groupOf(item)
    this.size++
    group.jobs.join(item)
    // Behind the first job it changes nothing.
    if (group.jobs.head === item) this.#settle(group)
  }

  quit(item: Item): void {
    const group = this.#groupOf(item)
    if (!this.#held.delete(item)) this.size--
    group.jobs.quit(item)
    this.#settle(group)
    this.#letGo(group)
  }

  #hold(item: Item): void {
    if (item.record.group === undefined) return
    const group = this.#groupOf(item)
    this.#held.add(item)
    group.jobs.join(item)
    this.#settle(group)
  }

  // The limits.

  /** In a strict group only the first job may start. Jobs that belong to no group do not wait for each other. */
  isOpen(item: Item): boolean {
    const group = this.#find(item)
    if (!group) return !this.#isPaused(item.record.group)
    const isFirst = !this.hold || group.key === undefined || group.jobs.head === item
    return group.isOpen && isFirst
  }

  enter(item: Item): void {
    const group = this.#groupOf(item)
    group.running++
    group.pace?.acquire()
    if (group.left > 0 && --group.left === 0) this.#stopTurns(group)
    this.#settle(group, true)
  }

  sent(item: Item): void {
    if (this.#isPaced) this.#find(item)?.pace?.sent()
  }

  /** What has begun counts from now on, so the limit may let less through than before. */
  began(item: Item): void {
    const group = this.#isPaced ? this.#find(item) : undefined
    if (!group?.pace) return
    group.pace.began()
    this.#settle(group, true)
  }

  leave(item: Item): void {
    const group = this.#groupOf(item)
    group.running--
    this.#settle(group)
    this.#letGo(group)
  }

  why(item: Item): string | undefined {
    const group = this.#find(item)
    const key = item.record.group
    const why = (does: string) => (key === undefined ? `What has no group ${does}` : `The group '${key}' ${does}`)
    if (this.#isPaused(key)) return why('is paused.')
    if (!group) return undefined
    const { running, concurrency } = group
    if (this.#isHeldUp(group, item)) return why('first goes on with a job that waits for its next attempt.')
    if (running >= concurrency) return why(`runs ${running} of at most ${concurrency} jobs at a time.`)
    const text = group.pace?.text
    return text && why(text)
  }

  rest(item: Item, ms: number): void {
    const group = this.#groupOf(item)
    this.#paceOf(group).rest(ms)
    this.#settle(group, true)
  }

  close(): void {
    for (const { pace } of this.#groups.values()) pace?.drain()
    this.#host.timers.cancel(this.#sweep)
  }

  // What users see and set of a group.

  view(key: string): GroupView {
    const isPaused = this.#isPaused(key)
    const group = this.#groups.get(key)
    if (!group) return { isPaused, size: 0, running: 0, waitMs: 0 }
    let { size } = group.jobs
    for (const { record } of this.#held) if (record.group === key) size--
    return { isPaused, size, running: group.running, waitMs: group.pace?.waitMs ?? 0 }
  }

  optionsOf(key: string): QueueSettings {
    const { concurrency, rateLimit = null } = this.#rules
    return { isPaused: false, concurrency, rateLimit, weight: this.#weightOf(key) }
  }

  check({ concurrency = 1 }: QueueSettings): void {
    if (this.#rules.isStrict && concurrency > 1)
      throw new OffstageError(
        'INVALID_OPTION',
        `Expected \`concurrency\` to be 1, because the groups of this queue are strict, got ${concurrency}.`,
      )
  }

  set(key: string, settings: QueueSettings): void {
    const set = unlike({ ...this.#settings.get(key), ...settings }, this.optionsOf(key))
    if (set) this.#settings.set(key, set)
    else this.#settings.delete(key)
    const group = this.#groups.get(key)
    if (!group) return
    this.#limit(group)
    this.#settle(group, true)
    this.#opened(group)
  }

  resumeAll(): void {
    for (const [key, { isPaused }] of [...this.#settings]) if (isPaused) this.set(key, { isPaused: false })
  }

  // Groups.

  /** Also of a group that is not there: its job may wait outside of the line. */
  #isPaused(key: string | undefined): boolean {
    return key !== undefined && this.#settings.get(key)?.isPaused === true
  }

  #find(item: Item): Group<Item> | undefined {
    // That of the head is known. Names of groups lie in memory that is in no cache.
    if (this.#last?.jobs.head === item) return this.#last
    const key = item.record.group
    if (!this.#last || this.#last.key !== key) this.#last = this.#groups.get(key)
    return this.#last
  }

  #groupOf(item: Item): Group<Item> {
    return this.#find(item) ?? this.#add(item.record.group)
  }

  /** Whether the group waits for another job. */
  #isHeldUp({ jobs: { head } }: Group<Item>, item: Item): boolean {
    return head !== undefined && head !== item && this.#held.has(head)
  }

  #add(key: string | undefined): Group<Item> {
    const group: Group<Item> = new Group(key, this.#host.lanes())
    this.#groups.set(key, group)
    this.#limit(group)
    return group
  }

  /** Gives a group the limits that it has by now. Jobs that belong to no group have none, and take turns like a group. */
  #limit(group: Group<Item>): void {
    const { key } = group
    if (key === undefined) return
    const { concurrency, rateLimit, isStrict } = this.#rules
    const set: QueueSettings = this.#settings.get(key) ?? {}
    group.isPaused = set.isPaused ?? false
    group.concurrency = (isStrict ? undefined : set.concurrency) ?? concurrency
    group.weight = set.weight ?? this.#weightOf(key)
    group.left = Math.min(group.left, group.weight)
    const limit = set.rateLimit === undefined ? rateLimit : (set.rateLimit ?? undefined)
    if (limit !== group.pace?.rateLimit) this.#paceOf(group).setRateLimit(limit)
  }

  #paceOf(group: Group<Item>): Pace {
    this.#isPaced = true
    group.pace ??= this.#host.pace(group.key, () => this.#opened(group))
    return group.pace
  }

  #weightOf(key: string): number {
    try {
      return this.#rules.weightOf(key)
    } catch (error) {
      this.#host.report(error)
      return 1
    }
  }

  #opened(group: Group<Item>): void {
    this.#settle(group)
    this.#letGo(group)
    this.#host.onOpen()
  }

  /**
   * Has a group take part in the turns if its first job may start, and otherwise not. `isClosing`: its limits may let less through
   * than before.
   */
  #settle(group: Group<Item>, isClosing = false): void {
    const { head } = group.jobs
    const isOpen = head && !this.#held.has(head) && ((group.isWaiting && !isClosing) || group.isOpen)
    if (!isOpen) return this.#stopTurns(group)
    const { priority } = head.record
    if (!group.isWaiting) {
      if (group.left > 0 && group.left < group.weight) this.#turns.addFirst(group)
      else {
        group.left = group.weight
        this.#turns.addLast(group)
      }
    } else if (priority === group.priority) return
    else this.#priorities.remove(group)
    group.priority = priority
    this.#priorities.add(group, -priority, 0, 0)
  }

  #stopTurns(group: Group<Item>): void {
    this.#turns.remove(group)
    this.#priorities.remove(group)
  }

  /** Drops a group that has no jobs, now or when its pace has forgotten them. */
  #letGo(group: Group<Item>): void {
    const { jobs, pace, key } = group
    if (jobs.size > 0) return
    group.left = 0
    if (group.running > 0) return
    pace?.drain()
    this.#cooling.delete(group)
    // After a rest the pace calls back by itself.
    if (pace && !pace.isFresh) return pace.rateLimit && this.#cool(group, pace.rateLimit)
    this.#groups.delete(key)
    this.#last = undefined
  }

  #cool(group: Group<Item>, { intervalMs, minGapMs = 0 }: RateLimit): void {
    this.#cooling.add(group)
    this.#sweep ??= this.#host.timers.after(Math.max(intervalMs, minGapMs), () => {
      this.#sweep = undefined
      const cooling = [...this.#cooling]
      this.#cooling.clear()
      for (const group of cooling) this.#letGo(group)
    })
  }
}

import type { JobRecord } from '../job/record.ts'
import type { HeapItem } from '../shared/indexed-heap.ts'
import type { TimerQueue } from '../timers/timer-queue.ts'
import type { Pace } from './pace.ts'
import type { QueueSettings } from './settings.ts'

/** The place of a job in its queue. */
export interface Place {
  readonly priority: number
  readonly dueAt: number
  readonly seq: number
}

/** A job that waits in a queue. */
export interface Waiting extends HeapItem {
  readonly record: Place & { readonly group?: JobRecord['group'] }
}

/** The order in every queue that has none of its own: priority, then time, then sequence. */
export const isBefore = (a: Place, b: Place): boolean =>
  a.priority !== b.priority ? a.priority > b.priority : a.dueAt !== b.dueAt ? a.dueAt < b.dueAt : a.seq < b.seq

/** Which of the jobs that wait in a queue goes next. `Lanes` is the usual one. */
export interface Order<Item extends Waiting> {
  /** How many jobs wait. */
  readonly size: number
  /** The job that goes next. `undefined` if none waits, or if none of them may start. */
  readonly head: Item | undefined
  join(item: Item): void
  /** Removes a job. Call it before the job gets a new record, because the present record says where the job is. */
  quit(item: Item): void
}

/**
 * An order that the options of a queue bring. What goes next may change in any way at any moment, so such queues are not in the
 * heap of all queues: they are compared one by one.
 */
export interface OwnOrder<Item extends Waiting> extends Order<Item> {
  /** The priority with which the head stands among the first jobs of other queues. Read only if there is a head. */
  readonly priority: number
  /** Returns how many jobs could start if there were workers for them. It need not count beyond `enough`. */
  startable(enough: number): number
  /** Whether a job goes before another one of its queue. Default: as in every queue. */
  isBefore?(a: Place, b: Place): boolean
  /** Returns the priority that counts for a job now, beside jobs of other queues. Default: its own. */
  priorityOf?(place: Place): number
  /** Of an order that limits its jobs in a way of its own, beside the limits of the queue. */
  readonly limits?: OwnLimits<Item> | undefined
}

/** The limits of an order, which each of its jobs passes together with those of the queue. */
export interface OwnLimits<Item extends Waiting> {
  /** Whether a job that waits outside of the line may start. If not, `onOpen` of the host is called when it may. */
  isOpen(item: Item): boolean
  /** A job starts: the head, or a job outside of the line for which the limits are open. */
  enter(item: Item): void
  // Then, as a `Limiter` and its `Pace` want to know it.
  sent(item: Item): void
  began(item: Item): void
  leave(item: Item): void
  /** Returns why these limits do not let the job start, as a sentence; `undefined` if they do. */
  why(item: Item): string | undefined
  /** Lets no job start for so many milliseconds, of those that share the limits of this one. */
  rest(item: Item, ms: number): void
  /**
   * Gives a job that waits for its next attempt its place, in which it holds up those behind it. `quit` removes it. Left out if
   * such jobs hold up none.
   */
  readonly hold?: ((item: Item) => void) | undefined
  /** Returns what can be seen of a group. */
  view(group: string): GroupView
  /** Returns the settings of a group as the options have them. */
  optionsOf(group: string): QueueSettings
  /** Throws `INVALID_OPTION` if no group can be set to this, because of the options. */
  check(settings: QueueSettings): void
  /** Changes settings of a group. What is left out stays as it is. */
  set(group: string, settings: QueueSettings): void
  resumeAll(): void
  close(): void
}

/** What can be seen of a group at any moment. */
export interface GroupView {
  readonly isPaused: boolean
  /** How many of its jobs wait. */
  readonly size: number
  readonly running: number
  /** See `Pace`. */
  readonly waitMs: number
}

/** What an order of its own gets to work with. */
export interface OrderHost<Item extends Waiting> {
  readonly timers: TimerQueue
  /** To be called when a job may start that was not the head before, although no job has joined, quit or left. */
  readonly onOpen: () => void
  /** Reports an error of the application, on `error`. */
  readonly report: (error: unknown) => void
  /** Makes the usual order, for a part of the jobs. */
  lanes(): Order<Item>
  /** Makes a pace for the jobs of one group. */
  pace(group: string | undefined, onOpen: () => void): Pace
}

export type MakeOrder = <Item extends Waiting>(host: OrderHost<Item>) => OwnOrder<Item>

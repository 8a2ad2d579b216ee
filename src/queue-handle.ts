import type { JobFilter, QueueView } from './engine/engine.ts'
import { weightCheck } from './job/group-weight.ts'
import { groupCheck } from './job/job-options.ts'
import type { RateLimit } from './queue/rate-limit.ts'
import type { QueueSettings } from './queue/settings.ts'
import { checkConcurrency, takeRateLimit } from './scheduler-options.ts'
import * as check from './shared/check.ts'

/** What can be seen and done of a queue, and of a group of it. */
interface QueueControls extends QueueView {
  /** Whether its rate limit lets no job start now; `nextStartAt` says until when. */
  readonly isRateLimited: boolean
  /** Starts no more of its jobs; those that run continue. Throws `SCHEDULER_CLOSED`. */
  pause(): Promise<void>
  /** Starts its jobs again. Throws `SCHEDULER_CLOSED`. */
  resume(): Promise<void>
}

/**
 * A named queue with its own concurrency, rate limit and pause.
 *
 * What is set here holds at once, in every tab. It is kept with the store, so it still holds after a reload, a crash or a
 * restart, in place of the `queues` option, until it is set back or `reset` is called. Each of these calls resolves when that is
 * committed, and rejects with `STORE_WRITE_FAILED` while the store takes nothing; then the setting stays, and is tried again.
 * Nobody has to wait for the promise.
 */
export interface Queue extends QueueControls {
  /** The name, as jobs give it in their options. */
  readonly name: string
  /**
   * Runs at most this many jobs of this queue at a time; `Infinity` if only the number of workers limits it. Throws
   * `INVALID_OPTION`, `SCHEDULER_CLOSED`.
   */
  setConcurrency(concurrency: number): Promise<void>
  /**
   * Starts at most `limit` jobs in any span of `intervalMs`; `undefined` for no limit. Throws `INVALID_OPTION`,
   * `SCHEDULER_CLOSED`.
   */
  setRateLimit(rateLimit: RateLimit | null | undefined): Promise<void>
  /**
   * Forgets all that was set here: the queue is as the `queues` option says, and not paused. Throws `SCHEDULER_CLOSED`.
   *
   * @example
   * ```ts
   * const mail = scheduler.queue('mail')
   * await mail.setConcurrency(1)   // holds after a restart, too
   * await mail.reset()             // what the options say
   * ```
   */
  reset(): Promise<void>
  /**
   * Returns one of its groups. Throws `INVALID_OPTION` if this scheduler runs jobs and does not make the queue with `grouped` of
   * `offstage/groups`.
   */
  group(name: string): QueueGroup
  /**
   * Removes all its jobs that wait: for a worker, a time or other jobs. Their promises reject with `JOB_CANCELLED`. Resolves with
   * how many there were. Rejects with `STORE_WRITE_FAILED`, `SCHEDULER_CLOSED`.
   */
  clear(): Promise<number>
  /** Resolves when none of its jobs waits to be started; some may run. Rejects with `SCHEDULER_CLOSED`. */
  onEmpty(): Promise<void>
  /**
   * Resolves when fewer than `limit` of its jobs wait to be started: for a caller that adds more only then. Rejects with
   * `INVALID_OPTION`, `SCHEDULER_CLOSED`.
   *
   * @example
   * ```ts
   * for (const url of urls) {
   *   await queue.onSizeLessThan(100)
   *   await scheduler.add.download(url, { queue: queue.name })
   * }
   * ```
   */
  onSizeLessThan(limit: number): Promise<void>
}

/**
 * One group of a queue that `grouped` of `offstage/groups` has made. What is set here holds like what is set of a queue: at once,
 * in every tab, and kept with the store. It may be set before the group has a job.
 */
export interface QueueGroup extends QueueControls {
  /** The name, as jobs give it in their option `group`. */
  readonly name: string
  /**
   * Runs at most this many of its jobs at a time; `Infinity` if only the limits of its queue count. Throws `INVALID_OPTION`,
   * `SCHEDULER_CLOSED`.
   */
  setConcurrency(concurrency: number): Promise<void>
  /**
   * Starts at most `limit` of its jobs in any span of `intervalMs`; `undefined` for no limit. Throws `INVALID_OPTION`,
   * `SCHEDULER_CLOSED`.
   */
  setRateLimit(rateLimit: RateLimit | null | undefined): Promise<void>
  /** Starts this many of its jobs in its turn, from 1 to 1,000. Throws `INVALID_OPTION`, `SCHEDULER_CLOSED`. */
  setWeight(weight: number): Promise<void>
  /**
   * Forgets all that was set here: the group is as the options of `grouped` say, and not paused. Throws `SCHEDULER_CLOSED`.
   *
   * @example
   * ```ts
   * const user = scheduler.queue('mail').group('user:7')
   * await user.setConcurrency(5)   // holds after a restart, too
   * await user.reset()             // what `grouped` says
   * ```
   */
  reset(): Promise<void>
}

/** What a queue, or a group of it, asks of its scheduler. */
interface Part {
  look(): QueueView
  /** `null`: back to the options. */
  set(settings: QueueSettings | null): Promise<void>
}

interface QueueOwner extends Part {
  /** Throws `INVALID_OPTION` if the queue is not grouped. */
  partOf(group: string): Part
  remove(filter: JobFilter): Promise<number>
  /** Resolves when fewer than `limit` of its jobs wait. */
  whenShorter(limit: number): Promise<void>
}

const sizeCheck = check.integer(1)

/** What a queue and a group of it have in common. */
const partHandle = (name: string, { look, set }: Part) => ({
  name,
  get isPaused() {
    return look().isPaused
  },
  get size() {
    return look().size
  },
  get running() {
    return look().running
  },
  get nextStartAt() {
    return look().nextStartAt
  },
  get isRateLimited() {
    return look().nextStartAt !== undefined
  },
  pause: () => set({ isPaused: true }),
  resume: () => set({ isPaused: false }),
  setConcurrency(concurrency: number) {
    checkConcurrency(concurrency)
    return set({ concurrency })
  },
  setRateLimit: (rateLimit: RateLimit | null | undefined) => set({ rateLimit: takeRateLimit(rateLimit) }),
  reset: () => set(null),
})

const groupHandle = (name: string, part: Part): QueueGroup =>
  Object.assign(partHandle(name, part), {
    setWeight(weight: number) {
      check.checkArgument('weight', weightCheck, weight)
      return part.set({ weight })
    },
  })

/** Checks the arguments and calls the scheduler. */
export const queueHandle = (name: string, owner: QueueOwner): Queue =>
  Object.assign(partHandle(name, owner), {
    group(group: string) {
      check.checkArgument('group', groupCheck, group)
      return groupHandle(group, owner.partOf(group))
    },
    clear: () => owner.remove({ queue: name, state: ['queued', 'scheduled', 'blocked'] }),
    onEmpty: () => owner.whenShorter(1),
    async onSizeLessThan(limit: number) {
      check.checkArgument('limit', sizeCheck, limit)
      return owner.whenShorter(limit)
    },
  })

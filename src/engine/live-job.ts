import type { JobRecord } from '../job/record.ts'
import type { Attempt } from '../pool/pool-worker.ts'
import type { Line } from '../queue/line.ts'
import type { HeapItem } from '../shared/indexed-heap.ts'
import type { Timer } from '../timers/timer-queue.ts'
import { JobView, type Rare } from './job-view.ts'

interface LiveRare extends Rare {
  /** Fires when the job is due, or has been kept long enough. */
  timer: Timer | undefined
  /** Fires when it is too late to start the job. */
  expiry: Timer | undefined
  transfer: Transferable[] | undefined
  /** The input was transferred to a worker that has ended, so it is lost. */
  isInputGone: boolean
  /** The job may have ended a worker. Its next attempt gets a worker to itself, so that it is clear which job is to blame. */
  mustRunAlone: boolean
  /** How often its worker was ended because of another attempt. */
  disturbances: number
}

/** Whether the input was transferred to the worker and exists nowhere else. */
export const hasMoved = ({ transfer, isSent }: Attempt): boolean => transfer !== undefined && isSent

/** The record of a placeholder, in a step that is about no job. */
export const noRecord = { id: '', attempt: 0 } as JobRecord

/** A job where it runs: what can be seen of it, and its place. It is small, because a million of them may wait. */
export class LiveJob extends JobView implements HeapItem {
  /** Its index in its line, or among the finished jobs; −1 in neither. */
  heapIndex = -1
  /** Whether it is in the job index: neither removed nor refused by the store. Only the index writes it. */
  isListed = false
  /** Its line, while it waits there or has an attempt on a worker. Otherwise unset, because empty lines may be dropped. */
  line: Line<LiveJob> | undefined = undefined
  /** The attempt that is on a worker. A stale attempt stays here too, until the worker has let go of it. */
  attempt: Attempt<LiveJob> | undefined = undefined
  /** One object for all that most jobs never use, of the view and of this class. */
  declare protected rare: LiveRare | undefined

  get timer(): Timer | undefined {
    return this.rare?.timer
  }

  set timer(timer: Timer | undefined) {
    if (timer || this.rare) this.withRare().timer = timer
  }

  get expiry(): Timer | undefined {
    return this.rare?.expiry
  }

  set expiry(timer: Timer | undefined) {
    if (timer || this.rare) this.withRare().expiry = timer
  }

  get transfer(): Transferable[] | undefined {
    return this.rare?.transfer
  }

  set transfer(transfer: Transferable[] | undefined) {
    if (transfer || this.rare) this.withRare().transfer = transfer
  }

  get isInputGone(): boolean {
    return this.rare?.isInputGone === true || (this.attempt !== undefined && hasMoved(this.attempt))
  }

  /** The attempt has ended, and what was transferred for it is lost. */
  loseInput(): void {
    this.withRare().isInputGone = true
  }

  get mustRunAlone(): boolean {
    return this.rare?.mustRunAlone === true
  }

  set mustRunAlone(mustRunAlone: boolean) {
    this.withRare().mustRunAlone = mustRunAlone
  }

  /**
   * Its worker was ended because of another attempt. The second time it asks for a worker of its own, because otherwise it
   * might never finish.
   */
  disturb(): void {
    if (++this.withRare().disturbances > 1) this.mustRunAlone = true
  }

  protected override withRare(): LiveRare {
    this.rare ??= {
      timer: undefined,
      expiry: undefined,
      transfer: undefined,
      isInputGone: false,
      mustRunAlone: false,
      disturbances: 0,
      progress: undefined,
      observers: undefined,
    }
    return this.rare
  }

  /** The reader has taken a value, so the handler may send one more. */
  ack(): void {
    this.attempt?.worker.ack(this.attempt, 1)
  }

  /** Detaches the job from its engine; another engine may adopt it. Uncommitted changes are undone. */
  quit(): void {
    this.heapIndex = -1
    this.isListed = false
    this.record = this.visible
    this.attempt = undefined
    this.line = undefined
    this.timer = undefined
    this.expiry = undefined
  }
}

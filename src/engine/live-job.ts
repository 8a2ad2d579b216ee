import type { Attempt } from '../pool/pool-worker.ts'
import type { Line } from '../queue/line.ts'
import type { HeapItem } from '../shared/indexed-heap.ts'
import type { Timer } from '../timers/timer-queue.ts'
import { JobView, type Rare } from './job-view.ts'

interface LiveRare extends Rare {
  /** For when it is due, or has been kept long enough. */
  timer: Timer | undefined
  /** For when it is too late to start. */
  expiry: Timer | undefined
  transfer: Transferable[] | undefined
  /** It was moved to a thread, and is nowhere else. */
  isInputGone: boolean
  /** It may have ended a thread: the next attempt has one to itself, so that the blame is exact. */
  mustRunAlone: boolean
  /** How often its thread was ended for the sake of another attempt. */
  disturbances: number
}

/** Its input is on the thread, and nowhere else. */
export const hasMoved = ({ transfer, isSent }: Attempt): boolean => transfer !== undefined && isSent

/** A job where it runs: what can be seen of it, and its place. Small, because a million of them may wait. */
export class LiveJob extends JobView implements HeapItem {
  /** Its place in its line, or among the finished; −1 in neither. */
  heapIndex = -1
  /** It is there: neither removed, nor refused by the store. Written by the job index. */
  isListed = false
  /** While it waits there, or has an attempt on a thread: a queue of which there is no more is forgotten. */
  line: Line<LiveJob> | undefined = undefined
  /** The attempt that is on a thread. It outlives its right to settle the job until the thread has let go of it. */
  attempt: Attempt<LiveJob> | undefined = undefined
  /** One object for what most jobs never have, of the view's and of ours. */
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

  /** Its attempt is over, and what was moved for it does not come back. */
  loseInput(): void {
    this.withRare().isInputGone = true
  }

  get mustRunAlone(): boolean {
    return this.rare?.mustRunAlone === true
  }

  set mustRunAlone(mustRunAlone: boolean) {
    this.withRare().mustRunAlone = mustRunAlone
  }

  /** Its thread was ended, and not for its sake. The second time it asks for one of its own: or it might never end. */
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

  /** The reader took a value: the handler may send one more. */
  taken(): void {
    this.attempt?.worker.taken(this.attempt, 1)
  }

  /** Its engine is no more; another may adopt it. What was not committed has not happened. */
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

import type { EventStream } from '../events/stream.ts'
import { isTerminal, type JobRecord } from '../job/record.ts'
import type { Run } from '../pool/slot.ts'
import type { Line } from '../queue/line.ts'
import { defer } from '../shared/deferred.ts'
import type { HeapItem } from '../shared/indexed-heap.ts'
import type { Timer } from '../timers/timer-queue.ts'
import { JobObservers, type JobSnapshot } from './job-observers.ts'

interface Rare {
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
  /** The newest progress of the newest attempt. */
  progress: unknown
  observers: JobObservers | undefined
}

/** Its input is on the thread, and nowhere else. */
export const hasMoved = ({ transfer, isSent }: Run): boolean => transfer !== undefined && isSent

/** A job in memory: its record, its place, and who is waiting for it. Small, because a million of them may wait. */
export class LiveJob implements HeapItem {
  /** Its place in its line, or among the finished; −1 in neither. */
  heapIndex = -1
  /** It is there: neither removed, nor refused by the store. Written by the job index. */
  isListed = false
  /** While it waits there, or has an attempt on a thread: a queue of which there is no more is forgotten. */
  line: Line<LiveJob> | undefined
  /** As decided. */
  record: JobRecord
  /** As the store has it and as everybody may see it; `undefined` until the job is committed. */
  committed: JobRecord | undefined
  /** The attempt that is on a thread. It outlives its right to settle the job until the thread has let go of it. */
  run: Run<LiveJob> | undefined
  /** What most jobs never have. */
  #rare: Rare | undefined
  /** Somebody's promise, and its end: a promise resolved with a rejected one is rejected, so that one end is enough. */
  #result: Promise<unknown> | undefined
  #settle: ((result: unknown) => void) | undefined

  constructor(record: JobRecord) {
    this.record = record
  }

  get timer(): Timer | undefined {
    return this.#rare?.timer
  }

  set timer(timer: Timer | undefined) {
    if (timer || this.#rare) this.#withRare().timer = timer
  }

  get expiry(): Timer | undefined {
    return this.#rare?.expiry
  }

  set expiry(timer: Timer | undefined) {
    if (timer || this.#rare) this.#withRare().expiry = timer
  }

  get transfer(): Transferable[] | undefined {
    return this.#rare?.transfer
  }

  set transfer(transfer: Transferable[] | undefined) {
    if (transfer || this.#rare) this.#withRare().transfer = transfer
  }

  get isInputGone(): boolean {
    return this.#rare?.isInputGone === true || (this.run !== undefined && hasMoved(this.run))
  }

  /** Its attempt is over, and what was moved for it does not come back. */
  loseInput(): void {
    this.#withRare().isInputGone = true
  }

  get mustRunAlone(): boolean {
    return this.#rare?.mustRunAlone === true
  }

  set mustRunAlone(mustRunAlone: boolean) {
    this.#withRare().mustRunAlone = mustRunAlone
  }

  /** Its thread was ended, and not for its sake. The second time it asks for one of its own: or it might never end. */
  disturb(): void {
    if (++this.#withRare().disturbances > 1) this.mustRunAlone = true
  }

  get progress(): unknown {
    return this.#rare?.progress
  }

  set progress(progress: unknown) {
    if (progress !== undefined || this.#rare) this.#withRare().progress = progress
  }

  /** What the store has; asked for only after the job is committed. */
  get visible(): JobRecord {
    return this.committed ?? this.record
  }

  /** Whoever looks on; nobody does at most jobs. */
  get observers(): JobObservers | undefined {
    return this.#rare?.observers
  }

  get hasEnded(): boolean {
    return this.committed !== undefined && isTerminal(this.committed.state)
  }

  /** Made for the first who looks on. */
  observe(): JobObservers {
    const rare = this.#withRare()
    rare.observers ??= new JobObservers()
    return rare.observers
  }

  #withRare(): Rare {
    this.#rare ??= {
      timer: undefined,
      expiry: undefined,
      transfer: undefined,
      isInputGone: false,
      mustRunAlone: false,
      disturbances: 0,
      progress: undefined,
      observers: undefined,
    }
    return this.#rare
  }

  snapshot(): JobSnapshot {
    return this.observe().see(this.visible, this.progress)
  }

  /** The reader took a value: the handler may send one more. */
  taken(): void {
    this.run?.slot.taken(this.run, 1)
  }

  /** The one reader of what the handler sends. */
  values(onTake: () => void, onLeave?: () => void): EventStream<unknown> {
    const reader = this.observe().read(onTake, onLeave)
    if (this.hasEnded) reader.end()
    return reader
  }

  /** Settles when the job does. Made when asked for, so that an unread failure is no unhandled rejection. */
  result(): Promise<unknown> {
    const { committed } = this
    if (committed?.state === 'completed') return Promise.resolve(committed.result)
    if (committed && isTerminal(committed.state)) return Promise.reject(committed.error)
    if (!this.#result) {
      const { promise, resolve } = defer<unknown>()
      this.#result = promise
      this.#settle = resolve
    }
    return this.#result
  }

  /** The newest record is committed, and is the last. `hasMoreValues`: some are on their way from another tab. */
  settle({ state, result, error }: JobRecord, hasMoreValues = false): void {
    if (!hasMoreValues) this.observers?.endValues()
    if (state === 'completed') this.#settle?.(result)
    else this.#reject(error)
    this.#result = undefined
    this.#settle = undefined
  }

  #reject(error: unknown): void {
    this.#settle?.(Promise.reject(error))
  }

  /** Its engine is no more; another may adopt it. What was not committed has not happened. */
  quit(): void {
    this.heapIndex = -1
    this.isListed = false
    this.record = this.visible
    this.run = undefined
    this.line = undefined
    this.timer = undefined
    this.expiry = undefined
  }

  /** Whoever waits for the result waits no longer; returns whether anybody did. The job goes on, and may be asked again. */
  letDown(error: unknown): boolean {
    const wasAwaited = this.#result !== undefined
    this.#reject(error)
    this.#result = undefined
    this.#settle = undefined
    return wasAwaited
  }

  /** Nothing more will be heard here, whatever becomes of the job. */
  abandon(error: unknown): void {
    this.letDown(error)
    this.observers?.endValues()
  }
}

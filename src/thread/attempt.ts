import type { Signal } from '../job/waits.ts'
import { type Resume, valuesAhead } from '../pool/protocol.ts'
import { type Deferred, defer } from '../shared/deferred.ts'
import type { JobType } from './handlers.ts'
import type { SharedCall } from './shared-call.ts'
import type { Waits } from './waits.ts'

/** One attempt in this worker. */
export class Attempt {
  readonly wireId: number
  readonly type: JobType
  readonly id: string
  readonly attempt: number
  /** Whether the scheduler has to be notified when the attempt begins. */
  readonly isWatched: boolean
  readonly resume: Resume | undefined
  readonly input: unknown
  beganAt = 0
  isEnded = false
  /** Set once the handler has put its job off: the operation that reports it, and by how many milliseconds. */
  putOff: readonly [operation: number, ms: number] | undefined = undefined
  /** How many steps and other reports are under way. Until they are done, not all code of the handler waits. */
  busy = 0
  /** Made when the handler waits or listens for the first time, like most of what follows. */
  waits: Waits | undefined
  /** Signals that have come before that. */
  signals: Signal[] | undefined
  /** The call that takes it together with others. */
  call: SharedCall | undefined
  /** Made if something goes around the handler: rejected when the attempt ends because its handler waits. */
  left: Deferred<never> | undefined
  /** Set once the attempt has to stop. */
  abortedBy: { readonly reason: unknown } | undefined
  /** Made when the handler reads its signal. */
  #controller: AbortController | undefined
  /** The newest progress that was not sent, and when the last one was sent. */
  progress: { readonly value: unknown } | undefined
  progressSentAt = -Number.POSITIVE_INFINITY
  #valuesUnread = 0
  #senders: Deferred<void>[] | undefined
  #saves: Map<number, Deferred<void>> | undefined

  constructor(
    wireId: number,
    type: JobType,
    id: string,
    attempt: number,
    isWatched: boolean,
    resume: Resume | undefined,
    input: unknown,
  ) {
    this.wireId = wireId
    this.type = type
    this.id = id
    this.attempt = attempt
    this.isWatched = isWatched
    this.resume = resume
    this.input = input
  }

  get signal(): AbortSignal {
    if (!this.#controller) {
      this.#controller = new AbortController()
      if (this.abortedBy) this.#controller.abort(this.abortedBy.reason)
    }
    return this.#controller.signal
  }

  throwIfAborted(): void {
    if (this.abortedBy) throw this.abortedBy.reason
  }

  abort(reason: unknown): void {
    if (this.abortedBy) return
    this.abortedBy = { reason }
    this.#controller?.abort(reason)
    for (const sender of this.#senders?.splice(0) ?? []) sender.reject(reason)
    for (const save of this.#saves?.values() ?? []) save.reject(reason)
    this.#saves?.clear()
    this.waits?.abort(reason)
  }

  /** Waits for work of the handler that is no wait. */
  async during<Result>(work: Promise<Result>): Promise<Result> {
    this.busy++
    try {
      return await work
    } finally {
      this.busy--
      this.waits?.look()
    }
  }

  /** A signal has come while the attempt runs, or waits to run. */
  receive(signal: Signal): void {
    if (this.waits) return this.waits.receive(signal)
    this.signals ??= []
    this.signals.push(signal)
  }

  /**
   * Counts a value that was sent. Returns a promise that resolves when the next may be sent; `undefined` if it may be sent at
   * once.
   */
  whenRoomForValues(): Promise<void> | undefined {
    if (++this.#valuesUnread < valuesAhead) return undefined
    const sender = defer<void>()
    this.#senders ??= []
    this.#senders.push(sender)
    return sender.promise
  }

  ack(count: number): void {
    this.#valuesUnread -= count
    while (this.#senders?.length && this.#valuesUnread < valuesAhead) this.#senders.shift()?.resolve()
  }

  /** Resolves when the scheduler reports that what was sent with `call` is committed. */
  whenSaved(call: number): Promise<void> {
    const save = defer<void>()
    this.#saves ??= new Map()
    this.#saves.set(call, save)
    return save.promise
  }

  saved(call: number): void {
    this.#saves?.get(call)?.resolve()
    this.#saves?.delete(call)
  }
}

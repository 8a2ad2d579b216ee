import { type Resume, valuesAhead } from '../pool/protocol.ts'
import { type Deferred, defer } from '../shared/deferred.ts'
import type { JobType } from './handlers.ts'

/** One attempt in this thread. */
export class Attempt {
  readonly wireId: number
  readonly type: JobType
  readonly id: string
  readonly attempt: number
  /** The scheduler wants to know when it begins. */
  readonly isWatched: boolean
  readonly resume: Resume | undefined
  readonly input: unknown
  beganAt = 0
  isEnded = false
  /** Set once it is to stop. */
  abortedBy: { readonly reason: unknown } | undefined
  /** Made when the handler looks at its signal. */
  #controller: AbortController | undefined
  /** The newest progress that was not sent, and when the one before was. */
  progress: { readonly value: unknown } | undefined
  progressSentAt = Number.NEGATIVE_INFINITY
  #valuesUnread = 0
  /** Made when they are first needed, as most of an attempt is: most jobs need nothing. */
  #senders: Deferred<void>[] | undefined
  #keepers: Map<number, Deferred<void>> | undefined

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
    for (const keeper of this.#keepers?.values() ?? []) keeper.reject(reason)
    this.#keepers?.clear()
  }

  /** A value was sent: resolves when the next may be. */
  whenRoomForValues(): Promise<void> | undefined {
    if (++this.#valuesUnread < valuesAhead) return undefined
    const sender = defer<void>()
    this.#senders ??= []
    this.#senders.push(sender)
    return sender.promise
  }

  valuesTaken(count: number): void {
    this.#valuesUnread -= count
    while (this.#senders?.length && this.#valuesUnread < valuesAhead) this.#senders.shift()?.resolve()
  }

  /** Resolves when the scheduler says that what was sent with `call` is safe. */
  whenKept(call: number): Promise<void> {
    const keeper = defer<void>()
    this.#keepers ??= new Map()
    this.#keepers.set(call, keeper)
    return keeper.promise
  }

  kept(call: number): void {
    this.#keepers?.get(call)?.resolve()
    this.#keepers?.delete(call)
  }
}

import { systemClock } from '../platform/host.ts'
import type { Outbox } from '../pool/outbox.ts'
import { fromThread } from '../pool/protocol.ts'
import { cloneError, copyPlain, notPlain, readable } from '../shared/clone.ts'
import { outgoing } from '../shared/outgoing.ts'
import { show } from '../shared/show.ts'
import type { Attempt } from './attempt.ts'
import type { Host } from './context.ts'

/** Progress is sent at most this often per job, in milliseconds. A screen shows no more. */
const progressMs = 16

/** Sends what handlers report through their context. A handler that runs on after the end of its attempt is ignored. */
export class Reports implements Host {
  readonly #outbox: Outbox
  readonly #flush: () => void
  readonly wait: Host['wait']
  /** Tasks with progress that was not sent yet. */
  readonly #late = new Set<Attempt>()
  #isLateTimed = false
  #lastCall = 0

  constructor(outbox: Outbox, flush: () => void, wait: Host['wait']) {
    this.#outbox = outbox
    this.#flush = flush
    this.wait = wait
  }

  progress(attempt: Attempt, value: unknown): void {
    if (attempt.isEnded) return
    attempt.progress = { value }
    if (systemClock.monotonic() - attempt.progressSentAt >= progressMs) {
      this.sendProgress(attempt)
      this.#flush()
      return
    }
    this.#late.add(attempt)
    if (this.#isLateTimed) return
    this.#isLateTimed = true
    systemClock.startTimer(() => this.#sendLate(), progressMs, true)
  }

  #sendLate(): void {
    this.#isLateTimed = false
    for (const attempt of this.#late) this.sendProgress(attempt)
    this.#flush()
  }

  /** Sends the newest progress of an attempt, if it was not sent yet. */
  sendProgress(attempt: Attempt): void {
    const { progress } = attempt
    if (!progress) return
    attempt.progress = undefined
    attempt.progressSentAt = systemClock.monotonic()
    this.#late.delete(attempt)
    try {
      this.#send([fromThread.progress, attempt.wireId, progress.value])
    } catch {
      // Progress is not worth a failed job, but its loss must not be a mystery either.
      this.log(attempt, ['Progress that cannot be copied to another thread was left out:', show(progress.value)])
    }
  }

  value(attempt: Attempt, value: unknown): Promise<void> | undefined {
    if (attempt.isEnded) return undefined
    try {
      this.#send([fromThread.value, attempt.wireId, value])
    } catch (cause) {
      throw cloneError(value, 'value', cause)
    }
    return attempt.whenRoomForValues()
  }

  log(attempt: Attempt, args: unknown[]): void {
    if (!attempt.isEnded) this.#outbox.open().push(fromThread.log, attempt.wireId, args.map(readable))
  }

  save(attempt: Attempt, key: string, value: unknown): Promise<void> {
    const call = ++this.#lastCall
    try {
      this.#send([fromThread.save, attempt.wireId, call, key, value])
    } catch (cause) {
      throw cloneError(value, key === '' ? 'checkpoint' : `value of step '${key}'`, cause)
    }
    return attempt.whenSaved(call)
  }

  /**
   * Sends a message whose last field comes from a handler. Plain data is copied and travels with other messages, because the handler
   * may change its own copy before the batch is sent. Anything else is sent at once. Throws if it cannot be cloned.
   */
  #send(message: unknown[]): void {
    const last = message.length - 1
    const copy = copyPlain(message[last])
    message[last] = copy === notPlain ? outgoing(message[last]) : copy
    if (copy === notPlain) this.#outbox.send(message)
    else this.#outbox.open().push(...message)
  }
}

import { systemClock } from '../platform/host.ts'
import type { Outbox } from '../pool/outbox.ts'
import { say } from '../pool/protocol.ts'
import { cloneError, copyPlain, notPlain, readable } from '../shared/clone.ts'
import { outgoing } from '../shared/outgoing.ts'
import { show } from '../shared/show.ts'
import type { Host } from './context.ts'
import type { Task } from './task.ts'

/** Progress is sent at most this often per job, in milliseconds. A screen shows no more. */
const progressMs = 16

/** Sends what handlers report through their context. A handler that runs on after the end of its attempt is ignored. */
export class Reports implements Host {
  readonly #outbox: Outbox
  readonly #flush: () => void
  /** Tasks with progress that was not sent yet. */
  readonly #late = new Set<Task>()
  #isLateTimed = false
  #lastCall = 0

  constructor(outbox: Outbox, flush: () => void) {
    this.#outbox = outbox
    this.#flush = flush
  }

  progress(task: Task, value: unknown): void {
    if (task.isEnded) return
    task.progress = { value }
    if (systemClock.monotonic() - task.progressSentAt >= progressMs) {
      this.sendProgress(task)
      this.#flush()
      return
    }
    this.#late.add(task)
    if (this.#isLateTimed) return
    this.#isLateTimed = true
    systemClock.startTimer(() => this.#sendLate(), progressMs, true)
  }

  #sendLate(): void {
    this.#isLateTimed = false
    for (const task of this.#late) this.sendProgress(task)
    this.#flush()
  }

  /** Sends the newest progress of a task, if it was not sent yet. */
  sendProgress(task: Task): void {
    const { progress } = task
    if (!progress) return
    task.progress = undefined
    task.progressSentAt = systemClock.monotonic()
    this.#late.delete(task)
    try {
      this.#send([say.progress, task.ticket, progress.value])
    } catch {
      // Progress is not worth a failed job, but its loss must not be a mystery either.
      this.log(task, ['Progress that cannot be copied to another thread was left out:', show(progress.value)])
    }
  }

  value(task: Task, value: unknown): Promise<void> | undefined {
    if (task.isEnded) return undefined
    try {
      this.#send([say.value, task.ticket, value])
    } catch (cause) {
      throw cloneError(value, 'value', cause)
    }
    return task.whenRoomForValues()
  }

  log(task: Task, args: unknown[]): void {
    if (!task.isEnded) this.#outbox.open().push(say.log, task.ticket, args.map(readable))
  }

  keep(task: Task, key: string, value: unknown): Promise<void> {
    const call = ++this.#lastCall
    try {
      this.#send([say.keep, task.ticket, call, key, value])
    } catch (cause) {
      throw cloneError(value, key === '' ? 'checkpoint' : `value of step '${key}'`, cause)
    }
    return task.whenKept(call)
  }

  /**
   * Sends a note whose last field comes from a handler. Plain data is copied and travels with other notes, because the handler
   * may change its own copy before the batch is sent. Anything else is sent at once. Throws if it cannot be cloned.
   */
  #send(note: unknown[]): void {
    const last = note.length - 1
    const copy = copyPlain(note[last])
    note[last] = copy === notPlain ? outgoing(note[last]) : copy
    if (copy === notPlain) this.#outbox.send(note)
    else this.#outbox.open().push(...note)
  }
}

import { type JobHeaders, noHeaders } from '../job/record.ts'
import { fromThread } from '../pool/protocol.ts'
import { OffstageError } from '../shared/errors.ts'
import type { Transferable } from '../shared/globals.ts'
import type { Attempt } from './attempt.ts'
import { listen, mustListen } from './drive.ts'
import { assertDelay } from './retry-errors.ts'

/** The key is stored with each value. */
const keyLengthMax = 1_024

/** What an attempt needs of the worker that runs it. */
export interface Host {
  progress(attempt: Attempt, progress: unknown): void
  value(attempt: Attempt, value: unknown): Promise<void> | undefined
  log(attempt: Attempt, args: unknown[]): void
  save(attempt: Attempt, key: string, value: unknown): Promise<void>
}

/** A value that is returned with its transferables. */
export class Transfer {
  readonly value: unknown
  readonly transferables: Transferable[]

  constructor(value: unknown, transferables: Transferable[]) {
    this.value = value
    this.transferables = transferables
  }
}

/** What a handler receives besides its input. */
export interface JobContext<Progress = unknown, Value = unknown> {
  /** The id of the job. */
  readonly id: string
  /** The job type. */
  readonly name: string
  /** The number of this attempt, from 1. */
  readonly attempt: number
  /** The headers that the job was added with; an empty object if there are none. */
  readonly headers: JobHeaders
  /**
   * Aborted when the job is cancelled or timed out. Whatever the handler does then is ignored; `graceMs` later its worker is
   * ended.
   */
  readonly signal: AbortSignal
  /**
   * Reports how far the job is. The newest value wins: when reports come in quick succession some are left out, but never the
   * last one.
   */
  progress(value: Progress): void
  /**
   * Sends a value to the reader of `job.values()`. Every value is delivered. Await it: with 16 values unread it waits for the
   * reader. Rejects with the signal's reason when the job has to stop, and with `DATA_CLONE` when the value cannot be cloned.
   */
  send(value: Value): Promise<void>
  /** Emits a `log` event with these arguments; nothing is printed. */
  log(...args: unknown[]): void
  /** Keeps `state` for the next attempt, after a failure or an interruption. Resolves when it is committed. */
  checkpoint(state: unknown): Promise<void>
  /** What the last `checkpoint` of an earlier attempt saved; `undefined` if there was none. */
  readonly checkpointed: unknown
  /**
   * Runs `fn` until it has succeeded once, over all attempts: later calls return the recorded value. `key`: 1 to 1,024
   * characters.
   *
   * @example
   * ```ts
   * const order = await job.step('order', () => placeOrder(cart)) // not placed twice when the next line fails
   * await job.step('mail', () => sendMail(order))
   * ```
   */
  step<Result>(key: string, fn: () => Result | Promise<Result>): Promise<Result>
  /** What `yield` is for generators, for async handlers: lets messages arrive, and rejects when the job has to stop. */
  safePoint(): Promise<void>
  /**
   * Ends this attempt and puts the job off: it runs again, from the start, in `ms` milliseconds. No attempt is used, and what was
   * saved with `checkpoint` and `step` stays. It throws, to leave the handler; even if the handler catches that, the job is put
   * off when the handler ends. An input that was moved here with `transfer` cannot be put off: then the job fails with
   * `DATA_CLONE`.
   *
   * @example
   * ```ts
   * const { isReady, url } = await askForExport(id)
   * if (!isReady) job.snooze(60_000)
   * ```
   */
  snooze(ms: number): never
  /**
   * Ends this attempt as `snooze` does, and lets the queue of the job rest: it starts no job for `ms` milliseconds. The job
   * keeps its place in line. For a service that says that it was asked too often.
   *
   * @example
   * ```ts
   * if (response.status === 429) job.rateLimited(1_000 * Number(response.headers.get('Retry-After')))
   * ```
   */
  rateLimited(ms: number): never
  /** Transfers `transferables` with the value instead of copying them: `return job.transfer(pixels, [pixels.buffer])`. */
  transfer<Result>(value: Result, transferables: Transferable[]): Result
}

/** The context of one attempt. Most of it is made on first use, because most jobs use none of it. */
export class TaskContext implements JobContext<unknown, unknown> {
  readonly #attempt: Attempt
  /** A function, so that a handler that prints its context does not print the worker. In the build this member is a plain one. */
  readonly #hostOf: () => Host
  #steps: Map<string, Promise<unknown>> | undefined

  constructor(attempt: Attempt, hostOf: () => Host) {
    this.#attempt = attempt
    this.#hostOf = hostOf
  }

  get #host(): Host {
    return this.#hostOf()
  }

  get id(): string {
    return this.#attempt.id
  }

  get name(): string {
    return this.#attempt.type.name
  }

  get attempt(): number {
    return this.#attempt.attempt
  }

  get headers(): JobHeaders {
    return this.#attempt.resume?.headers ?? noHeaders
  }

  get signal(): AbortSignal {
    return this.#attempt.signal
  }

  get checkpointed(): unknown {
    return this.#attempt.resume?.checkpoint
  }

  progress(value: unknown): void {
    this.#host.progress(this.#attempt, value)
  }

  async send(value: unknown): Promise<void> {
    this.#attempt.throwIfAborted()
    return this.#host.value(this.#attempt, value)
  }

  log(...args: unknown[]): void {
    this.#host.log(this.#attempt, args)
  }

  async checkpoint(state: unknown): Promise<void> {
    this.#attempt.throwIfAborted()
    return this.#host.save(this.#attempt, '', state)
  }

  step<Result>(key: string, fn: () => Result | Promise<Result>): Promise<Result> {
    if (typeof key !== 'string' || key === '' || key.length > keyLengthMax) {
      const message = `Expected the key of a step to be a string of 1 to ${keyLengthMax} characters.`
      return Promise.reject(new OffstageError('INVALID_OPTION', message))
    }
    this.#steps ??= new Map()
    const running = this.#steps.get(key) ?? this.#unlessItFails(key, this.#runStep(key, fn))
    this.#steps.set(key, running)
    return running as Promise<Result>
  }

  /** A step that failed has left no value: the next call with its key runs it again. */
  async #unlessItFails(key: string, running: Promise<unknown>): Promise<unknown> {
    try {
      return await running
    } catch (error) {
      this.#steps?.delete(key)
      throw error
    }
  }

  async #runStep(key: string, fn: () => unknown): Promise<unknown> {
    const recorded = this.#attempt.resume?.steps
    if (recorded?.has(key)) return recorded.get(key)
    this.#attempt.throwIfAborted()
    const value = await fn()
    await this.#host.save(this.#attempt, key, value)
    return value
  }

  async safePoint(): Promise<void> {
    await (mustListen() ? listen() : undefined)
    this.#attempt.throwIfAborted()
  }

  snooze(ms: number): never {
    return this.#putOff(fromThread.snoozed, ms)
  }

  rateLimited(ms: number): never {
    return this.#putOff(fromThread.rateLimited, ms)
  }

  #putOff(operation: number, ms: number): never {
    assertDelay(ms)
    this.#attempt.putOff = [operation, ms]
    throw new Error(`The job is put off by ${ms} ms. This error only ends the handler.`)
  }

  transfer<Result>(value: Result, transferables: Transferable[]): Result {
    return transferables?.length ? (new Transfer(value, transferables) as Result) : value
  }
}

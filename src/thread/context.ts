import { type JobHeaders, noHeaders, parentIdIn } from '../job/record.ts'
import { signalNameCheck, type WaitKind } from '../job/waits.ts'
import { type ChildRequest, fromThread, type SentWait } from '../pool/protocol.ts'
import * as check from '../shared/check.ts'
import { copyValue } from '../shared/clone.ts'
import type { Transferable } from '../shared/globals.ts'
import type { Parents } from '../shared/parents.ts'
import type { Attempt } from './attempt.ts'
import { listen, mustListen } from './drive.ts'
import { assertDelay, attemptEnded } from './retry-errors.ts'
import { assertKey, callText, mismatch, notAmongMany, twoSteps } from './step-keys.ts'
import { runChild, type Waiting, waiting, waitingLater } from './waiting.ts'
import { never, Waits } from './waits.ts'

/** What an attempt needs of the worker that runs it. */
export interface Host {
  progress(attempt: Attempt, progress: unknown): void
  value(attempt: Attempt, value: unknown): Promise<void> | undefined
  log(attempt: Attempt, args: unknown[]): void
  save(attempt: Attempt, key: string, value: unknown): Promise<void>
  /** All code of the handler waits. */
  wait(attempt: Attempt, waits: readonly SentWait[]): void
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

/** `assertKey` says more about the key. */
const sleepChecks: check.Checks = { key: () => undefined }
const waitChecks: check.Checks = { ...sleepChecks, timeoutMs: check.durationMs }
const noParents: Parents = Object.freeze({})

/** What a handler receives besides its input. */
export interface JobContext<Progress = unknown, Value = unknown, ParentResults = Parents> {
  /** The id of the job. */
  readonly id: string
  /** The job type. */
  readonly name: string
  /** The number of this attempt, from 1. Each call of the handler is one, also after a wait or a `snooze`, which use up none. */
  readonly attempt: number
  /** The id of the job that has run this one with `children`; `undefined` if none has. */
  readonly parentId: string | undefined
  /** The headers that the job was added with; an empty object if there are none. */
  readonly headers: JobHeaders
  /**
   * In a flow, what the jobs returned that this one has waited for, by their keys; the error of one that failed, if this job runs
   * nevertheless. Otherwise an empty object.
   *
   * @example
   * ```ts
   * report: (_: undefined, job: JobContext<never, never, { sales: number; costs: number }>) => job.parents.sales - job.parents.costs,
   * ```
   */
  readonly parents: ParentResults
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
   * characters, not beginning with `offstage:`. A key that is used for different code, or for a wait too, fails the job with
   * `STEP_MISMATCH`.
   *
   * @example
   * ```ts
   * const order = await job.step('order', () => placeOrder(cart)) // not placed twice when the next line fails
   * await job.step('mail', () => sendMail(order))
   * ```
   */
  step<Result>(key: string, fn: () => Result | Promise<Result>): Waiting<Result>
  /**
   * Waits for `ms` milliseconds, up to a hundred years, without holding a thread: when all code of the handler waits, the attempt
   * ends, and the handler runs again, from the start, when the time is over. Steps and waits that are over then return at once what
   * they returned before; everything else runs again, so put it into steps. No attempt is used. In the attempt that ends, the
   * promise never settles, and neither `catch` nor `finally` around it runs.
   *
   * A later attempt knows a sleep by its number in their order, or by `key` if you give one. A generator waits with `yield*`.
   *
   * @example
   * ```ts
   * await job.step('invite', () => sendMail(user, 'Welcome'))
   * await job.sleep(3 * 24 * 60 * 60 * 1000)
   * await job.step('remind', () => sendMail(user, 'Are you still there?'))
   * ```
   */
  sleep(ms: number, options?: { readonly key?: string | undefined }): Waiting<void>
  /**
   * Waits, as `sleep` does, until `scheduler.signal(id, name, value)` is called, and resolves with the value. A signal that came
   * before is received at once. Each is received once, by one wait or by the listeners of `on`, in the order in which they came.
   *
   * After `timeoutMs` milliseconds it resolves with `undefined`. A later attempt knows a wait by its name and its number in their
   * order, or by `key` if you give one. A generator waits with `yield*`.
   *
   * @example
   * ```ts
   * const answer = await job.waitFor<{ by: string }>('approved', { timeoutMs: 48 * 60 * 60 * 1000 })
   * if (!answer) return 'nobody has approved it'
   * ```
   */
  waitFor<Received = unknown>(name: string, options?: { readonly key?: string | undefined }): Waiting<Received>
  waitFor<Received = unknown>(
    name: string,
    options: { readonly timeoutMs?: number | undefined; readonly key?: string | undefined },
  ): Waiting<Received | undefined>
  /**
   * Calls the listener with the value of each signal of this name, in order, as long as this attempt runs: first with those that
   * nobody has received. A signal that it has received does not come again in a later attempt. What the listener throws aborts
   * the attempt. Returns a function that takes the listener off.
   *
   * @example
   * ```ts
   * let isPaused = false
   * job.on('pause', (value) => { isPaused = value === true })
   * ```
   */
  on(name: string, listener: (value: unknown) => void): () => void
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
  #steps: Map<string, { readonly running: Waiting<unknown>; readonly fn: () => unknown }> | undefined
  /** By key, what this attempt has waited for; and how often under each name. */
  #waits: Map<string, string> | undefined
  #counts: Map<string, number> | undefined

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

  get parents(): Parents {
    return this.#attempt.resume?.parents ?? noParents
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
    const reading = this.#host.value(this.#attempt, value)
    return reading && this.#attempt.during(reading)
  }

  log(...args: unknown[]): void {
    this.#host.log(this.#attempt, args)
  }

  async checkpoint(state: unknown): Promise<void> {
    this.#attempt.throwIfAborted()
    return this.#attempt.during(this.#host.save(this.#attempt, '', state))
  }

  step<Result>(key: string, fn: () => Result | Promise<Result>): Waiting<Result> {
    return this.#step(key, fn) as Waiting<Result>
  }

  #step(key: string, fn: () => unknown): Waiting<unknown> {
    const attempt = this.#attempt
    if (attempt.waits?.isOver) return waiting(never)
    this.#steps ??= new Map()
    const before = this.#steps.get(key)
    try {
      assertKey(key)
      check.checkArgument('fn', check.callable, fn)
      const wait = this.#waits?.get(key) ?? (attempt.resume?.steps && this.#waitsOf().callOf(key))
      if (wait) throw mismatch(key, wait, callText('step', key))
      if (before && before.fn !== fn && String(before.fn) !== String(fn)) throw twoSteps(key, before.fn, fn)
    } catch (error) {
      return waiting(Promise.reject(error))
    }
    if (before) return before.running
    const running = waiting(this.#unlessItFails(key, attempt.during(this.#runStep(key, fn))))
    this.#steps.set(key, { running, fn })
    return running
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

  sleep(ms: number, options: { readonly key?: string | undefined } = {}): Waiting<void> {
    assertDelay(ms)
    check.checkOptions(options, sleepChecks)
    return this.#wait('sleep', '', ms, options.key) as Waiting<void>
  }

  waitFor(name: string, options: { readonly timeoutMs?: number | undefined; readonly key?: string | undefined } = {}) {
    check.checkArgument('name', signalNameCheck, name)
    check.checkOptions(options, waitChecks)
    return this.#wait('signal', name, options.timeoutMs, options.key) as never
  }

  on(name: string, listener: (value: unknown) => void): () => void {
    check.checkArgument('name', signalNameCheck, name)
    check.checkArgument('listener', check.callable, listener)
    return this.#waitsOf().listen(name, listener)
  }

  get parentId(): string | undefined {
    return parentIdIn(this.headers)
  }

  /** For `children`. */
  [runChild](name: string, input: unknown, options: object | undefined, key: string | undefined): Waiting<unknown> {
    const child = {
      input: copyValue(input, `input of '${name}'`),
      options: copyValue(options, 'options') as object | undefined,
    }
    return this.#wait('child', name, undefined, key, child)
  }

  #waitsOf(): Waits {
    const attempt = this.#attempt
    attempt.waits ??= new Waits(attempt, {
      save: (key, value) => this.#host.save(attempt, key, value),
      wait: (waits) => this.#host.wait(attempt, waits),
    })
    return attempt.waits
  }

  /** The key is given out at the call, and the wait begins when somebody waits for it. */
  #wait(
    kind: WaitKind,
    name: string,
    ms: number | undefined,
    given: string | undefined,
    child?: ChildRequest,
  ): Waiting<unknown> {
    if (this.#attempt.call) throw notAmongMany(kind)
    if (given !== undefined) assertKey(given)
    const key = given ?? this.#nextKey(name || kind)
    const isStep = this.#steps?.has(key) || this.#attempt.resume?.steps?.has(key)
    const before = this.#waits?.get(key) ?? (isStep ? callText('step', key) : this.#waitsOf().callOf(key))
    const now = callText(kind, name)
    // What is recorded may not say which of such calls it was.
    if (before && (!now.startsWith(before) || this.#waits?.has(key))) throw mismatch(key, before, now)
    this.#waits ??= new Map()
    this.#waits.set(key, now)
    return waitingLater(() => this.#waitsOf().ask({ kind, key, name, ms, child }))
  }

  #nextKey(name: string): string {
    this.#counts ??= new Map()
    const count = (this.#counts.get(name) ?? 0) + 1
    this.#counts.set(name, count)
    return count === 1 ? name : `${name} ${count}`
  }

  async safePoint(): Promise<void> {
    if (this.#attempt.waits?.isOver) return never
    await (mustListen() ? this.#attempt.during(listen()) : undefined)
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
    throw attemptEnded(`The job is put off by ${ms} ms.`)
  }

  transfer<Result>(value: Result, transferables: Transferable[]): Result {
    return transferables?.length ? (new Transfer(value, transferables) as Result) : value
  }
}

import { type Deferred, defer } from '../shared/deferred.ts'
import { OffstageError } from '../shared/errors.ts'
import type { Port } from '../shared/port.ts'
import type { Timer, TimerQueue } from '../timers/timer-queue.ts'
import type { PoolWorker } from './pool-worker.ts'
import type { Probation } from './probation.ts'

export interface StarterOptions {
  readonly startTimeoutMs: number
  readonly spawn: () => Promise<Port>
}

/** A worker that could not be started. */
export interface StartFailure {
  readonly error: OffstageError
  /** Whether it is the first failure in a row. */
  readonly isFirst: boolean
  readonly retryMs: number
  /**
   * Since when, in monotonic time, there has been no worker and none could be started; `undefined` until enough starts have
   * failed.
   */
  readonly since: number | undefined
}

export interface StarterListener {
  hasThreads(): boolean
  /** Makes a worker on this port. The starter waits for its `ready`. */
  makeWorker(workerId: number, port: Port): PoolWorker
  onStarted(worker: PoolWorker): void
  onFailed(workerId: number, failure: StartFailure): void
  /** A pause is over. */
  onRested(): void
}

/** How many starts in a row have to fail before waiting callers are notified. */
const triesMin = 3
const restMsMin = 100
const restMsMax = 5_000

/** How long to wait after the `count`th failure or death in a row, in milliseconds. */
export const restMsAfter = (count: number): number => Math.min(restMsMin * 2 ** (count - 1), restMsMax)

/** Starts workers. While starts fail it tries one at a time, with longer and longer pauses, as long as a worker is needed. */
export class Starter {
  readonly #options: StarterOptions
  readonly #timers: TimerQueue
  readonly #probation: Probation
  readonly #listener: StarterListener
  /** The workers that are loading. Rejecting one gives it up. */
  readonly #loads = new Set<Deferred<never>>()
  #lastWorkerId = 0
  #starting = 0
  /** How many starts in a row have failed. Starts that were under way together count once. */
  #failures = 0
  /** One of them was not ready in time. Waiting as long again would not show anything new. */
  #isLate = false
  /** When the first of them began. */
  #since = 0
  #rest: Timer | undefined

  constructor(options: StarterOptions, timers: TimerQueue, probation: Probation, listener: StarterListener) {
    this.#options = options
    this.#timers = timers
    this.#probation = probation
    this.#listener = listener
  }

  get starting(): number {
    return this.#starting
  }

  /** How many workers may be starting at a time. */
  get startingMax(): number {
    if (this.#rest) return 0
    return this.#failures > 0 ? 1 : Number.POSITIVE_INFINITY
  }

  /** Called when no worker is needed any more: stops trying. */
  giveUp(): void {
    this.#beginAnew()
    this.#timers.cancel(this.#rest)
    this.#rest = undefined
  }

  /**
   * Pauses before the next start, longer each time, so that a worker that always fails does not use up a core. Returns the
   * pause in milliseconds.
   */
  rest(count: number): number {
    this.#timers.cancel(this.#rest)
    const ms = restMsAfter(count)
    const end = () => {
      this.#rest = undefined
      this.#listener.onRested()
    }
    this.#rest = this.#timers.after(ms, end, true)
    return ms
  }

  close(): void {
    this.giveUp()
    for (const load of this.#loads) load.reject(new OffstageError('WORKER_CRASHED', 'The thread was ended.'))
  }

  /** Resolves when the start has succeeded or failed. */
  async start(): Promise<void> {
    const workerId = ++this.#lastWorkerId
    const begin = this.#timers.monotonic()
    this.#starting++
    const started = await this.#load(workerId).catch((error: OffstageError) => error)
    this.#starting--
    if (started instanceof Error) return this.#listener.onFailed(workerId, this.#failed(started, begin))
    this.#beginAnew()
    this.#listener.onStarted(started)
  }

  #beginAnew(): void {
    this.#failures = 0
    this.#isLate = false
  }

  #failed(error: OffstageError, begin: number): StartFailure {
    const isFirst = this.#failures === 0
    const { hasThreads } = this.#listener
    if (isFirst || hasThreads()) this.#since = begin
    if (!this.#rest) this.#failures++
    const isTried = this.#failures >= triesMin || this.#isLate
    const retryMs = this.rest(this.#failures)
    return { error, isFirst, retryMs, since: isTried && !hasThreads() ? this.#since : undefined }
  }

  /** Resolves with a worker that has reported to be ready; rejects with `WORKER_LOAD_FAILED`. */
  async #load(workerId: number): Promise<PoolWorker> {
    const { startTimeoutMs, spawn } = this.#options
    const late = defer<never>()
    this.#loads.add(late)
    const timer = this.#timers.after(startTimeoutMs, () => {
      this.#isLate = true
      late.reject(loadError(`it was not ready within ${startTimeoutMs} ms`, undefined, lateHint))
    })
    const spawning = spawn().catch(refused)
    let port: Port | undefined
    try {
      port = await Promise.race([spawning, late.promise])
      port.hold(true)
      const worker = this.#listener.makeWorker(workerId, port)
      worker.madeAt = this.#timers.monotonic()
      await Promise.race([worker.ready.promise, late.promise])
      worker.readyAt = this.#timers.monotonic()
      this.#timers.cancel(timer)
      if (this.#probation.ms > 0) await this.#live(worker, late.promise)
      return worker
    } catch (error) {
      // A slow factory may still return a worker that is not needed any more.
      if (port) await port.close()
      else void spawning.then((tooLate) => tooLate.close()).catch(() => {})
      throw error
    } finally {
      this.#loads.delete(late)
      this.#timers.cancel(timer)
    }
  }

  /** Resolves when the worker has lived through its probation; rejects when it has not. */
  async #live(worker: PoolWorker, givenUp: Promise<never>): Promise<void> {
    const probation = defer<void>()
    worker.probation = probation
    this.#timers.after(this.#probation.ms, () => {
      worker.probation = undefined
      probation.resolve()
    })
    await Promise.race([probation.promise, givenUp])
    this.#probation.pass()
  }
}

const refused = (cause: unknown): never => {
  // It may be the platform, or the application's function.
  throw loadError('no worker could be started', cause)
}

export const reasonOf = (cause: unknown): string => (cause instanceof Error ? cause.message : String(cause ?? ''))

const lateHint = 'Does it call defineJobs()? Does its top-level `await` ever finish?'
/** If the platform gives no reason, it is usually one of these. */
const likelyCauses =
  'Likely causes: its address answers 404 or an HTML page, a syntax or import error in it, a Content-Security-Policy without `worker-src`.'

export const loadError = (what: string, cause: unknown, hint = likelyCauses): OffstageError => {
  const reason = reasonOf(cause)
  const why = reason ? `: ${reason}${/[.!?]$/.test(reason) ? '' : '.'}` : `. ${hint}`
  return new OffstageError('WORKER_LOAD_FAILED', `The worker module could not be loaded: ${what}${why}`, { cause })
}

import type { Engine, Inserted, InsertRequest } from './engine/engine.ts'
import type { JobView } from './engine/job-view.ts'
import type { JobEvent } from './events/event-map.ts'
import {
  type JobOptions,
  nameCheck,
  type ResolvedDefaults,
  resolveDefaults,
  takeJobOptions,
} from './job/job-options.ts'
import { isTerminal } from './job/record.ts'
import { hasAttachments, hasCallbacks, listenerOf, runAll } from './job-callbacks.ts'
import { JobHandle } from './job-handle.ts'
import { type InContext, thisContext } from './platform/async-context.ts'
import { atOnceMax, inSlices } from './platform/in-slices.ts'
import * as check from './shared/check.ts'
import { copyValue, moveValue } from './shared/clone.ts'
import { checkInput, type Schemas } from './shared/standard-schema.ts'
import { isThenable } from './shared/thenable.ts'
import { Signals } from './signals.ts'
import type { Job } from './typed-job.ts'

/** One job for `addMany`, of any type. */
export interface UntypedRequest {
  readonly name: string
  readonly input?: unknown
  readonly options?: JobOptions | undefined
}

const anything: check.Check = () => undefined
/** The values are checked like those of `add`. */
const requestChecks: check.Checks = { name: anything, input: anything, options: anything }

/** Checks that these are requests. What they say is checked one by one. */
export const checkRequests = (jobs: readonly UntypedRequest[]): void =>
  check.checkArgument('jobs', check.listOf(check.object, 'objects: { name, input, options }'), jobs)

/** What the options of a scheduler say about the jobs of each type. */
interface JobTypeOptions {
  readonly defaults: Readonly<Record<string, object>>
  readonly schemas: Schemas
}

/**
 * Adds jobs: checks and copies what the caller gives, hands it to the engine, and attaches callbacks and a signal to the job.
 */
export class JobAdder {
  readonly #engine: Engine
  readonly #options: JobTypeOptions
  readonly #defaults = new Map<string, ResolvedDefaults>()
  readonly #signals = new Signals()

  constructor(engine: Engine, options: JobTypeOptions) {
    this.#engine = engine
    this.#options = options
    engine.onClose(() => this.#signals.close())
  }

  async add(name: string, input: unknown, options: JobOptions | undefined): Promise<Job> {
    const inserting = this.#insert(name, input, options)
    const inserted = isThenable(inserting) ? await inserting : inserting
    await this.#engine.whenCommitted(inserted.job)
    if (inserted.along) await this.#engine.whenCommitted(inserted.along)
    return this.#handle(inserted)
  }

  /** Not async, so that a job costs a single promise, that of its result. */
  run(name: string, input: unknown, options: JobOptions | undefined): Promise<unknown> {
    try {
      const inserting = this.#insert(name, input, options)
      return isThenable(inserting) ? inserting.then((inserted) => this.#result(inserted)) : this.#result(inserting)
    } catch (error) {
      return Promise.reject(error)
    }
  }

  #result({ job, along }: Inserted): Promise<unknown> {
    const result = () => this.#engine.result(job)
    return along ? this.#engine.whenCommitted(along).then(result) : result()
  }

  /** Adds the job before it returns, unless the store is still opening or a schema is async. */
  #insert(name: string, input: unknown, options: JobOptions | undefined): Inserted | Promise<Inserted> {
    const preparing = this.#prepare(name, input, options)
    if (!isThenable(preparing) && !this.#engine.opening) return this.#engine.insert(preparing)
    return this.#insertLater(preparing, options?.signal)
  }

  async #insertLater(
    preparing: InsertRequest | Promise<InsertRequest>,
    signal: AbortSignal | undefined,
  ): Promise<Inserted> {
    const atCall = this.#engine.opening
    let job: JobView | undefined
    let isAborted = false
    // An abort while the store is opening takes effect in its turn, like a call.
    const abort = () => {
      isAborted = true
      if (job) this.#abort(job, signal as AbortSignal)
    }
    const stop = atCall && signal && this.#signals.follow(signal, () => void atCall.then(abort, () => {}))
    try {
      const request = isThenable(preparing) ? await preparing : preparing
      const { opening } = this.#engine
      if (opening) await opening
      const inserted = this.#engine.insert(request)
      if (isThenable(inserted)) return await inserted
      job = inserted.job
      if (isAborted) abort()
      return inserted
    } finally {
      stop?.()
    }
  }

  /** Checks and copies a request before it returns, so that later changes by the caller do not affect the job. */
  #prepare(name: string, input: unknown, given: JobOptions | undefined): InsertRequest | Promise<InsertRequest> {
    if (this.#engine.isClosed) throw this.#engine.closedError()
    check.checkArgument('name', nameCheck, name)
    const options = takeJobOptions(given)
    const { signal } = options ?? {}
    if (signal?.aborted) throw signal.reason
    const transferred = options?.transfer?.length
      ? moveValue(input, [...options.transfer], 'input', this.#checkStorable)
      : undefined
    const copy = transferred ? transferred.value : copyValue(input, 'input', this.#checkStorable)
    const stops: (() => void)[] | undefined = options && hasAttachments(options) ? [] : undefined
    const inContext = options && hasCallbacks(options) ? thisContext() : undefined
    const prepared: InsertRequest = {
      name,
      input: copy,
      options,
      defaults: this.defaultsOf(name),
      transfer: transferred?.transfer,
      attach: stops && ((job) => this.#attach(job, options as JobOptions, stops, inContext)),
      detach: stops && (() => runAll(stops)),
    }
    // The schema is only checked here. The worker applies it again and uses what it returns.
    const checked = checkInput(this.#options.schemas, name, copy)
    return isThenable(checked) ? Promise.resolve(checked).then(() => prepared) : prepared
  }

  readonly #checkStorable = (value: unknown, what: string): void => this.#engine.check(value, what)

  /** The options that `createScheduler` was given for jobs of this type. */
  defaultsOf(name: string): ResolvedDefaults {
    let defaults = this.#defaults.get(name)
    if (!defaults) {
      const { defaults: given } = this.#options
      defaults = resolveDefaults(Object.hasOwn(given, name) ? given[name] : undefined)
      this.#defaults.set(name, defaults)
    }
    return defaults
  }

  /** Attaches callbacks and a signal to the job in memory. They belong to this page or process. */
  #attach(job: JobView, options: JobOptions, stops: (() => void)[], inContext: InContext | undefined): void {
    const { signal } = options
    // The signal was aborted while the schema ran. If it is aborted while the store is opening, `#insertLater` handles that.
    if (signal?.aborted && !this.#engine.opening) void this.#abort(job, signal)
    else if (signal) stops.push(this.#signals.follow(signal, () => void this.#abort(job, signal)))
    const onEvent = listenerOf(options, stops, this.#engine.bus)
    const listener = inContext ? inContext(onEvent) : onEvent
    // The job may have existed already, and may have ended.
    if (job.committed && isTerminal(job.committed.state))
      queueMicrotask(() => this.#engine.bus.call(listener, this.#engine.lastEvent(job) as JobEvent))
    else stops.push(this.#engine.observersOf(job).watch(listener))
  }

  async #abort(job: JobView, signal: AbortSignal): Promise<void> {
    try {
      await this.#engine.act('abort', job, signal.reason)
    } catch {
      // The promise of the job reports this to its callers; nothing waits for the abort.
    }
  }

  // Many at once.

  async addMany(jobs: readonly UntypedRequest[]): Promise<Job[]> {
    checkRequests(jobs)
    const preparing = this.#prepareMany(jobs)
    const requests = isThenable(preparing) ? await preparing : preparing
    const { opening } = this.#engine
    if (opening) await opening
    const inserted = await this.#insertMany(requests)
    return inSlices(inserted, (each) => this.#handle(each))
  }

  async #insertMany(requests: readonly InsertRequest[]): Promise<Inserted[]> {
    try {
      return await this.#engine.insertMany(requests)
    } catch (error) {
      for (const { detach } of requests) detach?.()
      throw error
    }
  }

  #prepareMany(requests: readonly UntypedRequest[]): InsertRequest[] | Promise<InsertRequest[]> {
    const prepare = (request: UntypedRequest) => {
      check.checkOptions(request, requestChecks, 'job.')
      return this.#prepare(request.name, request.input, request.options)
    }
    const prepareLater = (from: number) => inSlices(requests.slice(from), prepare)
    if (requests.length > atOnceMax) return prepareLater(0)
    const ready: InsertRequest[] = []
    for (const [at, request] of requests.entries()) {
      const preparing = prepare(request)
      if (isThenable(preparing))
        return preparing.then(async (prepared) => [...ready, prepared, ...(await prepareLater(at + 1))])
      ready.push(preparing)
    }
    return ready
  }

  #handle({ job, disposition }: Inserted): Job {
    return new JobHandle(this.#engine, job, disposition)
  }
}

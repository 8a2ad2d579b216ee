import type {
  Counts,
  Engine,
  FindOptions,
  Inserted,
  InsertRequest,
  JobFilter,
  JobList,
  QueueState,
  SchedulerSnapshot,
  Stats,
  Verb,
  WaitReason,
} from './engine/engine.ts'
import { type EngineHost, engineFrom } from './engine/engine-host.ts'
import type { JobView } from './engine/job-view.ts'
import { LiveJob } from './engine/live-job.ts'
import { LocalEngine } from './engine/local-engine.ts'
import { checkListener, type EventFilter, eventFilterChecks, fitsEvent } from './event-filter.ts'
import type { AnyEvent, EventMap, EventType, JobEvent } from './events/event-map.ts'
import { BufferedStream, type EventStream } from './events/stream.ts'
import { type ExtensionPoint, extensionPoint } from './extension-point.ts'
import {
  finiteCheck,
  idCheck,
  type JobOptions,
  nameCheck,
  type ResolvedDefaults,
  resolveDefaults,
  takeJobOptions,
} from './job/job-options.ts'
import { isTerminal } from './job/record.ts'
import { hasAttachments, hasCallbacks, listenerOf, runAll } from './job-callbacks.ts'
import { byName, type JobRequest } from './job-calls.ts'
import { findChecks, targetOf, type WatchFilter, watchChecks } from './job-filter.ts'
import { JobHandle, streamCapacity } from './job-handle.ts'
import { takeChanges } from './job-update.ts'
import { type InContext, thisContext } from './platform/async-context.ts'
import { reportUncaught } from './platform/host.ts'
import { atOnceMax, inSlices } from './platform/in-slices.ts'
import { checkSource, type InlineSource, spawn, type WorkerSource } from './platform/spawn.ts'
import { type Queue, queueHandle, queueNameCheck } from './queue-handle.ts'
import { type CloseOptions, closeChecks, resolveOptions, type SchedulerOptions } from './scheduler-options.ts'
import { asyncDispose } from './shared/async-dispose.ts'
import * as check from './shared/check.ts'
import { copyValue, moveValue } from './shared/clone.ts'
import { OffstageError } from './shared/errors.ts'
import { serveInline } from './shared/inline.ts'
import { type StandardSchema, validate } from './shared/standard-schema.ts'
import { isThenable } from './shared/thenable.ts'
import { Signals } from './signals.ts'
import type { JobTable } from './thread/job-types.ts'
import type { Job } from './typed-job.ts'
import type { JobUpdate, Scheduler } from './typed-scheduler.ts'

interface Request {
  readonly name: string
  readonly input?: unknown
  readonly options?: JobOptions | undefined
}

type Call = (input: unknown, options: JobOptions | undefined) => Promise<unknown>

/**
 * Makes a scheduler. The first argument starts one worker. Write it like this, in your own code, so that your bundler finds the
 * worker file. On servers it may be a URL or a path, and `inline(jobs)` runs the jobs on this thread. With `null` this
 * scheduler runs no jobs itself: then give an `engine`, or a store that tabs share, so that they run elsewhere.
 *
 * @example
 * ```ts
 * const scheduler = createScheduler<typeof jobs>(
 *   () => new Worker(new URL('./jobs.ts', import.meta.url), { type: 'module' }),
 * )
 * const primes = await scheduler.run.countPrimes({ upTo: 5e6 }, { priority: 10 })
 * ```
 */
export function createScheduler<Table extends JobTable = JobTable>(
  source: WorkerSource | null,
  options?: SchedulerOptions<NoInfer<keyof Table & string>>,
): Scheduler<Table> {
  return new EngineScheduler(source, options) as unknown as Scheduler<Table>
}

/** Runs jobs on the calling thread, with the same encoding as a worker: for component tests, and for places without workers. */
export function inline(jobs: JobTable): InlineSource {
  const serve = (jobs as { [serveInline]?: InlineSource['serveInline'] } | undefined)?.[serveInline]
  if (!serve) throw new OffstageError('INVALID_OPTION', 'Expected `jobs` to be what defineJobs() returned.')
  return { serveInline: serve }
}

/** Members whose types follow from the job table. A class without a table cannot declare them. */
type Typed = 'get' | 'find' | 'watch' | 'on' | 'once' | 'off' | 'events'

/**
 * Checks and copies arguments, returns handles, and calls the engine. What the job table adds to its types is in `Scheduler`.
 */
class EngineScheduler implements Omit<Scheduler, Typed>, Record<Typed, unknown> {
  readonly #engine: Engine
  readonly #defaults = new Map<string, ResolvedDefaults>()
  readonly #defaultsByName: Readonly<Record<string, object>>
  readonly #signals = new Signals()
  readonly #schemas: Readonly<Record<string, StandardSchema>>

  readonly run: Scheduler['run']
  readonly add: Scheduler['add']

  /** For `extend`. */
  readonly [extensionPoint]: ExtensionPoint

  constructor(source: WorkerSource | null, given?: SchedulerOptions<never>) {
    if (source !== null) checkSource(source)
    const options = resolveOptions(given)
    const { store, engine = store.engine } = options
    // Without an engine nothing would ever run.
    if (!engine) checkSource(source)
    this.#defaultsByName = options.defaults
    this.#schemas = options.schemas
    const {
      clock,
      random,
      queues,
      maxQueued,
      keep,
      workers,
      concurrency,
      graceMs,
      startTimeoutMs,
      errors,
      workerOptions,
    } = options
    const pool = {
      ...workers,
      concurrency,
      graceMs,
      startTimeoutMs,
      errors,
      spawn: () => spawn(source as WorkerSource, workerOptions),
    }
    const local = { store, clock, random, queues, maxQueued, keep, pool, reportUnheard: reportUncaught }
    const makeLocal = (handover: object) => new LocalEngine({ ...local, ...handover })
    const makeJob: EngineHost['makeJob'] = (record) => new LiveJob(record)
    const host = { ...local, errors, makeJob, makeLocal: source === null ? undefined : makeLocal }
    this.#engine = engine ? engineFrom(engine, host) : makeLocal({})
    this.#engine.onClose(() => this.#signals.close())
    const defaultsOf = (name: string) => this.#defaultsOf(name)
    this[extensionPoint] = { engine: this.#engine, defaultsOf, attached: new Map() }
    const run =
      (name: string): Call =>
      (input, jobOptions) =>
        this.#run(name, input, jobOptions)
    const add =
      (name: string): Call =>
      (input, jobOptions) =>
        this.#add(name, input, jobOptions)
    this.run = byName(run) as never
    this.add = byName(add) as never
    // Bound, so that UI libraries can pass them on: `useSyncExternalStore(scheduler.subscribe, scheduler.snapshot)`.
    this.subscribe = this.subscribe.bind(this)
    this.snapshot = this.snapshot.bind(this)
  }

  // Adding.

  async addMany(jobs: readonly JobRequest<JobTable>[]): Promise<Job[]> {
    check.checkArgument('jobs', check.listOf(check.object, 'objects: { name, input, options }'), jobs)
    const preparing = this.#prepareMany(jobs as readonly Request[])
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

  #prepareMany(requests: readonly Request[]): InsertRequest[] | Promise<InsertRequest[]> {
    const prepare = ({ name, input, options }: Request) => this.#prepare(name, input, options)
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

  async #add(name: string, input: unknown, options: JobOptions | undefined): Promise<Job> {
    const inserting = this.#insert(name, input, options)
    const inserted = isThenable(inserting) ? await inserting : inserting
    await this.#engine.whenCommitted(inserted.job)
    if (inserted.along) await this.#engine.whenCommitted(inserted.along)
    return this.#handle(inserted)
  }

  /** Not async, so that a job costs a single promise, that of its result. */
  #run(name: string, input: unknown, options: JobOptions | undefined): Promise<unknown> {
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

  #handle({ job, disposition }: Inserted): Job {
    return new JobHandle(this.#engine, job, disposition)
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
      defaults: this.#defaultsOf(name),
      transfer: transferred?.transfer,
      attach: stops && ((job) => this.#attach(job, options as JobOptions, stops, inContext)),
      detach: stops && (() => runAll(stops)),
    }
    const schema = Object.hasOwn(this.#schemas, name) ? this.#schemas[name] : undefined
    if (!schema) return prepared
    // The schema is only checked here. The worker applies it again and uses what it returns.
    const checked = validate(schema, name, copy)
    return isThenable(checked) ? Promise.resolve(checked).then(() => prepared) : prepared
  }

  readonly #checkStorable = (value: unknown, what: string): void => this.#engine.check(value, what)

  #defaultsOf(name: string): ResolvedDefaults {
    let defaults = this.#defaults.get(name)
    if (!defaults) {
      defaults = resolveDefaults(Object.hasOwn(this.#defaultsByName, name) ? this.#defaultsByName[name] : undefined)
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

  // Looking things up. Each sees the effects of all calls before it, and of none after it.

  async get(id: string): Promise<Job | undefined> {
    this.#assertNotEnded()
    check.checkArgument('id', idCheck, id)
    const { opening } = this.#engine
    if (opening) await opening
    const job = await this.#engine.get(id)
    return job && this.#handle({ job, disposition: 'existing' })
  }

  async find(options: FindOptions = {}): Promise<Job[]> {
    this.#assertNotEnded()
    const copy = check.copyOptions(options, findChecks)
    const { opening } = this.#engine
    if (opening) await opening
    const found = await this.#engine.find(copy)
    return found.map((job) => this.#handle({ job, disposition: 'existing' }))
  }

  async counts(): Promise<Counts> {
    this.#assertNotEnded()
    const { opening } = this.#engine
    if (opening) await opening
    return this.#engine.counts()
  }

  // Acting. Which jobs match is decided before the call returns. Each method resolves when its effect is committed, with the
  // number of jobs that it has moved.

  cancel(idOrFilter: string | JobFilter, reason?: unknown): Promise<number> {
    return this.#act('cancel', idOrFilter, reason)
  }

  retry(idOrFilter: string | JobFilter): Promise<number> {
    return this.#act('retry', idOrFilter)
  }

  remove(idOrFilter: string | JobFilter): Promise<number> {
    return this.#act('remove', idOrFilter)
  }

  async setPriority(id: string, priority: number): Promise<boolean> {
    check.checkArgument('id', idCheck, id)
    check.checkArgument('priority', finiteCheck, priority)
    return (await this.#act('setPriority', id, priority)) > 0
  }

  async promote(id: string): Promise<boolean> {
    check.checkArgument('id', idCheck, id)
    return (await this.#act('promote', id)) > 0
  }

  async update(id: string, given: JobUpdate): Promise<boolean> {
    this.#assertNotEnded()
    check.checkArgument('id', idCheck, id)
    const changes = takeChanges(given, this.#checkStorable)
    const { opening } = this.#engine
    if (opening) await opening
    if (changes.input !== undefined && Object.keys(this.#schemas).length > 0)
      await this.#checkInputOf(id, changes.input)
    return this.#engine.update(id, changes)
  }

  /** The type of a job is known only from the job itself. */
  async #checkInputOf(id: string, input: unknown): Promise<void> {
    const { name = '' } = (await this.#engine.get(id))?.record ?? {}
    const schema = Object.hasOwn(this.#schemas, name) ? this.#schemas[name] : undefined
    if (schema) await validate(schema, name, input)
  }

  async #act(verb: Verb, idOrFilter: string | JobFilter, argument?: unknown): Promise<number> {
    this.#assertNotEnded()
    if (verb === 'retry' && this.#engine.isClosed) throw this.#engine.closedError()
    const target = targetOf(idOrFilter)
    const { opening } = this.#engine
    if (opening) await opening
    return this.#engine.act(verb, target, argument)
  }

  #assertNotEnded(): void {
    if (this.#engine.isEnded) throw this.#engine.closedError()
  }

  // Observing.

  watch(filter: WatchFilter = {}): JobList {
    this.#assertNotEnded()
    const list = this.#engine.watch(check.copyOptions(filter, watchChecks))
    return {
      snapshot: () => list.snapshot(),
      subscribe(listener) {
        check.checkArgument('listener', check.callable, listener)
        return list.subscribe(listener)
      },
      close: () => list.close(),
    }
  }

  async whyWaiting(id: string): Promise<readonly WaitReason[]> {
    this.#assertNotEnded()
    check.checkArgument('id', idCheck, id)
    const { opening } = this.#engine
    if (opening) await opening
    return this.#engine.whyWaiting(id)
  }

  // Queues and pauses.

  async queues(): Promise<readonly QueueState[]> {
    this.#assertNotEnded()
    const { opening } = this.#engine
    if (opening) await opening
    return this.#engine.queues()
  }

  queue(name: string): Queue {
    check.checkArgument('name', queueNameCheck, name)
    this.#assertNotEnded()
    return queueHandle(name, this.#engine.queue(name))
  }

  get isPaused(): boolean {
    return this.#engine.isPaused
  }

  pause(): void {
    this.#engine.pause()
  }

  resume(): void {
    this.#engine.resume()
  }

  async onIdle(): Promise<void> {
    this.#assertNotEnded()
    await this.#engine.opening
    return this.#engine.onIdle()
  }

  // Listening.

  on<Type extends EventType>(type: Type, listener: (event: EventMap[Type]) => void): () => void {
    checkListener(type, listener)
    return this.#engine.bus.on(type, listener)
  }

  once<Type extends EventType>(type: Type, listener: (event: EventMap[Type]) => void): () => void {
    checkListener(type, listener)
    return this.#engine.bus.once(type, listener)
  }

  off<Type extends EventType>(type: Type, listener: (event: EventMap[Type]) => void): void {
    checkListener(type, listener)
    this.#engine.bus.off(type, listener)
  }

  events(filter: EventFilter = {}): EventStream<AnyEvent> {
    const copy = check.copyOptions(filter, eventFilterChecks)
    const stops: (() => void)[] = []
    const stream = new BufferedStream<AnyEvent>({
      capacity: streamCapacity,
      onClose: () => runAll(stops),
    })
    const push = (event: AnyEvent) => {
      if (fitsEvent(event, copy)) stream.push(event)
    }
    if (this.#engine.isEnded) stream.end()
    else
      stops.push(
        this.#engine.bus.tap(push),
        this.#engine.onClose(() => stream.end()),
      )
    return stream
  }

  subscribe(listener: () => void): () => void {
    check.checkArgument('listener', check.callable, listener)
    return this.#engine.subscribe(listener)
  }

  snapshot(): SchedulerSnapshot {
    return this.#engine.snapshot()
  }

  stats(): Stats {
    return this.#engine.stats()
  }

  async close(options: CloseOptions = {}): Promise<void> {
    check.checkOptions(options, closeChecks)
    return this.#engine.close(options.mode ?? 'finish', options.timeoutMs)
  }

  async [asyncDispose](): Promise<void> {
    return this.close()
  }
}

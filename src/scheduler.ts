import type {
  CloseMode,
  Counts,
  Engine,
  FindOptions,
  Inserted,
  InsertRequest,
  JobFilter,
  QueueControl,
  SchedulerSnapshot,
  Stats,
  Verb,
} from './engine/engine.ts'
import type { LiveJob } from './engine/live-job.ts'
import { LocalEngine } from './engine/local-engine.ts'
import type { EventBus } from './events/event-bus.ts'
import { type AnyEvent, type EventMap, type EventType, eventTypes, type JobEvent } from './events/event-map.ts'
import { EventStream } from './events/stream.ts'
import {
  finiteCheck,
  idCheck,
  type JobCallbacks,
  type JobOptions,
  nameCheck,
  type ResolvedDefaults,
  resolveDefaults,
  takeJobOptions,
} from './job/job-options.ts'
import { isTerminal, states } from './job/record.ts'
import { Job, streamCapacity } from './job-handle.ts'
import type { TabHost } from './peer/tab-engine.ts'
import { reportUncaught } from './platform/host.ts'
import { atOnceMax, inSlices } from './platform/in-slices.ts'
import { checkSource, type InlineSource, spawn, type WorkerSource } from './platform/spawn.ts'
import type { RateLimit } from './queue/rate-limit.ts'
import { checkConcurrency, checkRateLimit, resolveOptions, type SchedulerOptions } from './scheduler-options.ts'
import { asyncDispose } from './shared/async-dispose.ts'
import * as check from './shared/check.ts'
import { copyValue, moveValue } from './shared/clone.ts'
import { OffstageError } from './shared/errors.ts'
import { serveInline } from './shared/inline.ts'
import { makeEngine } from './shared/make-engine.ts'
import { type StandardSchema, validate } from './shared/standard-schema.ts'
import { isThenable } from './shared/thenable.ts'
import { Signals } from './signals.ts'
import type { InputOf, JobTable, ProgressOf, ResultOf, ValueOf } from './thread/job-types.ts'

type OptionsOf<Handler> = JobOptions<ResultOf<Handler>, ProgressOf<Handler>, ValueOf<Handler>>
type ArgumentsOf<Handler> =
  undefined extends InputOf<Handler>
    ? [input?: InputOf<Handler>, options?: OptionsOf<Handler>]
    : [input: InputOf<Handler>, options?: OptionsOf<Handler>]

/** The handle of a job of this type: `JobOf<typeof jobs, 'countPrimes'>`. */
export type JobOf<Table, Name extends keyof Table> = Job<
  ResultOf<Table[Name]>,
  ProgressOf<Table[Name]>,
  ValueOf<Table[Name]>
>
type AnyJobOf<Table> = { [Name in keyof Table]: JobOf<Table, Name> }[keyof Table]

/** One job for `addMany`. */
export type JobRequest<Table> = {
  [Name in keyof Table]: {
    readonly name: Name
    readonly options?: OptionsOf<Table[Name]> | undefined
  } & (undefined extends InputOf<Table[Name]>
    ? { readonly input?: InputOf<Table[Name]> }
    : { readonly input: InputOf<Table[Name]> })
}[keyof Table]

export interface EventFilter {
  readonly type?: EventType | readonly EventType[] | undefined
  readonly jobId?: string | undefined
  readonly name?: string | undefined
  readonly queue?: string | undefined
}

export interface CloseOptions {
  /** `drain`: everything queued; `finish`: what runs; `now`: interrupts, which stored jobs survive. Default `finish`. */
  readonly mode?: CloseMode | undefined
  /** After so long the rest is interrupted, as with `now`. Default: no limit. */
  readonly timeoutMs?: number | undefined
}

/** A named line with its own concurrency, rate limit and pause. */
export interface Queue extends QueueControl {
  readonly name: string
  /** At most so many jobs of this queue run at a time; `Infinity` for no limit but the threads. */
  setConcurrency(concurrency: number): void
  /** At most `limit` starts in any span of `intervalMs`; `undefined` for no limit. */
  setRateLimit(rateLimit: RateLimit | null | undefined): void
}

interface Request {
  readonly name: string
  readonly input?: unknown
  readonly options?: JobOptions | undefined
}

/**
 * Makes a scheduler. The first argument starts one thread; write it like this, in your own code, so that your bundler
 * sees the worker file. On servers a URL or path will do, and `inline(jobs)` runs the jobs on this thread.
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
  source: WorkerSource,
  options?: SchedulerOptions<NoInfer<keyof Table & string>>,
): Scheduler<Table> {
  return new Scheduler<Table>(source, options)
}

/** Runs jobs on the thread that it is called on, through the same encoding: for component tests, and places without workers. */
export function inline(jobs: JobTable): InlineSource {
  const serve = (jobs as { [serveInline]?: InlineSource['serveInline'] })[serveInline]
  if (!serve) throw new OffstageError('INVALID_OPTION', 'Expected `jobs` to be what defineJobs() answered.')
  return { serveInline: serve }
}

export class Scheduler<Table extends JobTable = JobTable> {
  readonly #engine: Engine
  readonly #defaults = new Map<string, ResolvedDefaults>()
  readonly #defaultsByName: Readonly<Record<string, object>>
  readonly #signals = new Signals()
  readonly #schemas: Readonly<Record<string, StandardSchema>>

  /** Adds a job and waits for its result: `scheduler.run.countPrimes({ upTo: 5e6 })`. */
  readonly run: {
    readonly [Name in keyof Table]: (...args: ArgumentsOf<Table[Name]>) => Promise<ResultOf<Table[Name]>>
  }

  /** Adds a job; resolves when it is safe in the store: `scheduler.add.countPrimes({ upTo: 5e6 })`. */
  readonly add: { readonly [Name in keyof Table]: (...args: ArgumentsOf<Table[Name]>) => Promise<JobOf<Table, Name>> }

  /** @internal Use `createScheduler`. */
  constructor(source: WorkerSource, given?: SchedulerOptions<never>) {
    checkSource(source)
    const options = resolveOptions(given)
    this.#defaultsByName = options.defaults
    this.#schemas = options.schemas
    const {
      store,
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
    const pool = { ...workers, concurrency, graceMs, startTimeoutMs, errors, spawn: () => spawn(source, workerOptions) }
    const reportUnheard = reportUncaught
    const local = { store, clock, random, queues, maxQueued, keep, pool, reportUnheard }
    const makeLocal: TabHost['makeLocal'] = (handover) => new LocalEngine({ ...local, ...handover })
    // A store that several tabs share brings the engine that reaches the tab that runs the jobs.
    const { [makeEngine]: make } = store as { [makeEngine]?: (host: TabHost) => Engine }
    this.#engine = make?.({ clock, random, errors, reportUnheard, makeLocal }) ?? new LocalEngine(local)
    this.#engine.onClose(() => this.#signals.close())
    this.run = byName((name, input, jobOptions) => this.#run(name, input, jobOptions)) as never
    this.add = byName((name, input, jobOptions) => this.#add(name, input, jobOptions)) as never
    // Bound, so that UI libraries can take them apart: `useSyncExternalStore(scheduler.subscribe, scheduler.snapshot)`.
    this.subscribe = this.subscribe.bind(this)
    this.snapshot = this.snapshot.bind(this)
  }

  // Adding.

  /**
   * Adds many jobs in one commit: all or none. Up to a thousand are there when the call returns, as with `add`. More, or
   * some whose schema takes its time, are prepared first, in slices: what is called meanwhile comes before them.
   */
  async addMany(jobs: readonly JobRequest<Table>[]): Promise<AnyJobOf<Table>[]> {
    check.checkArgument('jobs', check.listOf(check.object, 'objects: { name, input, options }'), jobs)
    const preparing = this.#prepareMany(jobs as readonly Request[])
    const requests = isThenable(preparing) ? await preparing : preparing
    const { opening } = this.#engine
    if (opening) await opening
    const inserted = await this.#insertMany(requests)
    return inSlices(inserted, (each) => this.#handle(each)) as Promise<AnyJobOf<Table>[]>
  }

  async #insertMany(requests: readonly InsertRequest[]): Promise<Inserted[]> {
    try {
      const inserting = this.#engine.insertMany(requests)
      const inserted = isThenable(inserting) ? await inserting : inserting
      // They are all of one batch: if one is not safe, none of the new ones is.
      const unsafe = inserted.find(({ job }) => !job.told)?.job
      if (unsafe) await this.#engine.whenSafe(unsafe)
      return inserted
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
    await this.#engine.whenSafe(inserted.job)
    return this.#handle(inserted)
  }

  /** Not async: the promise of the result is the only one that a job costs. */
  #run(name: string, input: unknown, options: JobOptions | undefined): Promise<unknown> {
    try {
      const inserting = this.#insert(name, input, options)
      if (isThenable(inserting)) return inserting.then(({ job }) => this.#engine.result(job))
      return this.#engine.result(inserting.job)
    } catch (error) {
      return Promise.reject(error)
    }
  }

  /** Within the call, unless the store is still opening or a schema takes its time. */
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
    let job: LiveJob | undefined
    let isAborted = false
    // An abort while the store is opening has its turn, like a call.
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
    return new Job(this.#engine, job, disposition)
  }

  /** Checks a request and copies it, within the call: what the caller changes later is no longer the job's. */
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
    const stops: (() => void)[] | undefined = options && hasCompany(options) ? [] : undefined
    const prepared: InsertRequest = {
      name,
      input: copy,
      options,
      defaults: this.#defaultsOf(name),
      transfer: transferred?.transfer,
      attach: stops && ((job) => this.#attach(job, options as JobOptions, stops)),
      detach: stops && (() => runAll(stops)),
    }
    const schema = Object.hasOwn(this.#schemas, name) ? this.#schemas[name] : undefined
    if (!schema) return prepared
    // Only checked here: what the schema makes of it, it makes again in the thread.
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

  /** Callbacks and signals belong to this page or process: they hang on the job in memory. */
  #attach(job: LiveJob, options: JobOptions, stops: (() => void)[]): void {
    const { signal } = options
    // While a schema took its time. An abort while the store was opening has its own turn.
    if (signal?.aborted && !this.#engine.opening) void this.#abort(job, signal)
    else if (signal) stops.push(this.#signals.follow(signal, () => void this.#abort(job, signal)))
    const hear = hearing(options, stops, this.#engine.bus)
    // A job that was there already may have ended.
    if (job.told && isTerminal(job.told.state))
      queueMicrotask(() => this.#engine.bus.call(hear, this.#engine.lastEvent(job) as JobEvent))
    else stops.push(this.#engine.attend(job).watch(hear))
  }

  async #abort(job: LiveJob, signal: AbortSignal): Promise<void> {
    try {
      await this.#engine.act('abort', job, signal.reason)
    } catch {
      // The job's own promise tells whoever waits; here nobody does.
    }
  }

  // Looking things up. Each sees all that was called before it and nothing that was called after.

  async get<Name extends keyof Table = keyof Table>(id: string): Promise<JobOf<Table, Name> | undefined> {
    this.#assertNotEnded()
    check.checkArgument('id', idCheck, id)
    const { opening } = this.#engine
    if (opening) await opening
    const job = await this.#engine.get(id)
    return job && (this.#handle({ job, disposition: 'existing' }) as JobOf<Table, Name>)
  }

  /** Jobs that fit all that is given, in the order in which they were added. */
  async find(options: FindOptions = {}): Promise<AnyJobOf<Table>[]> {
    this.#assertNotEnded()
    const copy = check.copyOptions(options, findChecks)
    const { opening } = this.#engine
    if (opening) await opening
    const found = await this.#engine.find(copy)
    return found.map((job) => this.#handle({ job, disposition: 'existing' })) as AnyJobOf<Table>[]
  }

  async counts(): Promise<Counts> {
    this.#assertNotEnded()
    const { opening } = this.#engine
    if (opening) await opening
    return this.#engine.counts()
  }

  // Acting. Which jobs are meant is decided within the call; each resolves when it is safe in the store, with how many
  // jobs it moved.

  /** Ends jobs, wherever they are in their life. Their promises reject with `JOB_CANCELLED`, whose `cause` is `reason`. */
  cancel(idOrFilter: string | JobFilter, reason?: unknown): Promise<number> {
    return this.#act('cancel', idOrFilter, reason)
  }

  /** Runs failed and cancelled jobs again, with all their attempts. */
  retry(idOrFilter: string | JobFilter): Promise<number> {
    return this.#act('retry', idOrFilter)
  }

  /** Takes the records away; a job that has not ended is cancelled first. */
  remove(idOrFilter: string | JobFilter): Promise<number> {
    return this.#act('remove', idOrFilter)
  }

  /** Moves a job in its line. Answers whether there was such a job to move. */
  async setPriority(id: string, priority: number): Promise<boolean> {
    check.checkArgument('id', idCheck, id)
    check.checkArgument('priority', finiteCheck, priority)
    return (await this.#act('setPriority', id, priority)) > 0
  }

  /** Lets a scheduled job start now. Answers whether there was such a job. */
  async promote(id: string): Promise<boolean> {
    check.checkArgument('id', idCheck, id)
    return (await this.#act('promote', id)) > 0
  }

  async #act(verb: Verb, idOrFilter: string | JobFilter, argument?: unknown): Promise<number> {
    this.#assertNotEnded()
    if (verb === 'retry' && this.#engine.isClosed) throw this.#engine.closedError()
    const target = targetOf(idOrFilter)
    const { opening } = this.#engine
    if (opening) await opening
    const moving = this.#engine.act(verb, target, argument)
    // A promise means that it is committed. What is none is not awaited: the store may have refused it a microtask later.
    if (!isThenable(moving)) await this.#engine.whenSafe()
    return moving
  }

  #assertNotEnded(): void {
    if (this.#engine.isEnded) throw this.#engine.closedError()
  }

  // Queues and pauses.

  /** The queue of that name. */
  queue(name: string): Queue {
    check.checkArgument('name', queueName, name)
    this.#assertNotEnded()
    const control = this.#engine.queue(name)
    return {
      name,
      get isPaused() {
        return control.isPaused
      },
      get size() {
        return control.size
      },
      get running() {
        return control.running
      },
      pause: () => control.pause(),
      resume: () => control.resume(),
      setConcurrency(concurrency) {
        checkConcurrency(concurrency)
        control.setConcurrency(concurrency)
      },
      setRateLimit(rateLimit) {
        checkRateLimit(rateLimit)
        control.setRateLimit(rateLimit ?? undefined)
      },
    }
  }

  get isPaused(): boolean {
    return this.#engine.isPaused
  }

  /** Starts nothing more; what runs goes on. */
  pause(): void {
    this.#engine.pause()
  }

  resume(): void {
    this.#engine.resume()
  }

  /** Resolves when nothing is queued, running or waiting for another attempt. Jobs planned for later do not count. */
  async onIdle(): Promise<void> {
    this.#assertNotEnded()
    await this.#engine.opening
    return this.#engine.onIdle()
  }

  // Hearing.

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

  /**
   * All events from now on, or those that fit. 1,024 of them wait for a slow reader; beyond that the oldest are dropped
   * and counted in `dropped`. Ends when the scheduler is closed.
   */
  events(filter: EventFilter = {}): EventStream<AnyEvent> {
    const copy = check.copyOptions(filter, eventFilterChecks)
    const stops: (() => void)[] = []
    const stream = new EventStream<AnyEvent>({
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

  /** Calls back when `snapshot()` answers something new. */
  subscribe(listener: () => void): () => void {
    check.checkArgument('listener', check.callable, listener)
    return this.#engine.observe(listener)
  }

  /** What can be seen now. Frozen; a new object only when something changed. */
  snapshot(): SchedulerSnapshot {
    return this.#engine.snapshot()
  }

  stats(): Stats {
    return this.#engine.stats()
  }

  /**
   * Ends the scheduler and its threads. Calling it again answers the same promise; with `now` it hurries a close that is
   * under way. Promises of jobs that have not ended reject with `SCHEDULER_CLOSED`.
   */
  async close(options: CloseOptions = {}): Promise<void> {
    check.checkOptions(options, closeChecks)
    return this.#engine.close(options.mode ?? 'finish', options.timeoutMs)
  }

  async [asyncDispose](): Promise<void> {
    return this.close()
  }
}

type ByName = (name: string, input: unknown, options: JobOptions | undefined) => Promise<unknown>

/** `scheduler.run.<type>`: any string is a job type, `constructor` and `__proto__` too, and the worker module decides. */
function byName(call: ByName): object {
  const functions = new Map<string, (input: unknown, options?: JobOptions) => Promise<unknown>>()
  return new Proxy(Object.create(null), {
    get(_target, name) {
      // Without `then` an `await scheduler.run` is no call of a job.
      if (typeof name === 'symbol' || name === 'then') return undefined
      let callNamed = functions.get(name)
      if (!callNamed) {
        callNamed = (input, options) => call(name, input, options)
        functions.set(name, callNamed)
      }
      return callNamed
    },
  })
}

/** Whether anything of the caller's is to be hung on the job: callbacks, a signal. */
function hasCompany(options: JobOptions): boolean {
  const { onStarted, onProgress, onLog, onValue, onCompleted, onFailed, onSettled, signal } = options
  return Boolean(onStarted || onProgress || onLog || onValue || onCompleted || onFailed || onSettled || signal)
}

function runAll(stops: readonly (() => void)[]): void {
  for (const stop of stops) stop()
}

/** What tells a job's callbacks of its events. `stops` are run when the job has ended. */
function hearing(callbacks: JobCallbacks, stops: readonly (() => void)[], bus: EventBus): (event: JobEvent) => void {
  const { onStarted, onProgress, onLog, onValue, onCompleted, onFailed, onSettled } = callbacks
  const settled = (error: unknown, result: unknown) => {
    runAll(stops)
    if (onSettled) bus.call(onSettled, error, result)
  }
  return (event) => {
    switch (event.type) {
      case 'started':
        return onStarted?.(event.attempt)
      case 'progress':
        return onProgress?.(event.progress)
      case 'log':
        return onLog?.(...event.args)
      case 'value':
        return onValue?.(event.value)
      case 'completed':
        if (onCompleted) bus.call(onCompleted, event.result)
        return settled(undefined, event.result)
      case 'failed':
        if (onFailed) bus.call(onFailed, event.error)
        return settled(event.error, undefined)
      case 'cancelled':
        return settled(event.error, undefined)
    }
  }
}

function fitsEvent(event: AnyEvent, { type, jobId, name, queue }: EventFilter): boolean {
  const { jobId: eventJobId, name: eventName, queue: eventQueue } = event as Partial<JobEvent>
  if (jobId !== undefined && jobId !== eventJobId) return false
  if (name !== undefined && name !== eventName) return false
  if (queue !== undefined && queue !== eventQueue) return false
  if (type === undefined) return true
  return typeof type === 'string' ? type === event.type : type.includes(event.type)
}

/** What `undefined` must never widen: a filter that names nothing, or names a field without a value, is refused. */
function targetOf(idOrFilter: string | JobFilter): string | JobFilter {
  if (typeof idOrFilter === 'string') {
    check.checkArgument('id', idCheck, idOrFilter)
    return idOrFilter
  }
  const isFilter = (value: unknown) => check.object(value) && "a job's id or a filter"
  check.checkArgument('idOrFilter', isFilter, idOrFilter)
  const filter = check.copyOptions(idOrFilter, actChecks)
  const names = Object.keys(filter)
  for (const name of names) check.checkArgument(name, actChecks[name] as check.Check, filter[name as keyof JobFilter])
  const isClear = names.length === 1 || (names.length > 1 && filter.all === undefined)
  const clearFilter = 'a filter with at least one field, or `{ all: true }` and nothing else'
  check.checkArgument('idOrFilter', () => (isClear ? undefined : clearFilter), idOrFilter)
  return filter
}

function checkListener(type: string, listener: unknown): void {
  check.checkArgument('type', check.oneOf(...eventTypes), type)
  check.checkArgument('listener', check.callable, listener)
}

const queueName = check.string(256)
const state: check.Check = (value) => {
  const expected = check.oneOf(...states)
  return Array.isArray(value) ? check.listOf(expected, 'states')(value) : expected(value)
}
const filterChecks: check.Checks = { state, name: check.text, queue: check.text, tag: check.text }
const actChecks: check.Checks = { ...filterChecks, all: (value) => (value === true ? undefined : 'true') }
const findChecks: check.Checks = { ...filterChecks, limit: check.integerOrInfinity(1), after: idCheck }
const eventType: check.Check = (value) => {
  const expected = check.oneOf(...eventTypes)
  return Array.isArray(value) ? check.listOf(expected, 'event types')(value) : expected(value)
}
const eventFilterChecks: check.Checks = { type: eventType, jobId: idCheck, name: check.text, queue: check.text }
const closeChecks: check.Checks = { mode: check.oneOf('drain', 'finish', 'now'), timeoutMs: check.durationMs }

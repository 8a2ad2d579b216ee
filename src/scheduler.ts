import type {
  CleanFilter,
  Counts,
  Engine,
  FindOptions,
  JobFilter,
  JobList,
  QueueState,
  Recorded,
  SchedulerSnapshot,
  Stats,
  Verb,
  WaitReason,
} from './engine/engine.ts'
import { type EngineHost, engineFrom } from './engine/engine-host.ts'
import { notGrouped } from './engine/job-errors.ts'
import { LiveJob } from './engine/live-job.ts'
import { LocalEngine } from './engine/local-engine.ts'
import { checkListener, type EventFilter, eventFilterChecks, fitsEvent } from './event-filter.ts'
import type { AnyEvent, EventMap, EventType } from './events/event-map.ts'
import { BufferedStream, type EventStream } from './events/stream.ts'
import { type ExtensionPoint, extensionPoint } from './extension-point.ts'
import { finiteCheck, idCheck, type JobOptions, queueNameCheck } from './job/job-options.ts'
import { queueKey } from './job/queue-key.ts'
import { terminalStates } from './job/record.ts'
import { type Signal, signalNameCheck } from './job/waits.ts'
import { JobAdder, type UntypedRequest } from './job-adder.ts'
import { runAll } from './job-callbacks.ts'
import type { JobRequest } from './job-calls.ts'
import { cleanChecks, findChecks, targetOf, type WatchFilter, watchChecks } from './job-filter.ts'
import { JobHandle, streamCapacity } from './job-handle.ts'
import { type Adder, MiddlewareAdder } from './job-middleware.ts'
import { takeChanges } from './job-update.ts'
import { reportUncaught } from './platform/host.ts'
import { handleSignals } from './platform/process-signals.ts'
import { randomId } from './platform/random-id.ts'
import { checkSource, type InlineSource, spawn, type WorkerSource } from './platform/spawn.ts'
import type { QueueSettings } from './queue/settings.ts'
import { type Queue, queueHandle } from './queue-handle.ts'
import { type CloseOptions, closeChecks, resolveOptions, type SchedulerOptions } from './scheduler-options.ts'
import { asyncDispose } from './shared/async-dispose.ts'
import { byName } from './shared/by-name.ts'
import * as check from './shared/check.ts'
import { copyValue } from './shared/clone.ts'
import { OffstageError } from './shared/errors.ts'
import { serveInline } from './shared/inline.ts'
import { checkInput, type Schemas } from './shared/standard-schema.ts'
import type { JobTable } from './thread/job-types.ts'
import type { Job } from './typed-job.ts'
import type { JobUpdate, RestartOptions, Scheduler } from './typed-scheduler.ts'

const restartChecks: check.Checks = { from: idCheck }

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
type Typed = 'get' | 'find' | 'restart' | 'watch' | 'on' | 'once' | 'off' | 'events'

/**
 * Checks and copies arguments, returns handles, and calls the engine. What the job table adds to its types is in `Scheduler`.
 */
class EngineScheduler implements Omit<Scheduler, Typed>, Record<Typed, unknown> {
  readonly #engine: Engine
  #adder: Adder
  readonly #schemas: Schemas
  /** Whether a queue may have groups. A scheduler that runs nothing itself need not know. */
  readonly #isGrouped: (queue: string) => boolean

  readonly run: Scheduler['run']
  readonly add: Scheduler['add']

  /** For `extend`. */
  readonly [extensionPoint]: ExtensionPoint

  constructor(source: WorkerSource | null, given?: SchedulerOptions<never>) {
    if (source !== null) checkSource(source)
    const options = resolveOptions(given)
    const { store, engine = store.engine, workers, workerOptions, errors, signalGraceMs } = options
    // Without an engine nothing would ever run.
    if (!engine) checkSource(source)
    this.#schemas = options.schemas
    const { queues } = options
    const isElsewhere = source === null || options.engine !== undefined
    this.#isGrouped = (queue) => isElsewhere || (Object.hasOwn(queues, queue) && queues[queue]?.order !== undefined)
    // The parts know their options under the names that the scheduler's have.
    const pool = { ...options, ...workers, spawn: () => spawn(source as WorkerSource, workerOptions) }
    const local = { ...options, pool, reportUnhandled: reportUncaught }
    const makeLocal = (handover: object) => new LocalEngine({ ...local, ...handover })
    const makeJob: EngineHost['makeJob'] = (record) => new LiveJob(record)
    const host = { ...local, errors, makeJob, makeLocal: source === null ? undefined : makeLocal }
    this.#engine = engine ? engineFrom(engine, host) : makeLocal({})
    const plain = new JobAdder(this.#engine, options)
    this.#adder = plain
    const use: ExtensionPoint['use'] = (middleware) => {
      this.#adder = new MiddlewareAdder(this.#adder, middleware)
    }
    if (options.middleware.length > 0) use(options.middleware)
    const defaultsOf: ExtensionPoint['defaultsOf'] = (name) => plain.defaultsOf(name)
    this[extensionPoint] = { engine: this.#engine, defaultsOf, use, attached: new Map() }
    const run =
      (name: string): Call =>
      (input, jobOptions) =>
        this.#adder.run(name, input, jobOptions)
    const add =
      (name: string): Call =>
      (input, jobOptions) =>
        this.#adder.add(name, input, jobOptions)
    this.run = byName(run) as never
    this.add = byName(add) as never
    if (signalGraceMs !== undefined) this.#engine.onClose(handleSignals(signalGraceMs, (mode) => this.close({ mode })))
    // Bound, so that UI libraries can pass them on: `useSyncExternalStore(scheduler.subscribe, scheduler.snapshot)`.
    this.subscribe = this.subscribe.bind(this)
    this.snapshot = this.snapshot.bind(this)
    // Nobody who prints a scheduler wants to see the engine. In the build private members are plain ones.
    for (const key of Reflect.ownKeys(this)) Object.defineProperty(this, key, { enumerable: false })
  }

  // Adding.

  addMany(jobs: readonly JobRequest<JobTable>[]): Promise<Job[]> {
    return this.#adder.addMany(jobs as readonly UntypedRequest[])
  }

  // Looking things up. Each sees the effects of all calls before it, and of none after it.

  async get(id: string): Promise<Job | undefined> {
    this.#assertNotEnded()
    check.checkArgument('id', idCheck, id)
    const { opening } = this.#engine
    if (opening) await opening
    const job = await this.#engine.get(id)
    return job && new JobHandle(this.#engine, job, 'existing')
  }

  async find(options: FindOptions = {}): Promise<Job[]> {
    this.#assertNotEnded()
    const copy = check.copyOptions(options, findChecks)
    const { opening } = this.#engine
    if (opening) await opening
    const found = await this.#engine.find(copy)
    return found.map((job) => new JobHandle(this.#engine, job, 'existing'))
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

  async restart(id: string, options: RestartOptions = {}): Promise<Job> {
    this.#assertNotEnded()
    check.checkArgument('id', idCheck, id)
    const { from } = check.copyOptions(options, restartChecks)
    if (this.#engine.isClosed) throw this.#engine.closedError()
    const { opening } = this.#engine
    if (opening) await opening
    const job = await this.#engine.restart(id, from, randomId('again'))
    return new JobHandle(this.#engine, job, 'created')
  }

  remove(idOrFilter: string | JobFilter): Promise<number> {
    return this.#act('remove', idOrFilter)
  }

  async clean(given: CleanFilter): Promise<number> {
    const { olderThanMs, ...filter } = check.copyOptions(given, cleanChecks)
    check.checkArgument('olderThanMs', check.durationMs, olderThanMs)
    return this.#act('clean', { state: terminalStates, ...filter }, olderThanMs)
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

  async signal(id: string, name: string, value?: unknown): Promise<boolean> {
    check.checkArgument('id', idCheck, id)
    check.checkArgument('name', signalNameCheck, name)
    const copy = copyValue(value, 'value', (each, what) => this.#engine.check(each, what))
    // A call that is made again of another tab is known by its id.
    const signal: Signal = [randomId('signal'), name, copy]
    return (await this.#act('signal', id, signal)) > 0
  }

  async update(id: string, given: JobUpdate): Promise<boolean> {
    this.#assertNotEnded()
    check.checkArgument('id', idCheck, id)
    const changes = takeChanges(given, (value, what) => this.#engine.check(value, what))
    const { opening } = this.#engine
    if (opening) await opening
    if (changes.input !== undefined && Object.keys(this.#schemas).length > 0)
      await this.#checkInputOf(id, changes.input)
    return this.#engine.update(id, changes)
  }

  /** The type of a job is known only from the job itself. */
  async #checkInputOf(id: string, input: unknown): Promise<void> {
    const { name = '' } = (await this.#engine.get(id))?.record ?? {}
    await checkInput(this.#schemas, name, input)
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

  async recorded(id: string): Promise<Recorded | undefined> {
    this.#assertNotEnded()
    check.checkArgument('id', idCheck, id)
    const { opening } = this.#engine
    if (opening) await opening
    return copyValue(await this.#engine.recorded(id), 'recorded') as Recorded | undefined
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
    return queueHandle(name, {
      ...this.#partOf(name),
      partOf: (group) => {
        if (!this.#isGrouped(name)) throw notGrouped(name)
        return this.#partOf(queueKey(name, group))
      },
      remove: (filter) => this.remove(filter),
      whenShorter: (limit) => this.#whenIdle(name, limit),
    })
  }

  #partOf(key: string) {
    // So that the first `size` that the caller reads a moment later is right.
    this.#engine.queue(key)
    return {
      look: () => this.#engine.queue(key),
      set: (settings: QueueSettings | null) => settled(this.#engine.set(key, settings)),
    }
  }

  get isPaused(): boolean {
    return this.#engine.isPaused
  }

  pause(): Promise<void> {
    return settled(this.#engine.set(undefined, { isPaused: true }))
  }

  resume(): Promise<void> {
    return settled(this.#engine.set(undefined, { isPaused: false }))
  }

  onIdle(): Promise<void> {
    return this.#whenIdle()
  }

  async #whenIdle(queue?: string, limit?: number): Promise<void> {
    this.#assertNotEnded()
    await this.#engine.opening
    return this.#engine.onIdle(queue, limit)
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

/** Callers need not wait for it: that a store takes nothing is reported as `store:error`, too. */
function settled(setting: Promise<unknown>): Promise<void> {
  const done = setting.then(() => {})
  done.catch(() => {})
  return done
}

import type { Disposition, Engine, Verb } from './engine/engine.ts'
import { keepsNone } from './engine/job-errors.ts'
import type { JobSnapshot } from './engine/job-observers.ts'
import type { JobView } from './engine/job-view.ts'
import { checkListener } from './event-filter.ts'
import { isLast, type JobEvent, type JobEventMap, type JobEventType, jobEventTypes } from './events/event-map.ts'
import type { ValueStream } from './events/numbered-stream.ts'
import { BufferedStream, type EventStream } from './events/stream.ts'
import { finiteCheck } from './job/job-options.ts'
import { type JobHeaders, keepsValues, noHeaders } from './job/record.ts'
import { runAll } from './job-callbacks.ts'
import { thisContext } from './platform/async-context.ts'
import { structuredClone } from './platform/structured-clone.ts'
import * as check from './shared/check.ts'
import type { Job, ValuesOptions } from './typed-job.ts'

/** How many events wait for a slow reader. Beyond that the oldest are dropped and counted in `dropped`. */
export const streamCapacity = 1_024

const valuesChecks: check.Checks = { after: check.integer(0) }

type View = Pick<Job, 'snapshot' | 'subscribe'>

/** The handle of a job: checks arguments and calls the engine. */
export class JobHandle implements Job {
  /**
   * A function holds the engine and the job, because in the build private members are plain ones: a logger, `JSON.stringify` or
   * the deep proxy of a UI library would find all jobs behind a handle.
   */
  readonly #held: () => { readonly engine: Engine; readonly job: JobView }
  #lastView: View | undefined
  readonly disposition: Disposition

  constructor(engine: Engine, job: JobView, disposition: Disposition) {
    this.#held = () => ({ engine, job })
    this.disposition = disposition
  }

  get #engine(): Engine {
    return this.#held().engine
  }

  get #job(): JobView {
    return this.#held().job
  }

  get id(): string {
    return this.#job.record.id
  }

  get name(): string {
    return this.#job.record.name
  }

  get input(): unknown {
    try {
      return structuredClone(this.#job.record.input)
    } catch {
      return undefined
    }
  }

  get headers(): JobHeaders {
    return this.#job.record.rules.headers ?? noHeaders
  }

  get snapshot(): () => JobSnapshot {
    return this.#view.snapshot
  }

  get subscribe(): (listener: () => void) => () => void {
    return this.#view.subscribe
  }

  /**
   * Bound, so that UI libraries can pass them on: `useSyncExternalStore(job.subscribe, job.snapshot)`. Made on first use,
   * because `addMany` may return a hundred thousand handles of which few are observed.
   */
  get #view(): View {
    this.#lastView ??= {
      snapshot: () => {
        this.#engine.observersOf(this.#job)
        return this.#job.snapshot()
      },
      subscribe: (listener) => {
        check.checkArgument('listener', check.callable, listener)
        return this.#engine.observersOf(this.#job).subscribe(thisContext()(listener))
      },
    }
    return this.#lastView
  }

  result(): Promise<unknown> {
    return this.#engine.result(this.#job)
  }

  values(options: ValuesOptions = {}): ValueStream {
    const { after } = check.copyOptions(options, valuesChecks)
    if (after !== undefined && !keepsValues(this.#job.record)) throw keepsNone(this.id)
    return this.#engine.values(this.#job, after) as ValueStream
  }

  events(): EventStream<JobEvent> {
    const stops: (() => void)[] = []
    const stream = new BufferedStream<JobEvent>({ capacity: streamCapacity, onClose: () => runAll(stops) })
    const push = (event: JobEvent) => {
      stream.push(event)
      if (isLast(event.type)) stream.end()
    }
    const last = this.#engine.lastEvent(this.#job)
    if (last) push(last)
    else if (this.#engine.isEnded) stream.end()
    else
      stops.push(
        this.#engine.observersOf(this.#job).watch(push),
        this.#engine.onClose(() => stream.end()),
      )
    return stream
  }

  on<Type extends JobEventType>(type: Type, listener: (event: JobEventMap[Type]) => void): () => void {
    return this.#listen(type, listener as (event: JobEvent) => void, false)
  }

  once<Type extends JobEventType>(type: Type, listener: (event: JobEventMap[Type]) => void): () => void {
    return this.#listen(type, listener as (event: JobEvent) => void, true)
  }

  #listen(type: JobEventType, listener: (event: JobEvent) => void, isOnce: boolean): () => void {
    checkListener(type, listener, jobEventTypes)
    return this.#engine.observersOf(this.#job).listen(type, listener, isOnce)
  }

  off<Type extends JobEventType>(type: Type, listener: (event: JobEventMap[Type]) => void): void {
    checkListener(type, listener, jobEventTypes)
    this.#engine.observersOf(this.#job).unlisten(type, listener as (event: JobEvent) => void)
  }

  cancel(reason?: unknown): Promise<boolean> {
    return this.#act('cancel', reason)
  }

  retry(): Promise<boolean> {
    return this.#act('retry')
  }

  async setPriority(priority: number): Promise<boolean> {
    check.checkArgument('priority', finiteCheck, priority)
    return this.#act('setPriority', priority)
  }

  async #act(verb: Verb, argument?: unknown): Promise<boolean> {
    if (this.#engine.isEnded) throw this.#engine.closedError()
    return (await this.#engine.act(verb, this.#job, argument)) > 0
  }
}

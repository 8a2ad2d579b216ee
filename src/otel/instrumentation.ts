import {
  type Attributes,
  type Context,
  context,
  type Exception,
  type Meter,
  ROOT_CONTEXT,
  type Span,
  SpanKind,
  SpanStatusCode,
  type Tracer,
  trace,
} from '@opentelemetry/api'
import type { Extension, ExtensionHost } from '../engine/extension.ts'
import { type AttemptEnd, attemptEnds } from '../events/attempts.ts'
import type { EventMap, JobEvent } from '../events/event-map.ts'
import type { ExtensionPoint } from '../extension-point.ts'
import { headersCheck } from '../job/job-options.ts'
import { type JobHeaders, noHeaders, parentIdIn } from '../job/record.ts'
import type { AddRequest, Middleware } from '../job-middleware.ts'
import type { Job } from '../typed-job.ts'
import type { Scheduler } from '../typed-scheduler.ts'
import { attribute, errorTypeOf } from './conventions.ts'
import { CurrentInstruments } from './instruments.ts'
import { contextFrom, headersOf } from './propagation.ts'

/** Whom `instrument` tells. */
export interface InstrumentOptions {
  /** Makes the spans. Default: that of the application's SDK, also if it is set up later. */
  readonly tracer?: Tracer | undefined
  /** Takes the measurements. Default: that of the application's SDK, also if it is set up later. */
  readonly meter?: Meter | undefined
}

interface OpenAttempt {
  readonly span: Span
  readonly attributes: Attributes
  /** In monotonic time. */
  readonly sinceMs: number
}

type Observed = Pick<Scheduler, 'counts' | 'queues'>

const operation = (name: 'send' | 'process', queue: string, jobName: string): Attributes => ({
  [attribute.system]: 'offstage',
  [attribute.operationName]: name,
  [attribute.operationType]: name,
  [attribute.queue]: queue,
  [attribute.jobName]: jobName,
})

/**
 * Reports one scheduler to OpenTelemetry: as middleware, the page that adds jobs reports these calls; as an extension, the page that
 * runs the jobs reports the attempts. It keeps no rows and follows no moves: events tell it what is committed.
 */
export class Instrumentation implements Extension<Record<never, never>> {
  readonly name = 'otel'
  readonly moves: Extension['moves'] = new Set()
  readonly #scheduler: Observed
  readonly #point: ExtensionPoint
  #options: InstrumentOptions | undefined
  #instruments = new CurrentInstruments(undefined)
  /** Where the jobs run; `undefined` if they do so elsewhere. */
  #host: ExtensionHost | undefined
  #stops: (() => void)[] = []
  /** By the id of its job: what has begun and not ended. */
  readonly #open = new Map<string, OpenAttempt>()

  constructor(scheduler: Observed, point: ExtensionPoint) {
    this.#scheduler = scheduler
    this.#point = point
    point.engine.bus.on('leader', ({ isLeader }) => isLeader || this.#leave())
  }

  start(options: InstrumentOptions): void {
    if (this.#options || this.#point.engine.isEnded) return
    this.#options = options
    this.#instruments = new CurrentInstruments(options.meter)
    if (this.#host) this.#listen(this.#host)
  }

  readonly stop = (): void => {
    this.#options = undefined
    this.#leave()
  }

  get #tracer(): Tracer {
    return this.#options?.tracer ?? trace.getTracer('offstage')
  }

  // Adding.

  readonly middleware: Middleware = {
    name: 'offstage/otel',
    add: (request, next) => (this.#options ? this.#send(request, next) : next()),
  }

  async #send(request: AddRequest, next: (request?: AddRequest) => Promise<Job>): Promise<Job> {
    const { name, options } = request
    const queue = String(options?.queue ?? this.#point.defaultsOf(name).queue)
    const attributes = operation('send', queue, name)
    const given = headersCheck(options?.headers) ? noHeaders : (options?.headers as JobHeaders)
    const active = context.active()
    // A caller that is in no span may still know of a trace.
    const parent = trace.getSpan(active) ? active : contextFrom(given, active)
    const span = this.#tracer.startSpan(`send ${queue}`, { kind: SpanKind.PRODUCER, attributes }, parent)
    const within = trace.setSpan(parent, span)
    try {
      const job = await context.with(within, () => next(withHeaders(request, headersOf(within))))
      span.setAttributes({ [attribute.jobId]: job.id, [attribute.disposition]: job.disposition })
      this.#instruments.now.sent.add(1, attributes)
      return job
    } catch (error) {
      fail(span, error)
      this.#instruments.now.sent.add(1, { ...attributes, [attribute.errorType]: errorTypeOf(error) })
      throw error
    } finally {
      span.end()
    }
  }

  // Running.

  open(host: ExtensionHost): Record<never, never> {
    this.#leave()
    this.#host = host
    if (this.#options) this.#listen(host)
    return {}
  }

  #listen(host: ExtensionHost): void {
    this.#stops = [
      host.on('started', (event) => this.#started(host, event)),
      ...attemptEnds.map((type) =>
        host.on(type, (event: JobEvent) => this.#ended(host, event as EventMap[AttemptEnd])),
      ),
    ]
    this.#instruments.observe = async (result, { jobs, depth, running }) => {
      // A scheduler that is closing has nothing more to say.
      const [counts, queues] = await Promise.all([this.#scheduler.counts(), this.#scheduler.queues()]).catch(
        () => [{}, []] as const,
      )
      for (const [state, count] of Object.entries(counts))
        result.observe(jobs, count, { [attribute.system]: 'offstage', [attribute.state]: state })
      for (const queue of queues) {
        const of = { [attribute.system]: 'offstage', [attribute.queue]: queue.name }
        result.observe(depth, queue.size, of)
        result.observe(running, queue.running, of)
      }
    }
  }

  /** The jobs run here no longer, or nobody wants to know. */
  #leave(): void {
    for (const stop of this.#stops.splice(0)) stop()
    this.#instruments.observe = undefined
    for (const { span } of this.#open.values()) {
      span.setAttribute(attribute.outcome, 'interrupted')
      span.end()
    }
    this.#open.clear()
    if (this.#point.engine.isEnded) this.#host = undefined
  }

  #started(host: ExtensionHost, { jobId, name, queue, attempt, workerId, at }: EventMap['started']): void {
    const record = host.job(jobId)
    const attributes = operation('process', queue, name)
    const parent = this.#contextOf(host, record?.rules.headers)
    const own = { [attribute.jobId]: jobId, [attribute.attempt]: attempt, [attribute.workerId]: workerId }
    const kind = SpanKind.CONSUMER
    const span = this.#tracer.startSpan(`process ${queue}`, { kind, attributes: { ...attributes, ...own } }, parent)
    this.#open.set(jobId, { span, attributes, sinceMs: host.clock.monotonic() })
    host.sendAlong(jobId, headersOf(trace.setSpan(parent, span)))
    const { consumed, waitDuration } = this.#instruments.now
    consumed.add(1, attributes)
    waitDuration.record(Math.max(0, at - (record?.dueAt ?? at)) / 1_000, attributes)
  }

  /** Jobs that a handler has run are added by no call: they belong to the trace of the one that has run them. */
  #contextOf(host: ExtensionHost, headers: JobHeaders = noHeaders): Context {
    const from = contextFrom(headers, ROOT_CONTEXT)
    const parentId = parentIdIn(headers)
    if (from !== ROOT_CONTEXT || parentId === undefined) return from
    return contextFrom(host.job(parentId)?.rules.headers ?? noHeaders, ROOT_CONTEXT)
  }

  #ended(host: ExtensionHost, event: EventMap[AttemptEnd]): void {
    const { jobId, name, queue, type } = event
    const attempt = this.#open.get(jobId)
    this.#open.delete(jobId)
    const error = 'error' in event && type !== 'cancelled' ? event.error : undefined
    const failed = error === undefined ? {} : { [attribute.errorType]: errorTypeOf(error) }
    const attributes = { ...operation('process', queue, name), ...failed }
    const { outcomes, processDuration } = this.#instruments.now
    outcomes.add(1, { ...attributes, [attribute.outcome]: type })
    if (!attempt) return
    processDuration.record((host.clock.monotonic() - attempt.sinceMs) / 1_000, attributes)
    attempt.span.setAttribute(attribute.outcome, type)
    if (error !== undefined) fail(attempt.span, error)
    attempt.span.end()
  }
}

function fail(span: Span, error: unknown): void {
  const isError = error instanceof Error
  span.recordException(isError ? (error as Exception) : String(error))
  span.setStatus({ code: SpanStatusCode.ERROR, message: isError ? error.message : String(error) })
  span.setAttribute(attribute.errorType, errorTypeOf(error))
}

/** A job has room for so many headers. What the caller gave comes first, and then the trace before all that may go along with it. */
function withHeaders(request: AddRequest, headers: Record<string, string>): AddRequest {
  const { options = {} } = request
  const { traceparent } = headers
  // The options are not checked yet. What is wrong with them is said by those who check them.
  if (traceparent === undefined || typeof options !== 'object' || options === null) return request
  if (options.headers !== undefined && headersCheck(options.headers)) return request
  const all = [headers, { traceparent }].map((some) => ({ ...options.headers, ...some }))
  const fitting = all.find((each) => !headersCheck(each))
  return fitting ? { ...request, options: { ...options, headers: fitting } } : request
}

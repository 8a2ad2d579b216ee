import { type AttemptEnd, attemptEnds } from '../events/attempts.ts'
import type { EventMap, JobEvent } from '../events/event-map.ts'
import { extensionPointOf } from '../extension-point.ts'
import { systemClock } from '../platform/host.ts'
import { drawSpan, type TimelineColor } from '../platform/timeline.ts'
import * as check from '../shared/check.ts'
import type { JobTable } from '../thread/job-types.ts'
import type { Scheduler } from '../typed-scheduler.ts'

/** What `traceToDevTools` draws. */
export interface DevToolsOptions {
  /** The name of the group of tracks. Give several schedulers of a page different ones. Default `'offstage'`. */
  readonly group?: string | undefined
  /** Whether there is a track for each queue with the jobs that wait in it. Default `true`. */
  readonly waits?: boolean | undefined
}

const optionChecks: check.Checks = { group: check.string(256), waits: check.boolean }

/** By scheduler: what stops its trace. */
const traced = new WeakMap<object, () => void>()

/**
 * Shows in Chrome's Performance panel what the workers do, beside everything else that the page does. A recording has a group of
 * tracks, one for each worker with the attempts that it ran, and one for each queue with the jobs that waited there for a worker.
 * Failed attempts are red. An attempt is drawn from when it was given to its worker until its end was committed.
 *
 * Returns a function that stops it. A second call for the same scheduler returns the same function. While nobody records, a job
 * costs a few microseconds, which is what listeners to its events cost. In other browsers, and on servers, nothing is shown.
 *
 * @example
 * ```ts
 * import { traceToDevTools } from 'offstage/devtools'
 *
 * if (import.meta.env.DEV) traceToDevTools(scheduler)
 * ```
 */
export function traceToDevTools<Table extends JobTable>(
  scheduler: Scheduler<Table>,
  options: DevToolsOptions = {},
): () => void {
  const { engine } = extensionPointOf(scheduler)
  check.checkOptions(options, optionChecks)
  const there = traced.get(scheduler)
  if (there) return there
  const { group = 'offstage', waits = true } = options
  const tracks = new Tracks(group)
  const bus = engine.bus
  const stops = [
    bus.on('started', (event) => tracks.started(event)),
    ...attemptEnds.map((type) => bus.on(type, (event: JobEvent) => tracks.ended(event as EventMap[AttemptEnd]))),
    bus.on('removed', ({ jobId }) => tracks.removed(jobId)),
    ...(waits ? [bus.on('added', (event) => tracks.added(event))] : []),
  ]
  const stop = () => {
    if (traced.get(scheduler) !== stop) return
    traced.delete(scheduler)
    for (const each of stops) each()
    tracks.close()
  }
  traced.set(scheduler, stop)
  stops.push(engine.onClose(stop))
  return stop
}

interface Running extends Pick<EventMap['started'], 'jobId' | 'name' | 'attempt' | 'workerId'> {
  readonly sinceMs: number
}

/** Of more jobs it is not remembered since when they wait: the newest are drawn. */
const waitingMax = 10_000
/** Shorter waits are no news. */
const waitMsMin = 1

const colors: Readonly<Record<AttemptEnd, TimelineColor>> = {
  completed: 'primary',
  failed: 'error',
  retrying: 'error',
  snoozed: 'primary-light',
  waiting: 'primary-light',
  interrupted: 'secondary-dark',
  cancelled: 'secondary',
}

/** What is drawn: nothing before it is over, because a span is drawn as a whole. */
class Tracks {
  readonly #group: string
  readonly #running = new Map<string, Running>()
  /** By the id of a job: since when it could run. */
  readonly #waiting = new Map<string, number>()

  constructor(group: string) {
    this.#group = group
  }

  added({ jobId, state }: EventMap['added']): void {
    if (state === 'queued') this.#waitFrom(jobId, systemClock.monotonic())
  }

  #waitFrom(jobId: string, ms: number): void {
    this.#waiting.delete(jobId)
    this.#waiting.set(jobId, ms)
    const [oldest] = this.#waiting.keys()
    if (this.#waiting.size > waitingMax) this.#waiting.delete(oldest as string)
  }

  started({ jobId, name, queue, attempt, workerId }: EventMap['started']): void {
    const sinceMs = systemClock.monotonic()
    this.#running.set(jobId, { jobId, name, attempt, workerId, sinceMs })
    const waitedFrom = this.#waiting.get(jobId) ?? sinceMs
    this.#waiting.delete(jobId)
    if (sinceMs - waitedFrom < waitMsMin) return
    drawSpan(labelOf({ name, jobId, attempt }), waitedFrom, sinceMs, `queue ${queue}`, this.#group, 'secondary-light')
  }

  ended(event: EventMap[AttemptEnd]): void {
    const { jobId, type } = event
    const running = this.#running.get(jobId)
    this.#running.delete(jobId)
    this.#waiting.delete(jobId)
    if (running) this.#draw(running, type, 'error' in event ? event.error : undefined)
    if (type === 'retrying' || type === 'snoozed')
      this.#waitFrom(jobId, systemClock.monotonic() + Math.max(0, event.runAt - event.at))
    if (type === 'interrupted') this.#waitFrom(jobId, systemClock.monotonic())
  }

  #draw(running: Running, end: AttemptEnd, error: unknown): void {
    const outcome = error === undefined ? '' : `: ${textOf(error)}`
    const label = `${labelOf(running)}${outcome}`
    drawSpan(label, running.sinceMs, systemClock.monotonic(), `worker ${running.workerId}`, this.#group, colors[end])
  }

  removed(jobId: string): void {
    this.#waiting.delete(jobId)
  }

  /** What runs is drawn as far as it has come. */
  close(): void {
    for (const running of this.#running.values()) this.#draw(running, 'interrupted', undefined)
    this.#running.clear()
    this.#waiting.clear()
  }
}

const labelOf = ({ name, jobId, attempt }: Pick<Running, 'name' | 'jobId' | 'attempt'>): string =>
  `${name} ${jobId}${attempt > 1 ? ` (attempt ${attempt})` : ''}`

function textOf(error: unknown): string {
  const { code, name } = (error ?? {}) as { readonly code?: unknown; readonly name?: unknown }
  return typeof code === 'string' ? code : typeof name === 'string' ? name : String(error)
}

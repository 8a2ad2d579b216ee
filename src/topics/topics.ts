import { extend } from '../extend.ts'
import type { JobOptions } from '../job/job-options.ts'
import { takeJobOptions } from '../job/job-options.ts'
import { type OwnOption, takeStandingOptions } from '../job/standing-options.ts'
import { randomId } from '../platform/random-id.ts'
import * as check from '../shared/check.ts'
import type { JobTable } from '../thread/job-types.ts'
import type { AnyJobOf } from '../typed-job.ts'
import type { Scheduler } from '../typed-scheduler.ts'
import { type Filter, filterCheck, patternCheck, topicCheck } from './pattern.ts'
import { type CodeSubscription, type StoredSubscription, TopicsExtension } from './topics-extension.ts'

/** The job that a subscription adds for each event. Its input is the data of the event. */
export interface SubscribedJob<Table extends JobTable = JobTable> {
  /** The job type. */
  readonly name: keyof Table & string
  /**
   * The options of the job: queue, priority, attempts, … Its id is that of the subscription and that of the event:
   * `invoices@order-17-paid`.
   */
  readonly options?: Omit<JobOptions, OwnOption> | undefined
  /**
   * Only events whose data has all of this: `{ country: ['DE', 'AT'], customer: { isNew: true } }`. An array in the filter lists
   * what is fine; of an array in the data, one element is enough. Default: every event of the topics.
   */
  readonly filter?: Filter | undefined
}

/** A subscription that is not stored. */
export interface SubscriptionInCode<Table extends JobTable = JobTable> extends Omit<SubscribedJob<Table>, 'filter'> {
  /** As for `subscribe`. */
  readonly pattern: string
  /**
   * As for `subscribe`, or a function that is called where the jobs run: whether an event is for this subscription. When it throws,
   * or returns a promise, `publish` rejects with `EXTENSION_FAILED`.
   */
  readonly filter?: Filter | ((data: unknown, topic: string) => boolean) | undefined
}

/** What can be seen of a subscription. */
export interface Subscription {
  /** The id that it was made with. */
  readonly id: string
  /** The topics that it is for. */
  readonly pattern: string
  /** The job type. */
  readonly name: string
  /** The options of its jobs. */
  readonly options: JobOptions | undefined
  /** Its filter; `undefined` also if that is a function. */
  readonly filter: Filter | undefined
  /** Whether it was made with `subscribe`, and not in the code. */
  readonly isStored: boolean
}

/** The options of `topics`, which hold for the scheduler. */
export interface TopicSettings<Table extends JobTable = JobTable> {
  /**
   * Subscriptions of the code, by id. They are not stored: those of the page or process that runs the jobs hold. A stored one with
   * the same id gives way. Default: none.
   */
  readonly subscriptions?: { readonly [id: string]: SubscriptionInCode<Table> } | undefined
  /**
   * How long the id of an event is remembered, in milliseconds: for that long, publishing it again adds nothing. Default an hour.
   */
  readonly rememberMs?: number | undefined
}

/** The options of `publish`. */
export interface PublishOptions {
  /**
   * What names the event, among those of all topics: 1 to 256 characters. Publishing the same again (`rememberMs`, and as long as
   * its jobs are kept) adds no jobs and returns those of the first time. On another topic it rejects with `DUPLICATE_ID`. Default:
   * each call is another event.
   */
  readonly id?: string | undefined
  /** For the `headers` of all jobs, beside `topic` and `eventId`. */
  readonly headers?: Readonly<Record<string, string>> | undefined
}

/** Publishes events, and says which jobs they add. Each call resolves when what it did is committed to the store. */
export interface Topics<Table extends JobTable = JobTable> {
  /**
   * From now on, an event whose topic fits the pattern adds this job. In a pattern, `*` stands for one word, and `>` at the end for
   * one or more: `order.*`, `order.>`. A subscription with this id is changed. It is stored, so it outlives a restart.
   *
   * `id`: 1 to 256 characters. Rejects with `INVALID_OPTION`, which names what is wrong.
   */
  subscribe(id: string, pattern: string, job: SubscribedJob<Table>): Promise<void>
  /** Ends a stored subscription; jobs that it has added stay. Resolves with `false` if there is none. */
  unsubscribe(id: string): Promise<boolean>
  /** Resolves with all subscriptions, sorted by id. */
  list(): Promise<Subscription[]>
  /**
   * Publishes an event: adds, in one commit, a job for each subscription that fits. Resolves with these jobs, with none if nobody
   * has subscribed. When one of them cannot be added (`QUEUE_FULL`, …), the call rejects and none is.
   *
   * The handler gets `data` as its input, and finds the topic and the id of the event in `job.headers`, as `topic` and `eventId`.
   */
  publish(topic: string, data?: unknown, options?: PublishOptions): Promise<AnyJobOf<Table>[]>
}

const idCheck = check.string(256)

const jobChecks: check.Checks = { name: idCheck, options: check.object, filter: filterCheck }
const codeChecks: check.Checks = {
  ...jobChecks,
  pattern: patternCheck,
  filter: (value) => check.callable(value) && filterCheck(value) && `a function, or ${filterCheck(value)}`,
}
const settingsChecks: check.Checks = { subscriptions: check.object, rememberMs: check.durationMs }

const attached = new WeakMap<object, TopicsExtension>()

/**
 * Returns the topics of a scheduler. Whoever publishes an event need not know which jobs follow from it: subscriptions say that,
 * each with a pattern of topics, a queue and a priority of its own. They are kept in the store, beside the jobs, or in code.
 *
 * @example
 * ```ts
 * import { topics } from 'offstage/topics'
 *
 * const { subscribe, publish } = topics(scheduler)
 * await subscribe('invoices', 'order.paid', { name: 'writeInvoice', options: { attempts: 5 } })
 * await subscribe('log', 'order.>', { name: 'log', options: { queue: 'background' } })
 * await publish('order.paid', { order: 17 }, { id: 'order-17-paid' }) // adds two jobs; said again, none
 * ```
 */
export function topics<Table extends JobTable>(
  scheduler: Scheduler<Table>,
  settings: TopicSettings<Table> = {},
): Topics<Table> {
  check.checkOptions(settings, settingsChecks)
  const { subscriptions, rememberMs } = settings
  const inCode = subscriptions && takeAll(subscriptions)
  const extension = attached.get(scheduler) ?? new TopicsExtension()
  const commands = extend(scheduler, extension)
  attached.set(scheduler, extension)
  if (inCode) extension.inCode = inCode
  if (rememberMs !== undefined) extension.rememberMs = rememberMs
  return {
    async subscribe(id, pattern, job) {
      check.checkArgument('id', idCheck, id)
      check.checkArgument('pattern', patternCheck, pattern)
      check.checkArgument('job', check.object, job)
      return commands.subscribe(id, take(pattern, job, jobChecks, 'job.') as StoredSubscription)
    },
    async unsubscribe(id) {
      check.checkArgument('id', idCheck, id)
      return commands.unsubscribe(id)
    },
    async list() {
      const all = await commands.list()
      return all.map(([id, subscription, isStored]) => ({ id, ...subscription, isStored }))
    },
    async publish(topic, data, options = {}) {
      check.checkArgument('topic', topicCheck, topic)
      check.checkOptions(options, { id: idCheck, headers: check.object }, 'options.')
      const { headers } = takeJobOptions({ headers: options.headers }) ?? {}
      const { id = randomId('event') } = options
      const jobIds = await commands.publish(id, { topic, data, headers }, options.id !== undefined)
      const jobs = await Promise.all(jobIds.map((jobId) => scheduler.get(jobId)))
      return jobs.filter((job) => job !== undefined)
    },
  }
}

interface GivenJob {
  readonly name: string
  readonly options?: object | undefined
  readonly filter?: CodeSubscription['filter']
}

function take(pattern: string, job: GivenJob, checks: check.Checks, prefix: string): CodeSubscription {
  check.checkOptions(job, checks, prefix)
  check.checkArgument(`${prefix}name`, idCheck, job.name)
  const { name, filter } = job
  return { pattern, name, options: takeStandingOptions(job.options, 'a subscription'), filter: check.deepCopy(filter) }
}

function takeAll(subscriptions: {
  readonly [id: string]: GivenJob & { readonly pattern: string }
}): Record<string, CodeSubscription> {
  return Object.fromEntries(
    Object.entries(subscriptions).map(([id, subscription]) => {
      const prefix = `subscriptions.${id}.`
      check.checkArgument(`the id '${id}'`, idCheck, id)
      check.checkArgument(prefix.slice(0, -1), check.object, subscription)
      check.checkArgument(`${prefix}pattern`, patternCheck, subscription.pattern)
      return [id, take(subscription.pattern, subscription, codeChecks, prefix)]
    }),
  )
}

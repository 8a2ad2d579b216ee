import type { JobOptions } from '../job/job-options.ts'
import type { State } from '../job/record.ts'
import type { ArgumentsOf } from '../job-calls.ts'
import type { JobTable, ProgressOf, ResultOf } from '../thread/job-types.ts'
import type { Job, JobOf, NameOf } from '../typed-job.ts'
import type { Scheduler } from '../typed-scheduler.ts'
import type { Observable } from './observable.ts'

/** Which job `useJob` shows, and what becomes of it when nobody shows it any more. */
export interface UseJobOptions {
  /**
   * The id of the job. The component then shows the job that has this id, whoever has added it: another component, another tab,
   * or this page before it was reloaded. Default: none; the component shows only what it has started.
   */
  readonly id?: string | undefined
  /**
   * Whether a job that was started goes on when the last component that shows it is gone. Give it an `id` too, so that the next
   * component can take it up. Default `false`: the job is cancelled.
   */
  readonly keep?: boolean | undefined
}

/** What a component shows of its job. */
export type JobState<Result = unknown, Progress = unknown> =
  | {
      readonly state: 'completed'
      readonly progress: Progress | undefined
      readonly result: Result
      readonly error: undefined
    }
  | {
      /** Where the job is in its life; `idle` while there is none. */
      readonly state: Exclude<State, 'completed'> | 'idle'
      /** The newest progress of the newest attempt. */
      readonly progress: Progress | undefined
      readonly result: undefined
      /**
       * The error of a failed or cancelled job, as it was thrown, or why the job could not be added. If the job waits for its next
       * attempt: what the last one threw.
       */
      readonly error: unknown
    }

/** What a component can do with its job. All three are bound, and stay the same functions while the `id` does. */
export interface JobCalls<Table, Name extends NameOf<Table>> {
  /**
   * Adds a job and shows it. Resolves with its handle when it is committed to the store, and never rejects: if the job is
   * refused, the state is `failed` and `error` says why, and this resolves with `undefined`.
   *
   * The newest start is the one that is shown. An earlier job that still runs is cancelled, or goes on with `keep`. With an `id`
   * there is one job: while it waits or runs, a start shows it and adds none; once it has ended, a start replaces it.
   */
  readonly start: (...args: ArgumentsOf<Table[Name]>) => Promise<JobOf<Table, Name> | undefined>
  /** Cancels the job, also one that is just being added. Resolves with `false` if there is none, or it has ended. */
  readonly cancel: () => Promise<boolean>
  /** Runs a failed or cancelled job again, with all its attempts. Resolves with `false` if there is none. */
  readonly retry: () => Promise<boolean>
}

/** What `useJob` returns: the state of the job, and what can be done with it. */
export type ShownState<Table, Name extends NameOf<Table>> = JobState<ResultOf<Table[Name]>, ProgressOf<Table[Name]>> &
  JobCalls<Table, Name>

/** The job that one component shows, as the adapters use it. */
export interface ShownJob<Table, Name extends NameOf<Table>>
  extends Observable<ShownState<Table, Name>>,
    JobCalls<Table, Name> {
  /** The option of `useJob`. It counts when the component leaves a job. */
  keep: boolean | undefined
}

/** A component and its job. */
interface Showing {
  readonly scheduler: object
  /** The option of `useJob`. */
  readonly id: string | undefined
  /** Looks up the job of this id. */
  readonly find: () => unknown
  job: Job | undefined
  /** Whether the component has started the job, or has taken it over from one that had. */
  isStarted: boolean
}

const hasEnded = (job: Job | undefined) => job?.snapshot().finishedAt !== undefined

/** The components that are mounted: whoever leaves a job looks here whether somebody else shows it. */
const mounted = new Set<Showing>()

/** What stops the listener of a scheduler: one serves all components that wait for the job of their id. */
const listening = new Map<object, () => void>()

/**
 * Makes what one component shows: the job of its `id`, if it has one, and the jobs that it starts. Before the component has
 * subscribed, that is, on a server always, nothing is looked up.
 */
export function shownJob<Table extends JobTable, Name extends NameOf<Table>>(
  scheduler: Scheduler<Table>,
  name: Name,
  id: string | undefined,
): ShownJob<Table, Name> {
  const add = scheduler.add[name] as (input: unknown, options: JobOptions) => Promise<Job>
  const self: Showing = {
    scheduler,
    id,
    find: () => take(scheduler.get(id as string), false),
    job: undefined,
    isStarted: false,
  }
  /** Set once the component is gone, and not while it is yet to be mounted. */
  let isGone = false
  let stopFollowing: (() => void) | undefined
  let notify: (() => void) | undefined
  let view: ShownState<Table, Name>
  /** The last start or look-up. */
  let pending: Promise<Job | undefined> | undefined

  // What the component calls.

  const start = (input: unknown, options?: JobOptions) => take(request(input, options), true)
  const act = (verb: 'cancel' | 'retry') => async () => {
    await pending
    return self.job?.[verb]() ?? false
  }
  const calls = { start: start as never, cancel: act('cancel'), retry: act('retry') }

  /** Adds a job, unless there is one of the same id that has not ended. One that has ended is replaced, also if it was not shown. */
  const request = async (input: unknown, options?: JobOptions) => {
    const addOr = (ifExists: 'return' | 'replace') => add(input, { ifExists, ...options, id: id ?? options?.id })
    const job = await addOr(hasEnded(self.job) ? 'replace' : 'return')
    return job.disposition === 'existing' && hasEnded(job) ? addOr('replace') : job
  }

  // Which job is shown.

  /** Shows the job when it is there. A look-up, or a refusal, comes too late if another start or look-up was begun meanwhile. */
  const take = (coming: Promise<Job | undefined>, isStarted: boolean) => {
    const taking = coming.then(
      (job) => {
        if (isStarted || (pending === taking && job?.name === name)) hold(job, isStarted)
        return job
      },
      (error) => {
        if (pending === taking) hold(undefined, false, error)
        return undefined
      },
    )
    pending = taking
    return taking
  }

  /** Shows this job from now on; or, if there is none, the error that says why. */
  const hold = (job: Job | undefined, isStarted: boolean, error?: unknown) => {
    if (job?.id !== self.job?.id) leave()
    stopFollowing?.()
    self.job = job
    self.isStarted ||= isStarted
    if (!job) show('failed', undefined, undefined, error)
    else if (mounted.has(self)) follow(job)
    else if (isGone) leave()
  }

  /** Leaves the job. One that was started is cancelled, unless it is to be kept, or somebody else shows it and so takes it over. */
  const leave = () => {
    const { job, isStarted } = self
    stopFollowing?.()
    self.isStarted = false
    if (!job || !isStarted || shown.keep) return
    const heir = [...mounted].find(
      (other) => other !== self && other.scheduler === scheduler && other.job?.id === job.id,
    )
    if (heir) heir.isStarted = true
    // Rejects if the scheduler is closed; then nothing runs.
    else job.cancel().catch(() => {})
  }

  // While the component is mounted.

  const enter = () => {
    isGone = false
    mounted.add(self)
    if (self.job) follow(self.job)
    if (id === undefined) return
    if (!listening.has(scheduler)) {
      const stop = scheduler.on('added', ({ jobId }) => {
        for (const each of mounted) if (each.scheduler === scheduler && each.id === jobId) each.find()
      })
      listening.set(scheduler, stop)
    }
    self.find()
  }

  const exit = () => {
    isGone = true
    mounted.delete(self)
    if (![...mounted].some((other) => other.scheduler === scheduler && other.id !== undefined)) {
      listening.get(scheduler)?.()
      listening.delete(scheduler)
    }
    leave()
  }

  // What the component sees of it.

  const follow = (job: Job) => {
    const update = () => {
      const { state, progress, error } = job.snapshot()
      if (state !== 'completed') return show(state, progress, undefined, error)
      // A job is shown as completed together with its result, which cannot be read if the scheduler is closed.
      job.result().then(
        (result) => self.job === job && show(state, progress, result),
        () => {},
      )
    }
    stopFollowing = job.subscribe(update)
    update()
  }

  const show = (state: JobState['state'], progress?: unknown, result?: unknown, error?: unknown) => {
    view = Object.freeze({ state, progress, result, error, ...calls }) as ShownState<Table, Name>
    notify?.()
  }
  show('idle')

  const shown = {
    ...calls,
    keep: false,
    snapshot: () => view,
    subscribe: (listener: () => void) => {
      notify = listener
      if (!mounted.has(self)) enter()
      return () => {
        if (notify === listener) notify = undefined
        // Components also leave in order to come back at once: in React's StrictMode, or when they are moved.
        queueMicrotask(() => notify || exit())
      }
    },
  }
  return shown
}

import type { State } from '../job/record.ts'
import type { Scheduler } from '../typed-scheduler.ts'
import { type Match, matching } from './matching.ts'

/** What can be done to jobs. */
export type Verb = 'retry' | 'cancel' | 'promote' | 'setPriority' | 'remove'

interface VerbInfo {
  readonly label: string
  /** What has been done, before a number of jobs. */
  readonly done: string
  /** The states of jobs to which it can be done. */
  readonly states: readonly State[]
}

const unfinished = ['scheduled', 'blocked', 'queued', 'running'] as const

export const verbs: Readonly<Record<Verb, VerbInfo>> = {
  retry: { label: 'Retry', done: 'Retried', states: ['failed', 'cancelled'] },
  cancel: { label: 'Cancel', done: 'Cancelled', states: unfinished },
  promote: { label: 'Promote', done: 'Promoted', states: ['scheduled'] },
  setPriority: { label: 'Set priority', done: 'Set the priority of', states: unfinished },
  remove: { label: 'Remove', done: 'Removed', states: [...unfinished, 'failed', 'completed', 'cancelled'] },
}

/** Does it to one job. Resolves with whether it was done. */
export async function act(scheduler: Scheduler, verb: Verb, id: string, priority: number): Promise<boolean> {
  return Boolean(await (verb === 'setPriority' ? scheduler.setPriority(id, priority) : scheduler[verb](id)))
}

/** The part of a match to which it can be done; `undefined` if there is none. */
export function matchFor(verb: Verb, { filter, text }: Match): Match | undefined {
  const asked = filter.state === undefined ? verbs[verb].states : [filter.state].flat()
  const state = verbs[verb].states.filter((each) => asked.includes(each))
  return state.length > 0 ? { filter: { ...filter, state }, text } : undefined
}

/**
 * Something that is to be done to all jobs that the filter shows: first they are counted, then somebody confirms it.
 *
 * It is done to those that were counted and no others, each by its id, and only if it matches the filter then, too: neither a
 * job that has come since, nor one that has gone on meanwhile, is touched by what its list has promised to somebody.
 */
export interface Bulk {
  readonly verb: Verb
  /** `counting`, then `ready`; after `confirm`, `acting` and then `done`. */
  readonly stage: 'counting' | 'ready' | 'acting' | 'done'
  /** How many jobs match. */
  readonly count: number
  /** The ids of the first of them. */
  readonly sample: readonly string[]
  /** Whether more jobs may match, which were not counted and stay as they are. */
  readonly isCut: boolean
  /** To how many it was done. */
  readonly done: number
  readonly isStopped: boolean
  /** Does it to the jobs. Resolves when it is over, or stopped. */
  confirm(priority: number): Promise<void>
  /** Stops whatever goes on. What is done stays done. */
  stop(): void
}

const sampleSize = 8

/** Counts the jobs. `match`: what `matchFor` has returned, or the id of one job. */
export function prepare(
  scheduler: Scheduler,
  verb: Verb,
  match: Match | string,
  onChange: () => void,
  onError: (error: unknown) => void,
): Bulk {
  const ids = new Set<string>()
  const walk = () =>
    typeof match === 'string' ? [{ jobs: [{ id: match }], isCut: false }] : matching(scheduler, match)
  const bulk = {
    verb,
    isStopped: false,
    stage: 'counting' as Bulk['stage'],
    count: 0,
    sample: [] as readonly string[],
    isCut: false,
    done: 0,
    async confirm(priority: number) {
      if (bulk.stage !== 'ready') return
      to('acting')
      for await (const { jobs } of walk()) {
        const counted = jobs.filter(({ id }) => !bulk.isStopped && ids.delete(id))
        const acts = await Promise.all(counted.map(({ id }) => act(scheduler, verb, id, priority)))
        bulk.done += acts.filter(Boolean).length
        onChange()
        if (bulk.isStopped || ids.size === 0) break
      }
      to('done')
    },
    stop() {
      bulk.isStopped = true
    },
  }
  const to = (stage: Bulk['stage']) => {
    bulk.stage = stage
    onChange()
  }
  const count = async () => {
    for await (const { jobs, isCut } of walk()) {
      if (bulk.isStopped) return
      for (const { id } of jobs) ids.add(id)
      if (bulk.sample.length < sampleSize) bulk.sample = [...ids].slice(0, sampleSize)
      bulk.count = ids.size
      bulk.isCut = isCut
      onChange()
    }
    to('ready')
  }
  count().catch(onError)
  return bulk
}

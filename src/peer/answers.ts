/**
 * What one tab asks another, and how the one that runs the jobs answers: to itself, or to a follower. What is answered
 * is safe.
 */
import type { Counts, FindOptions, Inserted, InsertRequest, JobFilter, Verb } from '../engine/engine.ts'
import type { LiveJob } from '../engine/live-job.ts'
import type { LocalEngine } from '../engine/local-engine.ts'
import { isThenable } from '../shared/thenable.ts'

export type Ask = 'insert' | 'get' | 'find' | 'counts' | 'act' | 'idle'

export const answers = {
  /** `isAgain`: another leader may have done it, but has not answered. `since`: when it was asked for first. */
  async insert(
    local: LocalEngine,
    requests: readonly InsertRequest[],
    since: number,
    isAgain: boolean,
  ): Promise<Inserted[]> {
    // A job of that id and type that was added since then is the one that was asked for.
    const isDone = ({ name, options }: InsertRequest): boolean => {
      const there = isAgain && local.job(options?.id as string)?.record
      return there !== false && there?.name === name && there.addedAt >= since
    }
    const done = requests.map(isDone)
    const inserted = await local.insertMany(
      requests.map((request, at) =>
        done[at] ? { ...request, options: { ...request.options, ifExists: 'return' } } : request,
      ),
    )
    await local.whenCommitted(inserted.find(({ job }) => !job.committed)?.job)
    return inserted.map((each, at) => (done[at] ? { ...each, disposition: 'created' } : each))
  },
  get: (local: LocalEngine, id: string): Promise<LiveJob | undefined> => local.get(id),
  find: (local: LocalEngine, options: FindOptions): Promise<LiveJob[]> => local.find(options),
  counts: (local: LocalEngine): Promise<Counts> => local.counts(),
  /** Asked again of another leader, it may answer fewer jobs than the first has moved; none is moved twice but by `retry`. */
  async act(local: LocalEngine, verb: Verb, target: LiveJob | string | JobFilter, argument: unknown): Promise<number> {
    const moving = local.act(verb, target, argument)
    if (!isThenable(moving)) await local.whenCommitted()
    return moving
  },
  idle: (local: LocalEngine): Promise<void> => local.onIdle(),
} satisfies { readonly [Name in Ask]: (local: LocalEngine, ...args: never[]) => Promise<unknown> }

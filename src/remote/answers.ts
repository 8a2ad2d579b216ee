/** What a client asks, and how the engine that runs the jobs answers. Whatever it answers is committed. */
import type {
  Counts,
  FindOptions,
  Inserted,
  InsertRequest,
  JobFilter,
  QueueState,
  Verb,
  WaitReason,
} from '../engine/engine.ts'
import type { JobView } from '../engine/job-view.ts'
import type { LiveJob } from '../engine/live-job.ts'
import type { LocalEngine } from '../engine/local-engine.ts'
import type { JobChanges } from '../job/transition.ts'

/** `steer` is answered by whoever keeps how everything is set. */
export type QuestionKind = keyof typeof answers | 'steer'

const answers = {
  /** `isAgain`: another engine may have done it, but has not answered. `since`: when it was asked for first. */
  async insert(
    engine: LocalEngine,
    requests: readonly InsertRequest[],
    since: number,
    isAgain: boolean,
  ): Promise<Inserted[]> {
    // A job of that id and type that was added since then is the one that was asked for.
    const isDone = ({ name, options }: InsertRequest): boolean => {
      const there = isAgain && engine.job(options?.id as string)?.record
      return there !== false && there?.name === name && there.addedAt >= since
    }
    const done = requests.map(isDone)
    const inserted = await engine.insertMany(
      requests.map((request, at) =>
        done[at] ? { ...request, options: { ...request.options, ifExists: 'return' } } : request,
      ),
    )
    return inserted.map((each, at) => (done[at] ? { ...each, disposition: 'created' } : each))
  },
  get: (engine: LocalEngine, id: string): Promise<JobView | undefined> => engine.get(id),
  find: (engine: LocalEngine, options: FindOptions): Promise<JobView[]> => engine.find(options),
  counts: (engine: LocalEngine): Promise<Counts> => engine.counts(),
  /** Asked again of another engine, it may answer fewer jobs than the first has moved; none is moved twice but by `retry`. */
  act: (engine: LocalEngine, verb: Verb, target: LiveJob | string | JobFilter, argument: unknown): Promise<number> =>
    engine.act(verb, target, argument),
  update: (engine: LocalEngine, id: string, changes: JobChanges): Promise<boolean> => engine.update(id, changes),
  queues: (engine: LocalEngine): Promise<readonly QueueState[]> => engine.queues(),
  whyWaiting: (engine: LocalEngine, id: string): Promise<readonly WaitReason[]> => engine.whyWaiting(id),
  idle: (engine: LocalEngine): Promise<void> => engine.onIdle(),
  /** Asked again of another engine, it is carried out again. */
  command: (engine: LocalEngine, extension: string, name: string, args: readonly unknown[]): Promise<unknown> =>
    engine.command(extension, name, args),
} satisfies { readonly [kind: string]: (engine: LocalEngine, ...args: never[]) => Promise<unknown> }

/** Answers a question of any kind but `steer`. */
export function answer(engine: LocalEngine, kind: QuestionKind, args: readonly unknown[]): Promise<unknown> {
  return answers[kind as keyof typeof answers](engine, ...(args as [never, never, never]))
}

/** The questions of a client, and how the engine that runs the jobs answers them. What an answer reports is committed. */
import type {
  Counts,
  FindOptions,
  Inserted,
  InsertRequest,
  JobFilter,
  QueueState,
  Recorded,
  Verb,
  WaitReason,
} from '../engine/engine.ts'
import type { JobView } from '../engine/job-view.ts'
import type { LiveJob } from '../engine/live-job.ts'
import type { LocalEngine } from '../engine/local-engine.ts'
import type { JobChanges } from '../job/transition.ts'
import type { QueueSettings } from '../queue/settings.ts'

export type QuestionKind = keyof typeof answers

const answers = {
  /** `isAgain`: it may have been done before, but no answer came. `since`: when it was first asked. */
  async insert(
    engine: LocalEngine,
    requests: readonly InsertRequest[],
    since: number,
    isAgain: boolean,
  ): Promise<Inserted[]> {
    // If a job of that id and type was added since then, it is the one that was asked for.
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
  /**
   * `target` is `undefined` if the job is gone. Another engine may return fewer jobs than the first one has moved. It moves none
   * a second time, but for `retry`.
   */
  act: async (
    engine: LocalEngine,
    verb: Verb,
    target: LiveJob | string | JobFilter | undefined,
    argument: unknown,
  ): Promise<number> => (target === undefined ? 0 : engine.act(verb, target, argument)),
  restart: (engine: LocalEngine, id: string, from: string | undefined, newId: string): Promise<JobView> =>
    engine.restart(id, from, newId),
  update: (engine: LocalEngine, id: string, changes: JobChanges): Promise<boolean> => engine.update(id, changes),
  queues: (engine: LocalEngine): Promise<readonly QueueState[]> => engine.queues(),
  whyWaiting: (engine: LocalEngine, id: string): Promise<readonly WaitReason[]> => engine.whyWaiting(id),
  recorded: (engine: LocalEngine, id: string): Promise<Recorded | undefined> => engine.recorded(id),
  /** May be done twice. A session answers with whether the queue is paused by then. */
  set: (engine: LocalEngine, queue: string | undefined, settings: QueueSettings | null): Promise<unknown> =>
    engine.set(queue, settings),
  idle: (engine: LocalEngine, queue: string | undefined, limit: number | undefined): Promise<void> =>
    engine.onIdle(queue, limit),
  /** Another engine carries it out again. */
  command: (engine: LocalEngine, extension: string, name: string, args: readonly unknown[]): Promise<unknown> =>
    engine.command(extension, name, args),
} satisfies { readonly [kind: string]: (engine: LocalEngine, ...args: never[]) => Promise<unknown> }

/** Whether it must not be done again for a client that has lost the answer. A job that is added again is known by its id. */
export const isOnceOnly = (kind: QuestionKind): boolean => onceOnly.includes(kind)

const onceOnly: readonly QuestionKind[] = ['act', 'restart', 'update', 'command']

export function answer(engine: LocalEngine, kind: QuestionKind, args: readonly unknown[]): Promise<unknown> {
  return answers[kind](engine, ...(args as [never, never, never]))
}

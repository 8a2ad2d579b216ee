import type { Move } from '../engine/extension.ts'
import type { JobRecord, State } from '../job/record.ts'
import { show } from '../shared/show.ts'

/** One move of one job. */
export interface HistoryEntry {
  /** Its number, from 1 on. Numbers rise in the order of the moves; one is missing where the store has refused a move. */
  readonly seq: number
  /** When it was made: wall time, in milliseconds since 1970. */
  readonly at: number
  /** The job. */
  readonly jobId: string
  /** Its type. */
  readonly name: string
  /** Its queue. */
  readonly queue: string
  /**
   * What happened: `insert`, `start`, `complete`, `fail`, … as extensions name it. `found`: the state is another than the last entry
   * said, because the job moved while no history was kept, or its process has ended.
   */
  readonly move: Move | 'found'
  /** The state before; `undefined` if the job was just added. */
  readonly from: State | undefined
  /** The state after; `undefined` if the job was removed. */
  readonly to: State | undefined
  /** Its newest attempt; 0 before the first. */
  readonly attempt: number
  /** What a handler threw, or why offstage has ended the job. */
  readonly error?: { readonly name: string; readonly message: string }
  /** With the option `data`: what the job was given. */
  readonly input?: unknown
  /** With the option `data`: what its handler returned. */
  readonly result?: unknown
}

/** All moves. The compiler knows whether one is missing. */
export const allMoves: ReadonlySet<Move> = new Set(
  Object.keys({
    insert: 0,
    start: 0,
    release: 0,
    interrupt: 0,
    crash: 0,
    acquit: 0,
    checkpoint: 0,
    step: 0,
    complete: 0,
    snooze: 0,
    wait: 0,
    signal: 0,
    child: 0,
    fail: 0,
    expire: 0,
    due: 0,
    block: 0,
    unblock: 0,
    prioritize: 0,
    update: 0,
    cancel: 0,
    retry: 0,
    removed: 0,
    replaced: 0,
    retention: 0,
  } satisfies Record<Move, 0>) as Move[],
)

export function entryOf(
  seq: number,
  at: number,
  before: Pick<JobRecord, 'state'> | undefined,
  after: JobRecord | undefined,
  { id, name, queue, attempt }: Pick<JobRecord, 'id' | 'name' | 'queue' | 'attempt'>,
  move: HistoryEntry['move'],
  hasData: boolean,
): HistoryEntry {
  const isFailure = after && after.error !== undefined && (move === 'fail' || move === 'expire' || isEnded(after))
  return {
    seq,
    at,
    jobId: id,
    name,
    queue,
    move,
    from: before?.state,
    to: after?.state,
    attempt,
    ...(isFailure && { error: inShort(after.error) }),
    ...(hasData && move === 'insert' && { input: after?.input }),
    ...(hasData && move === 'complete' && { result: after?.result }),
  }
}

const isEnded = ({ state }: JobRecord): boolean => state === 'failed' || state === 'cancelled'

/** Anything may be thrown, and not all of it can be stored. */
function inShort(error: unknown): { readonly name: string; readonly message: string } {
  const { name, message } = (error ?? {}) as Partial<Error>
  return {
    name: typeof name === 'string' ? name : 'Error',
    message: typeof message === 'string' ? message : show(error),
  }
}

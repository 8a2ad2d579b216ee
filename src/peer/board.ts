import type { Counts, SchedulerSnapshot, Stats } from '../engine/engine.ts'
import { states } from '../job/record.ts'

/** What a follower knows of the whole scheduler. */
export interface Board {
  readonly snapshot: SchedulerSnapshot
  readonly stats: Stats
  /** Of the queues that it has looked at and that are not empty: how many wait, how many run. */
  readonly queues: { readonly [name: string]: readonly [size: number, running: number] }
}

/** Before anything is known. */
export const emptyBoard: Board = {
  snapshot: Object.freeze({
    counts: Object.freeze(Object.fromEntries(states.map((state) => [state, 0])) as Counts),
    isPaused: false,
    isIdle: true,
    workers: 0,
  }),
  stats: {
    workers: { online: 0, busy: 0, starting: 0 },
    depth: 0,
    rates: { added: 0, completed: 0, failed: 0 },
    latencies: { wait: { p50: 0, p95: 0, p99: 0 }, run: { p50: 0, p95: 0, p99: 0 } },
    totals: { added: 0, completed: 0, failed: 0, cancelled: 0 },
  },
  queues: {},
}

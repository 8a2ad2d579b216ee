import type { Place } from '../stage.ts'

/** From one frame to the next. */
export interface Frame {
  readonly ms: number
  /** For how much of it jobs held this thread: the page could neither draw nor answer. */
  readonly heldMs: number
}

/** What was measured while all jobs of the page ran once. */
export interface Run {
  readonly place: Place
  readonly frames: readonly Frame[]
  readonly jobs: number
}

/** A frame that takes longer is missed by whoever looks. */
export const lateMs = 50

/** Did jobs keep this frame from coming? One that is late though no job held the thread has other reasons: a busy machine, the page's own drawing. */
export const isFrozen = ({ ms, heldMs }: Frame): boolean => ms > lateMs && heldMs > lateMs

export const lengthMs = ({ frames }: Run): number => sum(frames.map(({ ms }) => ms))
const freezes = ({ frames }: Run): number[] => frames.filter(isFrozen).map(({ heldMs }) => heldMs)
const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0)

/** For how long the page stood still because of the jobs. */
export const frozenMs = (run: Run): number => sum(freezes(run))
/** The longest of these times. */
export const longestFreezeMs = (run: Run): number => Math.max(0, ...freezes(run))
/** For how long frames were late though no job held the thread. */
export const lateOtherwiseMs = ({ frames }: Run): number =>
  sum(frames.filter((frame) => !isFrozen(frame)).map(({ ms }) => Math.max(0, ms - lateMs)))

/** The two runs in one sentence; what to do next while there is but one. */
export function verdict(main: Run | undefined, workers: Run | undefined): string {
  if (main && workers) return `Main thread: ${seconds(frozenMs(main))} frozen. Workers: ${seconds(frozenMs(workers))}.`
  if (workers) return `Workers: ${seconds(frozenMs(workers))} frozen. Now run the same jobs on the main thread.`
  if (main) return `Main thread: ${seconds(frozenMs(main))} frozen. Now run the same jobs in workers.`
  return 'The same jobs, on the main thread and in workers.'
}

/** Tenths of a second; nothing is 0. The unit stays in the line of its number. */
export const seconds = (ms: number): string => `${ms < 50 ? '0' : (ms / 1_000).toFixed(1)}\u00a0s`

import type { Move } from './extension.ts'

/** The moves with which a job may end, or be gone. After some of them it may be tried again: look at its state. */
export const endMoves: readonly Move[] = ['complete', 'fail', 'expire', 'cancel', 'interrupt', 'crash', 'removed', 'replaced', 'retention'] // biome-ignore format: one line.

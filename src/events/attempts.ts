import type { JobEventType } from './event-map.ts'

/** The events with which an attempt is over. */
export const attemptEnds = [
  ...(['completed', 'failed', 'retrying', 'snoozed'] as const),
  ...(['waiting', 'interrupted', 'cancelled'] as const),
] satisfies JobEventType[]

/** One of the ways in which an attempt ends. */
export type AttemptEnd = (typeof attemptEnds)[number]

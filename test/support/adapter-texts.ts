// The texts that components render in the tests of adapters.
import type { JobSnapshot, Scheduler } from 'offstage'
import type { JobState } from 'offstage/react'

/** What components render of a job. */
export const jobText = ({ state, progress, result, error }: JobState): string =>
  [state, progress, result, error].map((part) => (part === undefined ? '-' : String(part))).join(' ')
/** What components render of a list. */
export const jobsText = (jobs: readonly JobSnapshot[]): string =>
  jobs.map(({ id, state, progress }) => `${id}:${state}:${progress ?? '-'}`).join(' ')
/** What components render of a scheduler. */
export const schedulerText = ({ counts, isIdle }: ReturnType<Scheduler['snapshot']>): string =>
  `${counts.running} running, ${counts.completed} completed${isIdle ? ', idle' : ''}`

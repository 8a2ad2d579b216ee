export type { JobCalls, JobState, ShownState, UseJobOptions } from './adapters/shown-job.ts'
export type { ListedJobs } from './adapters/shown-jobs.ts'
export { type Current, useJob, useJobs, useScheduler } from './adapters/svelte.ts'

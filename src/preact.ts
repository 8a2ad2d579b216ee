export { useJob, useJobs, useScheduler } from './adapters/preact.ts'
export type { JobCalls, JobState, ShownState, UseJobOptions } from './adapters/shown-job.ts'
export type { ListedJobs } from './adapters/shown-jobs.ts'

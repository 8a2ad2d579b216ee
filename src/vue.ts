export type { JobCalls, UseJobOptions } from './adapters/shown-job.ts'
export type { ListedJobs } from './adapters/shown-jobs.ts'
export { type UsedJob, useJob, useJobs, useScheduler } from './adapters/vue.ts'

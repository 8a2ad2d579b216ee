export { type UsedJob, useJob, useJobs, useScheduler } from './adapters/angular.ts'
export type { JobCalls, UseJobOptions } from './adapters/shown-job.ts'
export type { ListedJobs } from './adapters/shown-jobs.ts'

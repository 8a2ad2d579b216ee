// A scheduler in a global variable, as development servers want it, which load its module again and again.
import { createScheduler, type Scheduler } from 'offstage'
import { defineJobs } from 'offstage/worker'

declare global {
  var keptScheduler: Scheduler<typeof globalJobs> | undefined
}

export const globalJobs = defineJobs({ size: (blob: Blob) => blob.size })

globalThis.keptScheduler ??= createScheduler<typeof globalJobs>(
  () => new Worker(new URL('./jobs.ts', import.meta.url), { type: 'module' }),
)
export const size: Promise<number> = globalThis.keptScheduler.run.size(new Blob())

import { createScheduler, type Job } from 'offstage'
import { extend } from 'offstage/extension'
import { fileStore } from 'offstage/file'
import { idbStore } from 'offstage/idb'
import { manualClock } from 'offstage/testing'
import { defineJobs, type JobContext } from 'offstage/worker'

const jobs = defineJobs({
  async double(value: number, job: JobContext<'half'>) {
    job.progress('half')
    return value * 2
  },
})
const scheduler = createScheduler<typeof jobs>('./jobs.js', { store: fileStore('jobs'), clock: manualClock() })
export const doubled: Promise<number> = scheduler.run.double(2)
export const job: Promise<Job<number>> = scheduler.add.double(2)
// @ts-expect-error: not a number.
void scheduler.run.double('2')

export { extend, idbStore }

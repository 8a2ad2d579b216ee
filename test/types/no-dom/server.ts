// For servers whose `lib` has no DOM: our declarations do with what Node's types have.
import { MessageChannel, type MessagePort } from 'node:worker_threads'
import { createScheduler } from 'offstage'
import { extend } from 'offstage/extension'
import { fileStore } from 'offstage/file'
import { idbStore } from 'offstage/idb'
import { manualClock } from 'offstage/testing'
import { defineJobs, type JobContext } from 'offstage/worker'

const jobs = defineJobs({
  size: (blob: Blob) => blob.size,
  listen: (port: MessagePort) => port.close(),
  zeros: (size: number, job: JobContext<number>) => {
    const bytes = new Uint8Array(size)
    return job.transfer(bytes, [bytes.buffer])
  },
})
const scheduler = createScheduler<typeof jobs>(new URL('./jobs.js', import.meta.url), {
  store: fileStore('jobs'),
  clock: manualClock(),
})
const { port1 } = new MessageChannel()
export const closed: Promise<void> = scheduler.run.listen(port1, { transfer: [port1] })
export const size: Promise<number> = scheduler.run.size(new Blob([]))
// @ts-expect-error: a number cannot be moved to another thread.
void scheduler.run.zeros(1, { transfer: [1] })

export { extend, idbStore }

import { defineJobs } from 'offstage/worker'

export const jobs = defineJobs({
  *work(ms) {
    const start = performance.now()
    for (let over = 0; over < ms; over = performance.now() - start) yield over / ms
    return { bytes: new Uint8Array(ms) }
  },
  fail() {
    throw new RangeError('too far')
  },
  endless: (_, job) =>
    new Promise((_, reject) => job.signal.addEventListener('abort', () => reject(job.signal.reason))),
})

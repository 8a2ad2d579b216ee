import { defineJobs, type JobContext } from 'offstage/worker'

const partBytes = 256 * 1024

export const jobs = defineJobs({
  /** Sends a file in parts. Another attempt goes on with the first part that may be missing. */
  async upload(file: File, job: JobContext<number>) {
    const url = `/api/uploads/${job.id}?name=${encodeURIComponent(file.name)}`
    let sent = (job.checkpointed as number | undefined) ?? 0
    do {
      job.progress(sent / file.size || 0)
      const part = file.slice(sent, sent + partBytes)
      // The server may get a part twice: the page can be closed after it was sent and before the checkpoint.
      const response = await fetch(`${url}&from=${sent}`, { method: 'PUT', body: part, signal: job.signal })
      if (!response.ok) throw new Error(`The server responded with ${response.status}`)
      sent += part.size
      await job.checkpoint(sent)
    } while (sent < file.size)
    job.progress(1)
  },
})

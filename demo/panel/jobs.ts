import { defineJobs, type JobContext } from 'offstage/worker'

const sleep = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms))

export const jobs = defineJobs({
  /** As long as it says, with its progress. */
  async encodeVideo({ frames }: { file: string; frames: number }, job: JobContext<number>) {
    job.log('Begins with', frames, 'frames')
    for (let frame = 0; frame < frames; frame++) {
      await sleep(40)
      job.signal.throwIfAborted()
      job.progress((frame + 1) / frames)
      if (frame % 50 === 0) await job.checkpoint({ frame })
      if (frame % 25 === 0) job.log('At frame', frame)
    }
    return { size: frames * 1_024 }
  },
  async sendMail({ to }: { to: string; subject: string }, job: JobContext) {
    const id = await job.step('reserve a number', () => `mail-${to.length}`)
    await sleep(60)
    if (to.endsWith('.invalid')) {
      const cause = Object.assign(new Error('getaddrinfo ENOTFOUND mx.example.invalid'), { code: 'ENOTFOUND' })
      throw new Error(`No mail server takes mails for ${to}`, { cause })
    }
    return { id, sentAt: new Date() }
  },
  async resize({ width }: { image: string; width: number }) {
    await sleep(15)
    return new Uint8Array(width % 64)
  },
  async report() {
    await sleep(200)
    return {
      rows: 12_400,
      byRegion: new Map([
        ['north', 7_100],
        ['south', 5_300],
      ]),
    }
  },
  noop() {},
})

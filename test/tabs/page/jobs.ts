/** The worker module of the page. */
import type { BatchCounts } from '../../../src/flows.ts'
import { append, children, defineJobs, type JobContext } from '../../../src/worker.ts'
import { hashOf, type Input, inputOf } from './mix.ts'
import { makeTeller } from './tell.ts'

export interface Ran {
  readonly run: string
}

const parameters = new URL(self.location.href).searchParams
const thread = `${parameters.get('life')}.${Math.random().toString(36).slice(2, 8)}`
const { tell } = makeTeller(String(parameters.get('tab')), thread)
let runs = 0

const sleep = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms))

/** Said by the thread itself, because a page that is busy or about to end may not come to it. */
async function begin(input: Input, job: JobContext): Promise<Ran> {
  const at = Date.now()
  const run = `${thread}.${++runs}`
  const checkpointed = Number(job.checkpointed ?? 0)
  await tell({ type: 'ran', id: job.id, run, hash: hashOf(input), attempt: job.attempt, checkpointed, at })
  return { run }
}

/** What another job has returned comes from one of its runs. */
function mustHaveRun(ran: unknown, what: string): void {
  if (typeof (ran as Ran | undefined)?.run !== 'string') throw new Error(`there is no result of ${what}`)
}

export const jobs = defineJobs({
  work: begin,
  async family(input: Input, job: JobContext): Promise<Ran> {
    const ran = await begin(input, job)
    const { run } = children<{ work: typeof begin }>(job)
    mustHaveRun(await run.work(inputOf(`${job.id}/child`), { key: 'child' }), 'its child')
    return ran
  },
  async approval(input: Input, job: JobContext): Promise<Ran> {
    const ran = await begin(input, job)
    const given = await job.waitFor('approved')
    if (given !== job.id) throw new Error(`approved with ${String(given)}`)
    return ran
  },
  async nap(input: Input, job: JobContext): Promise<Ran> {
    const ran = await begin(input, job)
    await job.sleep(input.text.charCodeAt(0) % 100)
    return ran
  },
  async grow(input: Input, job: JobContext<never, never, { batch: BatchCounts & { id: string } }>): Promise<Ran> {
    const ran = await begin(input, job)
    const id = `${job.parents.batch.id}/more`
    await append(job, 'more', [{ name: 'work', input: inputOf(id), options: { id } }])
    return ran
  },
  async after(input: Input, job: JobContext): Promise<Ran> {
    mustHaveRun(job.parents.first, 'the job before it')
    return begin(input, job)
  },
  async steps(input: Input, job: JobContext): Promise<Ran> {
    const ran = await begin(input, job)
    for (let step = Number(job.checkpointed ?? 0) + 1; step <= 4; step++) {
      await job.checkpoint(step)
      await tell({ type: 'checkpoint', id: job.id, step })
    }
    return ran
  },
  async flaky(input: Input, job: JobContext): Promise<Ran> {
    const ran = await begin(input, job)
    if (job.attempt === 1) throw new Error('the first attempt fails')
    return ran
  },
  async hang(input: Input, job: JobContext): Promise<Ran> {
    await begin(input, job)
    return new Promise(() => {})
  },
  async slow(input: Input, job: JobContext): Promise<Ran> {
    const ran = await begin(input, job)
    await sleep(input.text.charCodeAt(0) % 100)
    return ran
  },
})

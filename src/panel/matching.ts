import type { FindOptions } from '../engine/engine.ts'
import { nextTask } from '../platform/hop.ts'
import { systemClock } from '../platform/host.ts'
import type { Job } from '../typed-job.ts'
import type { Scheduler } from '../typed-scheduler.ts'
import { textOf } from './value-text.ts'

/** Which jobs are shown: those of the filter whose id or input has the text in it, in any case. */
export interface Match {
  readonly filter: Omit<FindOptions, 'limit' | 'after'>
  /** An empty text is in everything. */
  readonly text: string
}

/** What a walk has come upon since the last time. */
export interface Found {
  readonly jobs: readonly Job[]
  /** How many jobs have been looked at so far. */
  readonly looked: number
  /** Whether more jobs may match, which are not looked at. */
  readonly isCut: boolean
}

/** More jobs than these are not looked at. */
const lookedMax = 200_000
/** So many jobs are asked for at a time. */
const pieceSize = 500
/** A page misses frames if a task takes longer than this. */
const sliceMs = 8
/** So much of an input is searched. */
const searchedMax = 20_000

/** Walks through the jobs that match, in the order of adding, a few at a time, so that the page stays responsive. */
export async function* matching(scheduler: Scheduler, { filter, text }: Match): AsyncGenerator<Found> {
  const wanted = text.trim().toLowerCase()
  let after: string | undefined
  for (let looked = 0; ; ) {
    const jobs = await scheduler.find({ ...filter, after, limit: pieceSize })
    looked += jobs.length
    const isLast = jobs.length < pieceSize
    const isCut = !isLast && looked >= lookedMax
    yield { jobs: wanted === '' ? jobs : await having(jobs, wanted), looked, isCut }
    if (isLast || isCut) return
    after = jobs.at(-1)?.id
    await nextTask()
  }
}

async function having(jobs: readonly Job[], wanted: string): Promise<Job[]> {
  const found: Job[] = []
  let until = systemClock.monotonic() + sliceMs
  for (const job of jobs) {
    if (isIn(job, wanted)) found.push(job)
    if (systemClock.monotonic() < until) continue
    await nextTask()
    until = systemClock.monotonic() + sliceMs
  }
  return found
}

/** The input is copied for this, so it comes second. */
const isIn = (job: Job, wanted: string): boolean =>
  job.id.toLowerCase().includes(wanted) || textOf(job.input, searchedMax).toLowerCase().includes(wanted)

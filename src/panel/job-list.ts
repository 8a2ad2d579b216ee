import type { JobSnapshot } from '../engine/job-observers.ts'
import type { Job } from '../typed-job.ts'
import type { JobWatch, Scheduler } from '../typed-scheduler.ts'
import { type Match, matching } from './matching.ts'

/** A live list grows to these sizes, as one scrolls. */
const sizes = [100, 1_000, 10_000]
/** A search lists no more jobs than these. */
const foundMax = 10_000

/** The jobs that are listed. Nothing is copied: a row is read when it is shown. */
export interface JobList {
  readonly size: number
  /** Returns what can be seen of one of them now. */
  at(index: number): JobSnapshot | undefined
  /** Lists more, if there are more. Call it when the end is in sight. */
  more(): void
  /** Whether there may be more, than are listed so far or than can be listed at all. */
  readonly hasMore: boolean
  /** A search that is under way, or is over, has looked at so many jobs; `undefined` if there is no search. */
  readonly looked: number | undefined
  readonly isSearching: boolean
  close(): void
}

/** Lists the jobs that match. With a text they are those that a search finds, and otherwise kept up to date. */
export function listJobs(
  scheduler: Scheduler,
  match: Match,
  onChange: () => void,
  onError: (error: unknown) => void,
): JobList {
  return match.text.trim() === ''
    ? liveList(scheduler, match, onChange)
    : foundList(scheduler, match, onChange, onError)
}

function liveList(scheduler: Scheduler, { filter }: Match, onChange: () => void): JobList {
  let step = 0
  let size = sizes[0] as number
  let list: JobWatch | undefined
  /** The jobs of the shorter list, until the longer one is there. */
  let rows: readonly JobSnapshot[] = []
  const open = () => {
    list?.close()
    size = sizes[step] as number
    const opened = scheduler.watch({ ...filter, limit: size })
    list = opened
    // A tab that follows has it a little later.
    const take = () => {
      if (list !== opened) return
      rows = opened.snapshot()
      onChange()
    }
    opened.subscribe(take)
    if (step === 0 || opened.snapshot().length > 0) take()
  }
  open()
  return {
    get size() {
      return rows.length
    },
    at: (index) => rows[index],
    more() {
      if (rows.length < size || step === sizes.length - 1) return
      step++
      open()
    },
    get hasMore() {
      return rows.length >= size
    },
    looked: undefined,
    isSearching: false,
    close: () => list?.close(),
  }
}

function foundList(
  scheduler: Scheduler,
  match: Match,
  onChange: () => void,
  onError: (error: unknown) => void,
): JobList {
  const jobs: Job[] = []
  let isClosed = false
  const list = {
    get size() {
      return jobs.length
    },
    at: (index: number) => jobs[index]?.snapshot(),
    more() {},
    hasMore: false,
    looked: 0,
    isSearching: true,
    close() {
      isClosed = true
    },
  }
  const search = async () => {
    for await (const found of matching(scheduler, match)) {
      if (isClosed) return
      list.looked = found.looked
      jobs.push(...found.jobs.slice(0, foundMax - jobs.length))
      list.hasMore = found.isCut || jobs.length === foundMax
      onChange()
      if (jobs.length === foundMax) break
    }
    list.isSearching = false
    onChange()
  }
  search().catch((error) => {
    list.isSearching = false
    onError(error)
  })
  return list
}

import * as check from '../shared/check.ts'
import { OffstageError } from '../shared/errors.ts'
import type { JobTable } from '../thread/job-types.ts'
import { type JobSpec, jobChecks, type TakeJob, type TakenJob, takeJob } from './job-spec.ts'

/** How a batch is added. The callbacks are jobs, each added once, in the commit of the end that is its cause. */
export interface BatchOptions<Table extends JobTable = JobTable> {
  /** 1 to 256 characters; made if left out. Adding the same id again returns the batch that is there. */
  readonly id?: string | undefined
  /** Whether more jobs may come, until `seal()`. Until then it does not end. Default `false`. */
  readonly open?: boolean | undefined
  /** Added when all of its jobs have ended and all are completed; after a retry by hand as well. */
  readonly onSuccess?: JobSpec<Table> | undefined
  /** Added when all of its jobs have ended, whatever has become of them. */
  readonly onComplete?: JobSpec<Table> | undefined
  /** Added when the first of its jobs has failed for good. */
  readonly onDeath?: JobSpec<Table> | undefined
}

/** A batch within a batch. It counts there as one: failed or cancelled if a job of it was. */
export interface NestedBatch<Table extends JobTable = JobTable> extends BatchOptions<Table> {
  /** Its jobs. */
  readonly batch: readonly BatchMember<Table>[]
}

/** A job of a batch, or a batch within it. */
export type BatchMember<Table extends JobTable = JobTable> = JobSpec<Table> | NestedBatch<Table>

export const callbackNames = ['onDeath', 'onComplete', 'onSuccess'] as const
export type CallbackName = (typeof callbackNames)[number]

/** A batch, checked and copied. */
export interface BatchNode {
  readonly id: string
  readonly isOpen: boolean
  readonly callbacks: Readonly<Partial<Record<CallbackName, TakenJob>>>
  readonly members: readonly (TakenJob | BatchNode)[]
}

/** The most members that are added in one commit; a batch may get more, one `append` after the other. */
const membersMax = 20_000
/** How deep batches may be nested, so that one that contains itself is refused. */
const depthMax = 16
const batchChecks: check.Checks = {
  id: check.string(256),
  open: check.boolean,
  onSuccess: check.object,
  onComplete: check.object,
  onDeath: check.object,
}
const nestedChecks: check.Checks = { ...batchChecks, batch: check.array }

/** What is taken in one call: how many members, and which ids they and the callbacks have. */
interface Taken {
  size: number
  readonly ids: Set<string>
  readonly takeJob: TakeJob
}

/** Two of one call with the same id would be one, and the batch would wait for the other for ever. */
function claim({ ids }: Taken, kind: 'job' | 'batch', id: string): string {
  const key = `${kind} ${id}`
  if (ids.has(key)) throw new OffstageError('DUPLICATE_ID', `More than one ${kind} has the id '${id}'.`)
  ids.add(key)
  return id
}

/** Checks and copies a batch. Throws `INVALID_OPTION`, which names the member, and `DATA_CLONE`. */
export function takeBatch(jobs: unknown, options: BatchOptions, id: string, takeJob: TakeJob): BatchNode {
  check.checkOptions(options, batchChecks)
  return takeNode(jobs, options, id, '', 0, { size: 0, ids: new Set(), takeJob })
}

/** Checks and copies what is appended. `prefix`: of the ids of those that have none. */
export const takeMembers = (jobs: unknown, prefix: string, takeJob: TakeJob): BatchNode['members'] =>
  takeAll(jobs, prefix, 'jobs', 0, { size: 0, ids: new Set(), takeJob })

/** Checks what a job appends: jobs, whose ids offstage makes. */
export function takeAppended(jobs: unknown): TakenJob[] {
  check.checkArgument('jobs', check.array, jobs)
  return (jobs as readonly JobSpec[]).map((job, index) => {
    check.checkOptions(job, jobChecks, `jobs[${index}].`)
    return takeJob(job, `jobs[${index}]`)
  })
}

function takeNode(
  jobs: unknown,
  options: BatchOptions,
  id: string,
  label: string,
  depth: number,
  taken: Taken,
): BatchNode {
  claim(taken, 'batch', id)
  const callbacks: Record<string, TakenJob> = {}
  for (const name of callbackNames) {
    const callback = options[name]
    if (!callback) continue
    check.checkOptions(callback, jobChecks, `${label}${name}.`)
    const job = taken.takeJob(callback, label + name)
    callbacks[name] = {
      ...job,
      options: { ...job.options, id: claim(taken, 'job', job.options?.id ?? `${id}/${name}`) },
    }
  }
  const members = takeAll(jobs, `${id}/`, `${label}jobs`, depth, taken)
  return { id, isOpen: options.open ?? false, callbacks, members }
}

function takeAll(jobs: unknown, prefix: string, label: string, depth: number, taken: Taken): BatchNode['members'] {
  check.checkArgument(label, check.array, jobs)
  if (depth > depthMax) throw wrong(`a batch to be nested at most ${depthMax} deep, got more`)
  return (jobs as readonly BatchMember[]).map((member, index) => {
    const name = `${label}[${index}]`
    check.checkArgument(name, check.object, member)
    if (++taken.size > membersMax)
      throw wrong(`at most ${membersMax.toLocaleString('en')} jobs in one call, got more: append the others`)
    if ('batch' in member) {
      check.checkOptions(member, nestedChecks, `${name}.`)
      return takeNode(member.batch, member, member.id ?? `${prefix}${index}`, `${name}.`, depth + 1, taken)
    }
    check.checkOptions(member, jobChecks, `${name}.`)
    const job = taken.takeJob(member, name)
    return { ...job, options: { ...job.options, id: claim(taken, 'job', job.options?.id ?? `${prefix}${index}`) } }
  })
}

const wrong = (expected: string): OffstageError => new OffstageError('INVALID_OPTION', `Expected ${expected}.`)

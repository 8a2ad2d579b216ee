/**
 * Jobs that run jobs. A child is added in the commit in which its parent begins to wait for it, and its end is recorded with its
 * parent in the commit in which it ends. So no crash comes in between, and neither side ever has to look for the other. When a
 * parent ends, children that have not ended are cancelled.
 *
 * The id of a child follows from its parent and the key of the wait: a later attempt finds it. Its headers name its parent,
 * by its number as well: a child of an earlier job with the id of the parent is replaced.
 */
import { idLengthMax, takeJobOptions } from '../job/job-options.ts'
import { isTerminal, type JobRecord, parentHeader, parentIdIn } from '../job/record.ts'
import { doneKey, fellKey, type Wait, waitingKey, waitsOf } from '../job/waits.ts'
import type { SentWait } from '../pool/protocol.ts'
import { thrownToWire } from '../shared/error-wire.ts'
import type { InsertRequest } from './engine.ts'
import { cancelled, duplicate } from './job-errors.ts'
import type { Family, Jobs } from './jobs.ts'
import type { LiveJob } from './live-job.ts'

type KnownJobs = Pick<Jobs, 'index' | 'move' | 'retry' | 'cancelIn' | 'store'>

export class Children implements Family {
  readonly #jobs: KnownJobs
  readonly #insert: (request: InsertRequest) => void
  readonly #defaultsOf: (name: string) => InsertRequest['defaults']

  constructor(
    jobs: KnownJobs,
    insert: (request: InsertRequest) => void,
    defaultsOf: (name: string) => InsertRequest['defaults'],
  ) {
    this.#jobs = jobs
    this.#insert = insert
    this.#defaultsOf = defaultsOf
  }

  begin(parent: LiveJob, waits: readonly SentWait[]): void {
    for (const [kind, key, name, , , child] of waits) {
      if (kind !== 'child' || !child) continue
      try {
        this.#begin(parent, key, name, child.input, child.options)
      } catch (error) {
        this.#jobs.move(parent, { type: 'child', key, end: { error: thrownToWire(error) } })
      }
    }
  }

  #begin({ record }: LiveJob, key: string, name: string, input: unknown, given: object | undefined): void {
    // It has ended while its parent ran, which has not heard of it. The child itself may be gone by now.
    if (record.steps?.has(doneKey(key)) || record.steps?.has(fellKey(record.attempt, key))) return
    const id = childId(record, key)
    const there = this.#jobs.index.get(id)
    if (there && isParent(record, there.record)) return this.#find(there)
    if (there && parentIdIn(there.record.rules.headers) !== record.id)
      throw duplicate(id, ', and this job has not run it')
    const options = takeJobOptions({ ...given, id, ifExists: 'replace' })
    this.#jobs.store.check(input, 'input')
    const markRules: InsertRequest['markRules'] = (rules) => ({
      ...rules,
      headers: Object.freeze({ ...rules.headers, [parentHeader]: nameOf(record) }),
    })
    const defaults = this.#defaultsOf(name)
    this.#insert({ name, input, options, defaults, transfer: undefined, attach: undefined, markRules })
  }

  /** An earlier attempt has added the child. If it fell, it is run again; its end may not have been recorded with its parent. */
  #find(child: LiveJob): void {
    if (isTerminal(child.record.state) && !this.#jobs.retry(child)) this.ended(child.record, undefined)
  }

  look(parent: LiveJob): void {
    for (const child of this.#childrenIn(waitsOf(parent.record), parent.record))
      if (isTerminal(child.record.state)) this.ended(child.record, undefined)
  }

  ended(record: JobRecord, call: object | undefined): void {
    const parentId = parentIdIn(record.rules.headers)
    const parent = parentId === undefined ? undefined : this.#jobs.index.get(parentId)
    if (parentId === undefined || !parent || !isParent(parent.record, record)) return
    this.#tell(parent, keyIn(record.id, parentId), record, call)
  }

  #tell(parent: LiveJob, key: string, { state, result, error }: JobRecord, call: object | undefined): void {
    const { steps, attempt, state: parentState } = parent.record
    if (isTerminal(parentState) || steps?.has(doneKey(key)) || steps?.has(fellKey(attempt, key))) return
    const end = state === 'completed' ? { result } : { error: thrownToWire(error) }
    this.#jobs.move(parent, { type: 'child', key, end }, undefined, undefined, call)
  }

  /** `steps`: what the parent had recorded. */
  parentEnded(parent: JobRecord, steps: JobRecord['steps'], call: object | undefined): void {
    for (let n = 1; n <= parent.attempt; n++) {
      for (const child of this.#childrenIn(steps?.get(waitingKey(n)) as Wait[] | undefined, parent))
        if (!isTerminal(child.record.state))
          this.#jobs.cancelIn(child, cancelled(child.record, 'the job that has run it has ended'), call)
    }
  }

  *#childrenIn(waits: readonly Wait[] | undefined, parent: JobRecord): Iterable<LiveJob> {
    for (const [kind, key] of waits ?? []) {
      const child = kind === 'child' ? this.#jobs.index.get(childId(parent, key)) : undefined
      if (child && isParent(parent, child.record)) yield child
    }
  }
}

/** In a deep tree ids would grow beyond what an id may have. Then the number of the parent stands for its id. */
function childId({ id, seq }: JobRecord, key: string): string {
  const whole = `${id}/${key}`
  return whole.length > idLengthMax ? `…${seq}/${key}` : whole
}

const keyIn = (id: string, parentId: string): string =>
  id.slice((id.startsWith(`${parentId}/`) ? parentId.length : id.indexOf('/')) + 1)

const nameOf = ({ seq, id }: JobRecord): string => `${seq} ${id}`

const isParent = (parent: JobRecord, { rules }: JobRecord): boolean => rules.headers?.[parentHeader] === nameOf(parent)

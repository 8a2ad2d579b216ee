// What the documentation promises about flows, in the plainest code: no counts, no rows, only jobs and what they wait for.
import type { Edge, OnFailure, Shape } from './shapes.ts'

export type Ended = 'completed' | 'failed' | 'cancelled'
/** `ready`: in line, or running. */
type State = 'blocked' | 'scheduled' | 'ready' | Ended

export interface ModelJob {
  readonly id: string
  readonly flow: string
  readonly seq: number
  readonly path: readonly string[]
  readonly parents: readonly Edge[]
  /** Nobody waits for it, or somebody who does not go on without it. */
  readonly isNeeded: boolean
  readonly attempts: number
  readonly priority: number
  readonly backoffMs: number
  readonly keepMs: number | undefined
  state: State
  /** It may be one of several: which of two parents that fail at once comes first is not said. */
  mayBe: readonly Ended[]
  isRunning: boolean
  runAt: number
  failures: number
  finishedAt: number
  /** The result, or what tells its error from others. */
  outcome: unknown
  /** It has ended because of a parent. */
  hasFallen: boolean
  /** It runs in spite of a parent, because somebody has retried it. */
  isForced: boolean
  /** Its record is removed. */
  isGone: boolean
  /** Its removal was the end of its flow, which counts although the record is gone. */
  isLast: boolean
}

interface Keep {
  readonly count: number
  readonly ageMs: number
}
export type Keeps = Readonly<Record<Ended, Keep>>

export const isEnded = ({ state }: { readonly state: string }): boolean =>
  state === 'completed' || state === 'failed' || state === 'cancelled'

export class FlowModel {
  now: number
  readonly keeps: Keeps
  jobs = new Map<string, ModelJob>()
  #seq = 0

  constructor(now: number, keeps: Keeps) {
    this.now = now
    this.keeps = keeps
  }

  clone(): FlowModel {
    const copy = new FlowModel(this.now, this.keeps)
    copy.jobs = new Map([...this.jobs].map(([id, job]) => [id, { ...job }]))
    copy.#seq = this.#seq
    return copy
  }

  // Looking.

  get present(): ModelJob[] {
    return [...this.jobs.values()].filter(({ isGone }) => !isGone)
  }

  get flows(): Set<string> {
    return new Set(this.present.map(({ flow }) => flow))
  }

  /** Those whose records are there. */
  of(flow: string): ModelJob[] {
    return this.present.filter((job) => job.flow === flow)
  }

  isOver(flow: string): boolean {
    return this.of(flow).every(isEnded)
  }

  job(id: string): ModelJob {
    return this.jobs.get(id) as ModelJob
  }

  /** Whether a job need not wait for this parent any more. One that was removed never comes. */
  #isDone({ jobId, onFailure }: Edge): boolean {
    const parent = this.job(jobId)
    return parent.isGone || parent.state === 'completed' || (isEnded(parent) && onFailure === 'continue')
  }

  #isLost({ jobId, onFailure }: Edge): boolean {
    const { isGone, state } = this.job(jobId)
    return !isGone && (state === 'failed' || state === 'cancelled') && onFailure !== 'continue'
  }

  /** Needed jobs that have failed, none of which failed because of another of them. */
  firstFailures(flow: string): ModelJob[] {
    const isBad = (job: ModelJob) =>
      (!job.isGone || job.isLast) && job.isNeeded && isEnded(job) && job.state !== 'completed'
    const hasBadAncestor = (job: ModelJob): boolean =>
      job.parents.some(({ jobId }) => isBad(this.job(jobId)) || hasBadAncestor(this.job(jobId)))
    return [...this.jobs.values()].filter((job) => job.flow === flow && isBad(job) && !hasBadAncestor(job))
  }

  /** What a handler finds of a parent: its result, or its error. Nothing can be said of one that has not ended. */
  parentOutcome(edge: Edge): { readonly value: unknown } | undefined {
    const { isGone, state, outcome } = this.job(edge.jobId)
    if (isGone) return { value: undefined }
    return isEnded({ state }) ? { value: outcome } : undefined
  }

  // What is done.

  add({ id: flow, nodes }: Shape): void {
    // There may have been one of that id.
    for (const job of this.jobs.values()) if (job.flow === flow) this.jobs.delete(job.id)
    const strict = new Set(
      nodes.flatMap(({ parents }) =>
        parents.filter(({ onFailure }) => onFailure !== 'continue').map(({ jobId }) => jobId),
      ),
    )
    const awaited = new Set(nodes.flatMap(({ parents }) => parents.map(({ jobId }) => jobId)))
    for (const { id, path, parents, options } of nodes) {
      const { attempts, priority, keepMs, delayMs, backoff } = options
      const runAt = this.now + delayMs
      this.jobs.set(id, {
        id,
        flow,
        seq: ++this.#seq,
        path,
        parents,
        isNeeded: strict.has(id) || !awaited.has(id),
        attempts,
        priority,
        backoffMs: backoff.delayMs,
        keepMs,
        state: parents.length > 0 ? 'blocked' : delayMs > 0 ? 'scheduled' : 'ready',
        mayBe: [],
        isRunning: false,
        runAt,
        failures: 0,
        finishedAt: 0,
        outcome: undefined,
        hasFallen: false,
        isForced: false,
        isGone: false,
        isLast: false,
      })
    }
  }

  complete(id: string, result: unknown): void {
    this.#end(this.job(id), 'completed', result)
    this.#follow()
  }

  failAttempt(id: string, error: string, isForGood: boolean): void {
    const job = this.job(id)
    job.failures++
    job.isRunning = false
    if (isForGood || job.failures >= job.attempts) this.#end(job, 'failed', error)
    else Object.assign(job, { state: 'scheduled', runAt: this.now + job.backoffMs })
    this.#waitAgain(job)
    this.#follow()
  }

  snooze(id: string, ms: number): void {
    const job = this.job(id)
    Object.assign(job, { state: ms > 0 ? 'scheduled' : 'ready', runAt: this.now + ms, isRunning: false })
    this.#waitAgain(job)
  }

  /** What ran when its process ended for the third time in a row. Which of several is first is not said. */
  poison(ids: readonly string[]): void {
    for (const id of ids) this.#end(this.job(id), 'failed', 'JOB_POISONED')
    this.#follow(true)
  }

  cancel(id: string): boolean {
    const job = this.job(id)
    if (job.isGone || isEnded(job)) return false
    this.#end(job, 'cancelled', 'JOB_CANCELLED')
    this.#follow()
    return true
  }

  /** None falls with another: all are cancelled. */
  cancelFlow(flow: string): number {
    const live = this.of(flow).filter((job) => !isEnded(job))
    for (const job of live) this.#end(job, 'cancelled', 'JOB_CANCELLED')
    return live.length
  }

  canRetry(id: string): boolean {
    const { isGone, state } = this.job(id)
    return !isGone && (state === 'failed' || state === 'cancelled')
  }

  /** What fell with it waits again, and so does what has not started; unless something else that it needs has failed. */
  retry(id: string): boolean {
    if (!this.canRetry(id)) return false
    const first = this.job(id)
    for (const job of this.jobs.values()) if (job.flow === first.flow) job.isLast = false
    this.#revive(first)
    const again = [first]
    for (const parent of again) {
      for (const child of this.present) {
        if (!child.parents.some(({ jobId }) => jobId === parent.id)) continue
        if (child.parents.some((edge) => this.#isLost(edge))) continue
        const falls = child.hasFallen
        if (falls) this.#revive(child)
        this.#waitAgain(child)
        if (falls) again.push(child)
      }
    }
    return true
  }

  #revive(job: ModelJob): void {
    Object.assign(job, { state: 'ready', failures: 0, runAt: 0, hasFallen: false, isRunning: false })
    job.isForced = job.parents.some((edge) => this.#isLost(edge))
    this.#waitAgain(job)
  }

  /** What does not run waits for parents that have not ended, perhaps because somebody has retried them. */
  #waitAgain(job: ModelJob): void {
    const isNext = job.state === 'scheduled' || (job.state === 'ready' && !job.isRunning)
    if (!isNext || job.parents.some((edge) => this.#isLost(edge)) || job.parents.every((edge) => this.#isDone(edge)))
      return
    job.state = 'blocked'
    job.isForced = false
  }

  /** A new process: what ran starts once more. */
  restart(): void {
    for (const job of this.present) {
      job.isRunning = false
      this.#waitAgain(job)
    }
  }

  /** What has not ended is cancelled first. */
  remove(id: string): boolean {
    const job = this.job(id)
    if (job.isGone) return false
    const isAlone = this.of(job.flow).every((other) => other === job || isEnded(other))
    job.isLast = this.cancel(id) && isAlone
    job.isGone = true
    return true
  }

  clean(olderThanMs: number): number {
    const old = this.present.filter((job) => isEnded(job) && job.finishedAt <= this.now - olderThanMs)
    for (const job of old) job.isGone = true
    return old.length
  }

  advance(ms: number): void {
    this.now += ms
    for (const job of this.present) if (job.state === 'scheduled' && job.runAt <= this.now) job.state = 'ready'
  }

  // What follows.

  #end(job: ModelJob, state: Ended, outcome: unknown): void {
    Object.assign(job, { state, outcome, finishedAt: this.now, isRunning: false, isForced: false })
  }

  /** Ends and unblocks whatever waited, one generation after the other. `isUnordered`: their order is not said. */
  #follow(isUnordered = false): void {
    const waiting = this.present.filter(({ state }) => state === 'blocked')
    const fallen: ModelJob[] = []
    for (;;) {
      const falling = waiting.filter((job) => job.state === 'blocked' && this.#policies(job).length > 0)
      if (falling.length === 0) break
      const policies = falling.map((job) => this.#policies(job))
      falling.forEach((job, index) => void this.#fall(job, policies[index] as OnFailure[]))
      fallen.push(...falling)
    }
    if (isUnordered) for (const job of fallen) this.#fall(job, this.#policies(job))
    for (const job of waiting)
      if (job.state === 'blocked' && job.parents.every((edge) => this.#isDone(edge)))
        job.state = job.runAt > this.now ? 'scheduled' : 'ready'
  }

  /** What is to become of a job because of parents that have failed. */
  #policies({ parents }: ModelJob): OnFailure[] {
    return parents.filter((edge) => this.#isLost(edge)).map(({ onFailure }) => onFailure)
  }

  #fall(job: ModelJob, policies: readonly OnFailure[]): void {
    const fails = policies.includes('fail')
    this.#end(job, fails ? 'failed' : 'cancelled', undefined)
    become(job, job.state as Ended)
    job.hasFallen = true
    if (fails && policies.includes('cancel')) job.mayBe = ['failed', 'cancelled']
  }

  /** Settles what is not said by what has happened. `stateOf`: what is seen of a job; `undefined` if it is gone for good. */
  decide(stateOf: (job: ModelJob) => string | undefined): void {
    for (const job of this.present) {
      if (job.mayBe.length === 0) continue
      const isRetired = (state: Ended) => {
        become(job, state)
        const { must, some } = this.retired()
        return must.includes(job) || some.some(({ of }) => of.includes(job))
      }
      const seen = stateOf(job)
      const state = job.mayBe.find((each) => (seen ? each === seen : isRetired(each)))
      become(job, state ?? (job.mayBe[0] as Ended))
      job.mayBe = []
    }
  }

  // Records.

  /** Which records must be gone by now. Of those that ended together it is not said which goes first: so many `of` these. */
  retired(): { readonly must: ModelJob[]; readonly some: { readonly of: ModelJob[]; readonly count: number }[] } {
    const must: ModelJob[] = []
    const some: { of: ModelJob[]; count: number }[] = []
    const counted = new Map<State, ModelJob[]>()
    for (const job of this.present) {
      if (!isEnded(job) || !this.isOver(job.flow)) continue
      const { ageMs } = this.keeps[job.state as Ended]
      if (job.finishedAt + (job.keepMs ?? ageMs) <= this.now) must.push(job)
      else if (job.keepMs === undefined) counted.set(job.state, [...(counted.get(job.state) ?? []), job])
    }
    for (const [state, jobs] of counted) {
      const excess = jobs.length - this.keeps[state as Ended].count
      if (excess <= 0) continue
      const lastOut = jobs.map(({ finishedAt }) => finishedAt).sort((a, b) => a - b)[excess - 1] as number
      const older = jobs.filter(({ finishedAt }) => finishedAt < lastOut)
      must.push(...older)
      some.push({ of: jobs.filter(({ finishedAt }) => finishedAt === lastOut), count: excess - older.length })
    }
    return { must, some }
  }

  /** Removes the records that are not kept any longer. `isThere`: which there are. */
  retire(isThere: (id: string) => boolean): void {
    const { must, some } = this.retired()
    const chosen = some.flatMap(({ of, count }) => {
      const gone = of.filter(({ id }) => !isThere(id))
      return gone.length === count ? gone : of.slice(0, count)
    })
    for (const job of [...must, ...chosen]) job.isGone = true
  }
}

/** It has fallen with a parent, in the one way or the other. */
function become(job: ModelJob, state: Ended): void {
  Object.assign(job, { state, outcome: state === 'failed' ? 'DEPENDENCY_FAILED' : 'JOB_CANCELLED' })
}

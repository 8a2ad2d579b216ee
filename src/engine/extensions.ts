/**
 * The extensions of one engine: which of them follow which move, and how their changes are committed with that move.
 *
 * An extension is called before the batch of a move is sent to the store, not while the move is made, because the engine may be
 * in the middle of something. For the moves of a call, extensions are called before the call returns, so that it can be
 * refused; all other moves wait for the next batch. What one extension does for one move is a *writing*: rows, and moves of its
 * own, which extensions follow in their turn, behind all moves that were made before. A writing has its own step in the group
 * commit, in one batch with the move.
 *
 * When the store refuses a batch, its calls fall, and each takes along what it led to. A later writing of the same extension is
 * based on that, whether it wrote the same row or only read it. If the later writing belongs to a call, it falls too. If it
 * follows from something that has happened, it is taken back and carried out anew.
 */
import type { JobRecord } from '../job/record.ts'
import { OffstageError } from '../shared/errors.ts'
import { isThenable } from '../shared/thenable.ts'
import type { Row } from '../store/store.ts'
import { type Attached, attachedOf, extensionFailed, followersOf } from './attached.ts'
import type { Inserted, InsertRequest } from './engine.ts'
import type { Extension, Move, Turn } from './extension.ts'
import type { Admitting, ExtensionHooks } from './extension-hooks.ts'
import { Host } from './extension-host.ts'
import type { EngineParts, ExtensionParts, RequestOf } from './extension-parts.ts'
import { duplicate, extensionMissing } from './job-errors.ts'
import { LiveJob, noRecord } from './live-job.ts'
import { fallenWith, repeat } from './refused-turns.ts'
import type { Step } from './steps.ts'
import { depthMax, ExtensionTurn, type TurnOutcome, View, Writing } from './turn.ts'

export class Extensions implements ExtensionHooks {
  readonly #parts: ExtensionParts
  readonly #stored: readonly Row[]
  readonly #byName = new Map<string, Attached>()
  admits = false
  /** The types of moves that some extension follows: for all jobs, and for marked jobs. */
  readonly #ofAll = new Set<Step['type']>()
  readonly #ofMarked = new Set<Step['type']>()
  /** Steps that the extensions have not followed yet, from `#next` on. */
  #unfollowed: Step[] = []
  #next = 0
  /**
   * The current writing, and whether a call is being carried out. While either is set, every step must be one that can be taken
   * back.
   */
  #writing: Writing | undefined
  #isInCall = false
  #isMarking = false
  #wanted: InsertRequest | undefined
  #aborted: LiveJob[] = []
  /** Jobs that a caller let start before their time. */
  readonly #promoted = new WeakSet<Step>()
  /** After a refusal: writings that follow moves which stay, and what else to carry out anew, in this order. */
  readonly #toFollowAgain: Writing[] = []
  readonly #toRedo: (() => void)[] = []

  constructor(parts: EngineParts, requestOf: RequestOf, stored: readonly Row[]) {
    this.#parts = {
      ...parts,
      requestOf,
      abort: (job) => this.abort(job),
      mark: (job, attached) => this.#mark(job, attached),
    }
    this.#stored = stored
  }

  has(name: string): boolean {
    return this.#byName.has(name)
  }

  assertOpen(name: string): void {
    const attached = this.#byName.get(name)
    if (!attached) throw extensionMissing(name)
    if (attached.failure) throw attached.failure
  }

  // Attaching.

  attach(extension: Extension): void {
    const { name, moves, scope = 'all', admit } = extension
    const attached = attachedOf(extension, this.#stored)
    this.#byName.set(name, attached)
    for (const move of moves) (scope === 'all' ? this.#ofAll : this.#ofMarked).add(move)
    this.admits ||= admit !== undefined
    this.follow()
    try {
      attached.commands = atOnce(extension.open(new Host(this.#parts, attached, this))) ?? {}
    } catch (cause) {
      attached.failure = extensionFailed(attached, 'could not be opened', cause)
      this.#parts.jobs.bus.report(attached.failure)
    }
  }

  #mark(job: LiveJob, { extension, markRules }: Attached): void {
    const { rules } = job.record
    if (rules.marks?.includes(extension.name)) return
    // The mark stays when the turn falls, because it does no harm when an extension follows more jobs than it needs.
    this.#isMarking = true
    this.#parts.jobs.setRules(job, markRules(rules))
    this.#isMarking = false
  }

  // Commands.

  async command(name: string, command: string, args: readonly unknown[]): Promise<unknown> {
    this.assertOpen(name)
    const attached = this.#byName.get(name) as Attached
    const { commands } = attached
    const act = Object.hasOwn(commands, command) ? commands[command] : undefined
    if (!act)
      throw new OffstageError(
        'EXTENSION_MISSING',
        `The extension '${name}' has no command '${command}' where jobs run.`,
      )
    this.follow()
    const answer = await this.#whileOpen(act(...args))
    // The command may have seen uncommitted changes. It resolves only once these are committed.
    if (attached.pending > 0) await this.#parts.outcomes.whenCommitted()
    return answer
  }

  /** A command may wait for something that comes no more once the engine has ended. */
  #whileOpen(acting: Promise<unknown>): Promise<unknown> {
    const { lifecycle } = this.#parts
    return new Promise((resolve, reject) => {
      const stop = lifecycle.onClose(() => reject(lifecycle.closedError()))
      acting.then(resolve, reject).finally(stop)
    })
  }

  // Following moves.

  needs(type: Step['type'], { rules }: JobRecord): boolean {
    if (this.#writing || this.#isInCall || this.#ofAll.has(type)) return true
    return rules.marks !== undefined && this.#ofMarked.has(type)
  }

  wrote(step: Step): void {
    const writing = this.#writing
    if (writing && !this.#isMarking) {
      step.turn = writing
      step.call = writing.call
    }
    const { type, before, after } = step
    if (type === 'insert') step.wanted = this.#wanted
    if (type === 'due' && this.#isInCall) this.#promoted.add(step)
    const { marks } = (after ?? (before as JobRecord)).rules
    if (this.#ofAll.has(type) || (marks && this.#ofMarked.has(type))) this.#unfollowed.push(step)
  }

  follow(): void {
    if (this.#writing || this.#isInCall) return
    for (let step = this.#takeUnfollowed(); step; step = this.#takeUnfollowed()) {
      for (const attached of followersOf(step, this.#byName))
        this.#tryWriting(this.#following(step, attached, step.call))
    }
  }

  /** Not `shift`, which takes longer the more there are; an extension that follows one may make others. */
  #takeUnfollowed(): Step | undefined {
    const step = this.#unfollowed[this.#next++]
    if (!step) this.#setUnfollowed([])
    return step
  }

  #setUnfollowed(steps: Step[]): void {
    this.#unfollowed = steps
    this.#next = 0
  }

  #following(step: Step, attached: Attached, call: object | undefined): Writing {
    const { before, after, type } = step
    return new Writing(step, call, (writing) => {
      const turn = this.#turnOf(attached, writing)
      if (writing.depth > depthMax)
        throw new Error(`more than ${depthMax.toLocaleString('en')} moves follow from each other`)
      atOnce(attached.extension.moved?.(turn, before, after, type as Move))
    })
  }

  #turnOf(attached: Attached, writing: Writing): Turn {
    writing.attached.add(attached)
    writing.current = attached
    return new ExtensionTurn(this.#parts, attached, writing)
  }

  // Calls.

  joins(requests: readonly InsertRequest[]): boolean {
    return this.admits || this.#ofAll.has('insert') || requests.some(({ options }) => options?.ifExists === 'replace')
  }

  insertIn(intake: Admitting, request: InsertRequest): Inserted {
    try {
      return this.inCall(request, () => intake.insertNow(request, request))
    } catch (error) {
      request.detach?.()
      throw error
    }
  }

  inCall<Result>(call: object | undefined, act: () => Result): Result {
    if (this.#writing) throw new Error('offstage: within a turn jobs are added and moved by the turn')
    // A callback of the user adds or moves jobs within the call; it becomes part of that call.
    if (this.#isInCall) return act()
    this.follow()
    const { commits } = this.#parts.jobs
    const from = commits.size
    this.#isInCall = true
    try {
      const result = act()
      for (let step = this.#takeUnfollowed(); step; step = this.#takeUnfollowed()) {
        for (const attached of followersOf(step, this.#byName)) this.#write(this.#following(step, attached, call))
      }
      this.#isInCall = false
      this.#abortAll()
      return result
    } catch (error) {
      this.#setUnfollowed([])
      this.#takeBackFrom(from, error)
      throw error
    } finally {
      this.#isInCall = false
    }
  }

  admit(wanted: InsertRequest, call: object | undefined, intake: Admitting, draft: LiveJob | undefined): Inserted {
    let request = wanted
    let replaced: LiveJob | undefined
    let along: LiveJob | undefined
    for (const attached of this.#byName.values()) {
      const asked = this.#askFor(attached, request, call)
      along = asked?.along ?? along
      const answer = asked?.answer
      if (!answer) continue
      if ('refuse' in answer) throw answer.refuse
      if ('existing' in answer) {
        const there = this.#parts.jobs.index.get(answer.existing)
        if (!there) throw extensionFailed(attached, `named the job '${answer.existing}', which is not there`, undefined)
        const inserted = intake.settle(request, call, there, undefined, false)
        if (!along) return inserted
        this.#parts.outcomes.whenCommitted(along).catch(() => request.detach?.())
        return { ...inserted, along }
      }
      const { input = request.input, options = request.options, replace, isMarked, isBlocked } = answer
      const markRules = isMarked ? both(request.markRules, attached.markRules) : request.markRules
      request = { ...request, input, options, markRules, isBlocked: isBlocked || request.isBlocked }
      if (replace !== undefined) replaced = this.#parts.jobs.index.get(replace)
    }
    if (replaced?.record.state === 'running') throw duplicate(replaced.record.id, ', and it is running')
    const there = intake.there(request)
    const isReplaced = there !== undefined && request.options?.ifExists === 'replace'
    if (!there || isReplaced) intake.assertRoom(1)
    if (replaced && replaced !== there) this.#parts.jobs.replace(replaced, call)
    // With what its caller wanted it is asked for again, if the lead is lost before it is committed.
    if (!this.#writing) this.#wanted = wanted
    const inserted = intake.settle(request, call, there, request === wanted ? draft : undefined)
    this.#wanted = undefined
    return replaced && !there ? { ...inserted, disposition: 'replaced' } : inserted
  }

  #askFor(attached: Attached, request: InsertRequest, call: object | undefined) {
    const { extension } = attached
    if (!extension.admit || attached.failure) return
    const { name, input, options, defaults } = request
    const version = options?.version ?? defaults.options.version ?? 1
    let answer: ReturnType<NonNullable<Extension['admit']>>
    const ask = (writing: Writing) => {
      answer = atOnce(extension.admit?.(this.#turnOf(attached, writing), { name, input, options, version }))
    }
    // Within a turn, the question belongs to that turn.
    const along = this.#writing ? ask(this.#writing) : this.#write(new Writing(undefined, call, ask))
    return { answer, along }
  }

  parentsOf(record: JobRecord): Readonly<Record<string, unknown>> | undefined {
    let all: Readonly<Record<string, unknown>> | undefined
    for (const attached of this.#byName.values()) {
      const { extension, failure } = attached
      if (failure || !extension.parentsOf || !record.rules.marks?.includes(extension.name)) continue
      try {
        const parents = extension.parentsOf(new View(this.#parts, attached), record)
        if (parents) all = { ...all, ...parents }
      } catch (cause) {
        this.#parts.jobs.bus.report(extensionFailed(attached, 'failed to say what a job waited for', cause, record.id))
      }
    }
    return all
  }

  // Writing.

  /** Carries out a writing for something that has happened. If the writing fails, the move stays. */
  #tryWriting(writing: Writing): void {
    try {
      this.#write(writing)
    } catch (error) {
      this.#parts.jobs.bus.report(error)
    }
  }

  /** Carries out a writing as a whole or, when something throws, not at all. Returns the placeholder job of its step. */
  #write(writing: Writing): LiveJob {
    const { commits } = this.#parts.jobs
    const from = commits.size
    const unfollowed = this.#unfollowed.length
    this.#writing = writing
    try {
      writing.write(writing)
    } catch (cause) {
      this.#writing = undefined
      writing.restoreRows()
      this.#unfollowed.length = unfollowed
      const error = this.#failureOf(writing, cause)
      this.#takeBackFrom(from, error)
      throw error
    } finally {
      this.#writing = undefined
      writing.isOver = true
    }
    if (!this.#isInCall) this.#abortAll()
    return this.#commit(writing)
  }

  #failureOf({ origin, current }: Writing, cause: unknown): unknown {
    // A turn of its own: its promise rejects with what it throws.
    if (!origin && !this.#isInCall) return cause
    const { type, before, after } = origin ?? {}
    const id = (after ?? before)?.id
    const where = origin ? `failed on '${type}' of the job '${id}'` : 'failed to say what is to become of a new job'
    return extensionFailed(current as Attached, where, cause, id)
  }

  #commit(writing: Writing): LiveJob {
    const { call, rows, attached, events } = writing
    const job = new LiveJob(noRecord)
    for (const each of attached) each.pending++
    const afterwards = () => {
      job.committed = noRecord
      for (const each of attached) each.pending--
      for (const { type, ...details } of events) this.#parts.jobs.bus.publish(type as never, details as never)
    }
    const step: Step = { job, type: 'turn', before: undefined, after: undefined, call, afterwards, turn: writing, rows }
    this.#parts.jobs.commits.write(step)
    return job
  }

  #takeBackFrom(from: number, error: unknown): void {
    this.#aborted = []
    const { jobs, outcomes } = this.#parts
    outcomes.takeBack(jobs.commits.withdraw(from).reverse(), error as OffstageError)
  }

  abort(job: LiveJob): void {
    if (this.#writing || this.#isInCall) this.#aborted.push(job)
    else this.#parts.dispatcher.abort(job, job.record.error)
  }

  #abortAll(): void {
    const { dispatcher } = this.#parts
    for (const job of this.#aborted.splice(0)) dispatcher.abort(job, job.record.error)
  }

  /** Carries out a turn that no move has caused. */
  async turn(attached: Attached, write: (turn: Turn) => unknown, isRefusable: boolean): Promise<unknown> {
    const { lifecycle, outcomes } = this.#parts
    if (lifecycle.isEnded) throw lifecycle.closedError()
    if (this.#writing || this.#isInCall) throw new Error('offstage: a turn cannot begin within another')
    this.follow()
    const outcome: TurnOutcome = { result: undefined, failure: undefined }
    const act = (writing: Writing) => {
      outcome.result = atOnce(write(this.#turnOf(attached, writing)))
    }
    const job = this.#write(new Writing(undefined, isRefusable ? {} : undefined, act, outcome))
    this.follow()
    await outcomes.whenCommitted(isRefusable ? job : undefined)
    if (outcome.failure) throw outcome.failure.error
    return outcome.result
  }

  // Refused.

  fallen(first: ReadonlySet<Step>, all: readonly Step[]): ReadonlySet<Step> {
    const fallen = fallenWith(first, all)
    this.#setUnfollowed(this.#unfollowed.slice(this.#next).filter((step) => !fallen.has(step)))
    this.#noteWhatToRedo(first, fallen, all)
    return fallen
  }

  /** Notes what to carry out anew: it has happened, and was taken back only because of what it was based on. */
  #noteWhatToRedo(first: ReadonlySet<Step>, fallen: ReadonlySet<Step>, all: readonly Step[]): void {
    for (const step of all) {
      if (!fallen.has(step)) continue
      const writing = step.turn as Writing | undefined
      const origin = step.type === 'turn' && writing?.origin
      if (origin) {
        // A move may stay although it was made within the call that was refused, such as the abort of an earlier job.
        if (!fallen.has(origin)) this.#toFollowAgain.push(writing as Writing)
      } else if (!first.has(step) && !step.call) this.#noteAction(step, writing)
    }
  }

  #noteAction(step: Step, writing: Writing | undefined): void {
    // The timer of a job that was due is set again, for the time that it has without what fell.
    if (step.type === 'due' && !writing && !this.#promoted.has(step)) return
    if (!writing) this.#toRedo.push(() => repeat(step, this.#parts.jobs))
    else if (step.type === 'turn') this.#toRedo.push(() => this.#rewrite(writing))
  }

  #rewrite({ origin, write, outcome }: Writing): void {
    const writing = new Writing(origin, undefined, write, outcome)
    if (!outcome) return this.#tryWriting(writing)
    try {
      this.#write(writing)
    } catch (error) {
      outcome.failure = { error }
    }
  }

  takeBack({ turn }: Step): void {
    const writing = turn as Writing
    for (const each of writing.attached) each.pending--
    writing.restoreRows()
  }

  /**
   * What follows from moves that stay goes first, because these moves have been made. What is carried out anew is based on them,
   * and may do something else than it did before.
   */
  afterRefusal(): void {
    for (const writing of this.#toFollowAgain.splice(0)) this.#rewrite(writing)
    this.follow()
    for (const act of this.#toRedo.splice(0)) {
      act()
      this.follow()
    }
  }
}

type MarkRules = InsertRequest['markRules']

/** Several extensions may follow one job. */
const both = (first: MarkRules, second: Attached['markRules']): MarkRules =>
  first ? (rules) => second(first(rules)) : second

/** Throws for a promise: what it would do came too late, because its turn is over. */
function atOnce<Result>(result: Result): Result {
  if (!isThenable(result)) return result
  // Its end is of no interest, and must not be an unhandled rejection.
  void result.then(undefined, () => {})
  throw new Error('what an extension does in a turn, or to open, must not wait for anything')
}

/**
 * The engine of a tab, of several that have the same store open. One tab leads and runs the jobs. The others follow, and reach the
 * jobs through it.
 *
 *   a tab is   seeking     it knows of no leader; questions wait
 *              following   a leader has welcomed it; questions go there
 *              opening     it has the lock and opens the store; questions wait
 *              leading     it runs the jobs with a `LocalEngine`, and has a session with each follower
 *              asleep      its page is frozen or put aside; it has let go of everything but its promises
 *              failed      there are no Web Locks, or the store cannot be opened: each call rejects with the reason
 *
 * To lose the lead, in whatever way, is a crash that only the job objects in memory survive. Handles, callbacks and promises belong
 * to these, and live on with the next leader. A tab is first of all a client of the leader. When it leads itself, its own engine
 * adopts the jobs that it knows, and answers its questions.
 */

import type {
  CloseMode,
  Engine,
  Inserted,
  InsertRequest,
  MakeExtensions,
  NamedExtension,
  QueueView,
  SchedulerSnapshot,
  Stats,
} from '../engine/engine.ts'
import type { EngineHost } from '../engine/engine-host.ts'
import { closedError } from '../engine/job-errors.ts'
import type { JobView } from '../engine/job-view.ts'
import type { LiveJob } from '../engine/live-job.ts'
import type { LocalEngine } from '../engine/local-engine.ts'
import { type Adding, addingOf, type Step } from '../engine/steps.ts'
import { EventBus } from '../events/event-bus.ts'
import { NumberedStream } from '../events/numbered-stream.ts'
import type { BufferedStream } from '../events/stream.ts'
import { warn } from '../platform/host.ts'
import type { TabPlatform } from '../platform/tabs.ts'
import { answer } from '../remote/answers.ts'
import { Client } from '../remote/client.ts'
import { makePrefix, momentOf, pendingAddOf } from '../remote/requests.ts'
import { type Answered, Session } from '../remote/session.ts'
import { OffstageError } from '../shared/errors.ts'
import { isThenable } from '../shared/thenable.ts'
import type { Store, Stored } from '../store/store.ts'
import { type Candidate, Election } from './election.ts'

export class TabEngine extends Client implements Engine, Candidate {
  readonly canLead: boolean
  readonly #name: string
  readonly #makeStore: () => Store
  /** The newest one: each engine opens its own. */
  #store: Store
  /** To be attached to each engine that this tab leads with. */
  readonly #extensions: (readonly [NamedExtension, MakeExtensions])[] = []
  readonly #platform: TabPlatform | undefined
  readonly #host: EngineHost
  readonly #election: Election
  readonly #stopLeaving: (() => void) | undefined

  /** Runs the jobs while this tab leads. */
  #local: LocalEngine | undefined
  /** Will run them, once its store is open. */
  #candidate: LocalEngine | undefined
  /** One for each time that this tab is elected. */
  #term: object | undefined
  /** With the followers of this tab. */
  readonly #sessions = new Map<string, { readonly session: Session; readonly leave: () => void }>()
  /** By follower, over all its sessions: a tab that was asleep comes back. */
  readonly #answered = new Map<string, Answered>()
  /** Settles when the last store is closed. The next one is not opened before. */
  #storeClosed: Promise<unknown> = Promise.resolve()
  /** Settles when what a lost lead left uncommitted is committed with the next. */
  #handover: Promise<unknown> = Promise.resolve()

  /** Called when the lead is lost. Ends a wait of `close`. */
  #onDropped: (() => void) | undefined

  constructor(name: string, makeStore: () => Store, platform: TabPlatform | undefined, host: EngineHost) {
    const { clock, random, errors, reportUnhandled } = host
    const tab = makePrefix(random)
    const bus = new EventBus(() => clock.now(), reportUnhandled)
    super({ clock, errors, bus, idPrefix: tab, makeJob: host.makeJob })
    this.canLead = host.makeLocal !== undefined
    this.#name = `offstage:${name}`
    this.#makeStore = makeStore
    this.#store = makeStore()
    this.#platform = platform
    this.#host = host
    this.#election = new Election(this.#name, tab, platform, clock, this)
    this.#stopLeaving = platform?.onLeave(() => this.#leaveMark())
    this.#election.open()
  }

  override attach(extension: NamedExtension, make: MakeExtensions): void {
    this.#extensions.push([extension, make])
    super.attach(extension)
    ;(this.#local ?? this.#candidate)?.attach(extension, make)
  }

  // Leading.

  onElected(): void {
    const term = {}
    this.#term = term
    this.#storeClosed
      .then(() => this.#term === term && this.#openStore())
      // This tab holds the lock, and the others wait for it.
      .catch((error) => this.onFailed(error))
  }

  #openStore(): void {
    const { makeLocal } = this.#host
    const local = (makeLocal as NonNullable<typeof makeLocal>)({
      store: this.#storeOf(() => local),
      bus: this.bus,
      adopt: (record, isNew) => this.jobs.adopt(record, isNew) as LiveJob | undefined,
      wasReleased: () => (this.#platform as TabPlatform).takeMark(this.#name),
    })
    this.#candidate = local
    for (const [extension, make] of this.#extensions) local.attach(extension, make)
    // The store has what queues are set to, but not this.
    if (this.isPaused) this.bus.quietly(() => void local.set(undefined, { isPaused: true }))
    local.opening?.then(
      () => this.#candidate === local && this.#lead(local),
      (error) => this.#candidate === local && this.onFailed(error),
    )
  }

  /** A store for one engine. */
  #storeOf(local: () => LocalEngine): Store {
    const store = this.#makeStore()
    this.#store = store
    let opening: Promise<Stored>
    const stopped = (error: OffstageError) => {
      if (local() !== this.#candidate && local() !== this.#local) return
      // Another tab has opened it: it was granted the lock when this tab lost it.
      if (error.code === 'STORE_LOCKED') this.#election.queueAnew()
      else this.onFailed(error)
    }
    return {
      isDurable: store.isDurable,
      check: (value, what) => store.check(value, what),
      commit: (changes) => store.commit(changes),
      open: (host) => {
        opening = Promise.resolve().then(() => store.open({ ...host, stopped }))
        return opening
      },
      async close() {
        await opening.catch(() => {})
        await store.close()
      },
    }
  }

  #lead(local: LocalEngine): void {
    this.#candidate = undefined
    this.#local = local
    const has = (job: JobView) => local.job(job.record.id) === job
    const lost = this.jobs.handOver(has)
    // Before any listener is called: what a listener asks comes after what waits.
    this.questions.askOf((kind, args) => answer(local, kind, args))
    for (const job of lost) this.jobs.announceLoss(job)
    this.readings.endAll((job) => !has(job))
    // Those that have come since the jobs were restored.
    this.readings.feed((job, reader) => local.feed(job, reader))
    this.bus.publish('leader', { isLeader: true })
    this.lists.keepBy((view, filter) => local.showIn(view, filter))
    this.#election.lead()
    this.board.notify()
    local.subscribe(() => this.board.notify())
  }

  onFollower(tab: string): void {
    this.#sessions.get(tab)?.leave()
    const leave = () => {
      session.close()
      line.close()
      this.#sessions.delete(tab)
      if (answered.size === 0) this.#answered.delete(tab)
    }
    const line = this.#election.openLine(tab, (messages) => session.receive(messages), leave)
    const { clock, errors } = this.#host
    const answered: Answered = this.#answered.get(tab) ?? new Map()
    this.#answered.set(tab, answered)
    const session: Session = new Session(this.#local as LocalEngine, line.post, { clock, errors, answered })
    this.#sessions.set(tab, { session, leave })
  }

  /** Tells the next leader that what runs here is interrupted, and has not ended its page. */
  #leaveMark(): void {
    if (this.#local ?? this.#candidate) this.#platform?.leaveMark(this.#name)
  }

  /** Ends the threads and writes nothing more. The job objects stay. */
  onDeposed(): void {
    this.#term = undefined
    const local = this.#local ?? this.#candidate
    if (!local) return
    const hasLed = this.#local !== undefined
    if (!local.isEnded) this.#leaveMark()
    this.#local = undefined
    this.#candidate = undefined
    for (const { leave } of this.#sessions.values()) leave()
    this.#answered.clear()
    this.disconnect()
    if (local.isEnded) return
    if (hasLed) this.showPauses(local.isPaused, local.pausedQueues)
    const { jobs, pending, ended } = local.drop(new OffstageError('STORE_LOCKED', 'Another tab runs the jobs now.'))
    this.#storeClosed = ended.catch(() => {})
    this.jobs.takeBack(jobs)
    if (!this.isEnded) this.#addAgain(pending)
    this.#onDropped?.()
    if (hasLed) this.bus.publish('leader', { isLeader: false })
  }

  /** Asks first for the jobs that were being added here, each call as a whole. */
  #addAgain(pending: readonly Step[]): void {
    // Jobs that are being added are asked for again anyway.
    const calls = addingOf(pending).filter(([first]) => !this.jobs.isAdding((first as Adding).job.record.id))
    const again = this.questions.askFirst(() =>
      calls.map((call) => {
        const since = { ...momentOf(this.clock), wallMs: (call[0] as Adding).job.record.addedAt }
        for (const { job } of call) this.jobs.addAgain(job, since)
        return this.ask('insert', call.map(pendingAddOf), since)
      }),
    )
    this.#handover = Promise.allSettled([this.#handover, ...again])
  }

  onOther(error: OffstageError): void {
    if (!this.bus.hasListener('store:error')) warn(`offstage: ${error.message}`)
    this.bus.publish('store:error', { error })
  }

  onFailed(error: OffstageError): void {
    if (this.isEnded) return
    this.bus.publish('store:error', { error })
    this.end(error, true)
  }

  // Adding.

  override insert(request: InsertRequest): Inserted | Promise<Inserted> {
    return this.#local ? this.#local.insert(request) : super.insert(request)
  }

  override async insertMany(requests: readonly InsertRequest[]): Promise<Inserted[]> {
    const local = this.#local
    if (!local) return super.insertMany(requests)
    let inserted: Inserted[]
    try {
      const inserting = local.insertAll(requests)
      inserted = isThenable(inserting) ? await inserting : inserting
    } catch (error) {
      if (local === this.#local || this.isEnded) throw error
      // The lead was lost while the call waited, so it has added nothing.
      return this.insertMany(requests)
    }
    await local.whenAllCommitted(inserted, (job) => this.whenCommitted(job))
    return inserted
  }

  override async whenCommitted(inserted: JobView): Promise<void> {
    const local = this.#local
    try {
      if (local) return await local.whenCommitted(inserted)
    } catch (error) {
      // What extensions wrote of no job of this call is not asked for again.
      if (local === this.#local || this.isEnded || !inserted.record.id) throw error
    }
    // The lead was lost. The next leader commits what was added here.
    await this.#handover
    return super.whenCommitted(inserted)
  }

  check(value: unknown, what: string): void {
    this.#store.check(value, what)
  }

  // Observing.

  override values(job: JobView, after?: number): BufferedStream<unknown> {
    const stream = super.values(job, after)
    if (this.#local && stream instanceof NumberedStream) this.#local.feed(job, stream)
    else if (this.#local && job.hasEnded) stream.end()
    return stream
  }

  /** The leader may change while values are read. */
  protected override ack(job: JobView, reading: number): void {
    if (this.#local) this.#local.ack(job as LiveJob)
    else super.ack(job, reading)
  }

  override snapshot(): SchedulerSnapshot {
    return this.#local ? this.#local.snapshot() : super.snapshot()
  }

  override stats(): Stats {
    return this.#local ? this.#local.stats() : super.stats()
  }

  override renewWorkers(): void {
    this.#local?.renewWorkers()
  }

  // Settings.

  override queue(name: string): QueueView {
    return this.#local ? this.#local.queue(name) : super.queue(name)
  }

  override get isPaused(): boolean {
    return this.#local ? this.#local.isPaused : super.isPaused
  }

  // Closing.

  override close(mode: CloseMode, timeoutMs: number | undefined): Promise<void> {
    if (mode === 'now') void this.#local?.close(mode, timeoutMs)
    return super.close(mode, timeoutMs)
  }

  /** A leader closes as a scheduler of its own does. Then another tab leads. */
  protected override async shutDown(mode: CloseMode, timeoutMs: number | undefined): Promise<void> {
    this.#election.isClosing = true
    if (mode === 'drain' && !this.#local && !this.isEnded && !this.#election.isApart) await this.drained(timeoutMs)
    const local = this.#local
    if (local)
      await new Promise<void>((resolve) => {
        this.#onDropped = resolve
        local.close(mode, timeoutMs).then(resolve, resolve)
      })
    this.end(closedError())
    await this.#storeClosed
  }

  protected override release(): void {
    const local = this.#local
    if (local) this.board.end({ snapshot: local.snapshot(), stats: local.stats(), queues: {} })
    this.#stopLeaving?.()
    this.#election.close()
    super.release()
  }
}

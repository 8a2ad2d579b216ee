/**
 * The engine of one of several tabs that have the same store open. One of them leads and runs the jobs; the others
 * follow and reach them through it.
 *
 *   a tab is   seeking     nobody is known to lead; what is asked waits
 *              following   a leader has welcomed it; what is asked goes there
 *              opening     it has the lock and opens the store; what is asked waits
 *              leading     it runs the jobs with a `LocalEngine`, and answers the others
 *              asleep      its page is frozen or put aside; it has let go of everything but its promises
 *              failed      there are no Web Locks, or the store cannot be opened: each call says so
 *
 * Who leads is settled by a queued Web Lock, never by a clock. Losing it, in whatever way, is a crash from which only
 * the jobs in memory are saved: handles, callbacks and promises hang on these, and live on with whoever leads next. A
 * follower's jobs are adopted in the same way when it comes to lead.
 *
 * Everything that is asked (`#ask`) is kept until it is answered, and asked again of the next leader in the same order.
 * Pauses and limits are asked for as well, so that they come in that order too.
 */

import type {
  CloseMode,
  Counts,
  Disposition,
  Engine,
  FindOptions,
  Inserted,
  InsertRequest,
  JobFilter,
  QueueControl,
  SchedulerSnapshot,
  Stats,
  Verb,
} from '../engine/engine.ts'
import { cancelled, closedError } from '../engine/job-errors.ts'
import type { JobObservers } from '../engine/job-observers.ts'
import { LiveJob } from '../engine/live-job.ts'
import type { LocalEngine, LocalEngineOptions } from '../engine/local-engine.ts'
import { Notifier } from '../engine/notifier.ts'
import { type Adding, addingOf } from '../engine/steps.ts'
import { EventBus } from '../events/event-bus.ts'
import type { AnyEvent, JobEvent } from '../events/event-map.ts'
import type { EventStream } from '../events/stream.ts'
import { createRecord, type JobOptions } from '../job/job-options.ts'
import { isTerminal, type JobRecord } from '../job/record.ts'
import { warn } from '../platform/host.ts'
import type { Channel, TabPlatform } from '../platform/tabs.ts'
import type { Clock } from '../shared/clock.ts'
import { cloneError } from '../shared/clone.ts'
import { type Deferred, defer } from '../shared/deferred.ts'
import { type ErrorClass, thrownFromWire, thrownToWire, type WireThrown } from '../shared/error-wire.ts'
import { OffstageError } from '../shared/errors.ts'
import { isThenable } from '../shared/thenable.ts'
import type { Store } from '../store/store.ts'
import { type Ask, answers } from './answers.ts'
import { type Board, emptyBoard } from './board.ts'
import { Guest, noDefaults, type Steer } from './guest.ts'
import { isAnswer, isCall, isLetter, leaderNotes, notesOf } from './shapes.ts'
import { otherVersion, tabsVersion } from './version.ts'
import {
  type Call,
  type Envelope,
  eventFromWire,
  insertToWire,
  type Letter,
  Link,
  type NamedRequest,
  recordFromWire,
  sharedTypes,
  type WireRecord,
} from './wire.ts'

/** The scheduler, as its tab sees it. */
export interface TabHost {
  readonly clock: Clock
  readonly random: () => number
  readonly errors: readonly ErrorClass[]
  readonly reportUnheard: (error: unknown) => void
  /** Runs the jobs in this tab. */
  makeLocal(handover: Pick<LocalEngineOptions, 'store' | 'bus' | 'adopt' | 'wasLetGo'>): LocalEngine
}

/** Something that was asked and is not answered. */
interface Question {
  readonly ask: Ask | 'steer'
  readonly args: readonly unknown[]
  readonly answer: Deferred<never>
  /** A leader has been asked, and may have done it. */
  isAgain: boolean
}

/** A job that this tab wants to add. */
interface Wanted {
  readonly job: LiveJob
  readonly since: Moment
}

/** By both clocks. */
interface Moment {
  readonly wallMs: number
  readonly monotonicMs: number
}

/** Observers in other tabs are told no more often than this: the board changes with every job. */
const boardMs = 50
const tabIdLength = 12

const noLocks = (cause?: unknown): OffstageError =>
  new OffstageError(
    'STORE_LOCKED',
    `Several tabs cannot be kept apart: ${
      cause === undefined
        ? 'there are no Web Locks here; the page needs a secure context (https or localhost).'
        : `the browser refuses Web Locks here (${(cause as Error)?.message ?? cause}), as it does in frames that may keep nothing: sandboxed ones, and those of another site.`
    }`,
    cause === undefined ? {} : { cause },
  )

export class TabEngine implements Engine {
  readonly bus: EventBus
  readonly opening = undefined
  readonly #name: string
  readonly #makeStore: () => Store
  /** The newest. */
  #store: Store
  readonly #platform: TabPlatform | undefined
  readonly #host: TabHost
  readonly #notifier: Notifier
  /** Of this tab; the ids that it makes up begin with it. */
  readonly #tab: string
  #lastId = 0

  /** Runs the jobs while this tab leads. */
  #local: LocalEngine | undefined
  /** Will, once its store is open. */
  #candidate: LocalEngine | undefined
  readonly #guests = new Map<string, { readonly guest: Guest; readonly leave: () => void }>()
  #stopBoard: (() => void) | undefined
  #stopBoardTimer: (() => void) | undefined
  /** The store is not opened again before it is closed. */
  #storeClosed: Promise<unknown> = Promise.resolve()

  /** To the leader, while this tab follows one. */
  #link: Link | undefined
  #leader = ''
  /** Of the newest leader that was heard of. */
  #epoch = 0
  /** What this tab knows of the leader's jobs: all that it ever added, found or got, until they are removed. */
  #known = new Map<string, LiveJob>()
  /** The leader is of another version; and whether that was ever told. */
  #isApart = false
  #hasToldOfOther = false
  /** From when it asks for them until it is answered: callbacks hang on them, and events may come before the answer. */
  readonly #wanted = new Map<string, Wanted>()
  /** Jobs whose values are read here while another tab leads, by the number under which it sends them. */
  readonly #readings = new Map<number, LiveJob>()
  #lastReading = 0
  /** Why jobs were aborted here: their promises reject with the very object. */
  readonly #reasons = new WeakMap<LiveJob, unknown>()
  /** Of jobs that are gone, why nothing more will be heard of them. */
  readonly #gone = new WeakMap<LiveJob, OffstageError>()
  #board = emptyBoard
  /** Queues that were looked at since the leader was asked last, and those that are not empty. */
  readonly #queues = new Set<string>()
  #isLooking = false
  #heard = ''

  readonly #questions = new Map<number, Question>()
  #lastQuestion = 0
  /** Settles when what a lost lead left unsafe is safe with the next. */
  #handover: Promise<unknown> = Promise.resolve()
  readonly #steers = new Map<string, Steer>()
  readonly #observers = new Set<() => void>()
  readonly #closers = new Set<() => void>()

  #isAwake = false
  /** Holds its own lock, so that a leader can tell when it is gone. */
  #isPresent = false
  /** Counts its awakenings: what was under way before one is void. */
  #days = 0
  #calls: Channel | undefined
  #letters: Channel | undefined
  #releases: (() => void)[] = []
  readonly #stopListening: (() => void)[] = []
  #failure: OffstageError | undefined
  #isClosing = false
  #hasEnded = false
  #closed: Promise<void> | undefined
  /** End a wait of `close`: somebody is in a hurry, or the lead is lost. */
  #hurry: (() => void) | undefined
  #onDropped: (() => void) | undefined

  constructor(name: string, makeStore: () => Store, platform: TabPlatform | undefined, host: TabHost) {
    const { clock, random, reportUnheard } = host
    this.#name = `offstage:${name}`
    this.#makeStore = makeStore
    this.#store = makeStore()
    this.#platform = platform
    this.#host = host
    this.#tab = Array.from({ length: tabIdLength }, () => Math.floor(random() * 36).toString(36)).join('')
    this.bus = new EventBus(() => clock.now(), reportUnheard)
    this.bus.onListening = () => this.#hear()
    this.#notifier = new Notifier(this.bus)
    if (platform) this.#listen(platform)
    else this.#fail(noLocks())
  }

  // Waking and sleeping.

  #listen(platform: TabPlatform): void {
    const [sleep, wake] = [() => this.#sleep(), () => this.#wake()]
    this.#stopListening.push(
      platform.onLeave(() => this.#leaveMark()),
      platform.onSleep(sleep, wake),
    )
    wake()
  }

  #wake(): void {
    if (this.#isAwake || this.isEnded) return
    this.#isAwake = true
    this.#days++
    const { openChannel } = this.#platform as TabPlatform
    this.#calls = openChannel(this.#name, (call) => isCall(call) && this.#hearCall(call))
    this.#letters = openChannel(`${this.#name}:${this.#tab}`, (letter) => isLetter(letter) && this.#hearLetter(letter))
    // The leader queues for a lock that this tab holds: so it learns when the tab is gone, however it went.
    this.#lock(`${this.#name}:${this.#tab}`, () => {
      this.#isPresent = true
      this.#sayHello()
    })
    this.#lock(this.#name, () => this.#lead())
  }

  #lock(name: string, onHeld: () => void): void {
    const onLost = (cause: unknown) => {
      // Stolen, or taken away with the page: back to the end of the queue. Anything else would only happen again.
      if ((cause as Error)?.name !== 'AbortError') return this.#fail(noLocks(cause))
      this.#sleep()
      this.#wake()
    }
    this.#releases.push((this.#platform as TabPlatform).requestLock(name, onHeld, onLost))
  }

  /** Lets go of everything but the promises. */
  #sleep(): void {
    if (!this.#isAwake) return
    this.#isAwake = false
    this.#isPresent = false
    this.#stepDown()
    this.#link = undefined
    this.#calls?.close()
    this.#letters?.close()
    for (const release of this.#releases.splice(0)) release()
  }

  #fail(error: OffstageError): void {
    if (this.isEnded) return
    this.#failure = error
    this.bus.publish('store:error', { error })
    this.#leave()
  }

  // Leading.

  #lead(): void {
    this.#link = undefined
    const { makeLocal } = this.#host
    const today = this.#days
    void this.#storeClosed.then(() => {
      if (!this.#isAwake || today !== this.#days) return
      const store = this.#storeOf(() => local)
      const local = makeLocal({
        store,
        bus: this.bus,
        adopt: (record, isNew) => this.#adopt(record, isNew),
        wasLetGo: () => (this.#platform as TabPlatform).takeMark(this.#name),
      })
      this.#candidate = local
      this.bus.quietly(() => {
        for (const steer of this.#steers.values()) steerLocal(local, steer)
      })
      local.opening?.then(
        () => this.#candidate === local && this.#led(local),
        (error) => this.#candidate === local && this.#fail(error),
      )
    })
  }

  /** The store as one leader has it; each opens one of its own. */
  #storeOf(local: () => LocalEngine): Store {
    const store = this.#makeStore()
    this.#store = store
    let opening: Promise<readonly JobRecord[]>
    const stopped = (error: OffstageError) => {
      if (local() !== this.#candidate && local() !== this.#local) return
      // Another tab has it: that one was granted the lock when ours was lost.
      if (error.code !== 'STORE_LOCKED') return this.#fail(error)
      this.#sleep()
      this.#wake()
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

  /** The job object that handles and callbacks of this tab hang on, for a record that a new leader finds or makes. */
  #adopt({ id, addedAt, seq }: JobRecord, isNew: boolean): LiveJob | undefined {
    const known = isNew ? undefined : this.#known.get(id)
    if (known?.record.addedAt === addedAt && known.record.seq === seq) return known
    const wanted = this.#wanted.get(id)
    return wanted && addedAt >= this.#wallOf(wanted.since) ? wanted.job : undefined
  }

  #led(local: LocalEngine): void {
    this.#candidate = undefined
    this.#local = local
    this.#isApart = false
    this.#epoch = Math.max(this.#epoch, this.#host.clock.now())
    const known = this.#known
    this.#known = new Map()
    for (const [id, job] of known) if (local.job(id) !== job) this.#lose(job)
    this.#readings.clear()
    this.bus.publish('leader', { isLeader: true })
    this.#announce()
    this.#askAll()
    this.#watchBoard()
    this.#notify()
  }

  /** With an epoch behind all that were heard of: what comes from a leader before is ignored. */
  #announce(): void {
    this.#epoch++
    this.#call('lead')
  }

  /** For the next leader: what runs here is interrupted, and has not ended its page. */
  #leaveMark(): void {
    if (this.#local ?? this.#candidate) this.#platform?.leaveMark(this.#name)
  }

  /** Leads no longer, for whatever reason. Threads are ended and nothing is written any more; the jobs stay. */
  #stepDown(): void {
    const local = this.#local ?? this.#candidate
    if (!local) return
    const hasLed = this.#local !== undefined
    if (!local.isEnded) this.#leaveMark()
    this.#local = undefined
    this.#candidate = undefined
    for (const { leave } of this.#guests.values()) leave()
    this.#guests.clear()
    this.#stopBoard?.()
    this.#stopBoardTimer?.()
    this.#stopBoard = undefined
    this.#stopBoardTimer = undefined
    if (local.isEnded) return
    const { jobs, pending, ended } = local.drop(new OffstageError('STORE_LOCKED', 'Another tab runs the jobs now.'))
    this.#storeClosed = ended.catch(() => {})
    for (const job of jobs) this.#known.set(job.record.id, job)
    for (const job of jobs) if (job.observers?.isRead) this.#readings.set(++this.#lastReading, job)
    // What was asked for is asked for again anyway.
    if (!this.isEnded)
      this.#addAgain(addingOf(pending).filter(([first]) => !this.#wanted.has((first as Adding).job.record.id)))
    this.#onDropped?.()
    if (hasLed) this.bus.publish('leader', { isLeader: false })
  }

  /** What was added here and is not safe, is added before all else that is asked: each call as a whole. */
  #addAgain(calls: readonly (readonly Adding[])[]): void {
    const later = [...this.#questions]
    this.#questions.clear()
    const adding = calls.map((call) => {
      const since = { ...this.#moment(), wallMs: (call[0] as Adding).job.record.addedAt }
      for (const { job } of call) this.#wanted.set(job.record.id, { job, since })
      return this.#ask('insert', call.map(requestOf), since)
    })
    for (const question of this.#questions.values()) question.isAgain = true
    for (const [id, question] of later) this.#questions.set(id, question)
    this.#handover = Promise.allSettled([this.#handover, ...adding])
  }

  #welcome(tab: string): void {
    this.#guests.get(tab)?.leave()
    const { openChannel, requestLock } = this.#platform as TabPlatform
    const local = this.#local as LocalEngine
    const epoch = this.#epoch
    const channel = openChannel(`${this.#name}:${tab}`, (letter) => {
      if (!isLetter(letter) || letter.from !== tab || letter.epoch !== epoch) return
      guest.hear(letter)
      if (guest.isObserving) this.#watchBoard()
    })
    const line = { channel, from: this.#tab, epoch }
    const steers = [...this.#steers.values()]
    const guest = new Guest(local, this.bus, this.#host.errors, line, steers, (steer) => this.#steered(steer))
    const leave = () => {
      guest.leave()
      channel.close()
      release()
      this.#guests.delete(tab)
    }
    let release = () => {}
    release = requestLock(`${this.#name}:${tab}`, leave, leave)
    this.#guests.set(tab, { guest, leave })
  }

  /** Observers here are told at once, those in other tabs at a pace of ours. */
  #watchBoard(): void {
    const isWatched = this.#observers.size > 0 || [...this.#guests.values()].some(({ guest }) => guest.isObserving)
    if (!isWatched || !this.#local) return
    this.#stopBoard ??= this.#local.subscribe(() => {
      this.#notify()
      this.#stopBoardTimer ??= this.#host.clock.startTimer(() => this.#showBoard(), boardMs, false)
    })
  }

  #showBoard(): void {
    this.#stopBoardTimer = undefined
    for (const { guest } of this.#guests.values()) if (guest.isObserving) guest.showBoard()
  }

  // Following.

  #call(type: Call['type']): void {
    this.#calls?.post({ type, from: this.#tab, epoch: this.#epoch, version: tabsVersion } satisfies Call)
  }

  #sayHello(): void {
    if (this.#isPresent && !this.#local) this.#call('hello')
  }

  #hearCall(call: Call): void {
    if (call.version !== tabsVersion) return this.#hearOther(call, call.type === 'hello')
    switch (call.type) {
      case 'hello':
        if (!this.#local || this.#isClosing) return
        if (call.epoch <= this.#epoch) return this.#welcome(call.from)
        // It knew a leader whose clock was ahead of ours, and would take us for one of before.
        this.#epoch = call.epoch
        return this.#announce()
      case 'lead':
        if (this.#candidate) return
        if (call.epoch < this.#epoch) return this.#sayHello()
        // The lock is lost, and the browser has yet to say so.
        if (this.#local) this.#sleep()
        this.#epoch = call.epoch
        this.#link = undefined
        this.#wake()
        return this.#sayHello()
    }
  }

  /**
   * A tab of another version. Neither understands the other, so what is called in the one that does not lead waits until the
   * other is gone.
   */
  #hearOther({ epoch, version }: Envelope, isHello: boolean): void {
    if (this.#candidate) return
    if (this.#local) {
      if (!isHello) return
      this.#call('here')
    } else {
      // It does not lead, or has been replaced.
      if (isHello || epoch < this.#epoch || (this.#link && epoch === this.#epoch)) return
      this.#epoch = epoch
      this.#isApart = true
      // If the leader that it knew is still there, that one will say so.
      if (this.#link) this.#sayHello()
      this.#link = undefined
      if (this.#isClosing) this.#hurry?.()
    }
    if (this.#hasToldOfOther) return
    this.#hasToldOfOther = true
    const error = otherVersion(version)
    if (!this.bus.isHeard('store:error')) warn(`offstage: ${error.message}`)
    this.bus.publish('store:error', { error })
  }

  #hearLetter(letter: Letter): void {
    const { from, epoch, version } = letter
    if (version !== tabsVersion) return this.#hearOther(letter, false)
    const notes = notesOf(letter, leaderNotes)
    const isWelcome = notes[0]?.[0] === 'welcome' && epoch >= this.#epoch
    if (
      this.#local ||
      this.#candidate ||
      (!isWelcome && (!this.#link || epoch !== this.#epoch || from !== this.#leader))
    )
      return
    if (isWelcome) {
      this.#leader = from
      this.#epoch = epoch
    }
    for (const [type, ...details] of notes) this.#verbs[type]?.(...(details as never[]))
  }

  readonly #verbs: Readonly<Record<string, (...details: never[]) => void>> = {
    welcome: (steers: readonly Steer[]) => this.#follow(steers),
    board: (board: Board) => this.#see(board),
    steer: (steer: Steer) => {
      if (!this.#steersAsked().some((asked) => keyOf(asked) === keyOf(steer))) this.#steered(steer)
    },
    answer: (id: number, answer: unknown) => {
      const { ask, args } = this.#questions.get(id) ?? {}
      if (ask && args && isAnswer(ask, args, answer)) this.#answered(id, (question) => this.#fromWire(question, answer))
    },
    refusal: (id: number, thrown: WireThrown) =>
      this.#answered(id, () => {
        throw thrownFromWire(thrown, this.#host.errors)
      }),
    event: (event: AnyEvent, change: WireRecord | undefined) =>
      this.#hearEvent(eventFromWire(event, this.#host.errors), change),
    // Of one that nobody here knows it tells too little.
    change: (change: WireRecord) => this.#jobOf(change.id, true) && this.#learn(change),
    gone: (id: string) => {
      const job = this.#known.get(id)
      if (job) this.#lose(job)
    },
    stranded: (ids: readonly string[], thrown: WireThrown) => {
      const error = thrownFromWire(thrown, this.#host.errors)
      for (const id of ids) (this.#known.get(id) ?? this.#wanted.get(id)?.job)?.letDown(error)
      if (this.#isClosing) this.#hurry?.()
    },
    value: (reading: number, value: unknown) => this.#readings.get(reading)?.observe().receive(value),
    end: (reading: number, thrown: WireThrown | undefined) => {
      const job = this.#readings.get(reading)
      this.#readings.delete(reading)
      job?.observers?.endValues()
      if (thrown) this.bus.report(thrownFromWire(thrown, this.#host.errors))
    },
  }

  #follow(steers: readonly Steer[]): void {
    this.#isApart = false
    this.#link = new Link(this.#letters as Channel, this.#tab, this.#epoch, ([type, id, , args], cause) => {
      if (type === 'ask')
        this.#answered(id as number, () => {
          throw cloneError(args, 'input', cause)
        })
      return undefined
    })
    this.#steers.clear()
    for (const steer of [...steers, ...this.#steersAsked()]) this.#keep(steer)
    this.#heard = ''
    this.#hear()
    const known = [...this.#known].filter(([, job]) => !job.hasEnded || job.observers)
    this.#link.post(
      'watch',
      known.map(([id, job]) => [id, job.observers !== undefined]),
    )
    for (const [reading, job] of this.#readings) this.#link.post('read', reading, job.record.id)
    this.#look()
    this.#askAll()
  }

  /** Tells the leader which events somebody here listens to; no others are sent. */
  #hear(): void {
    if (!this.#link) return
    const types = sharedTypes.filter((type) => this.bus.isHeard(type))
    if (types.join() === this.#heard) return
    this.#heard = types.join()
    this.#link.post('hear', types)
  }

  #hearEvent(event: AnyEvent, change: WireRecord | undefined): void {
    const { jobId } = event as Partial<JobEvent>
    const job = jobId === undefined ? undefined : this.#jobOf(jobId, change !== undefined)
    if (!job) return this.#emit(event, undefined)
    if (event.type === 'started') job.progress = undefined
    if (event.type === 'progress') job.progress = event.progress
    if (change) this.#update(job, change, event)
    else {
      this.#emit(event, job)
      this.#notifier.snapshotChanged(job)
    }
    if (event.type === 'removed') this.#known.delete(jobId as string)
  }

  /** With a number of this tab's. */
  #emit({ type, seq, ...details }: AnyEvent, job: LiveJob | undefined): void {
    const event = this.bus.make(type, details as never) as AnyEvent
    if (this.bus.isHeard(type)) this.bus.emit(event)
    for (const watcher of [...(job?.observers?.watchers ?? [])]) this.bus.call(watcher, event as JobEvent)
  }

  #jobOf(id: string, isWatched: boolean): LiveJob | undefined {
    const known = this.#known.get(id)
    if (known || !isWatched) return known
    const wanted = this.#wanted.get(id)?.job
    if (wanted) this.#known.set(id, wanted)
    return wanted
  }

  /** `asked`: of what was asked for, only that is told which may change. */
  #learn(wire: WireRecord, asked?: NamedRequest): LiveJob {
    const { id } = wire
    const known = this.#jobOf(id, true)
    const job = known ?? new LiveJob(asked ? recordOf(asked, 0) : ({ ...wire, error: undefined } as JobRecord))
    this.#known.set(id, job)
    this.#update(job, wire, undefined)
    return job
  }

  #update(job: LiveJob, change: WireRecord, event: AnyEvent | undefined): void {
    const before = job.committed
    let record = recordFromWire(job.record, change, this.#host.errors)
    if (record.state === 'cancelled' && this.#reasons.has(job) && !isCancel(record))
      record = { ...record, error: this.#reasons.get(job) }
    job.record = record
    job.committed = record
    if (event) this.#emit('error' in event && record.error ? { ...event, error: record.error } : event, job)
    else this.#notifier.catchUp(job, before)
    if (isTerminal(record.state)) job.settle(record, this.#readingOf(job) !== undefined)
    this.#notifier.snapshotChanged(job)
  }

  /** It was removed while nobody could tell. */
  #lose(job: LiveJob): void {
    const { id } = job.record
    if (this.#known.get(id) === job) this.#known.delete(id)
    const error = cancelled(job.record, 'it was removed while this tab could not hear of it')
    if (!job.hasEnded) this.#notifier.announce(job, 'cancelled', { error })
    this.#notifier.announce(job, 'removed', { reason: job.hasEnded ? 'retention' : 'removed' })
    this.#forget(job, error)
  }

  /** Nothing more will be heard of it here. */
  #forget(job: LiveJob, error: OffstageError): void {
    this.#gone.set(job, error)
    this.#readings.delete(this.#readingOf(job) as number)
    job.abandon(error)
  }

  // Asking.

  #ask(ask: Ask | 'steer', ...args: unknown[]): Promise<never> {
    if (this.isEnded) return Promise.reject(this.closedError())
    const question: Question = { ask, args, answer: defer<never>(), isAgain: false }
    const id = ++this.#lastQuestion
    this.#questions.set(id, question)
    this.#put(id, question)
    return question.answer.promise
  }

  #askAll(): void {
    for (const [id, question] of [...this.#questions]) this.#put(id, question)
  }

  /** To whoever leads; when nobody does it waits. */
  #put(id: number, question: Question): void {
    const { ask, args, isAgain } = question
    const all = ask === 'insert' ? [...this.#asOfNow(args), isAgain] : args
    // It was set so before it came to lead.
    if (this.#local && ask === 'steer') this.#answered(id, () => undefined)
    else if (this.#local) void this.#answerHere(this.#local, id, ask, ask === 'insert' ? withoutAttaching(all) : all)
    else if (this.#link) this.#link.post('ask', id, ask, argsToWire(ask, all))
    else return
    question.isAgain = true
  }

  async #answerHere(local: LocalEngine, id: number, ask: Ask | 'steer', args: readonly unknown[]): Promise<void> {
    let give: () => unknown
    try {
      const answer = await (answers[ask as Ask] as (local: LocalEngine, ...args: unknown[]) => Promise<unknown>)(
        local,
        ...args,
      )
      give = () => answer
    } catch (error) {
      give = () => {
        throw error
      }
    }
    // If it leads no longer, the next leader is asked.
    if (local === this.#local) this.#answered(id, give)
  }

  #answered(id: number, give: (question: Question) => unknown): void {
    const question = this.#questions.get(id)
    if (!question) return
    this.#questions.delete(id)
    const { ask, args, answer } = question
    try {
      const given = give(question)
      if (ask === 'insert') this.#inserted(args[0] as readonly Naming[], given as readonly Inserted[])
      answer.resolve(given as never)
    } catch (error) {
      if (ask === 'insert') this.#notInserted(args[0] as readonly Naming[], error as OffstageError)
      answer.reject(error)
    }
  }

  #fromWire({ ask, args }: Question, answer: unknown): unknown {
    if (ask === 'get') return answer && this.#learn(answer as WireRecord)
    if (ask === 'find') return (answer as WireRecord[]).map((wire) => this.#learn(wire))
    if (ask !== 'insert') return answer
    return (answer as [WireRecord, Disposition][]).map(([wire, disposition], at) => {
      const naming = (args[0] as readonly Naming[])[at] as Naming
      return { job: this.#learn('input' in wire ? wire : { ...wire, input: naming.input }, naming), disposition }
    })
  }

  // Adding.

  insert(request: InsertRequest): Inserted | Promise<Inserted> {
    if (this.#local) return this.#local.insert(request)
    return this.#insert([request]).then(([inserted]) => inserted as Inserted)
  }

  insertMany(requests: readonly InsertRequest[]): Inserted[] | Promise<Inserted[]> {
    const local = this.#local
    if (!local) return this.#insert(requests)
    const inserting = local.insertMany(requests)
    if (!isThenable(inserting)) return inserting
    return inserting.catch((error) => {
      if (local === this.#local || this.isEnded) throw error
      // The lead was lost while it waited: nothing of it was added.
      return this.insertMany(requests)
    })
  }

  #insert(requests: readonly InsertRequest[]): Promise<Inserted[]> {
    if (this.isClosed) return Promise.reject(this.closedError())
    const now = this.#moment()
    const named = requests.map((request) => this.#want(request, now))
    return this.#ask('insert', named, now)
  }

  /** Gives a job its id, and an object for callbacks to hang on before anything is heard of it. */
  #want(request: InsertRequest, now: Moment): Naming {
    const { name, input, defaults, attach } = request
    const options = mergeOptions(request)
    const id = options.id ?? `${this.#tab}${(++this.#lastId).toString(36)}`
    const named = { name, input, options: { ...options, id }, defaults, transfer: undefined, attach }
    const known = options.ifExists === 'replace' ? undefined : this.#known.get(id)
    const job = known ?? this.#wanted.get(id)?.job ?? new LiveJob(recordOf(named, now.wallMs))
    if (!known) this.#wanted.set(id, { job, since: now })
    attach?.(job)
    return { ...named, job }
  }

  #moment(): Moment {
    const { clock } = this.#host
    return { wallMs: clock.now(), monotonicMs: clock.monotonic() }
  }

  /** When that was by the wall clock, which may have been set back since. */
  #wallOf(moment: Moment): number {
    const now = this.#moment()
    return Math.min(moment.wallMs, Math.ceil(now.wallMs - (now.monotonicMs - moment.monotonicMs)))
  }

  /** A delay counts from when it was asked for, whenever a leader hears of it. */
  #asOfNow(args: readonly unknown[]): readonly unknown[] {
    const [requests, asked] = args as readonly [readonly Naming[], Moment]
    const passedMs = this.#moment().monotonicMs - asked.monotonicMs
    const left = requests.map((request) => {
      const { delayMs } = request.options
      const isDelayed = delayMs !== undefined && delayMs > 0
      return isDelayed
        ? { ...request, options: { ...request.options, delayMs: Math.max(0, Math.ceil(delayMs - passedMs)) } }
        : request
    })
    return [left, this.#wallOf(asked)]
  }

  #inserted(namings: readonly Naming[], inserted: readonly Inserted[]): void {
    for (const [at, { job, attach, options }] of namings.entries()) {
      const given = (inserted[at] as Inserted).job
      this.#wanted.delete(options.id)
      // There was one of which this tab knew nothing.
      if (given !== job) attach?.(given)
    }
  }

  #notInserted(namings: readonly Naming[], error: OffstageError): void {
    for (const { job, options } of namings) {
      if (this.#wanted.delete(options.id) && this.#known.get(options.id) !== job) this.#forget(job, error)
    }
  }

  async whenCommitted(inserted?: LiveJob): Promise<void> {
    const local = this.#local
    try {
      // What came as an answer is safe already.
      if (local) return await local.whenCommitted(inserted)
    } catch (error) {
      if (local === this.#local || this.isEnded) throw error
    }
    // What was made here before the lead was lost is safe when the next leader has it.
    await this.#handover
    const gone = inserted && !inserted.committed && (this.#gone.get(inserted) ?? (this.isEnded && this.closedError()))
    if (gone) throw gone
  }

  check(value: unknown, what: string): void {
    this.#store.check(value, what)
  }

  // Looking up and acting.

  get(id: string): Promise<LiveJob | undefined> {
    return this.#ask('get', id)
  }

  find(options: FindOptions): Promise<LiveJob[]> {
    return this.#ask('find', options)
  }

  counts(): Promise<Counts> {
    return this.#ask('counts')
  }

  act(verb: Verb, target: LiveJob | string | JobFilter, argument?: unknown): Promise<number> {
    if (verb === 'abort' && target instanceof LiveJob) this.#reasons.set(target, argument)
    return this.#ask('act', verb, target, argument)
  }

  onIdle(): Promise<void> {
    return this.#ask('idle')
  }

  // Looking on.

  observersOf(job: LiveJob): JobObservers {
    if (!job.observers) this.#link?.post('attend', job.record.id)
    return job.observe()
  }

  result(job: LiveJob): Promise<unknown> {
    const gone = this.#gone.get(job) ?? (this.isEnded ? this.closedError() : undefined)
    return gone && !job.hasEnded ? Promise.reject(gone) : job.result()
  }

  values(job: LiveJob): EventStream<unknown> {
    const tell = (what: 'taken' | 'unread') => {
      const reading = this.#readingOf(job)
      if (reading === undefined) return
      if (what === 'unread') this.#readings.delete(reading)
      this.#link?.post(what, reading)
    }
    const onTake = () => (this.#local ? job.taken() : tell('taken'))
    const onLeave = () => tell('unread')
    if (this.#local || this.isEnded || this.#gone.has(job)) {
      const stream = job.values(onTake, onLeave)
      if (!this.#local) stream.end()
      return stream
    }
    // Even of a job that has ended: the leader may have kept some.
    const stream = this.observersOf(job).read(onTake, onLeave)
    const reading = ++this.#lastReading
    this.#readings.set(reading, job)
    this.#link?.post('read', reading, job.record.id)
    return stream
  }

  /** A job has one reader at a time. */
  #readingOf(job: LiveJob): number | undefined {
    for (const [reading, read] of this.#readings) if (read === job) return reading
    return undefined
  }

  lastEvent(job: LiveJob): JobEvent | undefined {
    return this.#notifier.lastEvent(job)
  }

  snapshot(): SchedulerSnapshot {
    return this.#local?.snapshot() ?? this.#look().snapshot
  }

  stats(): Stats {
    return this.#local?.stats() ?? this.#look().stats
  }

  subscribe(observer: () => void): () => void {
    this.#observers.add(observer)
    this.#isLooking = false
    this.#look()
    this.#watchBoard()
    return () => {
      this.#observers.delete(observer)
      this.#isLooking = false
      this.#look()
    }
  }

  /** What the leader told last. It is asked to tell again, unless that is under way. */
  #look(): Board {
    if (this.#link && !this.#isLooking) {
      this.#isLooking = true
      this.#link.post('look', [...this.#queues], this.#observers.size > 0)
      this.#queues.clear()
    }
    return this.#board
  }

  #see(board: Board): void {
    this.#isLooking = false
    for (const name of Object.keys(board.queues)) this.#queues.add(name)
    const { snapshot } = this.#board
    const isSame = JSON.stringify(board.snapshot) === JSON.stringify(snapshot)
    this.#board = { ...board, snapshot: isSame ? snapshot : freeze(board.snapshot) }
    if (!isSame) this.#notify()
  }

  #notify(): void {
    for (const observer of [...this.#observers]) this.bus.call(observer)
  }

  // Steering.

  queue(name: string): QueueControl {
    const control = () => this.#local?.queue(name)
    const told = () => {
      this.#queues.add(name)
      return this.#look().queues[name] ?? [0, 0]
    }
    const isPaused = () => this.#isPaused(name)
    this.#isLooking = false
    told()
    return {
      get isPaused() {
        return isPaused()
      },
      get size() {
        return control()?.size ?? told()[0]
      },
      get running() {
        return control()?.running ?? told()[1]
      },
      pause: () => this.#steer([name, 'isPaused', true]),
      resume: () => this.#steer([name, 'isPaused', false]),
      setConcurrency: (concurrency) => this.#steer([name, 'setConcurrency', concurrency]),
      setRateLimit: (rateLimit) => this.#steer([name, 'setRateLimit', rateLimit]),
    }
  }

  get isPaused(): boolean {
    return this.#isPaused(undefined)
  }

  #isPaused(queue: string | undefined): boolean {
    if (this.#local) return (queue === undefined ? this.#local : this.#local.queue(queue)).isPaused
    return this.#steers.get(keyOf([queue, 'isPaused', true]))?.[2] === true
  }

  pause(): void {
    this.#steer([undefined, 'isPaused', true])
  }

  resume(): void {
    this.#steer([undefined, 'isPaused', false])
  }

  #steer(steer: Steer): void {
    if (this.isClosed) throw this.closedError()
    this.#steered(steer)
    // It holds here at once, whenever the leader hears of it. Nobody waits for the answer.
    if (!this.#local) this.#ask('steer', steer).catch(() => {})
  }

  /** What this tab wants set and no leader has confirmed. */
  #steersAsked(): Steer[] {
    const asked = [...this.#questions.values()].filter(({ ask }) => ask === 'steer')
    return asked.map(({ args }) => args[0] as Steer)
  }

  #keep(steer: Steer): void {
    const [, what, value] = steer
    // As everything begins.
    if (what === 'isPaused' && value === false) this.#steers.delete(keyOf(steer))
    else this.#steers.set(keyOf(steer), steer)
  }

  #steered(steer: Steer): void {
    const [queue, , value] = steer
    this.#keep(steer)
    const local = this.#local ?? this.#candidate
    if (local && !local.isClosed) steerLocal(local, steer)
    for (const { guest } of this.#guests.values()) guest.steer(steer)
    if (queue !== undefined || local) return
    this.#see({ ...this.#board, snapshot: { ...this.#board.snapshot, isPaused: value === true } })
  }

  // Closing.

  get isClosed(): boolean {
    return this.#isClosing || this.isEnded
  }

  get isEnded(): boolean {
    return this.#hasEnded || this.#failure !== undefined
  }

  closedError(): OffstageError {
    return this.#failure ?? closedError()
  }

  onClose(callback: () => void): () => void {
    this.#closers.add(callback)
    return () => this.#closers.delete(callback)
  }

  /**
   * The leader closes as a scheduler of its own does, and then another tab leads. A follower just leaves: its jobs go on
   * without it. With `drain` it waits first until the leader has nothing left to do.
   */
  close(mode: CloseMode, timeoutMs: number | undefined): Promise<void> {
    if (mode === 'now') {
      this.#hurry?.()
      void this.#local?.close(mode, timeoutMs)
    }
    this.#closed ??= this.#close(mode, timeoutMs)
    return this.#closed
  }

  async #close(mode: CloseMode, timeoutMs: number | undefined): Promise<void> {
    this.#isClosing = true
    if (mode === 'drain' && !this.#local && !this.isEnded && !this.#isApart) await this.#drained(timeoutMs)
    const local = this.#local
    if (local)
      await new Promise<void>((resolve) => {
        this.#onDropped = resolve
        local.close(mode, timeoutMs).then(resolve, resolve)
      })
    if (!this.isEnded) {
      this.#hasEnded = true
      this.#leave()
    }
    await this.#storeClosed
  }

  #drained(timeoutMs: number | undefined): Promise<void> {
    return new Promise((resolve) => {
      const { clock } = this.#host
      const stopTimer = timeoutMs === undefined ? undefined : clock.startTimer(() => over(), timeoutMs, true)
      const over = () => {
        stopTimer?.()
        resolve()
      }
      this.#hurry = over
      this.#ask('idle').then(over, over)
    })
  }

  /** Whoever waits for anything here is told that it is over. */
  #leave(): void {
    const error = this.closedError()
    const local = this.#local
    if (local) this.#board = { snapshot: local.snapshot(), stats: local.stats(), queues: {} }
    for (const stop of this.#stopListening) stop()
    this.#sleep()
    const jobs = [...this.#known.values(), ...[...this.#wanted.values()].map(({ job }) => job)]
    for (const job of jobs) if (!job.hasEnded) job.abandon(error)
    for (const { ask, answer } of this.#questions.values()) {
      if (ask === 'idle' && !this.#failure) answer.resolve(undefined as never)
      else answer.reject(error)
    }
    this.#questions.clear()
    this.#known.clear()
    this.#wanted.clear()
    for (const callback of [...this.#closers]) callback()
    this.#closers.clear()
    this.#notify()
  }
}

/** With the object for what hangs on it. */
type Naming = NamedRequest & { readonly job: LiveJob }

const recordOf = ({ name, input, options }: NamedRequest, now: number): JobRecord =>
  createRecord({ id: options.id, name, input, seq: 0, lineTime: now }, options, noDefaults, now)

/** Not for its signal's sake. */
const isCancel = ({ id, error }: JobRecord): boolean =>
  error instanceof OffstageError && error.code === 'JOB_CANCELLED' && error.jobId === id

const keyOf = ([queue, what]: Steer): string => `${what} ${queue ?? ''}`

function steerLocal(local: LocalEngine, [queue, what, value]: Steer): void {
  const control = queue === undefined ? local : local.queue(queue)
  if (what !== 'isPaused') (control as QueueControl)[what](value as never)
  else if (value) control.pause()
  else control.resume()
}

/** Callbacks hang on the jobs already. */
const withoutAttaching = ([requests, ...rest]: readonly unknown[]): readonly unknown[] => [
  (requests as readonly Naming[]).map((request) => ({ ...request, attach: undefined })),
  ...rest,
]

function argsToWire(ask: Question['ask'], args: readonly unknown[]): readonly unknown[] {
  if (ask === 'insert') {
    const [requests, ...rest] = args as [readonly Naming[]]
    return [requests.map(insertToWire), ...rest]
  }
  if (ask !== 'act') return args
  const [verb, target, argument] = args as [Verb, LiveJob | string | JobFilter, unknown]
  return [verb, target instanceof LiveJob ? target.record.id : target, thrownToWire(argument)]
}

/** With the defaults of this tab: the leader's may be others. */
function mergeOptions({ options, defaults }: InsertRequest): JobOptions {
  const merged: Record<string, unknown> = { ...options }
  for (const [key, value] of Object.entries(defaults.options)) merged[key] ??= value
  return merged as JobOptions
}

/** To add a job again that is known by its record alone. */
function requestOf({ job, ifExists }: Adding): Naming {
  const { id, name, queue, input, priority, rules, addedAt, runAt, expiresAt } = job.record
  const expiresInMs = expiresAt === undefined ? undefined : expiresAt - addedAt
  const options = { ...rules, id, ifExists, queue, priority, runAt, expiresInMs }
  return { name, input, options, defaults: noDefaults, transfer: undefined, attach: undefined, job }
}

const freeze = (snapshot: SchedulerSnapshot): SchedulerSnapshot =>
  Object.freeze({ ...snapshot, counts: Object.freeze(snapshot.counts) })

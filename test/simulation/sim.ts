/** The scheduler and its journal, whole, over a disk, a clock, threads and a user that are all played. */

import { dedupe } from '../../src/dedupe/dedupe.ts'
import { extend } from '../../src/extend.ts'
import { batches } from '../../src/flows/batches.ts'
import { flows } from '../../src/flows/flows.ts'
import { grouped } from '../../src/groups/grouped.ts'
import { history } from '../../src/history/history.ts'
import type { Projection } from '../../src/history/projection.ts'
import { queueKey } from '../../src/job/queue-key.ts'
import { signalsAwaited } from '../../src/job/waits.ts'
import type { ChildRequest } from '../../src/pool/protocol.ts'
import type { RateLimit } from '../../src/queue/rate-limit.ts'
import type { QueueSettings } from '../../src/queue/settings.ts'
import { createScheduler } from '../../src/scheduler.ts'
import { schedules } from '../../src/schedules/schedules.ts'
import type { OffstageError } from '../../src/shared/errors.ts'
import type { Port } from '../../src/shared/port.ts'
import { FileMedium } from '../../src/store/file-medium.ts'
import { Journal } from '../../src/store/journal.ts'
import { topics } from '../../src/topics/topics.ts'
import type { Job } from '../../src/typed-job.ts'
import type { Scheduler } from '../../src/typed-scheduler.ts'
import { Chance } from './chance.ts'
import { drain } from './drain.ts'
import { show } from './equal.ts'
import { extensions, tally } from './extensions.ts'
import { Faults } from './faults.ts'
import { FlowUser } from './flow-user.ts'
import { groupLimits } from './group-oracle.ts'
import { type Digest, digest, noEntries, projectionId } from './history-oracle.ts'
import { folder } from './journal-sim.ts'
import { merge } from './key-oracle.ts'
import { KeyUser } from './key-user.ts'
import { isOf, isPlain, type SimInput, type Tag, tagOf } from './kinds.ts'
import { type Added, type Changes, type Found, Oracle, WatchedStore } from './oracle.ts'
import { hops } from './platform/hop.ts'
import { luck } from './platform/host.ts'
import { ScheduleUser } from './schedule-user.ts'
import type { Options } from './setting-oracle.ts'
import { SimClock } from './sim-clock.ts'
import { SimCondition } from './sim-condition.ts'
import { SimDisk, SimFileSystem } from './sim-disk.ts'
import { type SimTask, SimWorker, type WorkerHost } from './sim-worker.ts'
import type { Stats, Trace } from './stats.ts'
import { rememberMs } from './topic-oracle.ts'
import { TopicUser } from './topic-user.ts'
import { assert, Violation } from './truth.ts'
import { jobNames as names, type UserHost } from './user.ts'

type Phase = 'opening' | 'open' | 'refused' | 'closing' | 'ended'
type AnyJob = Job<unknown, unknown, unknown>
interface Spawning {
  readonly resolve: (port: Port) => void
  readonly reject: (error: unknown) => void
}

const workMs = 1_700_000_000_000
const ownIds = Array.from({ length: 10 }, (_, index) => `own ${index}`)
/** Of one job of each group at a time, two by turns of their own length, strict ones, and with a rate limit. */
const groupedQueues = (pace: RateLimit) => ({
  single: grouped({ concurrency: groupLimits.single }),
  shared: grouped({ concurrency: groupLimits.shared, weight: { a: 2 } }),
  chain: grouped({ strict: true }),
  toll: grouped({ rateLimit: pace }),
})
const groupedJobs = (['single', 'shared', 'chain', 'toll'] as const).flatMap((queue) =>
  ['a', 'b', undefined].map((group) => (group === undefined ? { queue } : { queue, group })),
)
const queueNames = ['default', 'narrow', 'wide', 'paced']
const sliding = { limit: 2, intervalMs: 700 }
const paces: readonly RateLimit[] = [
  ...[sliding, sliding, { ...sliding, minGapMs: 150 }, { ...sliding, type: 'fixed-window' as const }],
  { type: 'token-bucket', limit: 2, intervalMs: 700, burst: 3 },
]
const lookUps = ['get', 'find', 'counts']
const verbs = ['cancel', 'retry', 'remove', 'setPriority', 'promote', 'update'] as const

/** Of one life of a process. */
class Life {
  phase: Phase = 'opening'
  isRefused = false
  readonly disk: SimDisk
  readonly scheduler: Scheduler
  /** What was promised and is not settled. */
  readonly promises = new Set<string>()
  /** Of these, look-ups; and what waits for no more than the next batches, with how many had been refused whole when it was asked for. */
  readonly looking = new Set<string>()
  readonly acting = new Map<string, number>()
  readonly jobs: AnyJob[] = []
  readonly controllers: AbortController[] = []
  readonly settled = new Map<number, number>()
  /** What it makes of the history, if there is one. */
  projection: Projection<Digest> | undefined

  constructor(disk: SimDisk, makeScheduler: (life: Life) => Scheduler) {
    this.disk = disk
    this.scheduler = makeScheduler(this)
  }
}

export class Simulation implements WorkerHost {
  readonly chance: Chance
  readonly #stats: Stats
  readonly #trace: Trace
  readonly #clock = new SimClock(workMs)
  /** Of a queue, in some runs. */
  readonly #condition = new SimCondition()
  readonly #weather: Chance
  /** What groups are set to. */
  readonly #grouping: Chance
  readonly #system: SimFileSystem
  readonly #faults: Faults
  readonly #oracle: Oracle
  readonly #settings
  readonly #crashRate: number
  #workers: SimWorker[] = []
  #spawning: Spawning[] = []
  #guests: { disk: SimDisk; isOpen: boolean }[] = []
  #life: Life
  readonly #schedules: ScheduleUser
  readonly #keys: KeyUser
  readonly #flows: FlowUser
  readonly #topics: TopicUser
  #tag = 0
  #pid = 0
  #promise = 0
  #again: string | undefined
  isCalm = false
  readonly hasKillers: boolean
  #isKilled = false
  /** The worker module is not there for a while, or fails after it has said that it is ready. */
  #isOut: boolean

  constructor(seed: number, stats: Stats, trace: Trace) {
    hops.clear()
    this.chance = new Chance(seed)
    const { chance } = this
    this.#stats = stats
    this.#trace = trace
    this.#system = new SimFileSystem(chance.random)
    this.#faults = new Faults(chance, this.#system)
    this.#crashRate = chance.of([0, 0.001, 0.004, 0.02])
    if (chance.is(0.1)) this.#clock.dragMs = 1
    this.hasKillers = chance.is(0.3)
    luck.random = chance.random
    // By chances of their own: what the other runs do, and find, stays the same.
    const late = new Chance(seed + 2 ** 20)
    const guests = new Chance(seed + 2 ** 21)
    this.#weather = new Chance(seed + 2 ** 22)
    const readers = new Chance(seed + 2 ** 24)
    this.#grouping = new Chance(seed + 2 ** 23)
    const keep = { count: chance.of([2, 10, 1_000]), ageMs: chance.of([5_000, 3_600_000]) }
    this.#settings = {
      keep: { completed: keep, failed: { ...keep, count: keep.count * 2 }, cancelled: keep },
      workers: { min: chance.int(2), max: 1 + chance.int(3), idleMs: 2_000 },
      concurrency: chance.of([1, 1, 3]),
      maxQueued: chance.of([15, 40]),
      graceMs: chance.of([100, 1_000]),
      compactBytesMin: chance.of([1_000, 4_000, 20_000]),
      // Mostly one frame for a batch, or several, even for one job with its steps.
      frameBytes: chance.of([150, 600, 1_000_000, 1_000_000]),
      deathRate: chance.of([0, 0, 0.003]),
      loadFailures: chance.of([0, 0, 0.2]),
      loops: chance.of([0, 0, 0.05]),
      outages: chance.of([0, 0, 0.01]),
      jumps: chance.of([0, 0, 0.1]),
      failsAfterMs: this.#clock.dragMs > 0 ? undefined : late.of([undefined, undefined, 300, 1_200]),
      hasExtensions: chance.is(0.5),
      hasSchedules: guests.is(0.2),
      hasKeys: guests.is(0.2),
      hasGroups: guests.is(0.3),
      hasHistory: readers.is(0.2),
      historyCount: readers.of([20, 200]),
      hasFlows: new Chance(seed + 2 ** 25).is(0.25),
      hasTopics: new Chance(seed + 2 ** 26).is(0.2),
      hasFamilies: new Chance(seed + 2 ** 27).is(0.25),
      limits: { narrow: 1, wide: 2, paced: Number.POSITIVE_INFINITY },
      pace: late.of(paces),
      hasCondition: this.#weather.is(0.3),
      lifo: this.#weather.is(0.2),
      ageing: this.#weather.is(0.2) ? { everyMs: this.#weather.of([500, 5_000]), by: 1 } : undefined,
      reserve: this.#weather.is(0.2) ? { workers: 1 + this.#weather.int(2), minPriority: 2 } : undefined,
    }
    // Then first of all, for a while or for ever.
    this.#isOut = this.#settings.failsAfterMs !== undefined
    const world = this
    this.#oracle = new Oracle({
      clock: this.#clock,
      stats,
      keep: this.#settings.keep,
      maxQueued: this.#settings.maxQueued,
      order: {
        queues: { wide: { lifo: this.#settings.lifo }, default: { ageing: this.#settings.ageing } },
        reserve: this.#settings.reserve,
        workersMax: this.#settings.workers.max,
      },
      get isClosing() {
        return world.#life.phase === 'closing'
      },
      get workers() {
        return world.#workers
      },
    })
    this.#oracle.hasExtensions = this.#settings.hasExtensions
    this.#oracle.hasSchedules = this.#settings.hasSchedules
    this.#oracle.hasKeys = this.#settings.hasKeys
    this.#oracle.hasHistory = this.#settings.hasHistory
    this.#oracle.hasFlows = this.#settings.hasFlows
    this.#oracle.hasTopics = this.#settings.hasTopics
    this.#oracle.hasFamilies = this.#settings.hasFamilies
    const host = this.#hostOfUsers()
    this.#schedules = new ScheduleUser(host)
    this.#flows = new FlowUser(host)
    this.#topics = new TopicUser(host)
    this.#keys = new KeyUser(host, (job) => this.#keep(job, tagOf(job)))
    this.#life = this.#begin()
  }

  #hostOfUsers(): UserHost {
    const world = this
    return {
      chance: this.chance,
      clock: this.#clock,
      oracle: this.#oracle,
      get scheduler() {
        return world.#life.scheduler
      },
      get isOpen() {
        return world.#life.phase === 'open'
      },
      nextTag: () => this.nextTag(),
      jobOptions: () => this.#jobOptions(),
      watch: (label, promise, onValue, onError) => this.#watch(label, promise, onValue, onError),
      actOn: (verb, id) => this.#actOn(verb, id),
      say: (kind, line) => this.#say(kind, line),
    }
  }

  run(steps: number): void {
    for (let step = 0; step < steps; step++) {
      this.#stats.steps++
      this.#step()
      this.#check()
    }
    this.#finish()
    this.#stats.addAll(this.#system.counts, 'disk: ')
    this.#stats.runs++
  }

  #check(): void {
    drain()
    this.#checkSettled()
    if (this.#oracle.violation) throw this.#oracle.violation
  }

  /** While the store takes nothing, and nothing is on its way there, nobody waits who need not. */
  #checkSettled(): void {
    const { phase, looking, acting } = this.#life
    const { truth, isStopped, timesStuck } = this.#oracle
    if (phase !== 'open' || hops.pending > 0 || truth.pending || isStopped) return
    const [late] = looking
    this.#oracle.guard(() => assert(late === undefined, 'I11', () => `${late} waits for nothing`))
    for (const [key, since] of acting)
      this.#oracle.guard(() =>
        assert(timesStuck - since < 2, 'I11', () => `${key} has not settled, and the store refuses all it is asked`),
      )
  }

  #say(kind: number, line: () => string): void {
    this.#trace.note(kind)
    if (this.#trace.isVerbose) this.#trace.say(line)
  }

  // Lives.

  #begin(): Life {
    const disk = new SimDisk(this.#system, ++this.#pid)
    disk.plan = this.#faults.plan
    this.#oracle.newLife(this.#optionsByQueue())
    return new Life(disk, (life) => this.#makeScheduler(life, disk))
  }

  /** What is set of queues and groups before anything else is. */
  #optionsByQueue(): Options {
    const { limits, pace, hasGroups } = this.#settings
    const queues: Options = {
      narrow: { concurrency: limits.narrow },
      wide: { concurrency: limits.wide },
      paced: { rateLimit: pace },
    }
    const groups = hasGroups ? groupedJobs.filter(({ group }) => group !== undefined) : []
    const options = groups.map(({ queue, group }): [string, QueueSettings] => [
      queueKey(queue, group),
      {
        concurrency: groupLimits[queue],
        rateLimit: queue === 'toll' ? pace : null,
        weight: queue === 'shared' && group === 'a' ? 2 : 1,
      },
    ])
    return { ...queues, ...Object.fromEntries(options) }
  }

  #makeScheduler(life: Life, disk: SimDisk): Scheduler {
    const { keep, workers, concurrency, maxQueued, graceMs, compactBytesMin, frameBytes, limits } = this.#settings
    const { hasCondition, lifo, ageing, reserve } = this.#settings
    const medium = new FileMedium(() => disk, folder, { durability: 'strict' })
    const journal = new Journal(medium, { valueBytesMax: 10_000, compactBytesMin, frameBytes })
    const isCurrent = () => this.#life === life || this.#life === undefined
    const store = new WatchedStore(journal, this.#oracle, isCurrent, (error) =>
      this.#opened(life, error as OffstageError),
    )
    const scheduler = createScheduler((() => this.#spawn(life)) as never, {
      store,
      keep,
      workers,
      reserve,
      concurrency,
      maxQueued,
      graceMs,
      startTimeoutMs: 3_000,
      queues: {
        narrow: { concurrency: limits.narrow },
        wide: { concurrency: limits.wide, lifo, condition: hasCondition ? this.#condition : undefined },
        default: { ageing },
        paced: { rateLimit: this.#settings.pace },
        ...(this.#settings.hasGroups && groupedQueues(this.#settings.pace)),
      },
      clock: this.#clock,
      random: this.chance.random,
    })
    for (const type of [
      'added',
      'started',
      'retrying',
      'snoozed',
      'interrupted',
      'completed',
      'failed',
      'cancelled',
      'removed',
    ] as const) {
      scheduler.on(type, ({ jobId }) => {
        if (isCurrent()) this.#oracle.guard(() => this.#oracle.told(type, jobId))
      })
    }
    if (this.#settings.hasExtensions) for (const extension of extensions) extend(scheduler, extension)
    if (this.#settings.hasSchedules) this.#attachSchedules(scheduler as Scheduler, isCurrent)
    if (this.#settings.hasHistory) {
      const { project } = history(scheduler as Scheduler, { keep: { count: this.#settings.historyCount } })
      life.projection = project(digest, noEntries, { id: projectionId })
    }
    if (this.#settings.hasKeys) dedupe(scheduler as Scheduler, { merge: merge as never })
    if (this.#settings.hasTopics) topics(scheduler as Scheduler, { rememberMs })
    if (this.#settings.hasFlows) {
      flows(scheduler as Scheduler)
      batches(scheduler as Scheduler)
    }
    scheduler.on('started', ({ jobId, attempt }) => {
      if (!isCurrent()) return
      this.#oracle.guard(() => this.#oracle.sent(jobId, attempt))
    })
    scheduler.on('store:error', () => this.#stats.count('store:error'))
    scheduler.on('error', ({ error }) => {
      const { code, message } = error as Partial<OffstageError>
      if (code === 'EXTENSION_FAILED' && message?.includes(" failed on 'step' of the job ")) return
      this.#oracle.violation ??= new Violation('I12', `an error that nobody caught: ${(error as Error)?.stack}`)
    })
    return scheduler as Scheduler
  }

  #attachSchedules(scheduler: Scheduler, isCurrent: () => boolean): void {
    schedules(scheduler)
    scheduler.on('schedule:fired', ({ jobId }) => {
      if (isCurrent()) this.#oracle.guard(() => this.#oracle.told('added', jobId))
    })
    scheduler.on('schedule:skipped', ({ reason, error }) => {
      this.#stats.count(`schedules: occurrences skipped: ${reason}`)
      if (reason === 'refused')
        this.#oracle.violation ??= new Violation('I19', `an occurrence is refused: ${String(error)}`)
    })
  }

  #opened(life: Life, error: OffstageError | undefined): void {
    if (!error) {
      life.phase = life.phase === 'opening' ? 'open' : life.phase
      this.#stats.count('opened')
      this.#say(1, () => `opened: ${show(this.#oracle.states())}`)
      return
    }
    this.#say(2, () => `refused: ${error.code} ${error.message}`)
    this.#stats.count(`open refused: ${error.code}`)
    life.isRefused = true
    if (life.phase === 'opening') life.phase = 'refused'
    if (error.code === 'STORE_WRITE_FAILED') {
      if (this.chance.is(0.5)) this.#faults.calm(true)
      return
    }
    this.#oracle.violation ??= new Violation(
      'I9',
      `an opening was refused: ${error.code} ${error.stack} ${String(error.cause)}`,
    )
  }

  #crash(): void {
    const isPowerCut = this.chance.is(0.6)
    this.#say(3, () => (isPowerCut ? 'power cut' : 'kill'))
    this.#stats.crashes++
    this.#stats.count(isPowerCut ? 'power cuts' : 'kills')
    if (this.#life.phase === 'opening') this.#stats.count('crashes while opening')
    if (this.#life.phase === 'closing') this.#stats.count('crashes while closing')
    this.#life.disk.kill()
    if (isPowerCut) this.#system.cutPower()
    this.#clearMemory()
    if (this.chance.is(0.3)) this.#pass(this.chance.of([10, 5_000, 200_000]))
    this.#life = this.#begin()
  }

  #clearMemory(): void {
    this.#isKilled = false
    for (const { disk } of this.#guests) disk.kill()
    this.#guests = []
    this.#workers = []
    this.#spawning = []
    hops.clear()
    this.#clock.clear()
    this.#condition.clear()
  }

  /** While no process runs. */
  #pass(ms: number): void {
    this.#stats.count('gaps between lives')
    this.#clock.advance(ms)
  }

  // Threads.

  #spawn(life: Life): Promise<Port> {
    return new Promise((resolve, reject) => {
      if (life === this.#life) this.#spawning.push({ resolve, reject })
    })
  }

  #stepSpawn(): void {
    const { resolve, reject } = this.#spawning.shift() as Spawning
    const isOut = !this.isCalm && this.#isOut
    const isStillborn = isOut && this.chance.is(0.2)
    const { failsAfterMs, loadFailures } = this.#settings
    const isMissing = isOut && !isStillborn && failsAfterMs === undefined
    if (!this.isCalm && (isMissing || (!isStillborn && this.chance.is(loadFailures)))) {
      this.#stats.count('threads that did not load')
      return reject(new Error('no thread today'))
    }
    const worker = new SimWorker(this, this.#settings.concurrency > 1, failsAfterMs !== undefined)
    worker.isStillborn = isStillborn
    if (isOut) worker.failsAfterMs = failsAfterMs
    else this.#oracle.hasLoaded = true
    this.#workers.push(worker)
    resolve(worker)
  }

  nextTag(): number {
    return ++this.#tag
  }

  appendedBy(input: SimInput): unknown {
    return this.#flows.appendedBy(input)
  }

  get hasFamilies(): boolean {
    return this.#settings.hasFamilies
  }

  /** A job that another runs. What it is given is another each time; the one that is there keeps what it has. */
  childOf(id: string): ChildRequest {
    const tag = ++this.#tag
    const input: SimInput = { tag, value: this.chance.value(tag, 100), of: 'child', within: id }
    const options = this.chance.is(0.05) ? { priority: 'high' } : this.#jobOptions()
    this.#oracle.adds.set(tag, { tag, input, options: {} })
    return { input, options }
  }

  after(ms: number, callback: () => void): () => void {
    return this.#clock.startTimer(callback, ms)
  }

  onModuleFailed(worker: SimWorker): void {
    this.#say(21, () => 'a module fails')
    this.#stats.count('modules that failed late')
    if (worker.tasks.length > 0) this.#stats.count('modules that failed late, with a job')
    worker.hasFailed = true
    this.#oracle.moduleFailed(worker)
  }

  leavesLoop(): boolean {
    const does = this.chance.is(this.#settings.loops)
    if (does) this.#stats.count('loops left behind')
    return does
  }

  onKill({ id }: SimTask): void {
    this.#say(20, () => `${id} ends the process`)
    this.#stats.count('jobs that ended the process')
    this.#isKilled = true
  }

  onClaimed(task: SimTask): void {
    this.#oracle.guard(() => this.#oracle.claimed(task))
  }

  onRun(worker: SimWorker, task: { id: string; attempt: number } & Parameters<Oracle['ran']>[0]): void {
    void worker
    this.#stats.count('attempts')
    this.#say(4, () => `run ${task.id} attempt ${task.attempt}: ${task.plan}`)
    this.#oracle.guard(() => this.#oracle.ran(task))
  }

  onKept(_worker: SimWorker, value: unknown): void {
    this.#stats.count('kept')
    this.#oracle.guard(() => this.#oracle.kept(value))
  }

  onHeard(task: Parameters<Oracle['ran']>[0], message: readonly unknown[]): void {
    this.#say(5, () => `heard ${message[0]} of ${task.id} attempt ${task.attempt}`)
    this.#oracle.heard(task, message)
  }

  onGone(worker: SimWorker, isByItself: boolean): void {
    this.#say(6, () => `thread gone${isByItself ? ' by itself' : ''}`)
    if (isByItself) this.#stats.count('threads that died')
    if (isByItself && !worker.hasFailed) this.#oracle.hasLoaded = true
    this.#oracle.gone(worker, isByItself)
  }

  // One step.

  #step(): void {
    const { chance } = this
    if (this.#crashRate > 0 && chance.is(this.#crashRate)) return this.#crash()
    if (chance.is(this.#settings.outages)) this.#isOut = !this.#isOut
    const pick = chance.int(1000)
    if (pick < 400 && this.#stepDisk()) return
    if (pick < 760 && this.#stepThreads()) return
    if (pick < 780 && hops.pending > 0) return hops.step()
    if (pick < 850) return this.#stepClock()
    if (pick < 855) return this.#faults.breathe()
    if (pick < 857 && this.#life.phase === 'open') return this.#tryGuest()
    if (this.#life.phase === 'refused' || this.#life.phase === 'ended' || this.#oracle.isStopped) return this.#replace()
    if (pick < 860 && chance.is(0.15)) return this.#close()
    this.#command()
  }

  #stepDisk(): boolean {
    const { disk } = this.#life
    const guest = this.#guests.length > 0 && this.chance.is(0.3) ? this.chance.of(this.#guests) : undefined
    const target = guest && guest.disk.pending > 0 ? guest.disk : disk
    if (target.pending === 0) return false
    this.#say(7, () => `disk ${target.next}`)
    target.step()
    // Calls of one tick are often answered by one message.
    while (target.pending > 0 && this.chance.is(0.3)) target.step()
    return true
  }

  #stepThreads(): boolean {
    if (this.#spawning.length > 0 && this.chance.is(0.2)) {
      this.#stepSpawn()
      return true
    }
    const workers = this.#workers
    if (workers.length === 0) return false
    const from = this.chance.int(workers.length)
    for (let index = 0; index < workers.length; index++) {
      const worker = workers[(from + index) % workers.length] as SimWorker
      if (!worker.canStep) continue
      this.#trace.note(8)
      if (!this.isCalm && worker.isReady && this.chance.is(this.#settings.deathRate)) worker.die(this.chance.is(0.5))
      else worker.step()
      if (this.#isKilled) this.#crash()
      if (worker.isDead) this.#workers = workers.filter(({ isDead }) => !isDead)
      return true
    }
    return false
  }

  #stepClock(): void {
    const { chance } = this
    this.#say(9, () => 'clock')
    if (!this.isCalm && this.#settings.jumps > 0 && chance.is(this.#settings.jumps)) {
      this.#stats.count('clock jumps')
      return this.#clock.jump(chance.of([-3_600_000, -1_000, 60_000, 10 * 365 * 86_400_000]))
    }
    if (this.#settings.hasCondition && this.#weather.is(0.05)) this.#setCondition(this.#weather.is(0.5))
    this.#clock.advance(chance.of([0, 1, 20, 300, 1_000, 10_000]))
    this.#checkTimely()
  }

  #setCondition(isMet: boolean): void {
    const isAnnounced = this.#weather.is(0.6)
    this.#say(22, () => `the condition is ${isMet ? 'met' : 'not met'}${isAnnounced ? '' : ', and says nothing'}`)
    const waits = [...this.#oracle.truth.records.values()].some(
      ({ state, queue }) => state === 'queued' && queue === 'wide',
    )
    if (isMet && waits && this.#oracle.unmetQueues.has('wide')) this.#stats.count('conditions met while jobs wait')
    this.#oracle.areGatesTouched = true
    if (isMet) this.#oracle.unmetQueues.clear()
    else this.#oracle.unmetQueues.add('wide')
    this.#condition.set(isMet, isAnnounced)
  }

  #checkTimely(): void {
    const isQuiet = this.#life.disk.pending === 0 && hops.pending === 0 && !this.#oracle.truth.pending
    if (this.#life.phase !== 'open' || !isQuiet || this.#oracle.isStopped || this.#system.capacity < 1e9)
      return this.#oracle.forgetLateness()
    drain()
    this.#oracle.guard(() => this.#oracle.checkTimely())
  }

  /** Somebody else tries to open the same folder. */
  #tryGuest(): void {
    if (this.#guests.length > 0) return
    const disk = new SimDisk(this.#system, ++this.#pid)
    const guest = { disk, isOpen: false }
    this.#guests.push(guest)
    this.#stats.count('second openers')
    const journal = new Journal(new FileMedium(() => disk, folder, { durability: 'strict' }), { valueBytesMax: 10_000 })
    const host = { clock: this.#clock, random: this.chance.random, errors: [], report() {}, stopped() {} }
    const life = this.#life
    const leave = () => {
      disk.kill()
      this.#guests = this.#guests.filter((other) => other !== guest)
    }
    journal.open(host).then(
      () => {
        if (life !== this.#life || disk.isDead) return
        this.#oracle.violation ??= new Violation('I10', 'two have the same folder open')
      },
      (error: OffstageError) => {
        if (life !== this.#life || disk.isDead) return
        this.#stats.count(`second opener refused: ${error.code}`)
        if (error.code !== 'STORE_LOCKED')
          this.#oracle.violation ??= new Violation('I10', `a second opener was refused with ${error.stack}`)
        if (disk.writes > 0) this.#oracle.violation ??= new Violation('I8', 'a second opener was refused, and wrote')
        leave()
      },
    )
  }

  // The user.

  /** Everything that is promised is settled in the end. */
  #watch<Value>(
    label: string,
    promise: Promise<Value>,
    onValue: (value: Value) => void,
    onError: (error: unknown) => void,
  ): void {
    const life = this.#life
    const key = `${++this.#promise} ${label}`
    life.promises.add(key)
    if (lookUps.includes(label)) life.looking.add(key)
    else if (label === 'idle' || verbs.some((verb) => label.startsWith(verb)))
      life.acting.set(key, this.#oracle.timesStuck)
    const settled = () => {
      life.promises.delete(key)
      life.looking.delete(key)
      life.acting.delete(key)
    }
    promise.then(
      (value) => {
        settled()
        if (life === this.#life) this.#oracle.guard(() => onValue(value))
      },
      (error) => {
        settled()
        if (life === this.#life) this.#oracle.guard(() => onError(error))
      },
    )
  }

  #command(): void {
    const { chance } = this
    if (this.#again !== undefined) return this.#add({ id: this.#again, ifExists: 'replace' })
    if (this.#settings.hasSchedules && chance.is(0.12)) return this.#schedules.act()
    if (this.#settings.hasKeys && chance.is(0.4)) return this.#keys.add()
    if (this.#settings.hasFlows && chance.is(0.3)) return this.#flows.act()
    if (this.#settings.hasTopics && chance.is(0.15)) return this.#topics.act()
    const pick = chance.int(100)
    if (pick < 50) return this.#add()
    if (pick < 55) return this.#addMany()
    if (pick < 80) return this.#act()
    if (pick < 84) return this.#actOnMany()
    if (pick < 88) return this.#look()
    if (pick < 92) return this.#steer()
    if (pick < 94) return void chance.of(this.#life.controllers)?.abort(new Error('aborted'))
    if (pick < 96) return this.#askResult()
    if (pick < 98 && this.#settings.hasExtensions) return this.#bump()
    this.#watch(
      'idle',
      this.#life.scheduler.onIdle(),
      () => {},
      () => {},
    )
  }

  #request(given: Record<string, unknown> = {}): {
    added: Added
    name: string
    input: unknown
    options: Record<string, unknown>
  } {
    const { chance } = this
    const tag = ++this.#tag
    const input: Record<string, unknown> = { tag, value: chance.value(tag, 200) }
    if (this.#settings.hasExtensions && chance.is(0.2)) input.after = this.#someId()
    if (this.#settings.hasExtensions && chance.is(0.2)) input.isWatched = true
    const options: Record<string, unknown> = {}
    if (chance.is(0.25)) options.id = chance.of(ownIds)
    if (options.id && chance.is(0.3)) options.ifExists = chance.of(['replace', 'reject'])
    Object.assign(options, given)
    if (chance.is(0.4)) options.priority = chance.of([-1, 1, 2])
    if (chance.is(0.15)) options.delayMs = chance.of([0, 50, 5_000, 100_000])
    if (chance.is(0.5)) options.attempts = 1 + chance.int(3)
    if (chance.is(0.3))
      options.backoff = chance.of([
        { type: 'fixed', delayMs: 100 },
        { type: 'fixed', delayMs: 1_000 },
        { type: 'exponential', delayMs: 100, maxMs: 2_000, jitter: 'decorrelated' },
        [100, 3_000],
      ])
    if (chance.is(0.2)) Object.assign(options, { attempts: 9, retryForMs: chance.of([0, 1_000, 10_000, 100_000]) })
    if (chance.is(0.05)) options.timeoutMs = chance.of([10, 500])
    if (chance.is(0.06)) options.expiresInMs = chance.of([0, 100, 5_000, 60_000])
    if (chance.is(0.06)) options.keepMs = chance.of([0, 1_000, Number.POSITIVE_INFINITY])
    if (chance.is(0.3)) options.queue = chance.of(queueNames)
    if (this.#settings.hasGroups && chance.is(0.7)) Object.assign(options, chance.of(groupedJobs))
    if (chance.is(0.05)) options.tags = ['tagged']
    if (chance.is(0.05)) options.headers = { trace: String(tag) }
    if (chance.is(0.05)) {
      const controller = new AbortController()
      this.#life.controllers.push(controller)
      options.signal = controller.signal
    }
    if (chance.is(0.05)) options.onSettled = this.#onSettled(tag)
    const added: Added = { tag, input, options }
    this.#oracle.adds.set(tag, added)
    return { added, name: chance.of(names), input, options }
  }

  /** Of a job that a schedule adds, or that has a key. */
  #jobOptions(): Record<string, unknown> {
    const { chance } = this
    const options: Record<string, unknown> = {}
    if (chance.is(0.3)) options.priority = chance.of([-1, 1, 2])
    if (chance.is(0.3)) options.attempts = 1 + chance.int(3)
    if (chance.is(0.1)) options.delayMs = chance.of([50, 5_000])
    if (chance.is(0.1)) options.backoff = { type: 'fixed', delayMs: 100 }
    if (chance.is(0.05)) options.timeoutMs = 500
    if (chance.is(0.05)) options.expiresInMs = chance.of([100, 60_000])
    if (chance.is(0.1)) options.keepMs = chance.of([0, 1_000])
    if (chance.is(0.2)) options.queue = chance.of(queueNames)
    return options
  }

  #onSettled(tag: number): () => void {
    const life = this.#life
    return () => {
      const count = (life.settled.get(tag) ?? 0) + 1
      life.settled.set(tag, count)
    }
  }

  #note(options: Record<string, unknown>): void {
    const { id } = options as { id?: string }
    if (id === undefined) return
    this.#oracle.verbs.set(id, (this.#oracle.verbs.get(id) ?? 0) + 1)
    if (options.ifExists === 'replace') this.#oracle.removed.add(id)
  }

  #add(given?: Record<string, unknown>): void {
    const { added, name, input, options } = this.#request(given)
    this.#say(10, () => `add ${added.tag} ${show(options)}`)
    this.#note(options)
    // Once more, while this one is on its way.
    this.#again = options.ifExists === 'replace' && this.chance.is(0.7) ? (options.id as string) : undefined
    const { scheduler } = this.#life
    if (this.chance.is(0.3)) {
      const call = (scheduler.run as Record<string, (input: unknown, options: object) => Promise<unknown>>)[name]
      return this.#watch(
        `run ${added.tag}`,
        call?.(input, options) as Promise<unknown>,
        (result) => this.#oracle.resultResolved(added.tag, result),
        (error) => this.#oracle.resultRejected(added.tag, error),
      )
    }
    const call = (scheduler.add as Record<string, (input: unknown, options: object) => Promise<AnyJob>>)[name]
    const since = this.#oracle.batches
    this.#watch(
      `add ${added.tag}`,
      call?.(input, options) as Promise<AnyJob>,
      (job) => {
        this.#say(11, () => `added ${added.tag}: ${job.id} ${job.disposition}`)
        this.#stats.count('adds acknowledged')
        this.#oracle.addResolved(added, job.id, since)
        this.#keep(job, job.disposition === 'existing' ? undefined : added.tag)
      },
      (error) => this.#addRejected(added, error),
    )
  }

  #addRejected(added: Added, error: unknown): void {
    this.#say(12, () => `not added ${added.tag}: ${String(error)}`)
    this.#stats.count(`adds refused: ${(error as OffstageError)?.code ?? 'other'}`)
    this.#oracle.addRejected(added, error)
  }

  #keep(job: AnyJob, tag: Tag | undefined): void {
    const { jobs } = this.#life
    jobs.push(job)
    if (jobs.length > 40) jobs.shift()
    if (tag !== undefined && this.chance.is(0.5)) this.#result(job, tag)
  }

  #result(job: AnyJob, tag: Tag): void {
    const { state } = job.snapshot()
    this.#say(19, () => `ask result of ${job.id} (${state})`)
    // It was told that it failed, and it did; a retry may be safe already and not told.
    const hasFailed = state === 'failed' || state === 'cancelled'
    this.#watch(
      `result ${job.id} ${tag}`,
      job.result(),
      (result) => this.#oracle.resultResolved(tag, result),
      (error) => hasFailed || this.#oracle.resultRejected(tag, error),
    )
  }

  #addMany(): void {
    const since = this.#oracle.batches
    const requests = Array.from({ length: 1 + this.chance.int(4) }, () => this.#request())
    this.#countAdding(requests, 1)
    this.#say(13, () => `addMany ${requests.map(({ added }) => `${added.tag} ${show(added.options)}`)}`)
    this.#watch(
      'addMany',
      this.#life.scheduler.addMany(
        requests.map(({ name, input, options }) => ({ name, input, options })) as never,
      ) as Promise<AnyJob[]>,
      (jobs) => {
        this.#countAdding(requests, -1)
        for (const [index, job] of jobs.entries())
          this.#oracle.addResolved((requests[index] as { added: Added }).added, job.id, since)
      },
      (error) => {
        this.#countAdding(requests, -1)
        for (const { added } of requests) this.#addRejected(added, error)
      },
    )
  }

  /** What these calls add, they add when they come to it. */
  #countAdding(requests: readonly { readonly options: Record<string, unknown> }[], by: 1 | -1): void {
    const { adding } = this.#oracle
    for (const { options } of requests) {
      this.#note(options)
      const { id } = options as { id?: string }
      if (id !== undefined) adding.set(id, (adding.get(id) ?? 0) + by)
    }
  }

  #someId(): string | undefined {
    const { chance } = this
    if (chance.is(0.3)) return chance.of(ownIds)
    const { records } = this.#oracle.truth
    if (records.size === 0) return undefined
    const skip = chance.int(records.size)
    let index = 0
    for (const { id } of records.values()) if (index++ === skip) return id
    return undefined
  }

  #act(): void {
    const { chance } = this
    if (chance.is(0.2)) return this.#putInPlace()
    const id = this.#someId()
    if (id === undefined) return
    if (chance.is(0.4)) return this.#signal(id)
    const verb = chance.of(verbs)
    this.#actOn(verb, id)
    // Again, while the attempt that was cancelled is still on its thread.
    if (verb === 'cancel' && chance.is(0.4)) this.#actOn('retry', id)
  }

  #signal(id: string, name = this.chance.of(['go', 'go', 'stop'])): void {
    const tag = ++this.#tag
    const oracle = this.#oracle
    // Whether it is certain which job of that id is meant.
    const isCertain = (oracle.adding.get(id) ?? 0) === 0
    const seq = oracle.byId(id)?.seq
    this.#say(15, () => `signal ${id} ${tag}`)
    this.#watch(
      `signal ${id} ${tag}`,
      this.#life.scheduler.signal(id, name, tag),
      (isThere) => {
        this.#stats.count(`signal: ${isThere}`)
        const record = oracle.byId(id)
        if (isThere && isCertain && record?.seq === seq) oracle.waits.acknowledged(id, record, tag)
      },
      (error) => this.#notActed('promote', error),
    )
  }

  /** Ends a job that runs, and adds one of its id while its attempt may still be on a thread. */
  #putInPlace(): void {
    const { chance } = this
    const running = [...this.#oracle.truth.records.values()].filter(
      (record) => record.state === 'running' && isPlain(record),
    )
    if (running.length === 0) return
    const { id } = chance.of(running)
    this.#actOn(chance.of(['cancel', 'remove'] as const), id)
    this.#add({ id, ifExists: 'replace', priority: 2 })
  }

  #actOn(verb: (typeof verbs)[number], id: string): void {
    const { chance } = this
    this.#say(14, () => `${verb} ${id}`)
    const serial = (this.#oracle.verbs.get(id) ?? 0) + 1
    this.#oracle.verbs.set(id, serial)
    if (verb === 'promote') this.#oracle.promoted.add(id)
    if (verb === 'retry') this.#oracle.keys.retried(id)
    if (verb === 'remove') this.#oracle.removed.add(id)
    const argument = verb === 'setPriority' ? chance.int(5) : verb === 'update' ? this.#changes(id, serial) : undefined
    const { scheduler } = this.#life
    const call = () => {
      if (verb === 'setPriority') return scheduler.setPriority(id, argument as number)
      return verb === 'update' ? scheduler.update(id, argument as Changes) : scheduler[verb](id)
    }
    const promise = call()
    this.#watch(
      `${verb} ${id}`,
      promise as Promise<number | boolean>,
      (count) => {
        this.#stats.count(`${verb}: ${Number(count)}`)
        this.#oracle.acted(verb, id, serial, Number(count), argument)
      },
      (error) => this.#notActed(verb, error),
    )
  }

  /** Another input only for a job that nobody can have put another in the place of. */
  #changes(id: string, serial: number): Changes {
    const { chance } = this
    const record = this.#oracle.byId(id)
    const changes: { -readonly [Name in keyof Changes]: Changes[Name] } = {}
    if (chance.is(0.4)) changes.priority = chance.of([-1, 1, 2])
    if (chance.is(0.5)) changes.runAt = this.#clock.now() + chance.of([-5_000, 50, 5_000, 100_000])
    if (record && serial === 1 && !ownIds.includes(id) && !isOf(record, 'key') && chance.is(0.6))
      changes.input = { ...(record.input as object), value: chance.value(++this.#tag, 200) }
    this.#oracle.updates.set(id, [...(this.#oracle.updates.get(id) ?? []), changes])
    return changes
  }

  #actOnMany(): void {
    const { chance } = this
    const verb = chance.of(['cancel', 'retry', 'remove'] as const)
    const filter = chance.of([
      { state: 'failed' },
      { queue: 'narrow' },
      { tag: 'tagged' },
      { state: ['queued', 'scheduled'] },
    ] as const)
    if (verb !== 'retry' && chance.is(0.7)) return
    this.#say(15, () => `${verb} ${show(filter)}`)
    // Which jobs it meets only the engine knows: some of them may not be in the store yet.
    const { truth, verbs: serials } = this.#oracle
    const ids = [...truth.records.values()].map(({ id }) => id)
    for (const id of new Set([...ids, ...serials.keys()])) serials.set(id, (serials.get(id) ?? 0) + 1)
    if (verb === 'retry') for (const id of ids) this.#oracle.keys.retried(id)
    if (verb === 'remove') return void this.#removeMany(filter)
    this.#watch(
      `${verb} many`,
      this.#life.scheduler[verb](filter as never),
      () => {},
      (error) => this.#notActed(verb, error),
    )
  }

  #removeMany(filter: object): void {
    const { scheduler } = this.#life
    this.#watch(
      'find',
      scheduler.find(filter),
      (jobs) => {
        for (const { id } of jobs) {
          this.#oracle.removed.add(id)
          this.#oracle.verbs.set(id, (this.#oracle.verbs.get(id) ?? 0) + 1)
          this.#watch(
            `remove ${id}`,
            scheduler.remove(id),
            () => {},
            (error) => this.#notActed('remove', error),
          )
        }
      },
      (error) => this.#notActed('find', error),
    )
  }

  /** Only a store that is gone, or a scheduler that is, refuses what is to be done to jobs that are there. */
  #notActed(verb: string, error: unknown): void {
    const { code } = error as Partial<OffstageError>
    this.#stats.count(`${verb} refused: ${code ?? 'other'}`)
    const isUnrecorded = code === 'STORE_WRITE_FAILED' && this.#oracle.refusedInARow > 0 && !lookUps.includes(verb)
    if (isUnrecorded) this.#stats.count('done, and not recorded yet')
    const isExpected = code === 'SCHEDULER_CLOSED' || isUnrecorded || this.#oracle.isStopped || this.#life.isRefused
    assert(isExpected, 'I6', () => `${verb} was refused: ${(error as Error)?.stack}`)
  }

  #look(): void {
    this.#lookAtGroups()
    const { chance } = this
    const { scheduler } = this.#life
    const id = this.#someId() ?? 'nobody'
    const pick = chance.int(3)
    const oracle = this.#oracle
    const refused = (error: unknown) => this.#notActed('find', error)
    const see = oracle.look()
    const state = chance.of([undefined, 'queued', 'running', 'completed'] as const)
    if (pick === 0) this.#watch('counts', scheduler.counts(), (counts) => see.counts(counts, hops.pending > 0), refused)
    else if (pick === 1)
      this.#watch(
        'find',
        scheduler.find(state && { state }),
        (jobs) => this.#found(jobs, (found) => see.all(found, state, hops.pending > 0)),
        refused,
      )
    else
      this.#watch(
        'get',
        scheduler.get(id),
        (job) => this.#found(job ? [job] : [], (found) => see.one(id, found[0], hops.pending > 0)),
        refused,
      )
  }

  #lookAtGroups(): void {
    const { scheduler } = this.#life
    for (const { queue, group } of this.#settings.hasGroups ? groupedJobs : []) {
      const { running } = group === undefined ? scheduler.queue(queue) : scheduler.queue(queue).group(group)
      assert(running >= 0, 'I21', () => `${running} are said to run in '${queueKey(queue, group)}'`)
    }
  }

  #found(jobs: readonly AnyJob[], check: (found: Found[]) => void): void {
    check(jobs.map((job) => ({ tag: tagOf(job), ...job.snapshot() })))
    for (const job of jobs) this.#keep(job, undefined)
  }

  #bump(): void {
    const key = `bump ${++this.#tag}`
    const isRefusable = this.chance.is(0.5)
    this.#say(21, () => `${key} ${isRefusable}`)
    this.#watch(
      key,
      extend(this.#life.scheduler, tally).bump(key, isRefusable),
      () => this.#oracle.bumped(key),
      (error) => this.#oracle.notBumped(key, isRefusable, error),
    )
  }

  #askResult(): void {
    const job = this.chance.of(this.#life.jobs)
    if (!job) return
    if (job.input) this.#result(job, tagOf(job))
  }

  #steer(): void {
    const { chance } = this
    const { scheduler } = this.#life
    const oracle = this.#oracle
    // A drain lets everything through, whatever is asked of it by then.
    if (this.#life.phase === 'closing') return
    oracle.areGatesTouched = true
    try {
      if (this.#settings.hasGroups && this.#grouping.is(0.5)) return this.#steerGroup()
      const pick = chance.int(8)
      const queue = chance.of(queueNames)
      this.#say(16, () => `steer ${pick} ${queue}`)
      if (pick === 0) {
        scheduler.pause()
        oracle.isPaused = true
      } else if (pick < 3) {
        scheduler.resume()
        oracle.isPaused = false
      } else if (pick === 3) {
        this.#set(queue, { isPaused: true }, scheduler.queue(queue).pause())
      } else if (pick === 4) {
        this.#set(queue, { isPaused: false }, scheduler.queue(queue).resume())
      } else if (pick === 5) {
        this.#set(queue, null, scheduler.queue(queue).reset())
      } else if (pick === 6) {
        // What has started counts all the same.
        this.#set(
          'paced',
          { rateLimit: this.#settings.pace },
          scheduler.queue('paced').setRateLimit(this.#settings.pace),
        )
      } else {
        const limit = 1 + chance.int(3)
        this.#set('wide', { concurrency: limit }, scheduler.queue('wide').setConcurrency(limit))
      }
    } catch (error) {
      this.#oracle.guard(() => this.#notActed('steer', error))
    }
  }

  #steerGroup(): void {
    const chance = this.#grouping
    const { queue, group } = chance.of(groupedJobs.filter((job) => job.group !== undefined))
    const handle = this.#life.scheduler.queue(queue).group(group as string)
    const set = (settings: QueueSettings | null, done: Promise<void>) =>
      this.#set(queueKey(queue, group), settings, done)
    const pick = chance.int(7)
    if (pick === 0) set({ isPaused: true }, handle.pause())
    else if (pick < 3) set({ isPaused: false }, handle.resume())
    else if (pick === 3) set(null, handle.reset())
    else if (pick === 4) {
      const weight = 1 + chance.int(3)
      set({ weight }, handle.setWeight(weight))
    } else if (pick === 5) {
      const concurrency = queue === 'chain' ? 1 : 1 + chance.int(3)
      set({ concurrency }, handle.setConcurrency(concurrency))
    } else if (queue === 'toll') {
      const rateLimit = chance.of([...paces, null])
      set({ rateLimit }, handle.setRateLimit(rateLimit))
    }
  }

  #set(queue: string, settings: QueueSettings | null, done: Promise<void>): void {
    const oracle = this.#oracle
    const nth = oracle.settings.set(queue, settings)
    this.#watch(
      `set ${queue}`,
      done,
      () => oracle.settings.confirmed(queue, nth, oracle.truth.rows),
      (error) => this.#notActed('set', error),
    )
  }

  #resumeAll(): void {
    const { scheduler } = this.#life
    for (const name of queueNames) this.#set(name, { isPaused: false }, scheduler.queue(name).resume())
    for (const { queue, group } of this.#settings.hasGroups ? groupedJobs : [])
      if (group !== undefined)
        this.#set(queueKey(queue, group), { isPaused: false }, scheduler.queue(queue).group(group).resume())
  }

  // Ends.

  #close(): void {
    const { chance } = this
    const life = this.#life
    if (life.phase === 'closing') {
      if (chance.is(0.5))
        this.#watch(
          'close',
          life.scheduler.close({ mode: 'now' }),
          () => {},
          () => {},
        )
      return
    }
    const mode = chance.of(['drain', 'finish', 'now'] as const)
    this.#say(17, () => `close ${mode}`)
    this.#shut(mode, chance.is(0.5) ? 2_000 : undefined)
  }

  #shut(mode: 'drain' | 'finish' | 'now', timeoutMs: number | undefined): void {
    const life = this.#life
    life.phase = 'closing'
    this.#oracle.areGatesTouched = true
    for (const { disk } of this.#guests) disk.kill()
    this.#guests = []
    this.#oracle.isPaused = false
    this.#oracle.settings.isOver = true
    this.#watch(
      'close',
      life.scheduler.close(timeoutMs === undefined ? { mode } : { mode, timeoutMs }),
      () => {
        life.phase = 'ended'
        this.#stats.count(`closed: ${mode}`)
      },
      (error) => {
        throw new Violation('I11', `close rejected: ${(error as Error)?.stack}`)
      },
    )
  }

  /** A scheduler that has ended leaves nothing behind; then another begins. */
  #replace(): void {
    const life = this.#life
    if (life.phase !== 'ended') {
      if (life.phase !== 'closing') this.#shut('now', undefined)
      else this.#stats.count('waits for the end')
      return
    }
    this.#say(18, () => 'at rest')
    this.#assertAtRest(life)
    this.#clearMemory()
    if (this.chance.is(0.3)) this.#pass(this.chance.of([10, 5_000, 200_000]))
    this.#life = this.#begin()
    if (this.isCalm) this.#resumeAll()
  }

  #assertAtRest(life: Life): void {
    drain()
    // What is adding many jobs hears of the end in its next task.
    for (; hops.pending > 0; drain()) hops.step()
    const [left] = life.promises
    assert(left === undefined, 'I11', () => `${life.promises.size} promises are not settled, among them ${left}`)
    const { timers } = this.#clock
    assert(timers.length === 0, 'I11', () => `${timers.length} timers run on`)
    assert(life.disk.openFiles === 0, 'I11', () => `${life.disk.openFiles} files are open`)
    assert(life.disk.pending === 0, 'I11', () => `the disk is still asked to ${life.disk.next}`)
    assert(!this.#system.owners.has(folder), 'I10', () => 'the folder is still owned')
    assert(this.#condition.listeners === 0, 'I11', () => 'somebody still listens to a condition')
    assert(this.#spawning.length === 0 || true, 'I11', () => '')
    const alive = this.#workers.filter(({ isDead, isClosing }) => !isDead && !isClosing)
    assert(alive.length === 0, 'I11', () => `${alive.length} threads run on`)
  }

  /** When faults stop, everything ends. */
  #finish(): void {
    this.isCalm = true
    this.#faults.calm(true)
    const { scheduler } = this.#life
    const { phase } = this.#life
    if ((phase === 'open' || phase === 'opening') && !this.#oracle.isStopped) {
      this.#resumeAll()
      scheduler.resume()
    }
    this.#setCondition(true)
    this.#oracle.isPaused = false
    this.#oracle.areGatesTouched = true
    let looks = 0
    // Some schedules are faster than their jobs, which then wait for each other for ever.
    const isOverloaded = () => ++looks > 5_000 && this.#oracle.unfinished().some(({ state }) => state === 'blocked')
    this.#settle(
      'every occurrence to come',
      () => this.#isQuiet && (!this.#oracle.schedules.isDue(this.#oracle.truth.rows) || isOverloaded()),
    )
    this.#settle('every schedule to be removed', () => this.#hasNoRows('schedules'))
    this.#settle('every job to end', () => this.#isQuiet && this.#haveAllEnded())
    this.#settle('every key to be free', () => this.#hasNoRows('dedupe'))
    if (this.#settings.hasHistory) this.#settleHistory()
    this.#settle('every batch to end', () => this.#haveBatchesEnded())
    this.#shut('finish', undefined)
    this.#settle('the close', () => this.#life.phase === 'ended')
    this.#replace()
    this.#settle('the last opening', () => this.#life.phase === 'open')
    this.#shut('now', undefined)
    this.#settle('the last close', () => this.#life.phase === 'ended')
    this.#assertAtRest(this.#life)
  }

  /** Some wait for a signal without a limit, and get it now. */
  #haveAllEnded(): boolean {
    const left = this.#oracle.unfinished()
    if (this.#settings.hasFamilies && this.chance.is(0.02))
      for (const record of left) {
        const [name] = signalsAwaited(record)
        if (name !== undefined) this.#signal(record.id, name)
      }
    return left.length === 0
  }

  #settleHistory(): void {
    const { history } = this.#oracle
    this.#settle('the history to be read', () => this.#isQuiet && this.#life.projection?.seq === history.lastSeq)
    const { seq, snapshot } = this.#life.projection as Projection<Digest>
    history.judgeProjection(seq, snapshot())
  }

  get #isQuiet(): boolean {
    return this.#life.phase === 'open' && !this.#life.isRefused && !this.#oracle.truth.pending
  }

  #hasNoRows(table: string): boolean {
    const { rows } = this.#oracle.truth
    const hasNone = ![...rows.values()].some((row) => row.table === table)
    if (this.#isQuiet && !hasNone && table === 'schedules' && this.chance.is(0.02)) this.#schedules.removeAll()
    return this.#isQuiet && hasNone
  }

  #haveBatchesEnded(): boolean {
    const { flows, truth } = this.#oracle
    const isOver = flows.openBatches(truth.rows).length === 0
    if (this.#isQuiet && !isOver && this.chance.is(0.02)) this.#flows.sealAll()
    return this.#haveAllEnded() && this.#isQuiet && isOver
  }

  #settle(what: string, isOver: () => boolean): void {
    for (let step = 0; step < 20_000; step++) {
      this.#stats.steps++
      this.#check()
      if (isOver()) return
      const isGone = this.#life.phase === 'refused' || this.#life.phase === 'ended' || this.#oracle.isStopped
      if (isGone && (this.#life.phase === 'ended' || this.#life.phase !== 'closing')) this.#replace()
      else if (this.#spawning.length > 0) this.#stepSpawn()
      else if (!(this.chance.is(0.5) && this.#stepDisk()) && !this.#stepThreads() && !this.#stepDisk()) {
        if (hops.pending > 0) hops.step()
        else this.#clock.advance(this.chance.of([1, 1_000, 20_000]))
      }
    }
    const left = this.#oracle.unfinished().map(({ id, state, runAt }) => `${id} ${state} ${runAt ?? ''}`)
    throw new Violation('I5', `still waiting for ${what} (${this.#life.phase}): ${left.slice(0, 5).join(', ')}`)
  }
}

/**
 * Threads, as src/thread/serve.ts serves them, and worse: handlers complete, fail, keep things, hang, pass over their
 * abort signal, answer late or twice; threads die at any moment, load slowly or not at all. All of it happens when the
 * simulation says so.
 */

import { appendPrefix } from '../../src/job/append-key.ts'
import { never } from '../../src/job/retry.ts'
import {
  againKey,
  doneKey,
  fellPrefix,
  type Signal,
  signalKey,
  unread,
  type Wait,
  type WaitKind,
  waitingKey,
} from '../../src/job/waits.ts'
import { type ChildRequest, fromThread, toThread, toThreadFields } from '../../src/pool/protocol.ts'
import { Claims } from '../../src/shared/claims.ts'
import { type Deferred, defer } from '../../src/shared/deferred.ts'
import { thrownToWire } from '../../src/shared/error-wire.ts'
import type { Port } from '../../src/shared/port.ts'
import type { Chance } from './chance.ts'
import type { SimInput } from './kinds.ts'

type Plan = 'complete' | 'fail' | 'snooze' | 'hang' | 'crash' | 'stubborn' | 'kill'

/** One attempt in a thread. */
export interface SimTask {
  readonly wireId: number
  readonly id: string
  readonly attempt: number
  readonly resume: unknown
  readonly input: unknown
  readonly isWatched: boolean
  readonly plan: Plan
  isBegun: boolean
  /** Its thread is told, or will be, that it no longer counts. */
  isStale: boolean
  isAborted: boolean
  /** The scheduler has put its job back in line: it must not begin. */
  isRecalled: boolean
  /** It has said that it is over; nobody may have heard it. */
  isOver: boolean
  /** What it still keeps, checkpoint or step, before it ends. */
  keeps: number
  /** Calls of its that were not said to be safe. */
  readonly waiting: Map<number, unknown>
  /** What it waits for, one after the other, before it ends as planned. */
  readonly waits: (readonly [kind: WaitKind, key: string, name: string])[]
  /** Signals that have come while it ran, and those that it has received. */
  readonly signals: Signal[]
  readonly received: Set<string>
}

export interface WorkerHost {
  readonly chance: Chance
  /** Everything well from now on. */
  readonly isCalm: boolean
  /** Whether there are jobs that end their process. */
  readonly hasKillers: boolean
  /** One of these does. */
  onKill(task: SimTask): void
  /** Whether a job that completes leaves a loop behind. */
  leavesLoop(): boolean
  onRun(worker: SimWorker, task: SimTask): void
  onClaimed(task: SimTask): void
  onKept(worker: SimWorker, value: unknown): void
  /** Calls back after so much time, unless the process is gone by then. Returns how to call it off. */
  after(ms: number, callback: () => void): () => void
  /** Its module fails, and with it the thread. */
  onModuleFailed(worker: SimWorker): void
  /** About to be heard: what a thread has to say of an attempt. */
  onHeard(task: SimTask, message: readonly unknown[]): void
  /** It has ended, or is about to: nothing that it had is on it any more. */
  onGone(worker: SimWorker, isByItself: boolean): void
  nextTag(): number
  /** What a job of a batch appends to it. */
  appendedBy(input: SimInput): unknown
  /** Whether handlers run other jobs, and wait for signals for as long as it takes. */
  readonly hasFamilies: boolean
  /** What a job runs. */
  childOf(id: string): ChildRequest
}

/** With these an attempt is over. */
export const lasts: readonly number[] = [
  fromThread.done,
  fromThread.failed,
  fromThread.snoozed,
  fromThread.rateLimited,
  fromThread.waiting,
]

const isRun = (operation: unknown): boolean => operation === toThread.run || operation === toThread.runFirst

export class SimWorker implements Port {
  readonly #host: WorkerHost
  #onMessage: ((message: unknown[]) => void) | undefined
  #onClose: ((cause: unknown) => void) | undefined
  #inbox: unknown[][] = []
  #outbox: unknown[][] = []
  /** What no thread says. */
  readonly #nonsense = new WeakSet<unknown[]>()
  /** Said of attempts that it has not been sent. */
  readonly #forged = new WeakSet<unknown[]>()
  #lastWireId = 0
  /** In order; one is in its handler. */
  tasks: SimTask[] = []
  readonly known = new Map<number, SimTask>()
  isReady = false
  isDead = false
  /** The scheduler has asked it to end. */
  isClosing = false
  isHeld = false
  /** It will never say that it is ready. */
  isStillborn = false
  /** So long after it has said that it is ready its module fails. */
  failsAfterMs: number | undefined
  hasFailed = false
  /** It says so before its module is through. */
  readonly answersEarly: boolean
  #callOff = (): void => {}
  /** A loop that a job has left behind: it hears nothing more, and begins nothing. */
  isUnresponsive = false
  #whenClosed: Deferred<void> | undefined
  #lastCall = 0
  #claims: Claims | undefined
  /** The same table, to look without claiming. */
  #open: Int32Array | undefined
  readonly #isConcurrent: boolean

  constructor(host: WorkerHost, isConcurrent: boolean, answersEarly: boolean) {
    this.#host = host
    this.#isConcurrent = isConcurrent
    this.answersEarly = answersEarly
  }

  // As the scheduler sees it.

  post(message: unknown[]): void {
    if (this.isDead) return
    if (message.includes(toThread.claims) && !this.#mayShare(message)) throw new Error('this memory cannot be shared')
    for (let at = 0; at < message.length; at += 1 + (toThreadFields[message[at] as number] as number))
      this.#look(message, at)
    this.#inbox.push(message)
  }

  onMessage(listener: (message: unknown[]) => void): void {
    this.#onMessage = listener
  }

  onClose(listener: (cause: unknown) => void): void {
    this.#onClose = listener
  }

  close(): Promise<void> {
    if (this.isDead) return Promise.resolve()
    if (!this.isClosing) this.#host.onGone(this, false)
    this.isClosing = true
    this.#whenClosed ??= defer()
    return this.#whenClosed.promise
  }

  hold(isHeld: boolean): void {
    this.isHeld = isHeld
  }

  /** Some platforms share no memory. */
  #mayShare(message: unknown[]): boolean {
    for (let at = 0; at < message.length; at += 1 + (toThreadFields[message[at] as number] as number)) {
      if (message[at] !== toThread.claims) continue
      if (!this.#host.chance.is(0.7)) return false
      this.#claims = new Claims(message[at + 1] as SharedArrayBuffer)
      this.#open = new Int32Array(message[at + 1] as SharedArrayBuffer)
    }
    return true
  }

  /** What is on its way is judged when it is sent. */
  #look(message: unknown[], at: number): void {
    const wireId = message[at + 1] as number
    if (isRun(message[at])) {
      const [id, attempt, isWatched, resume, input] =
        message[at] === toThread.run ? message.slice(at + 3, at + 8) : [message[at + 3], 1, 0, 0, message[at + 4]]
      const task: SimTask = {
        wireId,
        id: id as string,
        attempt: attempt as number,
        isWatched: isWatched === 1,
        resume,
        input,
        plan: this.#plan((input as { tag: number }).tag, attempt as number),
        isBegun: false,
        isStale: false,
        isAborted: false,
        isRecalled: false,
        isOver: false,
        keeps: this.#host.chance.is(0.15) ? 1 + this.#host.chance.int(2) : 0,
        waiting: new Map(),
        waits: this.#waitsOf(input as SimInput),
        signals: [],
        received: new Set(),
      }
      this.known.set(wireId, task)
      this.#lastWireId = wireId
      this.#host.onRun(this, task)
    } else if (message[at] === toThread.abort) {
      const task = this.known.get(wireId)
      if (task) task.isStale = true
    } else if (message[at] === toThread.saved) {
      const task = this.known.get(wireId)
      const call = message[at + 2] as number
      if (task) this.#host.onKept(this, task.waiting.get(call))
    }
  }

  /** Some jobs sleep, wait for signals, or run other jobs; always the same for a job. */
  #waitsOf({ tag, of, within = '' }: SimInput): SimTask['waits'] {
    const isParent = of === undefined || (of === 'child' && within.split('/').length < 3)
    if (this.#host.hasFamilies && isParent && tag % 5 < 2)
      return Array.from(
        { length: 1 + (tag % 3) },
        (_, n) => ['child', `child ${n}`, n === 0 ? 'tiny' : 'mail'] as const,
      )
    if (tag % 4 !== 0) return []
    const signals = Array.from({ length: tag % 3 }, (_, n) => ['signal', n === 0 ? 'go' : `go ${n + 1}`, 'go'] as const)
    return [...signals, ['sleep', 'sleep', '']]
  }

  #plan(tag: number, attempt: number): Plan {
    const { chance, isCalm } = this.#host
    if (isCalm) return 'complete'
    // Some jobs are poison.
    if (tag % 29 === 0) return 'crash'
    if (tag % 11 === 0 && this.#host.hasKillers) return 'kill'
    if (attempt > 1 && chance.is(0.15)) return 'snooze'
    const pick = chance.int(100)
    return pick < 62
      ? 'complete'
      : pick < 82
        ? 'fail'
        : pick < 86
          ? 'snooze'
          : pick < 92
            ? 'hang'
            : pick < 95
              ? 'stubborn'
              : 'crash'
  }

  // As the simulation drives it.

  get canStep(): boolean {
    if (this.isDead) return false
    if (this.isClosing) return true
    if (this.isStillborn || (this.isUnresponsive && this.#outbox.length === 0)) return false
    return !this.isReady || this.#inbox.length > 0 || this.#outbox.length > 0 || this.tasks.length > 0
  }

  step(): void {
    const { chance } = this.#host
    if (this.isClosing && chance.is(0.3)) return this.#end()
    if (this.isStillborn) return
    if (this.isUnresponsive && this.#outbox.length > 0) return this.#deliver()
    if (!this.isReady) return this.#load()
    const pick = chance.int(3)
    if (this.#inbox.length > 0 && pick === 0) return this.#receive(this.#inbox.shift() as unknown[])
    if (this.#outbox.length > 0 && pick === 1) return this.#deliver()
    const task = this.#current()
    if (task) return this.#work(task)
    if (this.#outbox.length > 0) return this.#deliver()
    if (this.#inbox.length > 0) this.#receive(this.#inbox.shift() as unknown[])
    else if (this.isClosing) this.#end()
  }

  #load(): void {
    if (!this.#onMessage) return
    this.isReady = true
    this.#outbox.push([fromThread.ready])
    if (this.failsAfterMs === undefined) return
    this.#callOff = this.#host.after(this.failsAfterMs, () => {
      if (this.isClosing) return
      this.#host.onModuleFailed(this)
      this.die(true)
    })
  }

  #current(): SimTask | undefined {
    const { tasks } = this
    if (tasks.length === 0) return undefined
    return this.#isConcurrent ? this.#host.chance.of(tasks) : tasks[0]
  }

  #receive(message: unknown[]): void {
    for (let at = 0; at < message.length; at += 1 + (toThreadFields[message[at] as number] as number)) {
      const task = this.known.get(message[at + 1] as number)
      if (!task) continue
      if (isRun(message[at])) this.tasks.push(task)
      else if (message[at] === toThread.abort) this.#abort(task)
      else if (message[at] === toThread.saved) task.waiting.delete(message[at + 2] as number)
      else if (message[at] === toThread.signal) task.signals.push(message[at + 2] as Signal)
    }
  }

  #abort(task: SimTask): void {
    task.isAborted = true
    if (task.isOver || task.isBegun) return
    // It had not begun.
    this.#finish(task, [fromThread.failed, task.wireId, 0, thrownToWire(new Error('aborted')), undefined])
  }

  #work(task: SimTask): void {
    const { chance, isCalm } = this.#host
    if (!task.isBegun) {
      if (this.#claims) {
        if (!this.#claims.claim(task.wireId)) return this.#passOver(task)
        this.#host.onClaimed(task)
      }
      task.isBegun = true
      if (task.isWatched || chance.is(0.7)) this.#outbox.push([fromThread.begun, task.wireId])
      // Once more.
      if (chance.is(0.03)) this.#outbox.push([fromThread.begun, task.wireId])
      return
    }
    if (task.waiting.size > 0 && !task.isAborted && !isCalm && chance.is(0.8)) return
    if (task.keeps > 0 && !task.isAborted) return this.#keep(task)
    if (chance.is(0.1)) return this.#talk(task)
    if (task.waits.length > 0 && !task.isAborted) return this.#wait(task)
    if (isCalm || task.plan === 'complete') return this.#complete(task)
    if (task.plan === 'crash') return this.die(chance.is(0.5))
    if (task.plan === 'kill') return this.#host.onKill(task)
    if (task.plan === 'fail') return this.#fail(task)
    if (task.plan === 'snooze') return this.#snooze(task)
    if (task.plan === 'hang' && task.isAborted) return this.#fail(task)
    if (task.plan === 'stubborn' && task.isAborted && chance.is(0.05)) this.#complete(task)
    if (chance.is(0.002)) this.#complete(task)
  }

  /** Not what the scheduler has taken back. */
  mayRun({ isBegun, wireId }: SimTask): boolean {
    return isBegun || !this.#open || this.#open[wireId & (this.#open.length - 1)] === wireId
  }

  /** The scheduler has taken it back. */
  #passOver(task: SimTask): void {
    this.tasks.splice(this.tasks.indexOf(task), 1)
    this.known.delete(task.wireId)
  }

  #keep(task: SimTask): void {
    const { chance } = this.#host
    task.keeps--
    const call = ++this.#lastCall
    const input = task.input as SimInput
    if (input.of === 'batch' && chance.is(0.5)) {
      const jobs = this.#host.appendedBy(input)
      task.waiting.set(call, jobs)
      return void this.#outbox.push([
        fromThread.save,
        task.wireId,
        call,
        `${appendPrefix}${this.#host.nextTag()}`,
        jobs,
      ])
    }
    const value = { kept: this.#host.nextTag(), more: chance.value(call, 60) }
    task.waiting.set(call, value)
    const key = chance.is(0.5) ? '' : `step ${chance.int(3)}`
    this.#outbox.push([fromThread.save, task.wireId, call, key, value])
  }

  /** As src/thread/waits.ts does: the next wait is over, or a signal is taken and that recorded, or the attempt ends. */
  #wait(task: SimTask): void {
    const [kind, key, name] = task.waits[0] as SimTask['waits'][number]
    const steps = (task.resume as { steps?: ReadonlyMap<string, unknown> } | 0) || {}
    if (steps.steps?.has(doneKey(key))) return void task.waits.shift()
    if (kind === 'child') return this.#waitForChildren(task, steps.steps ?? new Map())
    const known = unread(steps.steps)
    const late = task.signals.filter(([id]) => !steps.steps?.has(signalKey(id)))
    const signal = [...known, ...late].find(([id, of]) => of === name && !task.received.has(id))
    if (kind === 'signal' && signal) {
      const call = ++this.#lastCall
      const value = ['signal', signal[0]]
      task.received.add(signal[0])
      task.waits.shift()
      task.waiting.set(call, value)
      this.#outbox.push([fromThread.save, task.wireId, call, doneKey(key), value])
      return
    }
    // Nothing goes on before what it has kept is safe. At the end of a run everybody has to go on.
    if (task.waiting.size > 0) return this.#host.isCalm ? this.#complete(task) : undefined
    const begun = [...(steps.steps ?? [])].flatMap(([each, waits]) =>
      each.startsWith(waitingKey('')) ? (waits as Wait[]).filter((wait) => wait[1] === key) : [],
    )
    const isUnlimited = this.#host.hasFamilies && kind === 'signal' && this.#host.chance.is(0.3)
    const ms = isUnlimited ? undefined : this.#host.chance.of([0, 50, 5_000])
    this.#finish(task, [fromThread.waiting, task.wireId, [[kind, key, name, begun[0]?.[3], ms]]])
  }

  /** For all that have not ended. An error of one is thrown in the handler, which may pass over it. */
  #waitForChildren(task: SimTask, steps: ReadonlyMap<string, unknown>): void {
    const fallen = new Set<string>()
    for (const [key, value] of steps) {
      if (key.startsWith(fellPrefix)) fallen.add((value as [string])[0])
      else if (key.startsWith(againKey(''))) fallen.clear()
    }
    if (task.waiting.size > 0) return this.#host.isCalm ? this.#complete(task) : undefined
    const left = task.waits.filter(([, key]) => !steps.has(doneKey(key)) && !fallen.has(key))
    const hasFallen = task.waits.some(([, key]) => fallen.has(key))
    if (hasFallen && !this.#host.isCalm && this.#host.chance.is(0.5)) return this.#fail(task)
    if (left.length === 0) {
      task.waits.length = 0
      return
    }
    const waits = left.map(([kind, key, name]) => [kind, key, name, undefined, undefined, this.#host.childOf(task.id)])
    this.#finish(task, [fromThread.waiting, task.wireId, waits])
  }

  #talk(task: SimTask): void {
    const { chance } = this.#host
    if (!this.#host.isCalm && chance.is(0.02)) return this.#babble(task)
    const pick = chance.int(5)
    if (pick === 0) this.#outbox.push([fromThread.progress, task.wireId, chance.random()])
    else if (pick === 1) this.#outbox.push([fromThread.value, task.wireId, chance.random()])
    else if (pick === 2) this.#outbox.push([fromThread.log, task.wireId, ['word']])
    // Of an attempt that never was.
    else if (pick === 3) this.#outbox.push([fromThread.done, 1e9 + chance.int(100), 1, 'forged'])
    else this.#foretell()
  }

  /** Of an attempt that has a place on it, perhaps, and has not been sent. */
  #foretell(): void {
    const message = [fromThread.done, this.#lastWireId + 1 + this.#host.chance.int(2), 1, 'forged']
    this.#forged.add(message)
    this.#outbox.push(message)
  }

  /** What comes behind it, if anything, is not heard, and so its attempts never end. */
  #babble({ wireId }: SimTask): void {
    const { chance } = this.#host
    const message = chance.of<unknown[]>([
      [99],
      [fromThread.ready],
      [fromThread.done, wireId, Number.NaN, 'forged'],
      [fromThread.log, wireId, 5],
    ])
    this.#nonsense.add(message)
    this.#outbox.push(message)
    this.tasks = []
  }

  #complete(task: SimTask): void {
    const { chance, isCalm } = this.#host
    const runMs = chance.is(0.8) ? 0.05 : 5
    const result = { by: task.id, attempt: task.attempt, tag: this.#host.nextTag(), of: chance.value(task.wireId, 120) }
    this.#finish(task, [fromThread.done, task.wireId, runMs, result])
    // Without claims nobody can tell it from a thread that runs something short.
    if (this.#claims && !isCalm && this.tasks.every(({ isBegun }) => !isBegun))
      this.isUnresponsive = this.#host.leavesLoop()
    // Once more, or the opposite.
    if (chance.is(0.03)) this.#outbox.push([fromThread.done, task.wireId, runMs, 'a second answer'])
    if (chance.is(0.03))
      this.#outbox.push([fromThread.failed, task.wireId, runMs, thrownToWire(new Error('after all')), undefined])
  }

  #fail(task: SimTask): void {
    const { chance } = this.#host
    const error = chance.is(0.1) ? `text ${this.#host.nextTag()}` : new RangeError(`error ${this.#host.nextTag()}`)
    const wish = chance.random()
    const retryMs = wish < 0.05 ? never : wish < 0.2 ? chance.of([0, 50, 2_000]) : undefined
    this.#finish(task, [fromThread.failed, task.wireId, 1, thrownToWire(error), retryMs])
  }

  #snooze(task: SimTask): void {
    const operation = (task.input as { tag: number }).tag % 3 === 0 ? fromThread.rateLimited : fromThread.snoozed
    this.#finish(task, [operation, task.wireId, this.#host.chance.of([0, 50, 5_000])])
  }

  #finish(task: SimTask, message: unknown[]): void {
    task.isOver = true
    const index = this.tasks.indexOf(task)
    if (index !== -1) this.tasks.splice(index, 1)
    this.#outbox.push(message)
  }

  /** One batch: as many messages as there are, or fewer. */
  #deliver(): void {
    const { chance } = this.#host
    const count = 1 + chance.int(this.#outbox.length)
    // What it foretold may be true by now.
    const messages = this.#outbox
      .splice(0, count)
      .filter((message) => !(this.#forged.has(message) && this.known.has(message[1] as number)))
    for (const message of messages) {
      const operation = message[0] as number
      if (operation === fromThread.fatal || this.#nonsense.has(message)) {
        // Nobody listens to what comes behind it.
        this.#host.onGone(this, true)
        break
      }
      const task = operation === fromThread.ready ? undefined : this.known.get(message[1] as number)
      if (!task || this.isClosing) continue
      if (lasts.includes(operation)) this.known.delete(task.wireId)
      this.#host.onHeard(task, message)
    }
    this.#onMessage?.(messages.flat(1))
  }

  /** By itself, or by what its handler did. What it had said and nobody heard is lost. */
  die(isSudden: boolean): void {
    if (this.isDead) return
    if (!isSudden && this.isReady) {
      this.#outbox.push([fromThread.fatal, thrownToWire(new Error('fatal'))])
      this.tasks = []
      return
    }
    if (!this.isClosing) this.#host.onGone(this, true)
    this.#end()
    if (!this.isClosing) this.#onClose?.(new Error('the thread is gone'))
  }

  #end(): void {
    this.#callOff()
    this.isDead = true
    this.tasks = []
    this.#inbox = []
    this.#outbox = []
    this.#whenClosed?.resolve()
  }
}

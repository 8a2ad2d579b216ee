/**
 * The waits of one attempt. When all code of the handler waits, the attempt ends: its thread and its place are free, and the
 * handler runs again when something has come of one of the waits. What came of the others before is recorded, as steps are.
 *
 * A wait in the attempt that ends never settles, so no `catch` and no `finally` around it runs: nothing has failed. What is left of
 * the handler is garbage.
 */
import {
  againKey,
  doneKey,
  fellPrefix,
  heardKey,
  type Outcome,
  type Signal,
  signalKey,
  unread,
  type Wait,
  type WaitKind,
  waitingKey,
} from '../job/waits.ts'
import { hop } from '../platform/hop.ts'
import { systemClock } from '../platform/host.ts'
import type { ChildRequest, SentWait } from '../pool/protocol.ts'
import { type Deferred, defer } from '../shared/deferred.ts'
import { thrownFromWire, type WireThrown } from '../shared/error-wire.ts'
import { callText } from './step-keys.ts'

/** The attempt whose handler waits. */
interface WaitingAttempt {
  readonly resume: { readonly steps: ReadonlyMap<string, unknown> | undefined } | undefined
  /** Signals that have come since it was sent. */
  readonly signals: readonly Signal[] | undefined
  /** How many steps and other reports are under way. */
  readonly busy: number
  readonly isEnded: boolean
  readonly abortedBy: object | undefined
  throwIfAborted(): void
  abort(reason: unknown): void
  during<Result>(work: Promise<Result>): Promise<Result>
}

/** What the waits of an attempt report. */
interface Reporter {
  /** Records something among the steps. Resolves when it is committed. */
  save(key: string, value: unknown): Promise<void>
  /** All code of the handler waits. */
  wait(waits: readonly SentWait[]): void
}

/** What a handler asks for. */
export interface Asked {
  readonly kind: WaitKind
  readonly key: string
  /** The name of the signal, or the type of the child; '' for a sleep. */
  readonly name: string
  /** How long, at most. */
  readonly ms: number | undefined
  readonly child?: ChildRequest | undefined
}

interface Pending extends Asked {
  readonly settled: Deferred<unknown>
  /** In monotonic time. */
  readonly askedAt: number
}

/** What code of an attempt that is over waits for. */
export const never: Promise<never> = new Promise(() => {})

type Listener = (value: unknown) => void

export class Waits {
  readonly #attempt: WaitingAttempt
  readonly #reporter: Reporter
  readonly #steps: ReadonlyMap<string, unknown> | undefined
  /** What earlier attempts have waited for, by key. */
  readonly #begun = new Map<string, Wait>()
  /** By key, the errors of children that fell in this attempt or in one that has gone on in this one. */
  readonly #fallen = new Map<string, WireThrown>()
  /** By key. */
  readonly #pending = new Map<string, Pending>()
  /** Signals that nobody has received, in order. */
  readonly #unread: Signal[]
  readonly #listeners: { readonly name: string; readonly listener: Listener }[] = []
  #isLooking = false
  /** The attempt has ended because all code waits. Code that goes on nevertheless gets nothing more from its context. */
  isOver = false

  constructor(attempt: WaitingAttempt, reporter: Reporter) {
    this.#attempt = attempt
    this.#reporter = reporter
    this.#steps = attempt.resume?.steps
    for (const [key, value] of this.#steps ?? []) {
      if (key.startsWith(waitingKey(''))) for (const wait of value as Wait[]) this.#begun.set(wait[1], wait)
      else if (key.startsWith(fellPrefix)) this.#fallen.set(...(value as [string, WireThrown]))
      else if (key.startsWith(againKey(''))) this.#fallen.clear()
    }
    this.#unread = unread(this.#steps)
    for (const signal of attempt.signals ?? []) this.receive(signal)
  }

  // Waiting.

  /** Resolves with the value of the signal; with `undefined` when the time is over. */
  async ask(asked: Asked): Promise<unknown> {
    if (this.isOver) return never
    this.#attempt.throwIfAborted()
    const { kind, key, name } = asked
    const recorded = this.#outcomeOf(key)
    if (recorded) return kind === 'child' ? recorded[1] : this.#signalOf(recorded)?.[2]
    const error = this.#fallen.get(key)
    if (error) throw thrownFromWire(error, [])
    const settled = defer<unknown>()
    this.#pending.set(key, { ...asked, settled, askedAt: systemClock.monotonic() })
    if (kind === 'signal') this.#match(name)
    this.look()
    return settled.promise
  }

  #outcomeOf(key: string): Outcome | undefined {
    return this.#steps?.get(doneKey(key)) as Outcome | undefined
  }

  #signalOf([, id]: Outcome): Signal | undefined {
    return this.#steps?.get(signalKey(id as string)) as Signal | undefined
  }

  /** Returns the call in which an earlier attempt has waited under this key. */
  callOf(key: string): string | undefined {
    const wait = this.#begun.get(key)
    if (wait) return callText(wait[0], wait[2])
    // A signal that was there already was not waited for.
    const outcome = this.#outcomeOf(key)
    return outcome && callText(outcome[0], this.#signalOf(outcome)?.[1])
  }

  /** Ends the attempt once nothing but waits is left. By then all that can go on at once has gone on. */
  look(): void {
    if (this.#isLooking || this.#pending.size === 0 || this.#attempt.busy > 0) return
    this.#isLooking = true
    hop(() => {
      this.#isLooking = false
      const { isEnded, busy, abortedBy } = this.#attempt
      if (isEnded || busy > 0 || abortedBy || this.#pending.size === 0) return
      this.isOver = true
      this.#reporter.wait([...this.#pending.values()].map((wait) => this.#toSend(wait)))
    })
  }

  #toSend({ kind, key, name, ms, askedAt, child }: Pending): SentWait {
    const until = this.#begun.get(key)?.[3]
    const leftMs = ms === undefined ? undefined : Math.max(0, ms - (systemClock.monotonic() - askedAt))
    return [kind, key, name, until, leftMs, child]
  }

  abort(reason: unknown): void {
    for (const { settled } of this.#pending.values()) settled.reject(reason)
    this.#pending.clear()
  }

  // Receiving.

  /** A signal has come while the attempt runs. It may be known from the record already. */
  receive(signal: Signal): void {
    const [id, name] = signal
    if (this.#steps?.has(signalKey(id))) return
    this.#unread.push(signal)
    this.#match(name)
  }

  listen(name: string, listener: Listener): () => void {
    const entry = { name, listener }
    this.#listeners.push(entry)
    queueMicrotask(() => this.#match(name))
    return () => {
      const index = this.#listeners.indexOf(entry)
      if (index !== -1) this.#listeners.splice(index, 1)
    }
  }

  /** Hands out the signals of a name in order: first to waits, then to listeners. */
  #match(name: string): void {
    for (;;) {
      if (this.isOver || this.#attempt.isEnded || this.#attempt.abortedBy) return
      const wait = [...this.#pending.values()].find((each) => each.kind === 'signal' && each.name === name)
      const listeners = this.#listeners.filter((each) => each.name === name)
      const index = this.#unread.findIndex((each) => each[1] === name)
      if (index === -1 || (!wait && listeners.length === 0)) return
      const [signal] = this.#unread.splice(index, 1) as [Signal]
      if (wait) this.#settle(wait, signal)
      else this.#hear(listeners, signal)
    }
  }

  #settle({ key, settled }: Pending, [id, , value]: Signal): void {
    this.#pending.delete(key)
    const outcome: Outcome = ['signal', id]
    this.#attempt.during(this.#reporter.save(doneKey(key), outcome)).then(() => settled.resolve(value), settled.reject)
  }

  /** What a listener throws aborts the attempt. */
  #hear(listeners: readonly { readonly listener: Listener }[], [id, , value]: Signal): void {
    try {
      for (const { listener } of listeners) listener(value)
      this.#attempt.during(this.#reporter.save(heardKey(id), id)).catch(() => {})
    } catch (error) {
      this.#attempt.abort(error)
    }
  }
}

import type { Signal } from '../job/waits.ts'

/** An attempt, as its call sees it. */
interface Member {
  readonly isSent: boolean
  readonly isStale: boolean
}

/** Attempts that one call of a handler takes. They are on one worker, where they share a place, and are sent in one message. */
export class SharedCall<Attempt extends Member = Member> {
  /** Whether others may join. */
  isOpen = true
  /** Those that are on the worker. */
  readonly #attempts = new Set<Attempt>()
  /** Those of them whose start is committed. */
  readonly #ready = new Set<Attempt>()

  /** Signals that have come before they were sent, with whom they are for. */
  #signals: { readonly attempt: Attempt; readonly signal: Signal }[] | undefined

  get size(): number {
    return this.#attempts.size
  }

  get isReady(): boolean {
    return this.size > 0 && this.#ready.size === this.size
  }

  /** Those that have not been sent. */
  get unsent(): Attempt[] {
    return [...this.#ready].filter(({ isSent }) => !isSent)
  }

  join(attempt: Attempt): void {
    this.#attempts.add(attempt)
  }

  leave(attempt: Attempt): void {
    this.#attempts.delete(attempt)
    this.#ready.delete(attempt)
  }

  /** The start of an attempt is committed. */
  makeReady(attempt: Attempt): void {
    if (this.#attempts.has(attempt)) this.#ready.add(attempt)
  }

  /** Keeps a signal until the attempt is sent. */
  keep(attempt: Attempt, signal: Signal): void {
    this.#signals ??= []
    this.#signals.push({ attempt, signal })
  }

  signalsFor(attempt: Attempt): Signal[] {
    return (this.#signals ?? []).flatMap((kept) => (kept.attempt === attempt ? [kept.signal] : []))
  }

  /** Whether one that may still settle its job is among them, besides this one. */
  hasOthers(attempt: Attempt): boolean {
    return [...this.#attempts].some((other) => other !== attempt && !other.isStale)
  }
}

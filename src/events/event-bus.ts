import { EventEmitter } from 'eventemitter3'
import { isThenable } from '../shared/thenable.ts'
import type { AnyEvent, EventMap, EventType } from './event-map.ts'

export type Listener<Type extends EventType> = (event: EventMap[Type]) => void
type AnyListener = (event: AnyEvent) => void

/** Hands out events. A listener that throws is reported and harms nobody. */
export class EventBus {
  readonly #emitter = new EventEmitter<EventType>()
  readonly #taps = new Set<AnyListener>()
  readonly #reportUnheard: (error: unknown) => void
  readonly now: () => number
  #seq = 0
  #isQuiet = false
  /** Somebody listens to something: asked for each step of each job, and mostly nobody does. */
  #hasListeners = false
  /** Told that somebody began or ceased to listen. */
  onListening: (() => void) | undefined

  constructor(now: () => number, reportUnheard: (error: unknown) => void) {
    this.now = now
    this.#reportUnheard = reportUnheard
  }

  on<Type extends EventType>(type: Type, listener: Listener<Type>): () => void {
    this.#emitter.on(type, listener as AnyListener)
    this.#listenersChanged()
    return () => this.off(type, listener)
  }

  once<Type extends EventType>(type: Type, listener: Listener<Type>): () => void {
    this.#emitter.once(type, listener as AnyListener)
    this.#listenersChanged()
    return () => this.off(type, listener)
  }

  off<Type extends EventType>(type: Type, listener: Listener<Type>): void {
    this.#emitter.off(type, listener as AnyListener)
    this.#listenersChanged()
  }

  /** Hears every event. */
  tap(listener: AnyListener): () => void {
    this.#taps.add(listener)
    this.#listenersChanged()
    return () => {
      this.#taps.delete(listener)
      this.#listenersChanged()
    }
  }

  #listenersChanged(): void {
    this.#hasListeners = this.#taps.size > 0 || this.#emitter.eventNames().length > 0
    this.onListening?.()
  }

  /** Cheaper than building an event that nobody hears. */
  isHeard(type: EventType): boolean {
    return this.#hasListeners && (this.#taps.size > 0 || this.#emitter.listenerCount(type) > 0)
  }

  /** Gives an event its number and time. */
  make<Type extends EventType>(type: Type, details: Omit<EventMap[Type], 'type' | 'seq' | 'at'>): EventMap[Type] {
    return { type, seq: ++this.#seq, at: this.now(), ...details } as unknown as EventMap[Type]
  }

  /** Makes and emits an event, when anybody listens. */
  publish<Type extends EventType>(type: Type, details: Omit<EventMap[Type], 'type' | 'seq' | 'at'>): void {
    if (this.isHeard(type) && !this.#isQuiet) this.emit(this.make(type, details) as AnyEvent)
  }

  /** Does what has been announced before. */
  quietly(repeat: () => void): void {
    this.#isQuiet = true
    repeat()
    this.#isQuiet = false
  }

  emit(event: AnyEvent): void {
    // Not `emitter.emit`: there one listener that throws silences those after it.
    for (const listener of this.#emitter.listeners(event.type)) {
      this.#emitter.off(event.type, listener, undefined, true) // If it was to hear one event, this is it.
      this.call(listener as AnyListener, event)
    }
    for (const tap of [...this.#taps]) this.call(tap, event)
  }

  /** Calls code of the user's. */
  call<Arguments extends unknown[]>(callback: (...args: Arguments) => unknown, ...args: Arguments): void {
    try {
      const result = callback(...args)
      // An async listener is not awaited, but its failure is not lost either.
      if (isThenable(result)) result.then(undefined, (error) => this.report(error))
    } catch (error) {
      this.report(error)
    }
  }

  /** Tells `error` listeners; with none, or when one of them throws, the platform. */
  report(error: unknown): void {
    const listeners = this.#emitter.listeners('error')
    if (listeners.length === 0) return this.#reportUnheard(error)
    const event = this.make('error', { error })
    for (const listener of listeners) {
      try {
        ;(listener as AnyListener)(event)
      } catch (second) {
        this.#reportUnheard(second)
      }
    }
    for (const tap of [...this.#taps]) tap(event)
  }
}

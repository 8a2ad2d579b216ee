import { EventEmitter } from 'eventemitter3'
import { isThenable } from '../shared/thenable.ts'
import type { AnyEvent, EventMap, EventType } from './event-map.ts'

export type Listener<Type extends EventType> = (event: EventMap[Type]) => void
type AnyListener = (event: AnyEvent) => void

/** Delivers events to listeners. A listener that throws is reported and disturbs no other. */
export class EventBus {
  readonly #emitter = new EventEmitter<EventType>()
  readonly #taps = new Set<AnyListener>()
  readonly #reportUnhandled: (error: unknown) => void
  readonly now: () => number
  #seq = 0
  #isQuiet = false
  /** Whether there is any listener. It is asked for at each step of each job, and mostly there is none. */
  #hasListeners = false
  /** Called when a listener was added or removed. */
  onListening: (() => void) | undefined

  constructor(now: () => number, reportUnhandled: (error: unknown) => void) {
    this.now = now
    this.#reportUnhandled = reportUnhandled
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

  /** Adds a listener of every event. Returns a function that removes it. */
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

  /** Whether an event of this type has a listener. To ask is cheaper than to build an event that nobody receives. */
  hasListener(type: EventType): boolean {
    return this.#hasListeners && (this.#taps.size > 0 || this.#emitter.listenerCount(type) > 0)
  }

  /** Makes an event with its number and time. */
  make<Type extends EventType>(type: Type, details: Omit<EventMap[Type], 'type' | 'seq' | 'at'>): EventMap[Type] {
    return { type, seq: ++this.#seq, at: this.now(), ...details } as unknown as EventMap[Type]
  }

  /** Makes and emits an event, if it has a listener. */
  publish<Type extends EventType>(type: Type, details: Omit<EventMap[Type], 'type' | 'seq' | 'at'>): void {
    if (this.hasListener(type) && !this.#isQuiet) this.emit(this.make(type, details) as AnyEvent)
  }

  /** Runs `repeat` without events: what it does has been announced before. */
  quietly(repeat: () => void): void {
    this.#isQuiet = true
    repeat()
    this.#isQuiet = false
  }

  emit(event: AnyEvent): void {
    // Not `emitter.emit`: there, one listener that throws would keep the event from the ones after it.
    for (const listener of this.#emitter.listeners(event.type)) {
      this.#emitter.off(event.type, listener, undefined, true) // Removes it only if it was added with `once`.
      this.call(listener as AnyListener, event)
    }
    for (const tap of [...this.#taps]) this.call(tap, event)
  }

  /** Calls code of the application. */
  call<Arguments extends unknown[]>(callback: (...args: Arguments) => unknown, ...args: Arguments): void {
    try {
      const result = callback(...args)
      // An async listener is not awaited, but its failure is reported too.
      if (isThenable(result)) result.then(undefined, (error) => this.report(error))
    } catch (error) {
      this.report(error)
    }
  }

  /** Reports an error to the `error` listeners. If there is none, or one of them throws, reports to the platform. */
  report(error: unknown): void {
    const listeners = this.#emitter.listeners('error')
    if (listeners.length === 0) return this.#reportUnhandled(error)
    const event = this.make('error', { error })
    for (const listener of listeners) {
      try {
        ;(listener as AnyListener)(event)
      } catch (second) {
        this.#reportUnhandled(second)
      }
    }
    for (const tap of [...this.#taps]) tap(event)
  }
}

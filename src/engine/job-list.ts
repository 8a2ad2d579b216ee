import type { EventBus } from '../events/event-bus.ts'
import type { JobList } from './engine.ts'
import type { JobSnapshot } from './job-observers.ts'

/** A list of snapshots that callers watch. The array is a new one only when a snapshot in it is. */
export class ListView implements JobList {
  readonly #bus: EventBus
  readonly #observers = new Set<() => void>()
  readonly #onClose: () => void
  #shown: readonly JobSnapshot[] = Object.freeze([])

  constructor(bus: EventBus, onClose: () => void) {
    this.#bus = bus
    this.#onClose = onClose
  }

  snapshot(): readonly JobSnapshot[] {
    return this.#shown
  }

  show(next: readonly JobSnapshot[]): void {
    const shown = this.#shown
    if (next.length === shown.length && next.every((each, at) => each === shown[at])) return
    this.#shown = Object.freeze(next)
    for (const observer of [...this.#observers]) this.#bus.call(observer)
  }

  subscribe(observer: () => void): () => void {
    this.#observers.add(observer)
    return () => this.#observers.delete(observer)
  }

  close(): void {
    this.#observers.clear()
    this.#onClose()
  }
}

/** Returns the object that is shown already, if the new one is equal. */
export function keepSame(before: JobSnapshot | undefined, now: JobSnapshot): JobSnapshot {
  const isSame = before && Object.entries(now).every(([name, value]) => isEqual(name, before[name as 'id'], value))
  return isSame ? before : now
}

/** When they come from another tab or another life, tags and headers are other objects. */
const isEqual = (name: string, a: unknown, b: unknown): boolean =>
  Object.is(a, b) || ((name === 'tags' || name === 'headers') && JSON.stringify(a) === JSON.stringify(b))

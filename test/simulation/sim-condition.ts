import type { Condition } from '../../src/queue/gate.ts'

/** What a queue waits for: it is met or not as the simulation has it. */
export class SimCondition implements Condition {
  readonly #listeners = new Set<() => void>()
  #isMet = true

  isMet(): boolean {
    return this.#isMet
  }

  subscribe(onChange: () => void): () => void {
    this.#listeners.add(onChange)
    return () => this.#listeners.delete(onChange)
  }

  get listeners(): number {
    return this.#listeners.size
  }

  /** Not every condition says that it has changed. */
  set(isMet: boolean, isAnnounced: boolean): void {
    this.#isMet = isMet
    if (isAnnounced) for (const listener of this.#listeners) listener()
  }

  /** The process is gone. */
  clear(): void {
    this.#listeners.clear()
  }
}

/**
 * Follows abort signals with one listener per signal, however many jobs share it: Node warns of a leak from the eleventh
 * listener on.
 */
export class Signals {
  readonly #followers = new Map<AbortSignal, Set<() => void>>()
  readonly #listeners = new Map<AbortSignal, () => void>()

  /** Calls back when the signal is aborted. Returns a function that cancels this. */
  follow(signal: AbortSignal, onAbort: () => void): () => void {
    const followers = this.#followers.get(signal) ?? this.#listen(signal)
    followers.add(onAbort)
    return () => {
      followers.delete(onAbort)
      if (followers.size === 0) this.#leave(signal)
    }
  }

  /** Removes all listeners. */
  close(): void {
    for (const signal of [...this.#followers.keys()]) this.#leave(signal)
  }

  #listen(signal: AbortSignal): Set<() => void> {
    const followers = new Set<() => void>()
    const listener = () => {
      for (const onAbort of [...followers]) onAbort()
    }
    signal.addEventListener('abort', listener)
    this.#followers.set(signal, followers)
    this.#listeners.set(signal, listener)
    return followers
  }

  #leave(signal: AbortSignal): void {
    const listener = this.#listeners.get(signal)
    if (listener) signal.removeEventListener('abort', listener)
    this.#listeners.delete(signal)
    this.#followers.delete(signal)
  }
}

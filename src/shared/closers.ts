/** What is called once when something ends, unless it was called off before. */
export class Closers {
  readonly #callbacks = new Set<() => void>()

  /** Returns how to call it off. */
  add(callback: () => void): () => void {
    this.#callbacks.add(callback)
    return () => this.#callbacks.delete(callback)
  }

  call(): void {
    for (const callback of [...this.#callbacks]) callback()
    this.#callbacks.clear()
  }
}

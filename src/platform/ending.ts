/** Keeps the reason why a thread has ended for a listener that is added later. */
export class Ending {
  #cause: { readonly value: unknown } | undefined
  #listener: ((cause: unknown) => void) | undefined

  tell(value: unknown): void {
    this.#cause = { value }
    this.#listener?.(value)
  }

  listen(listener: (cause: unknown) => void): void {
    this.#listener = listener
    if (this.#cause) listener(this.#cause.value)
  }
}

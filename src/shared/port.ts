/** A connection to one thread of any kind. Messages arrive in order and whole, and never during `post`. */
export interface Port {
  /** Throws if a value cannot be cloned; then nothing was sent. */
  post(message: unknown[], transfer?: Transferable[]): void
  /** Sets the listener for messages. They are not checked in any way. */
  onMessage(listener: (message: unknown) => void): void
  /**
   * Returns the next message if one is there, without giving way to other work of the thread. Exists where the platform can do
   * it.
   */
  poll?(): unknown
  /** Sets the listener that is called once, when the other side has ended without our asking. */
  onClose(listener: (cause: unknown) => void): void
  /**
   * Ends the other side, whatever it is doing. Resolves when it has ended, as far as the platform tells. Where printed output
   * would be lost, the other side first gets `drainMsMax` milliseconds to pass it on.
   */
  close(drainMsMax?: number): Promise<void>
  /** Sets whether the other side keeps the process alive (Node, Bun, Deno). */
  hold(isHeld: boolean): void
  /** The other side answers as soon as it can take attempts: the rest of its module may still fail. */
  readonly answersEarly?: boolean
}

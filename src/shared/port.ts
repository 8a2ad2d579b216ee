/** A line to one thread, whatever kind of thread it is. Messages arrive in order, whole, and never within `post`. */
export interface Port {
  /** Throws when a value cannot be cloned; then nothing was sent. */
  post(message: unknown[], transfer?: Transferable[]): void
  /** Not checked in any way. */
  onMessage(listener: (message: unknown) => void): void
  /** The next message, if it is there, without giving way to whatever else the thread has to do. Where a thread can ask. */
  poll?(): unknown
  /** Told once, when the other side is gone and we did not ask for it. */
  onClose(listener: (cause: unknown) => void): void
  /**
   * Ends the other side, whatever it does; resolves when it has ended as far as the platform tells. Before, it gets
   * `drainMsMax` to pass on what it has printed, where that would be lost.
   */
  close(drainMsMax?: number): Promise<void>
  /** Whether this thread keeps the process alive (Node, Bun, Deno). */
  hold(isHeld: boolean): void
}

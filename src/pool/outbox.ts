import { soon } from '../shared/soon.ts'

/** Posts a whole batch. Throws when something in it cannot be cloned; then nothing was sent. */
type Post = (batch: unknown[], transfer?: Transferable[]) => void

/**
 * Collects messages and posts them as one batch, in the next microtask or on `flush`: a post costs several microseconds, a
 * message in a batch a tenth of one.
 */
export class Outbox {
  readonly #post: Post
  readonly #fields: readonly number[]
  readonly #onUncloneable: (message: unknown[], cause: unknown) => void
  #batch: unknown[] = []
  #isScheduled = false

  /** `fields`: how many fields follow each operation. `onUncloneable` receives a message that could not be sent. */
  constructor(post: Post, fields: readonly number[], onUncloneable: (message: unknown[], cause: unknown) => void) {
    this.#post = post
    this.#fields = fields
    this.#onUncloneable = onUncloneable
  }

  /**
   * Returns the batch, to add one message to it. The values in it must not change before it is posted, so call `flush` when
   * other code can still change them. (The message is not an argument, because an array for each message would be a third of
   * its cost.)
   */
  open(): unknown[] {
    if (!this.#isScheduled) {
      this.#isScheduled = true
      soon(this.#flushScheduled)
    }
    return this.#batch
  }

  /** The batch, for a caller that flushes it at once. */
  get batch(): unknown[] {
    return this.#batch
  }

  readonly #flushScheduled = () => {
    this.#isScheduled = false
    this.flush()
  }

  /** Posts the batch now. What is in `transfer` moves with it. */
  flush(transfer?: Transferable[]): void {
    if (this.#batch.length === 0) return
    const batch = this.#batch
    this.#batch = []
    try {
      this.#post(batch, transfer)
    } catch {
      this.#postEach(batch, transfer)
    }
  }

  /** Posts everything that waits, and then this message on its own. Throws when the message cannot be cloned. */
  send(message: unknown[], transfer?: Transferable[]): void {
    this.flush()
    this.#post(message, transfer)
  }

  /**
   * Posts each message on its own, so that a value that cannot be cloned fails its own job and not the jobs in the same batch.
   */
  #postEach(batch: unknown[], transfer: Transferable[] | undefined): void {
    for (let begin = 0; begin < batch.length; ) {
      const end = begin + 1 + (this.#fields[batch[begin] as number] as number)
      const message = batch.slice(begin, end)
      // The transfer belongs to the last message, because a caller that adds one flushes at once.
      const isLast = end === batch.length
      try {
        this.#post(message, isLast ? transfer : undefined)
      } catch (cause) {
        this.#onUncloneable(message, cause)
      }
      begin = end
    }
  }
}

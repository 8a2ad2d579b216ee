import { soon } from '../shared/soon.ts'

/** Sends whole batches; throws when something in one cannot be cloned, and then nothing was sent. */
type Post = (batch: unknown[], transfer?: Transferable[]) => void

/**
 * Collects notes and sends them as one message, in the next microtask or when told: a message costs several
 * microseconds, a note in it a tenth of one.
 */
export class Outbox {
  readonly #post: Post
  readonly #fields: readonly number[]
  readonly #onUncloneable: (note: unknown[], cause: unknown) => void
  #batch: unknown[] = []
  #isScheduled = false

  /** `fields`: how many follow each operation. `onUncloneable` gets a note that could not be sent. */
  constructor(post: Post, fields: readonly number[], onUncloneable: (note: unknown[], cause: unknown) => void) {
    this.#post = post
    this.#fields = fields
    this.#onUncloneable = onUncloneable
  }

  /**
   * The batch, to add one note to. What it holds must not change before it is sent: `flush` when somebody else has hold of
   * it. (Not as an argument: an array for each note is a third of what it costs.)
   */
  open(): unknown[] {
    if (!this.#isScheduled) {
      this.#isScheduled = true
      soon(this.#flushScheduled)
    }
    return this.#batch
  }

  /** The batch, for who flushes it at once. */
  get batch(): unknown[] {
    return this.#batch
  }

  readonly #flushScheduled = () => {
    this.#isScheduled = false
    this.flush()
  }

  /** Sends now. What is in `transfer` moves with the batch. */
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

  /** Sends all that waits and then this note, on its own. Throws when it cannot be cloned. */
  send(note: unknown[], transfer?: Transferable[]): void {
    this.flush()
    this.#post(note, transfer)
  }

  /** One bad value fails its own job, not those that happen to travel with it. */
  #postEach(batch: unknown[], transfer: Transferable[] | undefined): void {
    for (let begin = 0; begin < batch.length; ) {
      const end = begin + 1 + (this.#fields[batch[begin] as number] as number)
      const note = batch.slice(begin, end)
      // A transfer belongs to the last note: whoever adds one flushes at once.
      const isLast = end === batch.length
      try {
        this.#post(note, isLast ? transfer : undefined)
      } catch (cause) {
        this.#onUncloneable(note, cause)
      }
      begin = end
    }
  }
}

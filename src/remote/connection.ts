import { isCloneable } from '../shared/clone.ts'
import { soon } from '../shared/soon.ts'
import type { Message } from './wire.ts'

/** Sends messages as one. Throws when it sends nothing: when they cannot be cloned, or the wire is broken. */
export type Post = (messages: readonly Message[]) => void

interface ConnectionOptions {
  /** Returns what to send in place of a message that cannot be cloned, if anything. That must be cloneable. */
  repair(message: Message, cause: unknown): Message | undefined
  /** Called when the wire is broken and nothing can be sent any more. */
  onBroken(): void
}

/**
 * One end of the wire between a client and a session. It sends all messages of one microtask together. When they cannot be cloned,
 * it sends each alone, and the one that is to blame repaired, or not at all.
 */
export class Connection {
  readonly #post: Post
  readonly #options: ConnectionOptions
  #messages: Message[] = []
  #isClosed = false

  constructor(post: Post, options: ConnectionOptions) {
    this.#post = post
    this.#options = options
  }

  send(...message: Message): void {
    this.#messages.push(message)
    if (this.#messages.length === 1) soon(this.#flush)
  }

  /** Sends nothing more, not even the messages that wait. */
  close(): void {
    this.#isClosed = true
  }

  readonly #flush = (): void => {
    const messages = this.#messages
    this.#messages = []
    this.#send(messages)
  }

  #send(messages: readonly Message[]): void {
    if (this.#isClosed) return
    try {
      this.#post(messages)
    } catch (cause) {
      if (!isOfContent(cause, messages)) this.#break()
      else if (messages.length > 1) for (const message of messages) this.#send([message])
      else this.#sendRepaired(messages[0] as Message, cause)
    }
  }

  #sendRepaired(message: Message, cause: unknown): void {
    const repaired = this.#options.repair(message, cause)
    if (repaired) this.#send([repaired])
  }

  #break(): void {
    this.close()
    this.#options.onBroken()
  }
}

/** Platforms refuse on some wires what they can clone on others: shared memory, for instance. */
const isOfContent = (cause: unknown, messages: readonly Message[]): boolean =>
  (cause as Error | undefined)?.name === 'DataCloneError' || !isCloneable(messages)

import { isCloneable } from '../shared/clone.ts'
import { soon } from '../shared/soon.ts'
import type { Message } from './wire.ts'

/** Sends messages as one. Throws when it sends nothing: something in them cannot be cloned, or the wire is broken. */
export type Post = (messages: readonly Message[]) => void

interface ConnectionOptions {
  /** What to send instead of a message that cannot be cloned, if anything. What it returns can be. */
  repair(message: Message, cause: unknown): Message | undefined
  /** Nothing can be sent any more. */
  onBroken(): void
}

/**
 * One end of the wire between a client and a session. All messages of one microtask travel together. When they cannot be cloned,
 * each goes alone, and the culprit goes repaired, or not at all.
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

  /** Sends nothing more, not even what waits. */
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

/** Platforms refuse some of what they can clone on some wires: memory that is shared, for instance. */
const isOfContent = (cause: unknown, messages: readonly Message[]): boolean =>
  (cause as Error | undefined)?.name === 'DataCloneError' || !isCloneable(messages)

import type { Port } from '../shared/port.ts'
import { type Hello, isHello } from './hello.ts'
import { hop } from './hop.ts'
import { unreadable } from './message-port.ts'

/** Either end of the channel that every worker has by itself (`postMessage` and `message` events). */
export interface ChannelEnd {
  postMessage(message: unknown, transfer: Transferable[]): void
  addEventListener(type: string, listener: (event: MessageEvent) => void, isFirst: boolean): void
  removeEventListener(type: string, listener: (event: MessageEvent) => void, isFirst: boolean): void
}

/**
 * A `Port` over the channel that a worker has by itself. The application may use that channel too. So our messages carry a
 * mark, one number in each direction, and listeners that were added after ours do not get to see them. A port of our own would
 * need no marks, but a message through one takes five times as long in Firefox and in WebKit.
 */
export class OwnChannel implements Port {
  readonly #end: ChannelEnd
  #mark = Number.NaN
  #theirMark = Number.NaN
  #listener = (_message: unknown): void => {}
  readonly #isFirst: boolean
  #onHello: ((hello: Hello) => void) | undefined
  /** A hello that arrived before `onHello` was called. */
  #earlyHello: Hello | undefined

  /** `isFirst`: receives a message before listeners that were added earlier, as far as the platform allows it. */
  constructor(end: ChannelEnd, isFirst: boolean) {
    this.#end = end
    this.#isFirst = isFirst
    end.addEventListener('message', this.#onMessage, isFirst)
  }

  /**
   * Calls back each time a scheduler sends a hello. If one has arrived already, it calls back in a later task, because
   * `onHello` may be called again in this one.
   */
  onHello(listener: (hello: Hello) => void): void {
    this.#onHello = listener
    const hello = this.#earlyHello
    this.#earlyHello = undefined
    if (hello) hop(() => this.#onHello?.(hello))
  }

  readonly #onMessage = (event: MessageEvent): void => {
    const message: unknown = event.data
    if (Array.isArray(message) && message.at(-1) === this.#theirMark) {
      event.stopImmediatePropagation()
      message.pop()
      this.#listener(message)
    } else if (isHello(message)) {
      event.stopImmediatePropagation()
      if (this.#onHello) this.#onHello(message)
      else this.#earlyHello = message
    }
  }

  /** Marks the messages that this end sends with `mark`, and expects `theirMark` on those that it receives. */
  mark(mark: number, theirMark: number): void {
    this.#mark = mark
    this.#theirMark = theirMark
  }

  post(message: unknown[], transfer: Transferable[] = []): void {
    message.push(this.#mark)
    try {
      this.#end.postMessage(message, transfer)
    } finally {
      message.pop()
    }
  }

  onMessage(listener: (message: unknown) => void): void {
    this.#listener = listener
  }

  onClose(listener: (cause: unknown) => void): void {
    this.#end.addEventListener('messageerror', () => listener(unreadable()), true)
  }

  /** Stops listening. On Node, a channel without a listener keeps no thread alive. */
  leave(): void {
    this.#end.removeEventListener('message', this.#onMessage, this.#isFirst)
  }

  /**
   * Stops sending and receiving. The owner of the worker ends it, and decides whether it keeps the process alive (so `hold`
   * does nothing here).
   */
  async close(): Promise<void> {
    this.mark(Number.NaN, Number.NaN)
  }

  hold(): void {}
}

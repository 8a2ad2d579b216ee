import type { Port } from '../shared/port.ts'
import { type Hello, isHello } from './hello.ts'
import { hop } from './hop.ts'
import { unreadable } from './message-port.ts'

/** Either end of the channel that a worker has by itself. */
export interface ChannelEnd {
  postMessage(message: unknown, transfer: Transferable[]): void
  addEventListener(type: string, listener: (event: MessageEvent) => void, isFirst: boolean): void
  removeEventListener(type: string, listener: (event: MessageEvent) => void, isFirst: boolean): void
}

/**
 * Sends and hears on the channel that a worker has by itself. The application may use it, too: so what is ours is marked, by
 * one number there and by another back, and nobody who listens after us gets to see it. A port of our own would need no
 * marks, but through one a message takes five times as long in Firefox and in WebKit.
 */
export class OwnChannel implements Port {
  readonly #end: ChannelEnd
  #mark = Number.NaN
  #theirMark = Number.NaN
  #listener = (_message: unknown): void => {}
  readonly #isFirst: boolean
  #onHello: ((hello: Hello) => void) | undefined
  /** Said before anybody here wanted to hear it. */
  #earlyHello: Hello | undefined

  /** `isFirst`: hears before who listens already, as far as the platform lets it. */
  constructor(end: ChannelEnd, isFirst: boolean) {
    this.#end = end
    this.#isFirst = isFirst
    end.addEventListener('message', this.#hear, isFirst)
  }

  /** Told each time that a scheduler says hello. Of one that was said already, in a task of its own: another may ask in this. */
  onHello(listener: (hello: Hello) => void): void {
    this.#onHello = listener
    const hello = this.#earlyHello
    this.#earlyHello = undefined
    if (hello) hop(() => this.#onHello?.(hello))
  }

  readonly #hear = (event: MessageEvent): void => {
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

  /** What this end says is marked with `mark`, what it hears with `theirMark`. */
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

  /** Listens no longer. A channel of Node's that nobody listens to keeps no thread alive. */
  leave(): void {
    this.#end.removeEventListener('message', this.#hear, this.#isFirst)
  }

  /** Says and hears no more; whoever made the worker ends it, and lets it keep the process alive or not. */
  async close(): Promise<void> {
    this.mark(Number.NaN, Number.NaN)
  }

  hold(): void {}
}

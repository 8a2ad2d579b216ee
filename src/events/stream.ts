import { type Deferred, defer } from '../shared/deferred.ts'

export interface StreamOptions<T> {
  /** How many values wait for a slow reader; beyond that the oldest is dropped and counted. */
  readonly capacity: number
  /** Told for each value that the reader took. */
  // A method, so that a stream of one type is a stream of a wider one.
  onTake?(value: T): void
  /** Told once, when the reader left or the source ended. */
  readonly onClose?: () => void
}

/**
 * Values for one reader: an async iterable that is also a `ReadableStream` on request. It listens from the moment it is
 * made, so nothing is missed between asking for it and the first `await`.
 */
export class EventStream<T> implements AsyncIterableIterator<T> {
  readonly #options: StreamOptions<T>
  #buffer: T[] = []
  /** Only what is from here on has not been read. */
  #head = 0
  #readers: Deferred<IteratorResult<T, undefined>>[] = []
  #isEnded = false
  /** How many values were dropped because the reader was slower than `capacity` allows. */
  dropped = 0

  constructor(options: StreamOptions<T>) {
    this.#options = options
  }

  /** @internal */
  push(value: T): void {
    if (this.#isEnded) return
    const reader = this.#readers.shift()
    if (reader) return this.#give(reader, value)
    this.#buffer.push(value)
    if (this.#buffer.length - this.#head > this.#options.capacity) {
      this.#take()
      this.dropped++
    }
  }

  /** @internal No more values; what waits can still be read. */
  end(): void {
    if (this.#isEnded) return
    this.#isEnded = true
    for (const reader of this.#readers.splice(0)) reader.resolve({ done: true, value: undefined })
    this.#options.onClose?.()
  }

  async next(): Promise<IteratorResult<T, undefined>> {
    const reader = defer<IteratorResult<T, undefined>>()
    if (this.#head < this.#buffer.length) this.#give(reader, this.#take())
    else if (this.#isEnded) reader.resolve({ done: true, value: undefined })
    else this.#readers.push(reader)
    return reader.promise
  }

  /** Leaves the stream; `break` in a `for await` does this. */
  async return(): Promise<IteratorResult<T, undefined>> {
    while (this.#head < this.#buffer.length) this.#options.onTake?.(this.#take())
    this.end()
    return { done: true, value: undefined }
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  /** The same values as a web stream, which then is the only reader. */
  toReadableStream(): ReadableStream<T> {
    return new ReadableStream<T>(
      {
        pull: async (controller) => {
          const { done, value } = await this.next()
          if (done) controller.close()
          else controller.enqueue(value)
        },
        cancel: async () => {
          await this.return()
        },
      },
      { highWaterMark: 0 },
    )
  }

  #give(reader: Deferred<IteratorResult<T, undefined>>, value: T): void {
    reader.resolve({ done: false, value })
    this.#options.onTake?.(value)
  }

  #take(): T {
    const value = this.#buffer[this.#head++] as T
    if (this.#head === this.#buffer.length || this.#head > 1_024) {
      this.#buffer = this.#buffer.slice(this.#head)
      this.#head = 0
    }
    return value
  }
}

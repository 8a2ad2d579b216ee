import { asyncDispose } from '../shared/async-dispose.ts'
import { type Deferred, defer } from '../shared/deferred.ts'

export interface StreamOptions<T> {
  /** How many values may wait for a slow reader. Beyond that, the oldest is dropped and counted. */
  readonly capacity: number
  /** Called for each value that the reader took, or left unread. */
  // Declared as a method, so that a stream of one type is assignable to a stream of a wider one.
  onTake?(value: T): void
  /** Called once, when the reader left or the source ended. */
  readonly onClose?: () => void
}

/**
 * Values for one reader. It is an async iterable, and on request a `ReadableStream`. It collects from the moment it is made, so
 * nothing is missed between asking for it and the first `await`. If the reader is slow, the oldest values are dropped and
 * counted in `dropped`.
 *
 * It keeps the protocol of async generators, with one difference: `return` and `throw` do not wait behind a `next()` for a
 * value that may never come, but end it.
 */
export interface EventStream<T> extends AsyncIterableIterator<T>, AsyncDisposable {
  /** How many values were dropped because the reader was too slow. */
  readonly dropped: number
  /** Resolves with the next value. After the end of the stream, `done` is true. */
  next(): Promise<IteratorResult<T, undefined>>
  /** Leaves the stream, and resolves with `value`. `break` in a `for await` does this. */
  return<Value = undefined>(value?: Value | PromiseLike<Value>): Promise<IteratorReturnResult<Value>>
  /** Leaves the stream, and rejects with `error`. */
  throw(error?: unknown): Promise<IteratorResult<T, undefined>>
  /** The stream itself: for `for await`. */
  [Symbol.asyncIterator](): this
  /** Leaves the stream: for `await using`. */
  [asyncDispose](): Promise<void>
  /** Returns the same values as a web stream, which is the only reader from then on. */
  toReadableStream(): ReadableStream<T>
}

/** A stream that is filled from within. */
export class BufferedStream<T> implements EventStream<T> {
  static {
    // `%AsyncIteratorPrototype%` has no global name. Platforms put there what every async iterator can do.
    const { prototype } = Object.getPrototypeOf(async function* () {})
    Object.setPrototypeOf(BufferedStream.prototype, Object.getPrototypeOf(prototype))
  }

  readonly #options: StreamOptions<T>
  #buffer: T[] = []
  /** The index of the first value that has not been read. */
  #head = 0
  #readers: Deferred<IteratorResult<T, undefined>>[] = []
  #isEnded = false
  /** Set when the stream has ended with an error that nobody has received yet. */
  #failure: { readonly error: unknown } | undefined
  /** The newest request after the end. These requests settle in order, and `return` awaits the value that it is given. */
  #last: Promise<unknown> = Promise.resolve()
  /** How many values were dropped because the reader was slower than `capacity` allows. */
  dropped = 0
  /** How many values were given to the reader. */
  taken = 0

  constructor(options: StreamOptions<T>) {
    this.#options = options
  }

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

  /** Adds no more values. Values that wait can still be read. */
  end(): void {
    if (this.#isEnded) return
    this.#isEnded = true
    for (const reader of this.#readers.splice(0)) this.#finish(reader)
    this.#options.onClose?.()
  }

  /** Adds no more values. Behind those that wait, one request is rejected. */
  fail(error: unknown): void {
    if (this.#isEnded) return
    this.#failure = { error }
    this.end()
  }

  next(): Promise<IteratorResult<T, undefined>> {
    const isEmpty = this.#head === this.#buffer.length
    if (isEmpty && this.#isEnded) return this.#inTurn(() => this.#finish(defer()))
    const reader = defer<IteratorResult<T, undefined>>()
    if (isEmpty) this.#readers.push(reader)
    else this.#give(reader, this.#take())
    return reader.promise
  }

  /** Leaves the stream and returns `value`. `break` in a `for await` calls this. */
  return<Value = undefined>(value?: Value | PromiseLike<Value>): Promise<IteratorReturnResult<Value>> {
    this.#leave()
    return this.#inTurn(async () => ({ done: true, value: (await value) as Value }))
  }

  /** Leaves the stream and rejects with `error`. */
  throw(error?: unknown): Promise<IteratorResult<T, undefined>> {
    this.#leave()
    return this.#inTurn(() => Promise.reject(error))
  }

  async [asyncDispose](): Promise<void> {
    await this.return()
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  /** Returns a web stream of the same values, which is the only reader from then on. */
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

  /** Answers a request behind the last value. */
  #finish({ promise, resolve, reject }: Deferred<IteratorResult<T, undefined>>): Promise<IteratorResult<T, undefined>> {
    if (this.#failure) reject(this.#failure.error)
    else resolve({ done: true, value: undefined })
    this.#failure = undefined
    return promise
  }

  #give(reader: Deferred<IteratorResult<T, undefined>>, value: T): void {
    this.taken++
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

  #leave(): void {
    const unread = this.#buffer.slice(this.#head)
    this.#buffer = []
    this.#head = 0
    this.#failure = undefined
    this.end()
    for (const value of unread) this.#options.onTake?.(value)
  }

  #inTurn<Answer>(answer: () => Answer | Promise<Answer>): Promise<Answer> {
    const answering = this.#last.then(answer)
    this.#last = answering.catch(() => {})
    return answering
  }
}

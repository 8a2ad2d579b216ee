import { BufferedStream, type EventStream } from './stream.ts'

/** The values that the handler of a job sends. */
export interface ValueStream<Value = unknown> extends EventStream<Value> {
  /**
   * The number of the value that was taken last, if the job has the option `keepValues`: keep it, and `job.values({ after })` goes on
   * behind it. Values are numbered from 1, over all attempts. `undefined` before the first value, unless `after` was given, and for a
   * job that keeps none.
   */
  readonly after: number | undefined
}

/** A reader of numbered values, with its place among them. */
export class NumberedStream extends BufferedStream<unknown> implements ValueStream {
  /** The number of the value that has come last; `undefined` while it is not known where the reader begins. */
  received: number | undefined
  #before: number | undefined

  constructor(after: number | undefined, onTake: () => void, onClose: () => void) {
    super({ capacity: Number.POSITIVE_INFINITY, onTake, onClose })
    this.received = after
    this.#before = after
  }

  get after(): number | undefined {
    return this.#before === undefined ? undefined : this.#before + this.taken
  }

  /** How many values have come and wait for the reader. */
  get ahead(): number {
    return (this.received ?? 0) - (this.after ?? 0)
  }

  /** The reader begins behind this number, unless it has begun. */
  begin(before: number): void {
    this.received ??= before
    this.#before ??= before
  }

  receive(number: number, value: unknown): void {
    this.begin(number - 1)
    this.received = number
    this.push(value)
  }
}

import type { JobObservers } from '../engine/job-observers.ts'
import type { JobView } from '../engine/job-view.ts'
import type { BufferedStream } from '../events/stream.ts'
import type { Connection } from './connection.ts'
import { refOf } from './wire.ts'

interface Reading {
  readonly job: JobView
  /** How many values have come and wait for the reader. */
  ahead: number
}

/**
 * The values of jobs that a client reads while the jobs run somewhere else. The session sends no more values ahead of a reader
 * than it has room for, so it is sent each value that the reader takes.
 */
export class Readings {
  #session: Connection | undefined
  /** By the number under which a session sends the values. */
  readonly #readings = new Map<number, Reading>()
  #last = 0

  /** Reads from this session from now on. Without one, readers wait for the next. */
  readFrom(session: Connection | undefined): void {
    this.#session = session
    for (const number of this.#readings.keys()) this.#ask(number)
  }

  /** `isOver`: no more values can come. `onTake` is called with the number of the reading for each value that is taken. */
  read(
    job: JobView,
    observers: JobObservers,
    isOver: boolean,
    onTake: (number: number) => void,
  ): BufferedStream<unknown> {
    const number = ++this.#last
    const stream = observers.read(
      () => onTake(number),
      () => {
        if (this.#readings.delete(number)) this.#session?.send('unread', number)
      },
    )
    if (isOver) stream.end()
    else {
      this.#readings.set(number, { job, ahead: 0 })
      this.#ask(number)
    }
    return stream
  }

  #ask(number: number): void {
    const { job, ahead } = this.#readings.get(number) as Reading
    this.#session?.send('read', number, refOf(job.record), ahead)
  }

  receive(number: number, value: unknown): void {
    const reading = this.#readings.get(number)
    if (!reading) return
    reading.ahead++
    reading.job.observe().receive(value)
  }

  /** The reader took a value: the session may send one more. */
  ack(number: number): void {
    const reading = this.#readings.get(number)
    if (!reading) return
    if (reading.ahead > 0) reading.ahead--
    this.#session?.send('ack', number)
  }

  /** The session has sent the last value. */
  end(number: number): void {
    const reading = this.#readings.get(number)
    this.#readings.delete(number)
    reading?.job.observers?.endValues()
  }

  /** Ends the readings of jobs of which no more values can come. */
  endAll(isOver: (job: JobView) => boolean): void {
    for (const { job } of this.#readings.values()) if (isOver(job)) job.observers?.endValues()
  }
}

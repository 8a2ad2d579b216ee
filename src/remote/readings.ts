import type { JobObservers } from '../engine/job-observers.ts'
import type { JobView } from '../engine/job-view.ts'
import type { NumberedStream } from '../events/numbered-stream.ts'
import type { BufferedStream } from '../events/stream.ts'
import { keepsValues } from '../job/record.ts'
import type { Connection } from './connection.ts'
import { refOf } from './wire.ts'

interface Reading {
  readonly job: JobView
  /** How many values have come and wait for the reader. */
  ahead: number
  /** The reader, if the job keeps its values; another session goes on behind what it has received. */
  numbered: NumberedStream | undefined
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
    after: number | undefined,
    isOver: boolean,
    onTake: (number: number) => void,
  ): BufferedStream<unknown> {
    const number = ++this.#last
    const onTaken = () => onTake(number)
    const onLeave = () => {
      if (this.#readings.delete(number)) this.#session?.send('unread', number)
    }
    const numbered = keepsValues(job.record) ? observers.readNumbered(after, onTaken, onLeave) : undefined
    const stream = numbered ?? observers.read(onTaken, onLeave)
    if (isOver) stream.end()
    else {
      this.#readings.set(number, { job, ahead: 0, numbered })
      this.#ask(number)
    }
    return stream
  }

  #ask(number: number): void {
    const { job, ahead, numbered } = this.#readings.get(number) as Reading
    this.#session?.send('read', number, refOf(job.record), numbered?.ahead ?? ahead, numbered?.received)
  }

  /** `number`: that of the value, if the job keeps its values. */
  receive(reading: number, value: unknown, number: number | undefined): void {
    const found = this.#readings.get(reading)
    if (!found) return
    found.ahead++
    if (!found.numbered) found.job.observe().receive(value)
    else if (number !== undefined) found.numbered.receive(number, value)
  }

  /** The reader took a value: the session may send one more. */
  ack(number: number): void {
    const reading = this.#readings.get(number)
    if (!reading) return
    if (reading.ahead > 0) reading.ahead--
    this.#session?.send('ack', number)
  }

  /** The session has sent the last value, or cannot send any because of `error`. Returns whether the reader receives that. */
  end(number: number, error: unknown): boolean {
    const { job, numbered } = this.#readings.get(number) ?? {}
    this.#readings.delete(number)
    if (!numbered) job?.observers?.endValues()
    else if (error === undefined) numbered.end()
    else numbered.fail(error)
    return numbered !== undefined
  }

  /** The jobs run here now: gives readers what they have not received. */
  feed(feed: (job: JobView, reader: NumberedStream) => void): void {
    for (const { job, numbered } of this.#readings.values()) if (numbered) feed(job, numbered)
  }

  /** Ends the readings of jobs of which no more values can come. */
  endAll(isOver: (job: JobView) => boolean): void {
    for (const { job } of this.#readings.values()) if (isOver(job)) job.observers?.endValues()
  }
}

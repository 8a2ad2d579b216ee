import type { EventBus } from '../events/event-bus.ts'
import { isBefore, Line, type LineOptions } from '../queue/line.ts'
import type { EngineQueues, QueueControl } from './engine.ts'
import type { LiveJob } from './live-job.ts'

/** The lines of all queues, and the order among them. */
export class Lines {
  readonly #byName = new Map<string, Line<LiveJob>>()
  /** The same, to go through for each start: that costs less than half in an array. */
  readonly #all: Line<LiveJob>[] = []
  readonly #onOpen: () => void

  /** `onOpen` is told when a gate may let more through. */
  constructor(queues: EngineQueues, onOpen: () => void) {
    this.#onOpen = onOpen
    for (const [name, options] of Object.entries(queues)) this.#add(name, options)
  }

  /** A queue comes into being when it is first named. */
  get(name: string): Line<LiveJob> {
    return this.#byName.get(name) ?? this.#add(name, {})
  }

  /** The line whose head is next of all that may start; `refused` have no start left in their rate limit. */
  next(refused: ReadonlySet<Line<LiveJob>> | undefined): Line<LiveJob> | undefined {
    let next: Line<LiveJob> | undefined
    for (const line of this.#all) {
      if (line.size === 0 || refused?.has(line) || !line.gate.hasRoom()) continue
      if (!next || isBefore((line.head as LiveJob).record, (next.head as LiveJob).record)) next = line
    }
    return next
  }

  /** How many jobs could start if there were threads for them. */
  get startable(): number {
    let startable = 0
    for (const { size, gate } of this.#all) {
      if (size > 0 && gate.hasRoom()) startable += Math.min(size, gate.concurrency - gate.running)
    }
    return startable
  }

  resumeAll(): void {
    for (const { gate } of this.#all) if (gate.isPaused) gate.resume()
  }

  close(): void {
    for (const { gate } of this.#all) gate.drain()
  }

  control(name: string, bus: EventBus): QueueControl {
    const line = this.get(name)
    const { gate } = line
    return {
      get isPaused() {
        return gate.isPaused
      },
      get size() {
        return line.size
      },
      get running() {
        return gate.running
      },
      pause() {
        if (gate.isPaused) return
        gate.pause()
        bus.tell('paused', { queue: name })
      },
      resume() {
        if (!gate.isPaused) return
        bus.tell('resumed', { queue: name })
        gate.resume()
      },
      setConcurrency: (concurrency) => gate.setConcurrency(concurrency),
      setRateLimit: (rateLimit) => gate.setRateLimit(rateLimit),
    }
  }

  #add(name: string, options: LineOptions): Line<LiveJob> {
    const line = new Line<LiveJob>(name, options, this.#onOpen)
    this.#byName.set(name, line)
    this.#all.push(line)
    return line
  }
}

import type { Counts, SchedulerSnapshot, Stats } from '../engine/engine.ts'
import type { EventBus } from '../events/event-bus.ts'
import { states } from '../job/record.ts'
import type { Clock } from '../shared/clock.ts'

/** What a client shows of the whole scheduler. The session sends it when the client looks, and on changes if it observes. */
export interface Board {
  readonly snapshot: SchedulerSnapshot
  readonly stats: Stats
  /** The queues that the client has looked at, except for those in which nothing happens. */
  readonly queues: { readonly [name: string]: ShownQueue }
}

/** How many jobs of a queue wait, how many run, and when its rate limit lets the next one start; 0 for now. */
export type ShownQueue = readonly [size: number, running: number, nextStartAt: number]

/** Boards of one client that observes follow one another at this distance or more: they change with every job. */
export const boardMs = 50

/** Before anything is known. */
export const emptyBoard: Board = {
  snapshot: Object.freeze({
    counts: Object.freeze(Object.fromEntries(states.map((state) => [state, 0])) as Counts),
    isPaused: false,
    isIdle: true,
    workers: 0,
  }),
  stats: {
    workers: { online: 0, busy: 0, starting: 0 },
    depth: 0,
    rates: { added: 0, completed: 0, failed: 0 },
    latencies: { wait: { p50: 0, p95: 0, p99: 0 }, run: { p50: 0, p95: 0, p99: 0 } },
    totals: { added: 0, completed: 0, failed: 0, cancelled: 0 },
  },
  queues: {},
}

/** Asks a session for the board, and whether to send changes as well. Returns whether there is a session. */
type Ask = (queues: readonly string[], isObserving: boolean) => boolean

/** The newest board that has come. Reading it returns that at once, and asks for a newer one for the next time. */
export class BoardView {
  readonly #bus: EventBus
  readonly #clock: Clock
  readonly #ask: Ask
  #board = emptyBoard
  #cameAt = 0
  /** A board was asked for, and has not come yet. */
  #isAsked = false
  /** The queues that were asked for. */
  #shown: ReadonlySet<string> = new Set()
  /** The queues that were looked at since then. */
  readonly #looked = new Set<string>()
  readonly #observers = new Set<() => void>()

  /** Observers are the application's, so the bus calls them. */
  constructor(bus: EventBus, clock: Clock, ask: Ask) {
    this.#bus = bus
    this.#clock = clock
    this.#ask = ask
  }

  look(): Board {
    // An observer looks at what has just come. To ask for more would make the next board come at once, and so on.
    if (!this.isObserved || this.#clock.monotonic() - this.#cameAt >= boardMs) this.#askOnce()
    return this.#board
  }

  lookAt(queue: string): ShownQueue {
    this.#looked.add(queue)
    if (!this.#shown.has(queue)) this.#askOnce()
    return this.look().queues[queue] ?? [0, 0, 0]
  }

  /** Asks another session, or asks the same one for something else. */
  askAnew(): void {
    this.#isAsked = false
    this.#askOnce()
  }

  #askOnce(): void {
    if (this.#isAsked) return
    const queues = new Set([...Object.keys(this.#board.queues), ...this.#looked])
    if (!this.#ask([...queues], this.isObserved)) return
    this.#isAsked = true
    this.#shown = queues
    this.#looked.clear()
  }

  get isObserved(): boolean {
    return this.#observers.size > 0
  }

  observe(observer: () => void): () => void {
    this.#observers.add(observer)
    this.askAnew()
    return () => {
      this.#observers.delete(observer)
      this.askAnew()
    }
  }

  /** A board has come. */
  receive(board: Board): void {
    this.#isAsked = false
    this.#cameAt = this.#clock.monotonic()
    this.#show(board)
  }

  /** No other board will come. */
  end(last: Board): void {
    this.#board = last
  }

  /** Shows a pause before a board does. */
  showPause(isPaused: boolean): void {
    this.#show({ ...this.#board, snapshot: { ...this.#board.snapshot, isPaused } })
  }

  #show(board: Board): void {
    const { snapshot } = this.#board
    const isSame = JSON.stringify(board.snapshot) === JSON.stringify(snapshot)
    this.#board = { ...board, snapshot: isSame ? snapshot : freeze(board.snapshot) }
    if (!isSame) this.notify()
  }

  notify(): void {
    for (const observer of [...this.#observers]) this.#bus.call(observer)
  }
}

const freeze = (snapshot: SchedulerSnapshot): SchedulerSnapshot =>
  Object.freeze({ ...snapshot, counts: Object.freeze(snapshot.counts) })

import type { Counts, SchedulerSnapshot, Stats } from '../engine/engine.ts'
import type { EventBus } from '../events/event-bus.ts'
import { states } from '../job/record.ts'

/** What a client knows of the whole scheduler. It is sent when somebody looks, and on changes while somebody observes. */
export interface Board {
  readonly snapshot: SchedulerSnapshot
  readonly stats: Stats
  /** Of the queues that it has looked at and that are not empty: how many wait, how many run. */
  readonly queues: { readonly [name: string]: readonly [size: number, running: number] }
}

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

/** The board as it was shown last. Whoever looks gets that at once, and has it shown anew for the next time. */
export class BoardView {
  readonly #bus: EventBus
  readonly #ask: (queues: readonly string[], isObserving: boolean) => boolean
  #board = emptyBoard
  /** Queues that were looked at since the board was asked for last, and those that are not empty. */
  readonly #queues = new Set<string>()
  /** It was asked for, and has not come yet. */
  #isAsked = false
  readonly #observers = new Set<() => void>()

  /**
   * `ask` asks to be shown the board, and to be kept up to date from then on or not; it returns whether there is anybody to ask.
   * Observers are the user's, and called by the bus.
   */
  constructor(bus: EventBus, ask: (queues: readonly string[], isObserving: boolean) => boolean) {
    this.#bus = bus
    this.#ask = ask
  }

  look(): Board {
    if (!this.#isAsked && this.#ask([...this.#queues], this.isObserved)) {
      this.#isAsked = true
      this.#queues.clear()
    }
    return this.#board
  }

  /** Somebody else is asked from now on, or something else. */
  lookAnew(): Board {
    this.#isAsked = false
    return this.look()
  }

  lookAt(queue: string): readonly [size: number, running: number] {
    this.#queues.add(queue)
    return this.look().queues[queue] ?? [0, 0]
  }

  /** Soon somebody will look at it. */
  expect(queue: string): void {
    this.#queues.add(queue)
    this.lookAnew()
  }

  get isObserved(): boolean {
    return this.#observers.size > 0
  }

  observe(observer: () => void): () => void {
    this.#observers.add(observer)
    this.lookAnew()
    return () => {
      this.#observers.delete(observer)
      this.lookAnew()
    }
  }

  /** The board has come. */
  see(board: Board): void {
    this.#isAsked = false
    for (const name of Object.keys(board.queues)) this.#queues.add(name)
    this.#show(board)
  }

  /** Nobody shows it any more. */
  end(last: Board): void {
    this.#board = last
  }

  /** Known before the board says so. */
  seePause(isPaused: boolean): void {
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

import { type Performance, unlessStopped } from './stage.ts'
import { inputOf, type Tile } from './tiles.ts'

export interface PendingTile {
  readonly tile: Tile
  readonly id: string
  readonly abort: AbortController
  priority: number
  isRunning: boolean
}

export interface TileListener {
  onTile(tile: Tile, pixels: Uint8ClampedArray<ArrayBuffer>): void
  onChange(): void
}

/** Tiles that were asked for and are not there yet, each one job. */
export class TileQueue {
  readonly #listener: TileListener
  readonly #pending = new Map<string, PendingTile>()
  /** Cancelled by hand, or failed: not asked for again while they stay in view. */
  readonly #refused = new Set<string>()
  readonly #whenIdle: (() => void)[] = []
  readonly counts = { completed: 0, cancelled: 0 }
  #lastId = 0

  constructor(listener: TileListener) {
    this.#listener = listener
  }

  get pending(): Iterable<PendingTile> {
    return this.#pending.values()
  }

  get running(): number {
    return [...this.#pending.values()].filter(({ isRunning }) => isRunning).length
  }

  get waiting(): number {
    return this.#pending.size - this.running
  }

  /** From now on these are wanted, and no others. */
  want(tiles: ReadonlyMap<string, Tile>, priorityOf: (tile: Tile) => number, { scheduler, signal }: Performance): void {
    for (const [key, { abort }] of this.#pending) if (!tiles.has(key)) abort.abort(new OutOfView())
    for (const key of this.#refused) if (!tiles.has(key)) this.#refused.delete(key)
    const fresh = [...tiles.values()].filter(({ key }) => !this.#pending.has(key) && !this.#refused.has(key))
    if (fresh.length === 0 || signal.aborted) return
    for (const tile of fresh) this.#add(tile, priorityOf(tile), scheduler)
    this.#listener.onChange()
  }

  /** The pointer is elsewhere: what is near it now goes first. */
  aim(priorityOf: (tile: Tile) => number, { scheduler }: Performance): void {
    for (const pending of this.#pending.values()) {
      const priority = priorityOf(pending.tile)
      if (pending.isRunning || pending.priority === priority) continue
      pending.priority = priority
      void scheduler.setPriority(pending.id, priority)
    }
  }

  /** Resolves when no tile is pending. */
  whenIdle(): Promise<void> {
    return this.#pending.size === 0 ? Promise.resolve() : new Promise((resolve) => this.#whenIdle.push(resolve))
  }

  clear(): void {
    this.#refused.clear()
    for (const { abort } of this.#pending.values()) abort.abort(new OutOfView())
  }

  /** One by one, which is one commit all the same: one that is out of view before it is in takes no others along. */
  #add(tile: Tile, priority: number, scheduler: Performance['scheduler']): void {
    const id = `tile-${++this.#lastId}`
    const pending: PendingTile = { tile, id, priority, abort: new AbortController(), isRunning: false }
    this.#pending.set(tile.key, pending)
    const onSettled = (error: unknown): void => this.#settle(pending, error)
    const options = {
      id,
      priority,
      signal: pending.abort.signal,
      onStarted: () => {
        pending.isRunning = true
        this.#listener.onChange()
      },
      onCompleted: (pixels: Uint8ClampedArray<ArrayBuffer>) => this.#listener.onTile(tile, pixels),
      onSettled,
    }
    scheduler.add.tile(inputOf(tile), options).catch((error) => {
      if (this.#pending.get(tile.key) === pending) onSettled(error)
      if (!(error instanceof OutOfView)) unlessStopped(error)
    })
  }

  /** Also one that never was a job: it was out of view too soon. */
  #settle(pending: PendingTile, error: unknown): void {
    const { key } = pending.tile
    if (this.#pending.get(key) === pending) this.#pending.delete(key)
    if (error !== undefined && !(error instanceof OutOfView)) this.#refused.add(key)
    this.counts[error === undefined ? 'completed' : 'cancelled']++
    this.#listener.onChange()
    if (this.#pending.size === 0) for (const resolve of this.#whenIdle.splice(0)) resolve()
  }
}

class OutOfView extends Error {
  override readonly name = 'OutOfView'
}

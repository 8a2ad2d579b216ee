import { reportUncaught } from '../platform/host.ts'
import { defer } from '../shared/deferred.ts'
import { OffstageError } from '../shared/errors.ts'
import { isThenable } from '../shared/thenable.ts'
import type { HistoryEntry } from './entry.ts'
import type { HistoryCommands } from './history-extension.ts'

/** What a reducer makes of the history: a read model. */
export interface Projection<State> {
  /** Returns the state by now. A new object only if the reducer has made one. Bound to the projection. */
  readonly snapshot: () => State
  /** Calls the listener whenever `snapshot()` may return something else. Returns a function that stops this. Bound. */
  readonly subscribe: (listener: () => void) => () => void
  /** The number of the last entry that is in the state; 0 for none. */
  readonly seq: number
  /** Whether all entries were there: `false` if some were dropped before this projection has seen them. */
  readonly isWhole: boolean
  /**
   * Resolves when all that was committed by the time of the call to `project` is in the state, or when it is closed. Rejects with
   * what the reducer throws, with `INVALID_OPTION` if it returns a promise, with `DATA_CLONE` if the state is to be stored and cannot
   * be, after which nothing more comes; and with `SCHEDULER_CLOSED`. Errors of the reducer are reported as uncaught ones, too.
   */
  readonly ready: Promise<void>
  /** Ends the projection: the state changes no more. */
  close(): void
}

interface Settings {
  readonly id: string | undefined
  /** It is stored when so many entries have come. */
  readonly saveEvery: number
  /** Calls back when entries were written. Returns a function that stops this. */
  readonly onWritten: (callback: () => void) => () => void
}

/** Reads entries, one slice after the other, and hands them to the reducer. */
export class ProjectionHandle<State> implements Projection<State> {
  readonly #commands: HistoryCommands
  readonly #reducer: (state: State, entry: HistoryEntry) => State
  readonly #settings: Settings
  readonly #listeners = new Set<() => void>()
  readonly #stop: () => void
  readonly #ready = defer<void>()
  readonly ready = this.#ready.promise
  #state: State
  #seq = 0
  #savedSeq = 0
  #isWhole = true
  #isLoaded = false
  #isClosed = false
  /** Entries were written since it has asked for the last ones. */
  #isBehind = true
  #isReading = false

  constructor(
    commands: HistoryCommands,
    reducer: (state: State, entry: HistoryEntry) => State,
    initial: State,
    settings: Settings,
  ) {
    this.#commands = commands
    this.#reducer = reducer
    this.#state = initial
    this.#settings = settings
    // Whoever does not wait for it must not get an unhandled rejection.
    this.ready.catch(() => {})
    this.#stop = settings.onWritten(() => this.#follow())
    this.#follow()
  }

  readonly snapshot = (): State => this.#state

  readonly subscribe = (listener: () => void): (() => void) => {
    // The same function may subscribe twice.
    const call = () => listener()
    this.#listeners.add(call)
    return () => void this.#listeners.delete(call)
  }

  get seq(): number {
    return this.#seq
  }

  get isWhole(): boolean {
    return this.#isWhole
  }

  close(): void {
    this.#isClosed = true
    this.#stop()
    this.#ready.resolve()
  }

  #follow(): void {
    this.#isBehind = true
    if (this.#isReading || this.#isClosed) return
    this.#isReading = true
    void this.#readAll()
  }

  async #readAll(): Promise<void> {
    let failures = 0
    while (this.#isBehind && !this.#isClosed) {
      this.#isBehind = false
      try {
        await this.#read()
        failures = 0
      } catch (error) {
        if ((error as Partial<OffstageError>).code !== 'STORE_WRITE_FAILED') this.#fail(error)
        // What was refused with it is gone, or is tried again, and then entries come.
        else if (failures++ === 0) this.#isBehind = true
      }
    }
    this.#isReading = false
  }

  async #read(): Promise<void> {
    const { id } = this.#settings
    const saved = this.#isLoaded || id === undefined ? undefined : await this.#commands.load(id)
    this.#isLoaded = true
    if (saved) {
      this.#seq = this.#savedSeq = saved.seq
      this.#state = saved.state as State
    }
    const isAll = await this.#fold()
    if (this.#isClosed) return
    if (isAll) this.#ready.resolve()
    else this.#isBehind = true
  }

  /**
   * One commit may have more entries than a slice. So what is shown is the state at the end of all that was committed when it
   * began to read, and none in the middle of it. Resolves with whether there was no more.
   */
  async #fold(): Promise<boolean> {
    let state = this.#state
    let seq = this.#seq
    let until: number | undefined
    let isAll = false
    let isThere = false
    do {
      const next = await this.#commands.next(seq + 1)
      if (this.#isClosed) return true
      isAll = next.isAll
      until ??= next.last
      if (next.first > seq + 1) this.#isWhole = false
      for (const entry of next.entries) {
        isThere ||= entry.seq > until
        if (isThere && !isAll) break
        state = this.#reducer(state, entry)
        seq = entry.seq
      }
    } while (!isAll && !isThere)
    if (isThenable(state))
      throw new OffstageError('INVALID_OPTION', 'Expected `reducer` to return a state, got a promise.')
    if (seq > this.#seq) this.#show(state, seq)
    return isAll
  }

  #fail(error: unknown): void {
    const isOver = this.#isClosed
    this.#ready.reject(error)
    this.close()
    // The end of the scheduler is no news; a reducer that throws, or makes what is no state, is a fault of the application.
    const isNews = !(error instanceof OffstageError) || error.code === 'INVALID_OPTION' || error.code === 'DATA_CLONE'
    if (!isOver && isNews) reportUncaught(error)
  }

  #show(state: State, seq: number): void {
    this.#state = state
    this.#seq = seq
    this.#save()
    for (const call of [...this.#listeners]) {
      try {
        call()
      } catch (error) {
        reportUncaught(error)
      }
    }
  }

  #save(): void {
    const { id, saveEvery } = this.#settings
    if (id === undefined || this.#seq - this.#savedSeq < saveEvery) return
    this.#savedSeq = this.#seq
    this.#commands.save(id, { seq: this.#seq, state: this.#state }).catch((error) => {
      // If the store refuses it, the next one comes. What cannot be copied would never be stored.
      if (error.code === 'DATA_CLONE') this.#fail(error)
    })
  }
}

/** Live lists of a client. The session sends what has changed in them. */
import type { FindOptions, JobList } from '../engine/engine.ts'
import { keepSame, ListView } from '../engine/job-list.ts'
import type { JobSnapshot } from '../engine/job-observers.ts'
import type { EventBus } from '../events/event-bus.ts'
import type { Clock } from '../shared/clock.ts'
import { type ErrorClass, thrownFromWire, thrownToWire, type WireThrown } from '../shared/error-wire.ts'
import type { Connection } from './connection.ts'

type WireSnapshot = Omit<JobSnapshot, 'error'> & { readonly error: WireThrown | undefined }
/** A part of the list before: `count` snapshots from `from` on. Or a snapshot that was not in it. */
type Piece = readonly [from: number, count: number] | WireSnapshot

/** Changes of one list follow one another at this distance or more. */
const listMs = 50

/** Sends a list at once, and then its changes. */
export class ListSender {
  readonly #list: JobList
  readonly #post: (pieces: readonly Piece[]) => void
  #sent: readonly JobSnapshot[] = []
  #stopTimer: (() => void) | undefined

  constructor(list: JobList, clock: Clock, post: (pieces: readonly Piece[]) => void) {
    this.#list = list
    this.#post = post
    list.subscribe(() => {
      this.#stopTimer ??= clock.startTimer(() => this.#send(), listMs, false)
    })
    this.#send()
  }

  #send(): void {
    this.#stopTimer = undefined
    const next = this.#list.snapshot()
    this.#post(piecesBetween(this.#sent, next))
    this.#sent = next
  }

  close(): void {
    this.#list.close()
    this.#stopTimer?.()
  }
}

function piecesBetween(before: readonly JobSnapshot[], next: readonly JobSnapshot[]): readonly Piece[] {
  const places = new Map(before.map((snapshot, at) => [snapshot, at]))
  const pieces: (Piece | [number, number])[] = []
  for (const snapshot of next) {
    const at = places.get(snapshot)
    const last = pieces.at(-1)
    const { error } = snapshot
    if (at === undefined) pieces.push({ ...snapshot, error: error === undefined ? undefined : thrownToWire(error) })
    else if (Array.isArray(last) && last[0] + last[1] === at) last[1]++
    else pieces.push([at, 1])
  }
  return pieces
}

/** Shows a list in a view, and keeps it up to date. Returns a function that stops. */
type Keep = (view: ListView, filter: FindOptions) => () => void

interface Watched {
  readonly view: ListView
  readonly filter: FindOptions
  /** The list as the session has sent it. */
  received: readonly JobSnapshot[]
  stop: () => void
}

/** The lists of one client. A session keeps them up to date, or an engine in this process; between two of these, nothing does. */
export class WatchedLists {
  readonly #bus: EventBus
  readonly #errors: readonly ErrorClass[]
  readonly #lists = new Map<number, Watched>()
  #last = 0
  #keeper: Connection | Keep | undefined

  constructor(bus: EventBus, errors: readonly ErrorClass[]) {
    this.#bus = bus
    this.#errors = errors
  }

  watch(filter: FindOptions): JobList {
    const number = ++this.#last
    const view = new ListView(this.#bus, () => {
      if (this.#lists.delete(number)) list.stop()
    })
    const list: Watched = { view, filter, received: [], stop: () => {} }
    this.#lists.set(number, list)
    this.#entrust(number, list)
    return view
  }

  /** Changes what keeps all lists up to date. */
  keepBy(keeper: Connection | Keep | undefined): void {
    this.#keeper = keeper
    for (const [number, list] of this.#lists) this.#entrust(number, list)
  }

  #entrust(number: number, list: Watched): void {
    const keeper = this.#keeper
    list.received = []
    list.stop = () => {}
    if (typeof keeper === 'function') list.stop = keeper(list.view, list.filter)
    else if (keeper) {
      keeper.send('list', number, list.filter)
      list.stop = () => keeper.send('unlist', number)
    }
  }

  receive(number: number, pieces: readonly Piece[]): void {
    const list = this.#lists.get(number)
    if (!list) return
    const shown = new Map(list.view.snapshot().map((snapshot) => [snapshot.id, snapshot]))
    const fromWire = ({ error, ...rest }: WireSnapshot) =>
      keepSame(shown.get(rest.id), Object.freeze({ ...rest, error: error && thrownFromWire(error, this.#errors) }))
    const { received } = list
    list.received = pieces.flatMap((piece) =>
      Array.isArray(piece) ? received.slice(piece[0], piece[0] + piece[1]) : fromWire(piece as WireSnapshot),
    )
    list.view.show([...list.received])
  }

  end(): void {
    this.#lists.clear()
  }
}

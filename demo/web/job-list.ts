import type { JobSnapshot } from 'offstage'
import { byId, oncePerFrame, prefersStillness } from './dom.ts'
import { JobRow, type ListedJob } from './job-row.ts'
import { moved } from './order.ts'

interface Entry {
  readonly row: JobRow
  readonly snapshot: JobSnapshot
}

const finishedMax = 6
const slideMs = 180

/** Jobs in the order in which they will run: what runs, what waits, what ended last. */
export class JobList {
  readonly #list: HTMLOListElement
  readonly #empty: HTMLElement
  /** In the order of adding, which is what counts among equals. */
  readonly #rows = new Map<JobRow, () => void>()
  #waiting: Entry[] = []
  #dragged: JobRow | undefined
  readonly #render = oncePerFrame(() => this.#show())
  readonly #isMoreUnderWay: () => boolean

  /**
   * `id` of the list; what is shown while nothing runs or waits is called `<id>-empty`. `isMoreUnderWay` knows whether
   * something does that is not on the list; when that changes, `refresh` is to be called.
   */
  constructor(id: string, isMoreUnderWay: () => boolean = () => false) {
    this.#list = byId<HTMLOListElement>(id)
    this.#empty = byId(`${id}-empty`)
    this.#isMoreUnderWay = isMoreUnderWay
    this.#render()
  }

  refresh(): void {
    this.#render()
  }

  add(job: ListedJob, subject: string): void {
    const row = new JobRow(job, subject, {
      move: (moving, by) => this.#moveBy(moving, by),
      drag: (dragged, event) => this.#drag(dragged, event),
    })
    this.#rows.set(row, job.subscribe(this.#render))
    this.#render()
  }

  remove(id: string): void {
    for (const row of [...this.#rows.keys()]) if (row.job.id === id) this.#drop(row)
    this.#render()
  }

  clear(): void {
    for (const row of [...this.#rows.keys()]) this.#drop(row)
    this.#render()
  }

  #show(): void {
    const entries = [...this.#rows.keys()].map((row): Entry => ({ row, snapshot: row.show() }))
    const running = entries.filter(({ snapshot }) => snapshot.state === 'running')
    // Array sorting is stable: equals stay in the order of adding, as in the scheduler.
    this.#waiting = entries
      .filter(({ snapshot }) => isWaiting(snapshot))
      .sort((a, b) => b.snapshot.priority - a.snapshot.priority)
    const finished = entries
      .filter(({ snapshot }) => snapshot.finishedAt !== undefined)
      .sort((a, b) => (b.snapshot.finishedAt as number) - (a.snapshot.finishedAt as number))
    for (const { row } of finished.splice(finishedMax)) this.#drop(row)
    for (const [index, { row }] of this.#waiting.entries()) row.placeAt(index, this.#waiting.length - 1)
    this.#arrange([...running, ...this.#waiting, ...finished].map(({ row }) => row.element))
    this.#empty.hidden = running.length + this.#waiting.length > 0 || this.#isMoreUnderWay()
  }

  #drop(row: JobRow): void {
    this.#rows.get(row)?.()
    this.#rows.delete(row)
    row.element.remove()
  }

  // Moving.

  #moveBy(row: JobRow, by: number): void {
    this.#moveTo(row, this.#waiting.findIndex((entry) => entry.row === row) + by)
  }

  #moveTo(row: JobRow, to: number): void {
    const from = this.#waiting.findIndex((entry) => entry.row === row)
    if (from === -1 || from === to || !this.#waiting[to]) return
    const order = [...this.#waiting]
    order.splice(to, 0, ...order.splice(from, 1))
    const before = this.#waiting.map(({ snapshot }) => snapshot.priority)
    moved(before, from, to).forEach((priority, index) => {
      const { job } = (order[index] as Entry).row
      if (job.snapshot().priority !== priority) void job.setPriority(priority)
    })
  }

  #drag(row: JobRow, down: PointerEvent): void {
    // Not captured by the handle: a row that is moved in the document loses its captures.
    const drag = new AbortController()
    const { signal } = drag
    const follow = ({ pointerId, clientY }: PointerEvent) => {
      if (pointerId === down.pointerId) this.#moveTo(row, this.#indexAt(clientY))
    }
    const end = ({ pointerId }: PointerEvent) => {
      if (pointerId !== down.pointerId) return
      drag.abort()
      this.#dragged = undefined
      row.element.classList.remove('dragged')
    }
    this.#dragged = row
    row.element.classList.add('dragged')
    addEventListener('pointermove', follow, { signal })
    addEventListener('pointerup', end, { signal })
    addEventListener('pointercancel', end, { signal })
  }

  /** The place in the line whose row is at this height. */
  #indexAt(clientY: number): number {
    const index = this.#waiting.findIndex(({ row }) => clientY < row.element.getBoundingClientRect().bottom)
    return index === -1 ? this.#waiting.length - 1 : index
  }

  // Showing.

  /** Brings the elements into this order; those that have to move slide. */
  #arrange(order: readonly HTMLElement[]): void {
    if (
      order.every((item, index) => this.#list.children[index] === item) &&
      order.length === this.#list.childElementCount
    )
      return
    const before = new Map([...this.#list.children].map((item) => [item, item.getBoundingClientRect().top]))
    const focused = document.activeElement as HTMLElement | null
    const { scrollTop } = this.#list
    order.forEach((item, index) => {
      if (this.#list.children[index] !== item) this.#list.insertBefore(item, this.#list.children[index] ?? null)
    })
    this.#list.scrollTop = scrollTop
    // An element that is moved in the document loses its focus.
    if (focused && focused !== document.activeElement) focused.focus({ preventScroll: true })
    if (!prefersStillness()) for (const item of order) this.#slide(item, before.get(item))
  }

  #slide(item: HTMLElement, from: number | undefined): void {
    const by = from === undefined ? 0 : from - item.getBoundingClientRect().top
    if (by === 0 || item.dataset.state !== 'queued' || item === this.#dragged?.element) return
    item.animate([{ transform: `translateY(${by}px)` }, { transform: 'none' }], {
      duration: slideMs,
      easing: 'ease-out',
    })
  }
}

const isWaiting = ({ state }: JobSnapshot): boolean => /^(queued|scheduled|blocked)$/.test(state)

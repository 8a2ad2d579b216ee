// Tabs without a browser: locks, channels and a store that several engines in one process share, with crashes, sleep
// and theft at any moment.

import type { JobRecord } from '../../src/job/record.ts'
import type { TabPlatform } from '../../src/platform/tabs.ts'
import { fromClient, fromSession, messagesOf } from '../../src/remote/shapes.ts'
import { copyValue } from '../../src/shared/clone.ts'
import { OffstageError } from '../../src/shared/errors.ts'
import type { Change, Row, Store, StoreHost } from '../../src/store/store.ts'
import { isCall, isEnvelope } from '../../src/tabs/messages.ts'
import { shareAmongTabs } from '../../src/tabs/share.ts'
import { tabsVersion } from '../../src/tabs/version.ts'

/** Later, in an order of its own: as messages and locks come. */
export type Later = (callback: () => void) => void

interface Waiting {
  readonly tab: FakeTab
  readonly onHeld: () => void
  readonly onLost: (error: unknown) => void
}

/** The origin: what all its tabs share. */
export class FakeOrigin {
  readonly later: Later
  readonly disk: SharedDisk
  readonly marks = new Set<string>()
  readonly #locks = new Map<string, Waiting[]>()
  readonly #channels = new Map<string, Set<{ readonly tab: FakeTab; readonly listener: (message: unknown) => void }>>()

  constructor(later: Later = (callback) => setTimeout(callback)) {
    this.later = later
    this.disk = new SharedDisk(later)
  }

  openTab(speaks: Speech = 'this version'): FakeTab {
    return new FakeTab(this, speaks)
  }

  /** The channels that a tab has open. */
  channelsOf(tab: FakeTab): string[] {
    const isOpen = ([, ends]: readonly [string, Set<{ tab: FakeTab }>]) => [...ends].some((end) => end.tab === tab)
    return [...this.#channels].filter(isOpen).map(([name]) => name)
  }

  /** Locks that are held or queued for, and channels that are open. */
  get inUse(): number {
    const sizes = [...this.#locks.values()].map(({ length }) => length)
    return [...sizes, ...[...this.#channels.values()].map(({ size }) => size)].reduce((sum, size) => sum + size, 0)
  }

  request(name: string, waiting: Waiting): () => void {
    const queue = this.#locks.get(name) ?? []
    this.#locks.set(name, queue)
    queue.push(waiting)
    if (queue[0] === waiting) this.#grant(name, waiting)
    return () => this.#leave(name, waiting)
  }

  #grant(name: string, waiting: Waiting): void {
    this.later(() => {
      if (this.#locks.get(name)?.[0] === waiting) waiting.onHeld()
    })
  }

  #leave(name: string, waiting: Waiting): void {
    const queue = this.#locks.get(name) as Waiting[]
    const at = queue.indexOf(waiting)
    if (at === -1) return
    queue.splice(at, 1)
    if (at === 0 && queue[0]) this.#grant(name, queue[0])
  }

  /** The lock goes to somebody else, whatever its holder thinks. */
  steal(name: string): void {
    const holder = this.#locks.get(name)?.[0]
    if (!holder) return
    this.#leave(name, holder)
    this.later(() => {
      if (!holder.tab.isDead) holder.onLost(new DOMException('stolen', 'AbortError'))
    })
  }

  open(name: string, tab: FakeTab, listener: (message: unknown) => void) {
    const end = { tab, listener }
    const ends = this.#channels.get(name) ?? new Set()
    this.#channels.set(name, ends)
    ends.add(end)
    return {
      post: (message: unknown) => {
        const copy = structuredClone(message)
        if (tab.isDead || !ends.has(end)) return
        for (const other of [...ends]) {
          if (other !== end) this.later(() => ends.has(other) && !other.tab.isDead && other.listener(copy))
        }
      },
      close: () => void ends.delete(end),
    }
  }

  /** All that a tab had, as the browser frees it. */
  free(tab: FakeTab): void {
    for (const [name, queue] of this.#locks) {
      for (const waiting of queue.filter((each) => each.tab === tab)) this.#leave(name, waiting)
    }
    for (const ends of this.#channels.values()) {
      for (const end of [...ends]) if (end.tab === tab) ends.delete(end)
    }
  }
}

/** The first version said nothing of versions, and did not ask. The next one is as this, but for its number. */
export type Speech = 'the first version' | 'this version' | 'the next version'

type Versioned = { readonly version?: number }

/** Whoever hears it takes it for what it is. */
function isWellFormed(message: unknown): boolean {
  if (!isEnvelope(message)) return isCall(message)
  const { messages } = message
  return [fromSession, fromClient].some((samples) => messagesOf(messages, samples).length === messages.length)
}

/** One page. */
export class FakeTab implements TabPlatform {
  readonly #origin: FakeOrigin
  #sleepers: (readonly [onSleep: () => void, onWake: () => void])[] = []
  readonly #leavers = new Set<() => void>()
  isDead = false
  readonly speaks: Speech

  constructor(origin: FakeOrigin, speaks: Speech) {
    this.#origin = origin
    this.speaks = speaks
  }

  get store(): Store {
    return shareAmongTabs('test', () => this.#origin.disk.storeOf(this), this)
  }

  readonly requestLock: TabPlatform['requestLock'] = (name, onHeld, onLost) =>
    this.isDead ? () => {} : this.#origin.request(name, { tab: this, onHeld, onLost })

  readonly openChannel: TabPlatform['openChannel'] = (name, listener) => {
    const channel = this.#origin.open(name, this, (message) => listener(this.#heard(message as Versioned)))
    const post = (message: unknown) => {
      channel.post(this.#said(message as Versioned))
      if (!isWellFormed(message)) this.#origin.disk.problems.push(`dropped: ${JSON.stringify(message)}`)
    }
    return { ...channel, post }
  }

  #said(message: Versioned): unknown {
    if (this.speaks === 'this version') return message
    const { version, ...rest } = message
    return this.speaks === 'the first version' ? rest : { ...rest, version: (version as number) + 1 }
  }

  #heard(message: Versioned): unknown {
    if (this.speaks === 'this version') return message
    const version = this.speaks === 'the first version' ? tabsVersion : (message?.version ?? 1) - 1
    return { ...message, version }
  }

  readonly onSleep: TabPlatform['onSleep'] = (onSleep, onWake) => {
    const sleeper = [onSleep, onWake] as const
    this.#sleepers.push(sleeper)
    return () => {
      this.#sleepers = this.#sleepers.filter((each) => each !== sleeper)
    }
  }

  readonly onLeave: TabPlatform['onLeave'] = (listener) => {
    this.#leavers.add(listener)
    return () => this.#leavers.delete(listener)
  }

  readonly leaveMark: TabPlatform['leaveMark'] = (name) => void this.#origin.marks.add(name)

  readonly takeMark: TabPlatform['takeMark'] = (name) => this.#origin.marks.delete(name)

  get listening(): string[] {
    return this.#origin.channelsOf(this)
  }

  get listeners(): number {
    return this.#sleepers.length + this.#leavers.size
  }

  /** Closed or reloaded by its user. */
  leave(): void {
    for (const listener of this.#leavers) listener()
    this.crash()
  }

  /** Gone without a word. */
  crash(): void {
    this.isDead = true
    this.#origin.free(this)
  }

  sleep(): void {
    for (const [onSleep] of this.#sleepers) onSleep()
  }

  wake(): void {
    for (const [, onWake] of this.#sleepers) onWake()
  }
}

/** A disk that outlives tabs, and knows its newest owner. */
export class SharedDisk {
  readonly records = new Map<string, JobRecord>()
  readonly rows = new Map<string, Row>()
  readonly problems: string[] = []
  readonly #later: Later
  #epoch = 0
  /** There is no room for anything more. */
  isFull = false
  /** What opening rejects with. */
  failure: OffstageError | undefined

  constructor(later: Later) {
    this.#later = later
  }

  /** How many steps it takes to close. */
  closeSteps = 1

  /** How often it was opened. */
  get owners(): number {
    return this.#epoch
  }

  storeOf(tab: FakeTab): Store {
    let epoch = 0
    let host: StoreHost | undefined
    const step = () => new Promise<void>((resolve) => this.#later(resolve))
    const never = new Promise<never>(() => {})
    return {
      isDurable: true,
      check(value, what) {
        if (value instanceof WebAssembly.Module) throw new OffstageError('DATA_CLONE', `The ${what} is a Module.`)
        copyValue(value, what)
      },
      open: async (given) => {
        host = given
        await step()
        if (tab.isDead) return never
        if (this.failure) throw this.failure
        epoch = ++this.#epoch
        return { records: [...this.records.values()], rows: [...this.rows.values()] }
      },
      commit: async (changes) => {
        await step()
        if (tab.isDead) return never
        if (epoch !== this.#epoch) {
          const error = new OffstageError('STORE_LOCKED', 'fenced')
          host?.stopped(error)
          throw error
        }
        if (this.isFull) throw new OffstageError('STORE_WRITE_FAILED', 'no room')
        for (const change of changes) this.#apply(change)
        await step()
        if (tab.isDead) return never
      },
      close: async () => {
        for (let n = 0; n < this.closeSteps; n++) await step()
      },
    }
  }

  #apply({ before, after, rows }: Change): void {
    for (const row of rows ?? []) {
      if (row.value === undefined) this.rows.delete(`${row.table}/${row.key}`)
      else this.rows.set(`${row.table}/${row.key}`, row)
    }
    if (!before && !after) return
    const id = (before ?? after)?.id as string
    const there = this.records.get(id)
    if (!before && there) this.problems.push(`'${id}' was inserted twice`)
    if (before && !there) this.problems.push(`'${id}' is not there`)
    if (there && after && there.attempt > after.attempt + 1) this.problems.push(`'${id}' went back`)
    // For how long it is kept may change.
    if (there?.state === 'completed' && after && after.result !== there.result)
      this.problems.push(`'${id}' was completed twice`)
    if (after) this.records.set(id, after)
    else this.records.delete(id)
  }
}

/**
 * What queues and groups are set to at run time: a setting that was confirmed is found by whoever opens the store next, and holds
 * there.
 */

import { queueTable } from '../../src/engine/kept-settings.ts'
import type { RateLimit } from '../../src/queue/rate-limit.ts'
import type { QueueSettings } from '../../src/queue/settings.ts'
import type { Row } from '../../src/store/store.ts'
import type { Stats } from './stats.ts'
import { assert } from './truth.ts'

/** By queue, or group. */
export type Options = Readonly<Record<string, QueueSettings>>

export class SettingOracle {
  readonly #stats: Stats
  #options: Options = {}
  /** What holds now, where it is unlike the options. */
  readonly #now = new Map<string, QueueSettings>()
  /** Of this life: what each queue was set to, the oldest first; and what was called before the store was open. */
  readonly #asked = new Map<string, string[]>()
  #early: (() => void)[] | undefined = []
  /** How often the rate limit of each was set in this life. */
  readonly #paces = new Map<string, number>()
  /** A drain lets everything through. */
  isOver = false

  constructor(stats: Stats) {
    this.#stats = stats
  }

  newLife(options: Options): void {
    this.isOver = false
    this.#options = options
    this.#now.clear()
    this.#asked.clear()
    this.#paces.clear()
    this.#early = []
  }

  /** What the store has goes below what was called before it was open. */
  recovered(rows: ReadonlyMap<string, Row>): void {
    this.#now.clear()
    for (const { table, key, value } of rows.values())
      if (table === queueTable) this.#now.set(key, value as QueueSettings)
    for (const key of this.#now.keys()) this.#paces.set(key, 1)
    if (this.#now.size > 0) this.#stats.count('settings found')
    for (const set of this.#early ?? []) set()
    this.#early = undefined
  }

  /** Returns which of the settings of the queue this is. */
  set(queue: string, settings: QueueSettings | null): number {
    const asked = this.#asked.get(queue) ?? []
    this.#asked.set(queue, asked)
    const nth = asked.length
    const act = () => {
      this.#set(queue, settings)
      asked[nth] = textOf(this.#of(queue))
    }
    this.#early?.push(act)
    act()
    return nth
  }

  #set(queue: string, settings: QueueSettings | null): void {
    const options = this.#optionsOf(queue)
    const now = Object.entries(settings === null ? {} : { ...this.#of(queue), ...settings })
    const unlike = now.filter(([name, value]) => !isSame(value, options[name as keyof QueueSettings]))
    this.#now.set(queue, Object.fromEntries(unlike))
    if (settings?.rateLimit !== undefined || settings === null) this.#paces.set(queue, this.paceOf(queue) + 1)
  }

  /** Tells one rate limit of a queue from the next. */
  paceOf(queue: string): number {
    return this.#paces.get(queue) ?? 0
  }

  #optionsOf(queue: string): QueueSettings {
    const unlimited = { isPaused: false, concurrency: Number.POSITIVE_INFINITY, rateLimit: null, weight: 1 }
    return { ...unlimited, ...this.#options[queue] }
  }

  #of(queue: string): QueueSettings {
    return this.#now.get(queue) ?? {}
  }

  /** It is said to be kept: what the store has is that, or something newer. */
  confirmed(queue: string, nth: number, rows: ReadonlyMap<string, Row>): void {
    const kept = textOf((rows.get(`${queueTable}/${queue}`)?.value ?? {}) as QueueSettings)
    const newer = (this.#asked.get(queue) ?? []).slice(nth)
    assert(newer.includes(kept), 'I20', () => `'${queue}' was set to ${newer.join(' or ')}, and kept is ${kept}`)
    this.#stats.count(queue.includes('\0') ? 'settings of groups confirmed' : 'settings confirmed')
  }

  isPaused(queue: string): boolean {
    return !this.isOver && this.#of(queue).isPaused === true
  }

  limitOf(queue: string): number {
    return { ...this.#optionsOf(queue), ...this.#of(queue) }.concurrency ?? Number.POSITIVE_INFINITY
  }

  weightOf(queue: string): number {
    return { ...this.#optionsOf(queue), ...this.#of(queue) }.weight ?? 1
  }

  rateLimitOf(queue: string): RateLimit | undefined {
    return { ...this.#optionsOf(queue), ...this.#of(queue) }.rateLimit ?? undefined
  }
}

const textOf = (settings: QueueSettings): string =>
  JSON.stringify(Object.entries(settings).sort(), (_key, value) => (value === Number.POSITIVE_INFINITY ? '∞' : value))

const isSame = (value: unknown, other: unknown): boolean =>
  textOf({ value } as never) === textOf({ value: other } as never)

import { OffstageError } from '../shared/errors.ts'
import { type CronTimes, cronTimes, hash } from './cron.ts'
import type { StoredSpec } from './spec.ts'

/** The occurrences of a schedule: when they are, and when each of them comes, which `jitterMs` may make later. */
export class Recurrence {
  readonly #spec: StoredSpec
  readonly #id: string
  readonly #setAt: number
  /** Made when needed: of most schedules only the stored next time is. */
  #made: CronTimes | undefined

  /** `setAt`: what `everyMs` counts from, without `startAt`. */
  constructor(spec: StoredSpec, id: string, setAt: number) {
    this.#spec = spec
    this.#id = id
    this.#setAt = setAt
  }

  get #times(): CronTimes {
    const { cron, everyMs, timeZone, startAt } = this.#spec
    this.#made ??=
      cron === undefined
        ? interval(everyMs, startAt ?? this.#setAt + everyMs)
        : cronTimes(cron, timeZone as string, this.#id)
    return this.#made
  }

  /** Returns the first occurrence after `after`. */
  next(after: number): number | undefined {
    const { startAt = -Number.POSITIVE_INFINITY, endAt = Number.POSITIVE_INFINITY } = this.#spec
    const at = this.#times.next(Math.max(after, startAt - 1))
    return at !== undefined && at <= endAt ? at : undefined
  }

  /** Returns the last `count` occurrences from `from` on that have come by `now`, oldest first. */
  due(count: number, from: number, now: number): number[] {
    const { endAt = Number.POSITIVE_INFINITY } = this.#spec
    // The last one may still be held back by its jitter.
    const times = this.#times.newest(count + 1, Math.min(now, endAt))
    return times.filter((at) => at >= from && this.comesAt(at) <= now).slice(-count)
  }

  /** Returns when the occurrence comes: it never overtakes the next. */
  comesAt(at: number): number {
    const { jitterMs = 0 } = this.#spec
    if (jitterMs === 0) return at
    const gap = (this.#times.next(at) ?? Number.POSITIVE_INFINITY) - at
    return at + Math.floor((hash(occurrenceId(this.#id, at)) / 2 ** 32) * Math.min(jitterMs + 1, gap))
  }

  /** Throws `INVALID_OPTION` for a cron expression that never comes, whatever the day. */
  assertComes(): void {
    const { cron } = this.#spec
    if (cron !== undefined && this.#times.next(0) === undefined)
      throw new OffstageError(
        'INVALID_OPTION',
        `Expected \`spec.cron\` to be a time that comes, got '${cron}', which never does.`,
      )
  }
}

export const occurrenceId = (id: string, at: number): string => `${id}@${new Date(at).toISOString()}`

/** Every `everyMs` from `first` on. */
function interval(everyMs: number, first: number): CronTimes {
  const nth = (n: number): number => first + n * everyMs
  return {
    next: (after) => nth(after < first ? 0 : Math.floor((after - first) / everyMs) + 1),
    newest(count, upTo) {
      const last = Math.floor((upTo - first) / everyMs)
      const begin = Math.max(0, last - count + 1)
      return Array.from({ length: Math.max(0, last - begin + 1) }, (_, index) => nth(begin + index))
    },
  }
}

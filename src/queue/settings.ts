import type { RateLimit } from './rate-limit.ts'

/** What is set of a queue, or of a group of it, at run time, in place of the options. What is left out stays as it is. */
export interface QueueSettings {
  readonly isPaused?: boolean
  readonly concurrency?: number
  /** `null`: no limit. */
  readonly rateLimit?: RateLimit | null
  /** Of groups only. */
  readonly weight?: number
}

/** Returns the settings that differ from the options; `undefined` if none does. */
export function unlike(settings: QueueSettings, options: QueueSettings): QueueSettings | undefined {
  const names = ['isPaused', 'concurrency', 'rateLimit', 'weight'] as const
  const entries = names.flatMap((name) => {
    const value = settings[name]
    return value === undefined || partsOf(value) === partsOf(options[name]) ? [] : [[name, value] as const]
  })
  return entries.length > 0 ? Object.fromEntries(entries) : undefined
}

/** Rate limits are the same if their parts are. */
function partsOf(value: QueueSettings[keyof QueueSettings]): unknown {
  if (typeof value !== 'object') return value
  const { limit, intervalMs, type, burst, minGapMs }: Partial<RateLimit> = value ?? {}
  return [limit, intervalMs, type, burst, minGapMs].join()
}

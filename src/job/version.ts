/**
 * The version of an input: which form it has. Whoever adds a job says it, with the option `version`, because only that code knows what
 * it has made. It is stored as a header, so jobs without one carry nothing, and it comes to the thread with the other headers.
 */
import type { JobHeaders, JobRecord, Rules } from './record.ts'
import { type Wait, waitsOf } from './waits.ts'

const versionHeader = 'offstage:version'

/** Inputs that say no version have this one. */
const first = 1

export const versionOf = (headers: JobHeaders | undefined): number => Number(headers?.[versionHeader] ?? first)

/** Returns these headers with the version, if that is another than they say. */
export function withVersion(headers: JobHeaders | undefined, version: number | undefined): JobHeaders | undefined {
  if (version === undefined || version === versionOf(headers)) return headers
  return Object.freeze({ ...headers, [versionHeader]: String(version) })
}

export function rulesWithVersion(rules: Rules, version: number | undefined): Rules {
  const headers = withVersion(rules.headers, version)
  return headers && headers !== rules.headers ? { ...rules, headers } : rules
}

/** What a job waits for whose input is newer than the code: for code that knows it. */
export const newerCode = (known: number): Wait => ['version', '', String(known), undefined]

/** Returns up to which version the code knew the input that waits for newer code; `undefined` if it does not. */
export function knownVersion(record: Pick<JobRecord, 'state' | 'attempt' | 'steps'>): string | undefined {
  return waitsOf(record)?.find(([kind]) => kind === 'version')?.[2]
}

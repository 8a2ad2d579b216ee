import * as check from '../shared/check.ts'
import { OffstageError } from '../shared/errors.ts'
import { show } from '../shared/show.ts'
import { isThenable } from '../shared/thenable.ts'
import { attachVersions, type Handler, type Versions } from './handlers.ts'
import type { JobHandler } from './job-types.ts'

/**
 * Gives the input of a handler a version, so that the form of inputs may change while jobs of an older form are stored.
 *
 * `version`: the newest that this code knows, from 1. `upcasts`: for each older version a function that makes of its input one of the
 * next, sync or async; it runs before each attempt, so it should only look at the input. What it throws fails the attempt. `handler`
 * gets inputs of the newest version alone.
 *
 * Whoever adds a job says which version its input has, best once for the type: `createScheduler(…, { defaults: { mail: { version: 2 } } })`.
 * Without that it is version 1, as of all jobs from before. A job whose input is newer than the code knows, or newer than 1 for a
 * handler without versions, waits `blocked` for newer code, and `whyWaiting` says so: it is tried again when its store is opened
 * anew, by another process or tab, and when workers are renewed. No attempt is used.
 *
 * Throws `INVALID_OPTION` if an older version has no upcast.
 *
 * @example
 * ```ts
 * mail: versioned(
 *   2,
 *   { 1: (to: string) => ({ to, subject: '' }) },
 *   ({ to, subject }: { to: string; subject: string }) => send(to, subject),
 * ),
 * ```
 */
export function versioned<Handled extends JobHandler>(
  version: number,
  upcasts: { readonly [version: number]: (input: never) => unknown },
  handler: Handled,
): Handled {
  check.checkArgument('version', check.integer(1), version)
  check.checkArgument('upcasts', check.object, upcasts)
  check.checkArgument('handler', check.callable, handler)
  const steps: Upcast[] = []
  for (let from = 1; from < version; from++) {
    const upcast: unknown = upcasts[from]
    if (typeof upcast !== 'function')
      throw refused(
        `to have a function for version ${from}, which makes an input of version ${from + 1} of its`,
        upcast,
      )
    steps.push(upcast as Upcast)
  }
  const other = Object.keys(upcasts).find((from) => !steps[Number(from) - 1])
  if (other !== undefined) throw refused(`to have functions for versions below ${version} alone`, other)
  const versions: Versions = { newest: version, bringUp: (from, input) => broughtUp(steps, from, input) }
  return attachVersions(versions, handler as Handler) as Handled
}

type Upcast = (input: never) => unknown

const refused = (what: string, value: unknown): OffstageError =>
  new OffstageError('INVALID_OPTION', `Expected \`upcasts\` ${what}, got ${show(value)}.`)

function broughtUp(upcasts: readonly Upcast[], from: number, input: unknown): unknown {
  const upcast = upcasts[from - 1]
  if (!upcast) return input
  const next = upcast(input as never)
  if (isThenable(next)) return next.then((awaited) => broughtUp(upcasts, from + 1, awaited))
  return broughtUp(upcasts, from + 1, next)
}

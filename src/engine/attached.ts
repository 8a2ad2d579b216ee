import type { JobRecord, Rules } from '../job/record.ts'
import { OffstageError } from '../shared/errors.ts'
import type { Row } from '../store/store.ts'
import type { CommandTable, Extension, Move } from './extension.ts'
import type { Step } from './steps.ts'

/** An extension that is attached to an engine. */
export interface Attached {
  readonly extension: Extension
  readonly rows: Map<string, unknown>
  readonly markRules: (rules: Rules) => Rules
  commands: CommandTable
  /** Why the extension could not be opened. */
  failure: OffstageError | undefined
  /** How many writings of this extension are not yet committed or refused. */
  pending: number
}

/** `stored`: the rows of all tables. */
export function attachedOf(extension: Extension, stored: readonly Row[]): Attached {
  const { name } = extension
  const rows = stored.filter(({ table }) => table === name)
  return {
    extension,
    rows: new Map(rows.map(({ key, value }) => [key, value])),
    markRules: marking(name),
    commands: {},
    failure: undefined,
    pending: 0,
  }
}

/** Returns the extensions that have to be called with the move of this step. */
export function* followersOf({ type, before, after }: Step, byName: ReadonlyMap<string, Attached>): Iterable<Attached> {
  const { marks } = (after ?? (before as JobRecord)).rules
  for (const attached of byName.values()) {
    const { name, moves, scope } = attached.extension
    const isMeant = scope !== 'marked' || marks?.includes(name)
    if (isMeant && !attached.failure && moves.has(type as Move)) yield attached
  }
}

/** Many jobs share one rules object, and so do their marked copies. */
function marking(name: string): (rules: Rules) => Rules {
  const made = new WeakMap<Rules, Rules>()
  return (rules) => {
    const { marks = [] } = rules
    const marked = made.get(rules) ?? (marks.includes(name) ? rules : { ...rules, marks: [...marks, name] })
    made.set(rules, marked)
    return marked
  }
}

export function extensionFailed({ extension }: Attached, what: string, cause: unknown, jobId?: string): OffstageError {
  const why = cause instanceof Error ? `: ${cause.message}` : ''
  const message = `The extension '${extension.name}' ${what}${why}.`
  return new OffstageError('EXTENSION_FAILED', message, { cause, jobId })
}

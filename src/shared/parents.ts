/**
 * What a handler finds in `job.parents`, on its way to the thread. Errors among it travel as what is thrown does, because
 * structured clone leaves out most of what an error is.
 */
import { thrownFromWire, thrownToWire, type WireThrown } from './error-wire.ts'
import { isError } from './kind.ts'
import { put } from './rebuild.ts'

/** The results of the jobs that a job has waited for, by key. */
export type Parents = Readonly<Record<string, unknown>>

/** The results of a flow within a flow. A class, because a result may look just like it. */
export class ParentBranch {
  readonly [key: string]: unknown
}

export interface SentParents {
  readonly parents: Parents
  /** The keys that lead to errors; more than one within a branch. */
  readonly parentErrors?: readonly (readonly string[])[]
}

export function parentsToWire(parents: Parents): SentParents {
  const errors: string[][] = []
  const sent = toWire(parents, [], errors)
  return errors.length > 0 ? { parents: sent, parentErrors: errors } : { parents: sent }
}

function toWire(parents: Parents, path: readonly string[], errors: string[][]): Parents {
  const sent = {}
  for (const [key, value] of Object.entries(parents)) {
    const here = [...path, key]
    if (value instanceof ParentBranch) put(sent, key, toWire(value, here, errors))
    else if (isError(value)) {
      put(sent, key, thrownToWire(value))
      errors.push(here)
    } else put(sent, key, value)
  }
  return sent
}

/** Puts the errors in place. */
export function parentsFromWire({ parents, parentErrors = [] }: Partial<SentParents>): void {
  for (const path of parentErrors) {
    const key = path.at(-1) as string
    const branch = path.slice(0, -1).reduce((tree, step) => tree[step] as Parents, parents as Parents)
    put(branch, key, thrownFromWire(branch[key] as WireThrown, []))
  }
}

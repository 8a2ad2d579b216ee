import { printable } from '../shared/printable.ts'
import { holderOf } from '../store/live-records.ts'
import type { Salvage } from '../store/salvage.ts'
import { counted } from './text.ts'

const namedMax = 20

/** Returns what is wrong with a journal, in lines. */
export function* damage(found: Salvage): Iterable<string> {
  const { bytes: size, gaps, unreadable, strays, orphans, partial, incomplete, replaced } = found
  for (const { at, bytes, batches } of gaps) {
    if (batches > 0)
      yield `damaged: ${counted(batches, 'batch', 'batches')} lost in ${counted(bytes, 'byte')} from byte ${at} on`
    else if (at + bytes === size) yield `the last ${counted(bytes, 'byte')}, from byte ${at} on, are no whole batch`
    else if (bytes > 0) yield `damaged: ${counted(bytes, 'byte')} from byte ${at} on`
    else yield `damaged: the batch at byte ${at} does not follow the one before it`
  }
  for (const { at, bytes, reason } of unreadable)
    yield `damaged: the batch at byte ${at}, of ${counted(bytes, 'byte')}, can be read in part only: ${printable(reason)}`
  for (const { at, bytes, batches } of strays.slice(0, namedMax))
    yield `left out: ${counted(batches, 'batch', 'batches')} of another journal, ${counted(bytes, 'byte')} from byte ${at} on; they lie in what is damaged, as the data of a job do that contain a journal`
  if (strays.length > namedMax) yield `left out: ${strays.length - namedMax} more such journals`
  if (orphans > 0) yield `${counted(orphans, 'change')} of jobs whose beginning is lost`
  if (partial.length > 0) yield `jobs whose first recorded steps are lost, and are done again: ${named(partial)}`
  if (incomplete.length > 0) yield `jobs of which a value may be lost: ${named(incomplete)}`
  const broken = nameHolders(found)
  if (broken.length > 0) yield `jobs and rows of which a file is missing or damaged: ${named(broken)}`
  if (replaced.length > 0) yield `left out: jobs in whose place others with the same id were put: ${named(replaced)}`
}

function nameHolders({ records, broken }: Salvage): string[] {
  const jobs = records.filter((record) => broken.has(holderOf(record))).map(({ id }) => id)
  return [...jobs, ...[...broken].filter((holder) => typeof holder === 'string')]
}

function named(ids: readonly string[]): string {
  const more = ids.length > namedMax ? `, and ${ids.length - namedMax} more` : ''
  return `${ids
    .slice(0, namedMax)
    .map((id) => `'${printable(id)}'`)
    .join(', ')}${more}`
}

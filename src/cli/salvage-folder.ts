import type { JobRecord } from '../job/record.ts'
import { systemClock, systemRandom } from '../platform/host.ts'
import { type NodeDisk, nodeDisk } from '../platform/node-disk.ts'
import { printable } from '../shared/printable.ts'
import type { Holder } from '../store/attachments.ts'
import { parseAttachmentName } from '../store/file-attachments.ts'
import { holderOf } from '../store/live-records.ts'
import { copyFile, rewriteJournal } from '../store/rewrite.ts'
import type { Salvage } from '../store/salvage.ts'
import type { Row } from '../store/store.ts'
import { damage } from './damage.ts'
import {
  assertOurs,
  assertStore,
  journalOf,
  keepAll,
  keepNone,
  locked,
  readFolder,
  resolved,
} from './journal-folder.ts'
import { summary } from './list.ts'
import { counted, moment } from './text.ts'

/** What `offstage salvage` has found and done. */
interface Report {
  readonly isDamaged: boolean
  readonly journal: { readonly path: string; readonly bytes: number; readonly batches: number }
  /** Where the damaged journal was copied to; `null` if nothing was changed. */
  readonly copy: string | null
  /** How many jobs and rows there are in the journal now. */
  readonly recovered: { readonly jobs: number; readonly rows: number }
  /** What is lost, or in doubt. Jobs are named by their ids. */
  readonly lost: Pick<Salvage, 'gaps' | 'unreadable' | 'strays' | 'orphans' | 'partial' | 'incomplete' | 'replaced'> & {
    /** Left out, because a file is missing or damaged. */
    readonly broken: { readonly jobs: readonly string[]; readonly rows: readonly Pick<Row, 'table' | 'key'>[] }
  }
  /** Into which folder files were moved that nothing in the journal needs, and how many; `null` if there are none. */
  readonly moved: { readonly to: string; readonly files: number } | null
}

interface Salvaged {
  /** For people. */
  readonly lines: string[]
  /** For programs. */
  readonly report: Report
}

/** `offstage salvage`. */
export async function salvageFolder(given: string): Promise<Salvaged> {
  const folder = resolved(given)
  assertStore(folder)
  const disk = nodeDisk()
  try {
    const owner = await disk.ownerOf(folder)
    if (owner) throw locked(folder, owner)
    // A healthy store is not changed at all.
    const found = readFolder(folder, keepNone, true)
    if (!found.isDamaged) return healthy(folder, found)
    assertIntact(folder, found)
    assertOurs(folder)
    const owned = await disk.own(folder)
    if (typeof owned !== 'function') throw locked(folder, owned)
    try {
      return await salvageOwned(disk, folder)
    } finally {
      await owned()
    }
  } finally {
    await disk.close()
  }
}

const healthy = (folder: string, found: Salvage): Salvaged => ({
  lines: [`${printable(journalOf(folder))} is not damaged; nothing was changed.`, summary(found)],
  report: reportOf(folder, found),
})

function reportOf(folder: string, found: Salvage, whole = found, copy: string | null = null, movedFiles = 0): Report {
  const { isDamaged, bytes, batches, gaps, unreadable, strays, orphans, partial, incomplete, replaced } = found
  return {
    isDamaged,
    journal: { path: journalOf(folder), bytes, batches },
    copy,
    recovered: { jobs: whole.records.length, rows: whole.rows.length },
    lost: { gaps, unreadable, strays, orphans, partial, incomplete, replaced, broken: brokenIn(found) },
    moved: movedFiles > 0 ? { to: `${copy}.files`, files: movedFiles } : null,
  }
}

const brokenIn = ({ records, rows, broken }: Salvage): Report['lost']['broken'] => ({
  jobs: records.filter((record) => broken.has(holderOf(record))).map(({ id }) => id),
  rows: rows.filter((row) => broken.has(holderOf(row))).map(({ table, key }) => ({ table, key })),
})

function assertIntact(folder: string, found: Salvage): void {
  if (found.batches > 0) return
  const what = `Of '${journalOf(folder)}' no batch is intact; nothing was changed.`
  throw new Error([what, ...damage(found)].join(' '))
}

async function salvageOwned(disk: NodeDisk, folder: string): Promise<Salvaged> {
  // Reads again, because until now other processes could have the store open.
  const found = readFolder(folder, keepAll, true)
  if (!found.isDamaged) return healthy(folder, found)
  assertIntact(folder, found)
  const whole = withoutBroken(found)
  const copy = `${journalOf(folder)}.damaged-${moment(systemClock.now()).replaceAll(/[:.]/g, '-')}`
  await copyFile(disk, journalOf(folder), copy)
  // First, because a store removes such files when it opens.
  const moved = await setFilesAside(disk, folder, whole, `${copy}.files`)
  await rewriteJournal(nodeDisk, folder, whole, systemRandom)
  const lines = [
    `The damaged journal was copied to '${printable(copy)}' first.`,
    ...damage(found),
    ...(found.broken.size > 0 ? ['These jobs and rows are left out.'] : []),
    `recovered: ${summary(whole)}`,
    ...(moved > 0 ? [`moved to '${printable(copy)}.files': ${counted(moved, 'file')} that none of these needs`] : []),
    'What happened to these jobs in the lost batches is not known: some may run a second time.',
    ...(found.rows.length > 0
      ? ['Rows may be of another moment than the jobs: extensions look at both when they open.']
      : []),
  ]
  return { lines, report: reportOf(folder, found, whole, copy, moved) }
}

/** A job that has lost a blob cannot be what it was. */
function withoutBroken(found: Salvage): Salvage {
  const { broken, records, rows } = found
  const isWhole = (item: JobRecord | Row) => !broken.has(holderOf(item))
  return { ...found, records: records.filter(isWhole), rows: rows.filter(isWhole) }
}

/**
 * Moves the files that no recovered job or row needs into a folder of their own, where the copy of the damaged journal may
 * still need them: the store would remove them. Returns how many there are.
 */
async function setFilesAside(disk: NodeDisk, folder: string, { records, rows, attachments }: Salvage, aside: string) {
  const holders = new Set<Holder>([...records, ...rows].map(holderOf))
  const needed = new Set([...attachments.held()].flatMap(([holder, { key }]) => (holders.has(holder) ? [key] : [])))
  const names = (await disk.list(folder)).filter((name) => {
    const parsed = parseAttachmentName(name)
    return parsed && !needed.has(parsed.key)
  })
  if (names.length > 0) await disk.makeFolder(aside)
  for (const name of names) await disk.rename(`${folder}/${name}`, `${aside}/${name}`)
  return names.length
}

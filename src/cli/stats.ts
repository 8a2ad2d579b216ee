import type { JobRecord } from '../job/record.ts'
import { systemClock } from '../platform/host.ts'
import { nodeDisk } from '../platform/node-disk.ts'
import type { FolderOwner } from '../shared/disk.ts'
import { printable } from '../shared/printable.ts'
import { parseAttachmentName } from '../store/file-attachments.ts'
import { type Salvage, withoutValues } from '../store/salvage.ts'
import { fs } from './attachment-files.ts'
import { damage } from './damage.ts'
import { keepNone, readFolder, resolved } from './journal-folder.ts'
import { json } from './json.ts'
import { counted, field, moment, sizeText } from './text.ts'

interface Group {
  readonly name: string
  readonly total: number
  readonly byState: Readonly<Record<string, number>>
}

interface FolderStats {
  readonly jobs: Omit<Group, 'name'>
  readonly types: readonly Group[]
  readonly queues: readonly Group[]
  /** The job that could run and has waited longest; `null` if none waits. */
  readonly oldestQueued: { id: string; name: string; queue: string; dueAt: number; waitedMs: number } | null
  /** How many failed jobs there are of each error, by its `code`, or else by its name. */
  readonly failures: Readonly<Record<string, number>>
  readonly journal: { readonly bytes: number; readonly batches: number; readonly isDamaged: boolean }
  readonly attachments: { readonly files: number; readonly bytes: number }
  /** How many rows each table has. */
  readonly rows: Readonly<Record<string, number>>
  /** Who has the store open; `null` if nobody has. */
  readonly openIn: FolderOwner | null
}

/** `offstage stats`. */
export async function stats(
  folder: string,
  isJson: boolean | undefined,
  complain: (line: string) => void,
): Promise<string[]> {
  const errors = new Map<number, string>()
  // Only the code of each error is kept, because there may be very many errors.
  const outline = (record: JobRecord) => {
    if (record.state === 'failed') errors.set(record.seq, errors.get(record.seq) ?? codeOf(record.error))
    else errors.delete(record.seq)
    return withoutValues(record)
  }
  const found = readFolder(folder, { ...keepNone, outline })
  const figures: FolderStats = {
    jobs: tally(found.records),
    types: groupsOf(found.records, ({ name }) => name),
    queues: groupsOf(found.records, ({ queue }) => queue),
    oldestQueued: oldestIn(found.records),
    failures: countBy(found.records.flatMap(({ seq }) => errors.get(seq) ?? [])),
    journal: { bytes: found.bytes, batches: found.batches, isDamaged: found.isDamaged },
    attachments: attachmentsIn(folder),
    rows: countBy(found.rows.map(({ table }) => table)),
    openIn: await ownerOf(folder),
  }
  if (!isJson) return [...linesOf(figures, found)]
  for (const line of damage(found)) complain(line)
  return [json(figures)]
}

function codeOf(error: unknown): string {
  if (typeof error !== 'object' || error === null) return typeof error
  const { code, name } = error as { readonly code?: unknown; readonly name?: unknown }
  return typeof code === 'string' ? code : typeof name === 'string' ? name : 'object'
}

/** Counts equal texts. The most frequent comes first. */
function countBy(texts: readonly string[]): Record<string, number> {
  const counts = new Map<string, number>()
  for (const text of texts) counts.set(text, (counts.get(text) ?? 0) + 1)
  return Object.fromEntries([...counts].sort(([, a], [, b]) => b - a))
}

const tally = (records: readonly JobRecord[]): Omit<Group, 'name'> => ({
  total: records.length,
  byState: countBy(records.map(({ state }) => state)),
})

function groupsOf(records: readonly JobRecord[], keyOf: (record: JobRecord) => string): Group[] {
  const groups = new Map<string, JobRecord[]>()
  for (const record of records) {
    const group = groups.get(keyOf(record))
    if (group) group.push(record)
    else groups.set(keyOf(record), [record])
  }
  const all = [...groups].map(([name, group]) => ({ name, ...tally(group) }))
  return all.sort((a, b) => b.total - a.total)
}

function oldestIn(records: readonly JobRecord[]): FolderStats['oldestQueued'] {
  let oldest: JobRecord | undefined
  for (const record of records)
    if (record.state === 'queued' && record.dueAt < (oldest?.dueAt ?? Number.POSITIVE_INFINITY)) oldest = record
  if (!oldest) return null
  const { id, name, queue, dueAt } = oldest
  return { id, name, queue, dueAt, waitedMs: Math.max(0, systemClock.now() - dueAt) }
}

function attachmentsIn(folder: string): FolderStats['attachments'] {
  const names = fs()
    .readdirSync(folder)
    .filter((name) => parseAttachmentName(name))
  // One may be removed meanwhile.
  const sizes = names.map((name) => fs().statSync(`${folder}/${name}`, { throwIfNoEntry: false })?.size ?? 0)
  return { files: names.length, bytes: sizes.reduce((sum, size) => sum + size, 0) }
}

async function ownerOf(folder: string): Promise<FolderOwner | null> {
  const disk = nodeDisk()
  try {
    return (await disk.ownerOf(resolved(folder))) ?? null
  } finally {
    await disk.close()
  }
}

function* linesOf(figures: FolderStats, found: Salvage): Iterable<string> {
  const { jobs, types, queues, oldestQueued, failures, journal, attachments, rows, openIn } = figures
  yield field('jobs', `${jobs.total}${jobs.total > 0 ? `: ${countsText(jobs.byState)}` : ''}`)
  yield* section('types', types)
  yield* section('queues', queues)
  if (oldestQueued) {
    const { id, name, dueAt, waitedMs } = oldestQueued
    yield field('oldest', `'${id}' (${name}) has waited ${spanText(waitedMs)}, since ${moment(dueAt)}`)
  }
  if (Object.keys(failures).length > 0) yield field('failures', countsText(failures))
  yield field('journal', `${sizeText(journal.bytes)} in ${counted(journal.batches, 'batch', 'batches')}`)
  if (attachments.files > 0)
    yield field('blobs', `${sizeText(attachments.bytes)} in ${counted(attachments.files, 'file')}`)
  if (Object.keys(rows).length > 0) yield field('rows', countsText(rows))
  yield field('open', openIn ? openText(openIn) : 'no')
  yield* damage(found)
}

function* section(label: string, groups: readonly Group[]): Iterable<string> {
  for (const [index, { name, total, byState }] of groups.slice(0, groupsMax).entries())
    yield field(index === 0 ? label : '', `${printable(name)}  ${total}: ${countsText(byState)}`)
  if (groups.length > groupsMax) yield field('', `and ${groups.length - groupsMax} more`)
}

/** So many types and queues are listed: there may be a queue for each user. */
const groupsMax = 20

const countsText = (counts: Readonly<Record<string, number>>): string =>
  Object.entries(counts)
    .map(([name, count]) => `${count} ${name}`)
    .join(', ')

const openText = ({ pid, since }: FolderOwner): string =>
  `${pid === undefined ? 'in a process that does not answer' : `in process ${pid}`}${since === undefined ? '' : ` since ${moment(since)}`}`

/** Returns a span as people read it: `3 s`, `2.5 h`. */
function spanText(ms: number): string {
  const [limit, divisor, unit] = spans.find(([limit]) => ms < limit) ?? (spans.at(-1) as (typeof spans)[number])
  return `${limit === 1_000 ? Math.round(ms) : (ms / divisor).toFixed(1)} ${unit}`
}

const spans: readonly (readonly [limitMs: number, divisor: number, unit: string])[] = [
  [1_000, 1, 'ms'],
  [60_000, 1_000, 's'],
  [3_600_000, 60_000, 'min'],
  [48 * 3_600_000, 3_600_000, 'h'],
  [Number.POSITIVE_INFINITY, 86_400_000, 'days'],
]

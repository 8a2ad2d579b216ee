/**
 * The command `offstage ls | show | salvage <folder>`. It shows the jobs of a file store from outside, and recovers what is
 * intact of a damaged one. `ls` and `show` only read, so they may be used while the store is open.
 *
 * Nothing is printed before all work is done, because the reader may leave at any time (`offstage ls x | head -1`).
 */
import { finishedAt, type JobRecord, plus } from '../job/record.ts'
import { nodeModule, systemClock, systemRandom } from '../platform/host.ts'
import { type NodeDisk, nodeDisk } from '../platform/node-disk.ts'
import type { FolderOwner } from '../shared/disk.ts'
import { OffstageError } from '../shared/errors.ts'
import type { Attachment, Holder } from '../store/attachments.ts'
import { parseAttachmentName } from '../store/file-attachments.ts'
import type { ByteSource } from '../store/journal-bytes.ts'
import { holderOf } from '../store/live-records.ts'
import { copyFile, rewriteJournal } from '../store/rewrite.ts'
import { type Salvage, type SalvageOptions, salvage } from '../store/salvage.ts'
import type { Row } from '../store/store.ts'
import { AttachmentFiles, fs } from './attachment-files.ts'
import { printable } from '../shared/printable.ts'

/** What the commands need from outside. */
export interface CliHost {
  readonly args: readonly string[]
  /** Prints one or several lines. May return a promise, which rejects when the reader has gone. */
  print(lines: string): unknown
  complain(line: string): unknown
}

const usage = `usage:
  offstage ls <folder>                    the jobs in a store, and the rows of its extensions
  offstage show <folder> <id>             all there is to know of a job
  offstage show <folder> <table> <key>    one row of an extension
  offstage salvage <folder>               recovers what is intact of a damaged store; the damaged journal is kept beside it`

class UsageError extends Error {}

/** Lines are joined until they have about this many characters, then printed together. */
const printLengthMin = 64 * 1024
/** The codes by which the system says that the reader has gone. */
const closedCodes: readonly unknown[] = ['EPIPE', 'EOF', 'ECONNRESET']

/** Returns the exit code: 0 for success, 1 for a failure, 2 for a wrong call. */
export async function runCli({ args, print, complain }: CliHost): Promise<number> {
  try {
    await printAll(await carryOut(args), print)
    return 0
  } catch (error) {
    if (closedCodes.includes((error as { code?: unknown })?.code)) return 0
    const message = error instanceof Error ? error.message : String(error)
    await complain(error instanceof UsageError ? message : printable(message))
    return error instanceof UsageError ? 2 : 1
  }
}

async function printAll(lines: Iterable<string>, print: CliHost['print']): Promise<void> {
  let waiting: string[] = []
  let length = 0
  for (const line of lines) {
    waiting.push(line)
    length += line.length
    if (length < printLengthMin) continue
    await print(waiting.join('\n'))
    waiting = []
    length = 0
  }
  if (waiting.length > 0) await print(waiting.join('\n'))
}

async function carryOut([command, folder, ...rest]: readonly string[]): Promise<Iterable<string>> {
  if (command === '--help' || command === '-h') return [usage]
  if (!folder) throw new UsageError(usage)
  if (command === 'ls' && rest.length === 0) return list(read(folder, keepNone))
  if (command === 'show' && rest.length === 1) return show(folder, rest[0] as string)
  if (command === 'show' && rest.length === 2) return showRow(folder, rest[0] as string, rest[1] as string)
  if (command === 'salvage' && rest.length === 0) return salvageFolder(folder)
  throw new UsageError(usage)
}

// Reading.

/** Whose values are wanted. */
type Wanted = Pick<SalvageOptions, 'keeps' | 'keepsRow'>
const keepNone: Wanted = { keeps: () => false, keepsRow: () => false }
const keepAll: Wanted = { keeps: () => true, keepsRow: () => true }

const journalOf = (folder: string): string => `${folder}/journal`

function read(folder: string, wanted: Wanted, isThorough = false): Salvage {
  const files = new AttachmentFiles(folder, isThorough)
  const has = (attachment: Attachment) => files.has(attachment)
  const found = withJournal(folder, (source) => salvage(source, { errors: [], ...wanted, has }))
  if (!found) throw new Error(`'${journalOf(folder)}' is not a journal of offstage.`)
  return found
}

/** Reads the journal up to its present size. If the store is open, the journal grows and may be replaced meanwhile. */
function withJournal<Result>(folder: string, use: (source: ByteSource) => Result): Result {
  assertStore(folder)
  const { openSync, fstatSync, readSync, closeSync } = fs()
  const descriptor = openSync(journalOf(folder), 'r')
  try {
    const { size } = fstatSync(descriptor)
    return use({ size, read: (into, at) => readSync(descriptor, into, 0, into.length, at) })
  } finally {
    closeSync(descriptor)
  }
}

function assertStore(folder: string): void {
  const there = fs().statSync(folder, { throwIfNoEntry: false })
  if (!there) throw new Error(`There is no folder '${folder}'.`)
  if (!there.isDirectory()) throw new Error(`'${folder}' is not a folder; a store is one, with a file 'journal' in it.`)
  const file = fs().statSync(journalOf(folder), { throwIfNoEntry: false })
  if (!file) throw new Error(`'${folder}' is not a store: there is no file 'journal' in it.`)
  if (!file.isFile()) throw new Error(`'${journalOf(folder)}' is not a file.`)
}

// Showing.

function* list(found: Salvage): Iterable<string> {
  yield* table(found.records, ({ id, name, state, queue, priority, attempt, addedAt }) => [
    printable(id),
    printable(name),
    state,
    printable(queue),
    `priority ${priority}`,
    `attempt ${attempt}`,
    moment(addedAt),
  ])
  yield* table(found.rows.filter(isListed), ({ table, key }) => ['row', printable(table), printable(key)])
  yield summary(found)
  yield* damage(found)
}

/** The values that jobs keep are counted, not listed: there may be very many. */
const isListed = ({ table }: Row): boolean => table !== 'offstage:values'

/** One very long cell does not make its whole column wide. */
const columnWidthMax = 40

function* table<Item>(items: readonly Item[], rowOf: (item: Item) => readonly string[]): Iterable<string> {
  const widths: number[] = []
  for (const item of items) {
    for (const [column, { length }] of rowOf(item).entries())
      widths[column] = Math.max(widths[column] ?? 0, Math.min(length, columnWidthMax))
  }
  for (const item of items) {
    const row = rowOf(item).map((cell, column) => cell.padEnd(widths[column] ?? 0))
    yield row.join('  ').trimEnd()
  }
}

function summary({ records, rows }: Salvage): string {
  const counts = new Map<string, number>()
  for (const { state } of records) counts.set(state, (counts.get(state) ?? 0) + 1)
  const byState = [...counts].map(([state, count]) => `${count} ${state}`).join(', ')
  // Tables of offstage itself hold the values that jobs keep, and what queues are set to.
  const values = rows.length - rows.filter(isListed).length
  const settings = rows.filter(({ table }) => table.startsWith('offstage:')).length - values
  const others = rows.length - settings - values
  const ofJobs = values > 0 ? `; ${values} values that jobs keep` : ''
  const ofQueues = settings > 0 ? `; settings of ${settings} queues` : ''
  const ofExtensions = others > 0 ? `; ${others} rows of extensions` : ''
  return `${records.length} jobs${byState && `: ${byState}`}${ofJobs}${ofQueues}${ofExtensions}`
}

const namedMax = 20

function* damage(found: Salvage): Iterable<string> {
  const { bytes: size, gaps, unreadable, strays, orphans, partial, incomplete, replaced } = found
  for (const { at, bytes, batches } of gaps) {
    if (batches > 0) yield `damaged: ${batches} batches lost in ${bytes} bytes from byte ${at} on`
    else if (at + bytes === size) yield `the last ${bytes} bytes, from byte ${at} on, are no whole batch`
    else if (bytes > 0) yield `damaged: ${bytes} bytes from byte ${at} on`
    else yield `damaged: the batch at byte ${at} does not follow the one before it`
  }
  for (const { at, bytes, reason } of unreadable)
    yield `damaged: the batch at byte ${at}, of ${bytes} bytes, can be read in part only: ${printable(reason)}`
  for (const { at, bytes, batches } of strays.slice(0, namedMax))
    yield `left out: ${batches} batches of another journal, ${bytes} bytes from byte ${at} on; they lie in what is damaged, as the data of a job do that contain a journal`
  if (strays.length > namedMax) yield `left out: ${strays.length - namedMax} more such journals`
  if (orphans > 0) yield `${orphans} changes of jobs whose beginning is lost`
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

const labelWidth = 14

function* show(folder: string, id: string): Iterable<string> {
  // The id may be given as it is, or as `ls` prints it.
  const isMeant = (record: JobRecord) => record.id === id || printable(record.id) === id
  const { records } = read(folder, { ...keepNone, keeps: isMeant })
  const record = records.find((each) => each.id === id) ?? records.find(isMeant)
  if (!record) throw new Error(`There is no job '${id}'.`)
  const { startMs, finishMs, ...rest } = record
  const fields = { ...rest, startedAt: plus(startMs, record.addedAt), finishedAt: finishedAt(record) }
  for (const [key, value] of Object.entries(fields))
    if (value !== undefined) yield field(key, isMoment(key, value) ? moment(value) : inspect(value))
}

function* showRow(folder: string, table: string, key: string): Iterable<string> {
  const isText = (text: string, given: string) => text === given || printable(text) === given
  const keepsRow = (ofTable: string, ofKey: string) => isText(ofTable, table) && isText(ofKey, key)
  const { rows } = read(folder, { ...keepNone, keepsRow })
  const row = rows.find((each) => keepsRow(each.table, each.key))
  if (!row) throw new Error(`There is no row '${key}' in a table '${table}'.`)
  for (const [name, value] of Object.entries(row)) yield field(name, inspect(value))
}

/** The second and later lines are indented, so that none looks like another field. */
const field = (label: string, text: string): string =>
  label.padEnd(labelWidth) +
  text
    .split('\n')
    .map(printable)
    .join(`\n${' '.repeat(labelWidth)}`)

/** Node's `inspect` escapes what is in strings, but not the stacks of errors or the sources of regular expressions. */
const inspect = (value: unknown): string => (nodeModule<typeof import('node:util')>('util')?.inspect ?? String)(value)

const isMoment = (key: string, value: unknown): value is number => typeof value === 'number' && /At$/.test(key)

function moment(time: number): string {
  const date = new Date(time)
  return Number.isNaN(date.getTime()) ? String(time) : date.toISOString()
}

// Salvaging.

async function salvageFolder(given: string): Promise<string[]> {
  const folder = nodeModule<typeof import('node:path')>('path')?.resolve(given) ?? given
  assertStore(folder)
  const disk = nodeDisk()
  try {
    const owner = await disk.ownerOf(folder)
    if (owner) throw locked(folder, owner)
    // A healthy store is not changed at all.
    const found = read(folder, keepNone, true)
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

const healthy = (folder: string, found: Salvage): string[] => [
  `${printable(journalOf(folder))} is not damaged; nothing was changed.`,
  summary(found),
]

const locked = (folder: string, { pid }: FolderOwner): OffstageError =>
  new OffstageError('STORE_LOCKED', `'${folder}' is open${pid ? ` in process ${pid}` : ''}; close it first.`)

function assertIntact(folder: string, found: Salvage): void {
  if (found.batches > 0) return
  const what = `Of '${journalOf(folder)}' no batch is intact; nothing was changed.`
  throw new Error([what, ...damage(found)].join(' '))
}

/** Throws unless we are the owner of the journal or root. Only these two can give the new journal to the old one's owner. */
function assertOurs(folder: string): void {
  const { geteuid } = nodeModule<typeof import('node:process')>('process') ?? {}
  const { uid } = fs().statSync(journalOf(folder))
  const us = geteuid?.() ?? uid
  if (us !== 0 && us !== uid)
    throw new Error(`'${journalOf(folder)}' belongs to another user (${uid}): only that user or root can replace it.`)
}

async function salvageOwned(disk: NodeDisk, folder: string): Promise<string[]> {
  // Reads again, because until now other processes could have the store open.
  const found = read(folder, keepAll, true)
  if (!found.isDamaged) return healthy(folder, found)
  assertIntact(folder, found)
  const whole = withoutBroken(found)
  const copy = `${journalOf(folder)}.damaged-${moment(systemClock.now()).replaceAll(/[:.]/g, '-')}`
  await copyFile(disk, journalOf(folder), copy)
  // First, because a store removes such files when it opens.
  const moved = await setFilesAside(disk, folder, whole, `${copy}.files`)
  await rewriteJournal(nodeDisk, folder, whole, systemRandom)
  return [
    `The damaged journal was copied to '${printable(copy)}' first.`,
    ...damage(found),
    ...(found.broken.size > 0 ? ['These jobs and rows are left out.'] : []),
    `recovered: ${summary(whole)}`,
    ...(moved > 0 ? [`${moved} files that none of these needs were moved to '${printable(copy)}.files'.`] : []),
    'What happened to these jobs in the lost batches is not known: some may run a second time.',
    ...(found.rows.length > 0
      ? ['Rows may be of another moment than the jobs: extensions look at both when they open.']
      : []),
  ]
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

/**
 * `offstage ls | show | salvage <folder>`: looks at the jobs of a file store from outside, and recovers what is intact
 * of a damaged one. `ls` and `show` only read, so they may be used while the store is open.
 */
import { finishedAt, type JobRecord, plus } from '../job/record.ts'
import { nodeModule, systemClock, systemRandom } from '../platform/host.ts'
import { nodeDisk } from '../platform/node-disk.ts'
import { OffstageError } from '../shared/errors.ts'
import { rewriteJournal } from '../store/rewrite.ts'
import { type Salvage, salvage } from '../store/salvage.ts'

/** What the commands need of the world. */
export interface CliHost {
  readonly args: readonly string[]
  print(line: string): void
  complain(line: string): void
}

const usage = `usage:
  offstage ls <folder>            the jobs in a store
  offstage show <folder> <id>     all there is to know of one
  offstage salvage <folder>       recovers what is intact of a damaged store; the damaged journal is kept beside it`

class UsageError extends Error {}

/** Answers the exit code: 0; 1 when it failed; 2 when it was called wrongly. */
export async function runCli({ args, print, complain }: CliHost): Promise<number> {
  try {
    for (const line of await carryOut(args)) print(line)
    return 0
  } catch (error) {
    complain(error instanceof Error ? error.message : String(error))
    return error instanceof UsageError ? 2 : 1
  }
}

async function carryOut([command, folder, ...rest]: readonly string[]): Promise<string[]> {
  if (command === '--help' || command === '-h') return [usage]
  if (!folder) throw new UsageError(usage)
  if (command === 'ls' && rest.length === 0) return list(read(folder))
  if (command === 'show' && rest.length === 1) return show(read(folder), rest[0] as string)
  if (command === 'salvage' && rest.length === 0) return salvageFolder(folder)
  throw new UsageError(usage)
}

// Reading.

const fs = () => {
  const module = nodeModule<typeof import('node:fs')>('fs')
  if (!module) throw new Error('offstage needs Node, Bun or Deno here.')
  return module
}

const journalOf = (folder: string): string => `${folder}/journal`

function read(folder: string): Salvage {
  const found = salvage(readBytes(folder), [])
  if (!found) throw new Error(`'${journalOf(folder)}' is not a journal of offstage.`)
  return found
}

function readBytes(folder: string): Uint8Array {
  const there = fs().statSync(folder, { throwIfNoEntry: false })
  if (!there) throw new Error(`There is no folder '${folder}'.`)
  if (!there.isDirectory()) throw new Error(`'${folder}' is not a folder; a store is one, with a file 'journal' in it.`)
  const file = fs().statSync(journalOf(folder), { throwIfNoEntry: false })
  if (!file) throw new Error(`'${folder}' is not a store: there is no file 'journal' in it.`)
  if (!file.isFile()) throw new Error(`'${journalOf(folder)}' is not a file.`)
  return fs().readFileSync(journalOf(folder))
}

// Showing.

function list(found: Salvage): string[] {
  const rows = found.records.map(({ id, name, state, queue, priority, attempt, addedAt }) => [
    id,
    name,
    state,
    queue,
    `priority ${priority}`,
    `attempt ${attempt}`,
    moment(addedAt),
  ])
  return [...table(rows), ...summary(found), ...damage(found)]
}

function table(rows: readonly (readonly string[])[]): string[] {
  const widths = rows[0]?.map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0))) ?? []
  return rows.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd(),
  )
}

function summary({ records }: Salvage): string[] {
  const counts = new Map<string, number>()
  for (const { state } of records) counts.set(state, (counts.get(state) ?? 0) + 1)
  const byState = [...counts].map(([state, count]) => `${count} ${state}`).join(', ')
  return [`${records.length} jobs${byState && `: ${byState}`}`]
}

function damage({ gaps, orphans }: Salvage): string[] {
  const lines = gaps.map(({ at, bytes, batches }) =>
    batches > 0
      ? `damaged: ${batches} batches lost in ${bytes} bytes from byte ${at} on`
      : `the last ${bytes} bytes, from byte ${at} on, are no whole batch`,
  )
  if (orphans > 0) lines.push(`${orphans} changes of jobs whose beginning is lost`)
  return lines
}

function show({ records }: Salvage, id: string): string[] {
  const record = records.find((each) => each.id === id)
  if (!record) throw new Error(`There is no job '${id}'.`)
  const inspect = nodeModule<typeof import('node:util')>('util')?.inspect ?? String
  const { startMs, finishMs, ...rest } = record
  return Object.entries({ ...rest, startedAt: plus(startMs, record.addedAt), finishedAt: finishedAt(record) })
    .filter(([, value]) => value !== undefined)
    .map(([key, value]) => `${key.padEnd(14)}${isMoment(key, value) ? moment(value) : inspect(value)}`)
}

const isMoment = (key: string, value: unknown): value is number =>
  typeof value === 'number' && /At$/.test(key satisfies keyof JobRecord | string)

const moment = (time: number): string => new Date(time).toISOString()

// Salvaging.

async function salvageFolder(folder: string): Promise<string[]> {
  const disk = nodeDisk()
  try {
    readBytes(folder)
    const owned = await disk.own(folder)
    if (typeof owned !== 'function')
      throw new OffstageError(
        'STORE_LOCKED',
        `'${folder}' is open${owned.pid ? ` in process ${owned.pid}` : ''}; close it first.`,
      )
    try {
      return await salvageOwned(folder)
    } finally {
      await owned()
    }
  } finally {
    await disk.close()
  }
}

async function salvageOwned(folder: string): Promise<string[]> {
  const found = read(folder)
  if (found.gaps.length === 0) return [`${journalOf(folder)} is not damaged; nothing was changed.`, ...summary(found)]
  const copy = copyAside(folder)
  await rewriteJournal(nodeDisk, folder, found.records, systemRandom)
  return [
    `The damaged journal was copied to '${copy}' first.`,
    ...damage(found),
    `recovered: ${summary(found)[0]}`,
    'What happened to these jobs in the lost batches is not known: some may run a second time.',
  ]
}

/** Never overwrites a copy that is there. */
function copyAside(folder: string): string {
  const { copyFileSync, openSync, fsyncSync, closeSync, constants } = fs()
  const copy = `${journalOf(folder)}.damaged-${moment(systemClock.now()).replaceAll(/[:.]/g, '-')}`
  copyFileSync(journalOf(folder), copy, constants.COPYFILE_EXCL)
  const descriptor = openSync(copy, 'r+')
  fsyncSync(descriptor)
  closeSync(descriptor)
  return copy
}

import { nodeModule } from '../platform/host.ts'
import type { FolderOwner } from '../shared/disk.ts'
import { OffstageError } from '../shared/errors.ts'
import { type Salvage, type SalvageOptions, salvage } from '../store/salvage.ts'
import { AttachmentFiles, fs } from './attachment-files.ts'

/** Whose values are wanted. */
type Wanted = Pick<SalvageOptions, 'keeps' | 'keepsRow' | 'outline'>

export const keepNone: Wanted = { keeps: () => false, keepsRow: () => false }
export const keepAll: Wanted = { keeps: () => true, keepsRow: () => true }

export const journalOf = (folder: string): string => `${folder}/journal`

/** A journal that changes all the time is taken as it was the last time. */
const readingsMax = 5

/**
 * Reads the journal in a folder, in slices, up to its present size. It may be open elsewhere: then it grows meanwhile, or another
 * takes its place, and what only looks damaged because of that is read again.
 */
export function readFolder(folder: string, wanted: Wanted, isThorough = false): Salvage {
  assertStore(folder)
  for (let readings = 1; ; readings++) {
    const before = pictureOf(folder)
    const found = readOnce(folder, wanted, isThorough)
    if (!found) throw new Error(`'${journalOf(folder)}' is not a journal of offstage.`)
    if (!found.isDamaged || readings === readingsMax || pictureOf(folder) === before) return found
  }
}

function readOnce(folder: string, wanted: Wanted, isThorough: boolean): Salvage | undefined {
  const files = new AttachmentFiles(folder, isThorough)
  const { openSync, fstatSync, readSync, closeSync } = fs()
  const descriptor = openSync(journalOf(folder), 'r')
  try {
    const { size } = fstatSync(descriptor)
    const read = (into: Uint8Array, at: number) => readSync(descriptor, into, 0, into.length, at)
    return salvage({ size, read }, { errors: [], ...wanted, has: (attachment) => files.has(attachment) })
  } finally {
    closeSync(descriptor)
  }
}

/** It is another one when the journal was written to, or replaced. */
export function pictureOf(folder: string): string {
  const { ino, size, mtimeMs } = fs().statSync(journalOf(folder), { throwIfNoEntry: false }) ?? {}
  return `${ino} ${size} ${mtimeMs}`
}

export function assertStore(folder: string): void {
  const there = fs().statSync(folder, { throwIfNoEntry: false })
  if (!there) throw new Error(`There is no folder '${folder}'.`)
  if (!there.isDirectory()) throw new Error(`'${folder}' is not a folder; a store is one, with a file 'journal' in it.`)
  const file = fs().statSync(journalOf(folder), { throwIfNoEntry: false })
  if (!file) throw new Error(`'${folder}' is not a store: there is no file 'journal' in it.`)
  if (!file.isFile()) throw new Error(`'${journalOf(folder)}' is not a file.`)
}

export const resolved = (folder: string): string =>
  nodeModule<typeof import('node:path')>('path')?.resolve(folder) ?? folder

/** Throws unless we are the owner of the journal or root. Only these two can give the new journal to the old one's owner. */
export function assertOurs(folder: string): void {
  const { geteuid } = nodeModule<typeof import('node:process')>('process') ?? {}
  const { uid } = fs().statSync(journalOf(folder))
  const us = geteuid?.() ?? uid
  if (us !== 0 && us !== uid)
    throw new Error(`'${journalOf(folder)}' belongs to another user (${uid}): only that user or root can replace it.`)
}

export const locked = (folder: string, { pid }: FolderOwner): OffstageError =>
  new OffstageError('STORE_LOCKED', `'${folder}' is open${pid ? ` in process ${pid}` : ''}; close it first.`)

/** Writes to a file so that it is known, when one fails, what may be undone. */
import type { DiskFile, Expected } from '../shared/disk.ts'

/** Marks a failed write, as opposed to a failed sync: only a write may be undone. */
export class WriteError extends Error {
  constructor(cause: unknown) {
    super('', { cause })
  }
}

/** The most bytes that are written at a time. */
const writeBytesMax = 8 * 1024 * 1024

/** Writes all bytes. A short write is no error: the rest is written next. */
export async function writeAll(file: DiskFile, bytes: Uint8Array, offset: number, expected?: Expected): Promise<void> {
  try {
    for (let done = 0; done < bytes.length; ) {
      const piece = bytes.subarray(done, done + writeBytesMax)
      done += await file.write(piece, offset + done, done === 0 ? expected : undefined)
    }
  } catch (error) {
    throw new WriteError(error)
  }
}

/**
 * Calls write and sync at once: a disk that replies from another thread then replies once. Nearly always nothing is left to do.
 */
export async function writeAndSync(
  file: DiskFile,
  frame: Uint8Array,
  expected: Expected,
  isStrict: boolean,
): Promise<void> {
  const offset = expected.size
  if (!isStrict || frame.length > writeBytesMax) {
    await writeAll(file, frame, offset, expected)
    if (isStrict) await file.sync()
    return
  }
  const [writing, syncing] = await Promise.allSettled([file.write(frame, offset, expected), file.sync()])
  if (writing.status === 'rejected') throw new WriteError(writing.reason)
  if (syncing.status === 'rejected') throw syncing.reason
  if (writing.value === frame.length) return
  await writeAll(file, frame.subarray(writing.value), offset + writing.value)
  await file.sync()
}

/** Returns why a write or a sync has failed. */
export const causeOf = (error: unknown): unknown => (error instanceof WriteError ? error.cause : error)
export const codeOf = (error: unknown): unknown => (error as { code?: unknown } | undefined)?.code
export const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error))

const noRoomCodes: readonly unknown[] = ['ENOSPC', 'EDQUOT', 'EFBIG']
export const isNoRoom = (cause: unknown): boolean => noRoomCodes.includes(codeOf(cause))

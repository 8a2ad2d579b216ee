import { readable } from '../shared/clone.ts'
import { isError } from '../shared/kind.ts'
import { show } from '../shared/show.ts'
import type { Attachments } from './attachments.ts'
import type { ByteWriter } from './bytes.ts'
import { shortMax, ValueWriter, writeValue } from './value-writer.ts'

/**
 * Writes what a handler threw. That must never keep a job from being stored, so a short text takes the place of what cannot be
 * stored. An error that takes more than `bytesMax` is shortened: its texts are cut, and only small attached values are kept.
 */
export function writeThrown(
  out: ByteWriter,
  thrown: unknown,
  bytesMax = Number.POSITIVE_INFINITY,
  attachments?: Attachments,
): void {
  const { length, lengthMax } = out
  out.lengthMax = Math.min(lengthMax, length + bytesMax)
  const limits = [Number.POSITIVE_INFINITY, Math.floor(bytesMax / 16), shortMax, 0]
  const fitsAs = (source: unknown, limit: number) => fits(out, source, limit, length + bytesMax, attachments)
  // As it is, if possible: in a copy, a blob would be another object, with a number of its own.
  const isWritten = fitsAs(thrown, Number.POSITIVE_INFINITY) || limits.some((limit) => fitsAs(storable(thrown), limit))
  out.lengthMax = lengthMax
  if (!isWritten) writeValue(out, show(thrown), 'error')
  attachments?.note(thrown, out.namedSince(length))
}

function fits(
  out: ByteWriter,
  thrown: unknown,
  limit: number,
  end: number,
  attachments: Attachments | undefined,
): boolean {
  const start = out.length
  try {
    new ValueWriter(out, attachments, limit).write(thrown)
    if (out.length <= end) return true
  } catch {
    // Counts as too long.
  }
  out.truncate(start)
  return false
}

function storable(thrown: unknown): unknown {
  try {
    return isError(thrown) ? thrown : readable(thrown)
  } catch {
    return show(thrown)
  }
}

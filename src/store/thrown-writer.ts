import { readable } from '../shared/clone.ts'
import { isError } from '../shared/kind.ts'
import { show } from '../shared/show.ts'
import type { ByteWriter } from './bytes.ts'
import { shortMax, ValueWriter, writeValue } from './value-writer.ts'

/**
 * Writes what a handler threw. That must never keep a job from being stored, so a short text takes the place of what cannot be
 * stored. An error that takes more than `bytesMax` is shortened: its texts are cut, and only small attached values are kept.
 */
export function writeThrown(out: ByteWriter, thrown: unknown, bytesMax = Number.POSITIVE_INFINITY): void {
  const { length, lengthMax } = out
  const source = storable(thrown)
  out.lengthMax = Math.min(lengthMax, length + bytesMax)
  const limits = [Number.POSITIVE_INFINITY, Math.floor(bytesMax / 16), shortMax, 0]
  const isWritten = limits.some((limit) => fits(out, source, limit, length + bytesMax))
  out.lengthMax = lengthMax
  if (!isWritten) writeValue(out, show(thrown), 'error')
}

function fits(out: ByteWriter, thrown: unknown, limit: number, end: number): boolean {
  const start = out.length
  try {
    new ValueWriter(out, limit).write(thrown)
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

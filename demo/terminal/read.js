// Reading files in the threads: synchronously, because there nobody is kept waiting, and in pieces, because a file may be
// larger than memory and a job is to hear of its cancellation.
import { closeSync, openSync, readFileSync, readSync } from 'node:fs'

const buffer = Buffer.allocUnsafe(256 * 1024)

/**
 * The pieces of a file. Each is valid until the next is asked for.
 * @param {import('./files.js').FileEntry} file
 */
export function* chunksOf({ path, size }) {
  if (size === 0) return
  const file = openSync(path, 'r')
  try {
    for (;;) {
      const length = readSync(file, buffer)
      if (length === 0) return
      yield buffer.subarray(0, length)
    }
  } finally {
    closeSync(file)
  }
}

/**
 * A whole file as text; `undefined` when it cannot be read or is no text.
 * @param {string} path
 */
export function textOf(path) {
  try {
    const bytes = readFileSync(path)
    return bytes.includes(0) ? undefined : bytes.toString()
  } catch {
    return undefined
  }
}

// Which files the demo works on, and into which jobs they go.
import { readdirSync, statSync } from 'node:fs'
import { extname, join } from 'node:path'
import { UsageError } from './text.js'

/** @typedef {{ path: string, size: number }} FileEntry */

/** @param {readonly FileEntry[]} files */
export const bytesOf = (files) => files.reduce((sum, { size }) => sum + size, 0)

/**
 * All files below a folder, without links and hidden folders, and how many folders could not be looked at. With `bytesMax`
 * only as many, in the order of their paths, as do not exceed it together.
 * @param {string} folder
 */
export function listFiles(folder, bytesMax = Number.POSITIVE_INFINITY) {
  /** @type {FileEntry[]} */
  const files = []
  let unreadable = 0
  const folders = [folder]
  for (let next = folders.pop(); next !== undefined; next = folders.pop()) {
    try {
      for (const entry of readdirSync(next, { withFileTypes: true })) {
        const path = join(next, entry.name)
        if (entry.isDirectory() && !entry.name.startsWith('.')) folders.push(path)
        else if (entry.isFile()) files.push({ path, size: statSync(path).size })
      }
    } catch (error) {
      if (next === folder) throw new UsageError(explain(folder, /** @type {NodeJS.ErrnoException} */ (error)))
      unreadable++
    }
  }
  if (files.length === 0) throw new UsageError(`There are no files in '${folder}'.`)
  const inOrder = files.sort((a, b) => (a.path < b.path ? -1 : 1))
  return { files: within(inOrder, bytesMax), unreadable }
}

/** @param {readonly FileEntry[]} files @param {number} bytesMax */
function within(files, bytesMax) {
  let room = bytesMax
  return files.filter(({ size }) => {
    if (size > room) return false
    room -= size
    return true
  })
}

/**
 * @param {string} folder
 * @param {NodeJS.ErrnoException} error
 */
function explain(folder, { code, message }) {
  if (code === 'ENOENT') return `There is no folder '${folder}'.`
  if (code === 'ENOTDIR') return `'${folder}' is not a folder.`
  if (code === 'EACCES' || code === 'EPERM') return `No permission to read the folder '${folder}'.`
  return `The folder '${folder}' cannot be read: ${message}.`
}

const batchBytesMax = 4 * 1024 * 1024
const batchFilesMax = 256

/**
 * Files in groups that are worth a job each.
 * @param {readonly FileEntry[]} files
 */
export function batchesOf(files) {
  /** @type {FileEntry[][]} */
  const batches = []
  let room = 0
  for (const file of files) {
    const batch = batches.at(-1)
    if (!batch || batch.length === batchFilesMax || file.size > room) {
      batches.push([file])
      room = batchBytesMax
    } else batch.push(file)
    room -= file.size
  }
  return batches
}

const prose = new Set(['.md', '.markdown', '.txt', '.rst', '.adoc', '.html', '.htm'])
const documentBytesMax = 1024 * 1024
const indexBytesMax = 4 * 1024 * 1024

/**
 * What the search index is to hold: prose first, then anything else, as far as it goes.
 * @param {readonly FileEntry[]} files
 */
export function documentsOf(files) {
  const isProse = (/** @type {FileEntry} */ { path }) => prose.has(extname(path).toLowerCase())
  const inOrder = [...files.filter(isProse), ...files.filter((file) => !isProse(file))]
  return within(
    inOrder.filter(({ size }) => size <= documentBytesMax),
    indexBytesMax,
  )
}

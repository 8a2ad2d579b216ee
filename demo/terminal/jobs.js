// The worker module: everything here runs in threads.
import { createHash } from 'node:crypto'
import { statSync } from 'node:fs'
import { basename, extname } from 'node:path'
import { threadId } from 'node:worker_threads'
import { Gzip } from 'fflate'
import MiniSearch from 'minisearch'
import { defineJobs } from 'offstage/worker'
import { bytesOf } from './files.js'
import { chunksOf, textOf } from './read.js'

/** @typedef {import('./files.js').FileEntry} FileEntry */
/** @typedef {{ worker: number, file: string, done: number, of: number }} Progress bytes, or whatever the job counts */
/** @typedef {import('offstage/worker').JobContext<Progress>} Context */

/** So much work is between two checkpoints, about: what a kill costs a job at most. */
const checkpointBytes = 1024 * 1024

export const jobs = defineJobs({
  /**
   * SHA-256 of each file, to find the same content twice.
   * @param {{ files: FileEntry[] }} input
   * @param {Context} job
   * @returns {AsyncGenerator<Progress, { digests: (string | undefined)[] }>}
   */
  async *hash({ files }, job) {
    const { next, total } = resume(job, { digests: /** @type {(string | undefined)[]} */ ([]) })
    for (const step of steps(files, next)) {
      const hash = createHash('sha256')
      total.digests.push((yield* step.read((chunk) => hash.update(chunk))) ? hash.digest('base64') : undefined)
      if (step.isKeeping) await job.checkpoint({ next: step.next, total })
    }
    return total
  },

  /**
   * Lines and words of what is text.
   * @param {{ files: FileEntry[] }} input
   * @param {Context} job
   * @returns {AsyncGenerator<Progress, { files: number, bytes: number, lines: number, words: number }>}
   */
  async *count({ files }, job) {
    const { next, total } = resume(job, { files: 0, bytes: 0, lines: 0, words: 0 })
    for (const step of steps(files, next)) {
      const own = { isText: true, isInWord: false, lines: 0, words: 0 }
      const isRead = yield* step.read((chunk) => {
        own.isText &&= !chunk.includes(0)
        if (own.isText) countChunk(chunk, own)
        return own.isText
      })
      if (isRead && own.isText) {
        total.files++
        total.bytes += step.file.size
        total.lines += own.lines
        total.words += own.words
      }
      if (step.isKeeping) await job.checkpoint({ next: step.next, total })
    }
    return total
  },

  /**
   * How small the text files get with gzip.
   * @param {{ files: FileEntry[] }} input
   * @param {Context} job
   * @returns {AsyncGenerator<Progress, { bytes: number, packed: number }>}
   */
  async *compress({ files }, job) {
    const { next, total } = resume(job, { bytes: 0, packed: 0 })
    for (const step of steps(files, next)) {
      let isText = true
      let packed = 0
      const gzip = new Gzip({ level: 3 }, (chunk) => {
        packed += chunk.length
      })
      const isRead = yield* step.read((chunk) => {
        isText &&= !chunk.includes(0)
        if (isText) gzip.push(chunk)
        return isText
      })
      if (isRead && isText) {
        gzip.push(new Uint8Array(0), true)
        total.bytes += step.file.size
        total.packed += packed
      }
      if (step.isKeeping) await job.checkpoint({ next: step.next, total })
    }
    return total
  },

  /**
   * A search index over all documents, and what it finds.
   * @param {{ files: FileEntry[], query: string }} input
   * @returns {Generator<Progress, { documents: number, terms: number, query: string, hits: { path: string, score: number }[] }>}
   */
  *index({ files, query }) {
    /** @type {Map<string, number>} */
    const frequencies = new Map()
    const processTerm = (/** @type {string} */ term) => {
      const word = term.toLowerCase()
      if (word.length > 5) frequencies.set(word, (frequencies.get(word) ?? 0) + 1)
      return word
    }
    const index = new MiniSearch({ idField: 'path', fields: ['name', 'text'], processTerm })
    const of = bytesOf(files)
    let done = 0
    for (const { path, size } of files) {
      const text = textOf(path)
      if (text !== undefined) index.add({ path, name: basename(path), text })
      done += size
      yield { worker: threadId, file: path, done, of }
    }
    const options = { boost: { name: 2 } }
    const frequent = [...frequencies].reduce((most, each) => (each[1] > most[1] ? each : most), ['', 0])[0]
    const asked = index.search(query, options).length > 0 ? query : frequent
    const hits = index.search(asked, options).slice(0, 3)
    return {
      documents: index.documentCount,
      terms: index.termCount,
      query: asked,
      hits: hits.map(({ id, score }) => ({ path: id, score })),
    }
  },

  /**
   * Which types of files there are, and the newest file. Its first attempt fails half way, on purpose; the second goes
   * on from the checkpoint.
   * @param {{ folder: string, files: FileEntry[] }} input
   * @param {Context} job
   * @returns {AsyncGenerator<Progress, Survey & { resumedAt: number }>}
   */
  async *survey({ files }, job) {
    const { next, total } = resume(job, /** @type {Survey} */ ({ types: new Map(), newest: undefined }))
    const { types } = total
    const half = Math.floor(files.length / 2)
    for (const [index, { path, size }] of files.entries()) {
      if (index < next) continue
      if (index === half && job.checkpointed === undefined) {
        await job.checkpoint({ next: index, total })
        throw new Error('the plug was pulled, on purpose')
      }
      const type = extname(path) || '(none)'
      const { files: before = 0, bytes = 0 } = types.get(type) ?? {}
      types.set(type, { files: before + 1, bytes: bytes + size })
      const { mtimeMs = 0 } = statSync(path, { throwIfNoEntry: false }) ?? {}
      if (mtimeMs > (total.newest?.mtimeMs ?? -1)) total.newest = { path, mtimeMs }
      yield { worker: threadId, file: path, done: index + 1, of: files.length }
    }
    return { ...total, resumedAt: next }
  },

  /** What the process needs of memory; a schedule has it looked at again and again. */
  pulse: () => process.memoryUsage.rss(),

  /**
   * Looks for a number that gives a text a SHA-256 with 32 leading zeros. The sun will be gone before.
   * @param {{ text: string }} input
   * @returns {Generator<Progress, number>}
   */
  *stamp({ text }) {
    const zeros = '0'.repeat(32)
    for (let tries = 1; ; tries++) {
      if (createHash('sha256').update(`${text} ${tries}`).digest('hex').startsWith(zeros)) return tries
      if (tries % 1_000 === 0) yield { worker: threadId, file: '', done: tries, of: 0 }
    }
  },
})

/** @typedef {{ types: Map<string, { files: number, bytes: number }>, newest: { path: string, mtimeMs: number } | undefined }} Survey */

/**
 * Where an earlier attempt of the job was, and what it had found by then; says so.
 * @template Total
 * @param {Context} job
 * @param {Total} none
 */
function resume(job, none) {
  const kept = /** @type {{ next: number, total: Total } | undefined} */ (job.checkpointed)
  if (kept) job.log('goes on', kept.next)
  return kept ?? { next: 0, total: none }
}

/**
 * The files one by one, from the `first` on, each with a way to read it that reports progress after every chunk. `read`
 * answers whether the file could be read; it stops early when `take` answers `false`. After some of them, not after the
 * last, it is time for a checkpoint.
 * @param {readonly FileEntry[]} files
 * @param {number} first
 */
function* steps(files, first) {
  const of = bytesOf(files)
  let before = bytesOf(files.slice(0, first))
  let keptAt = before
  for (const [index, file] of files.entries()) {
    if (index < first) continue
    const next = index + 1
    const isKeeping = next < files.length && before + file.size - keptAt >= checkpointBytes
    yield {
      file,
      next,
      isKeeping,
      /**
       * @param {(chunk: Buffer) => unknown} take
       * @returns {Generator<Progress, boolean>}
       */
      *read(take) {
        let done = before
        try {
          for (const chunk of chunksOf(file)) {
            const wantsMore = take(chunk)
            done += chunk.length
            yield { worker: threadId, file: file.path, done, of }
            if (wantsMore === false) break
          }
          return true
        } catch (error) {
          if (isFromFileSystem(error)) return false // Gone, or not ours to read: the others are.
          throw error
        }
      },
    }
    before += file.size
    if (isKeeping) keptAt = before
  }
}

const isFromFileSystem = (/** @type {unknown} */ error) => error instanceof Error && 'syscall' in error

const newline = 10
const space = 32

/**
 * @param {Buffer} chunk
 * @param {{ isInWord: boolean, lines: number, words: number }} count
 */
function countChunk(chunk, count) {
  let { isInWord, lines, words } = count
  for (let at = 0; at < chunk.length; at++) {
    const byte = /** @type {number} */ (chunk[at])
    if (byte === newline) lines++
    const isSpace = byte === space || (byte >= 9 && byte <= 13)
    if (!isSpace && !isInWord) words++
    isInWord = !isSpace
  }
  Object.assign(count, { isInWord, lines, words })
}

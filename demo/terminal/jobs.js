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

export const jobs = defineJobs({
  /**
   * SHA-256 of each file, to find the same content twice.
   * @param {{ files: FileEntry[] }} input
   * @returns {Generator<Progress, { digests: (string | undefined)[] }>}
   */
  *hash({ files }) {
    const digests = []
    for (const step of steps(files)) {
      const hash = createHash('sha256')
      digests.push((yield* step.read((chunk) => hash.update(chunk))) ? hash.digest('base64') : undefined)
    }
    return { digests }
  },

  /**
   * Lines and words of what is text.
   * @param {{ files: FileEntry[] }} input
   * @returns {Generator<Progress, { files: number, bytes: number, lines: number, words: number }>}
   */
  *count({ files }) {
    const total = { files: 0, bytes: 0, lines: 0, words: 0 }
    for (const step of steps(files)) {
      const own = { isText: true, isInWord: false, lines: 0, words: 0 }
      const isRead = yield* step.read((chunk) => {
        own.isText &&= !chunk.includes(0)
        if (own.isText) countChunk(chunk, own)
        return own.isText
      })
      if (!isRead || !own.isText) continue
      total.files++
      total.bytes += step.file.size
      total.lines += own.lines
      total.words += own.words
    }
    return total
  },

  /**
   * How small the text files get with gzip.
   * @param {{ files: FileEntry[] }} input
   * @returns {Generator<Progress, { bytes: number, packed: number }>}
   */
  *compress({ files }) {
    const total = { bytes: 0, packed: 0 }
    for (const step of steps(files)) {
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
      if (!isRead || !isText) continue
      gzip.push(new Uint8Array(0), true)
      total.bytes += step.file.size
      total.packed += packed
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
   * @param {{ files: FileEntry[] }} input
   * @param {import('offstage/worker').JobContext<Progress>} job
   * @returns {AsyncGenerator<Progress, Survey & { resumedAt: number }>}
   */
  async *survey({ files }, job) {
    const kept = /** @type {(Survey & { next: number }) | undefined} */ (job.checkpointed)
    const { types, newest } = kept ?? { types: new Map(), newest: undefined }
    const survey = { types, newest }
    const half = Math.floor(files.length / 2)
    for (const [index, { path, size }] of files.entries()) {
      if (index < (kept?.next ?? 0)) continue
      if (index === half && job.attempt === 1) {
        await job.checkpoint({ ...survey, next: index })
        throw new Error('the plug was pulled, on purpose')
      }
      const type = extname(path) || '(none)'
      const { files: before = 0, bytes = 0 } = types.get(type) ?? {}
      types.set(type, { files: before + 1, bytes: bytes + size })
      const { mtimeMs = 0 } = statSync(path, { throwIfNoEntry: false }) ?? {}
      if (mtimeMs > (survey.newest?.mtimeMs ?? -1)) survey.newest = { path, mtimeMs }
      yield { worker: threadId, file: path, done: index + 1, of: files.length }
    }
    return { ...survey, resumedAt: kept?.next ?? 0 }
  },

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
 * The files one by one, each with a way to read it that reports progress after every chunk. `read` answers whether the
 * file could be read; it stops early when `take` answers `false`.
 * @param {readonly FileEntry[]} files
 */
function* steps(files) {
  const of = bytesOf(files)
  let before = 0
  for (const file of files) {
    yield {
      file,
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

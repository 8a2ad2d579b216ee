/**
 * Finds the batches of a journal that may be damaged anywhere, and tells them from data that only looks like batches.
 *
 * The input of a job may contain a whole journal: an upload, a backup. As long as the batch with the upload is intact, it is
 * read as one batch, and what lies inside is data. When that batch is damaged, its end is unknown, and the frames inside it are
 * found like any other. These things tell them apart:
 *
 *   salt       all frames of a journal have the same; it is random, and the author of an upload does not know it
 *   beginning  a journal begins at the first byte. Its salt is there, and a first batch anywhere else is the data of a job
 *   end        the last batch of data that is inside a batch has something behind it: the rest of that batch
 *   chain      batches follow each other, without a byte in between, and each names the one before
 *   bytes      if nothing else decides, the candidate with most bytes is right
 *
 * An upload may also be a copy of the same journal, which has the same salt. The numbers of its batches tell it apart: a batch
 * only follows one with a lower number.
 */
import { crc32 } from '../platform/crc32.ts'
import { type Header, headerBytes, readHeader } from './frame.ts'
import type { JournalBytes } from './journal-bytes.ts'

/** Frames that follow each other without a gap. Most frames are a batch each, so they are called batches here. */
export interface Run {
  readonly salt: number
  readonly at: number
  end: number
  /** Where the last frame ends that is the last of its batch; `at` if there is none. */
  wholeEnd: number
  batches: number
  readonly firstSequence: number
  readonly firstPrevious: number
  lastSequence: number
  lastChecksum: number
}

export interface Survey {
  /** The runs of the journal itself, in order. Between two of them there is a gap, or the chain is broken. */
  readonly runs: readonly Run[]
  /** Runs of what looks like batches and does not belong to this journal. */
  readonly strays: readonly Run[]
}

/** Longer than elsewhere, because journals of versions that did not check what they wrote have longer frames. */
const lengthMax = 0xff_ff_ff_ff

/** Surveys the whole journal. */
export function survey(bytes: JournalBytes): Survey {
  const all = findRuns(bytes)
  const salt = saltAtStart(bytes)
  const rooted = all.filter((run) => run.salt === salt)
  const credible = rooted.length > 0 ? rooted : notSurelyData(all, bytes)
  const runs = heaviest(credible, bytes)
  const chosen = new Set(runs)
  return { runs, strays: all.filter((run) => !chosen.has(run)) }
}

export function headerAt(bytes: JournalBytes, at: number): Header | undefined {
  return readHeader(bytes.view(at, headerBytes), lengthMax)
}

export const endOf = (at: number, { length }: Header): number => at + headerBytes + length

// Finding.

function findRuns(bytes: JournalBytes): Run[] {
  const runs: Run[] = []
  let run: Run | undefined
  for (let at = 0; at < bytes.size; ) {
    const header = intactAt(bytes, at)
    if (!header) {
      at = searchFrom(bytes, at + 1)
      continue
    }
    const end = endOf(at, header)
    if (run && isNext(header, at, run)) extend(run, header, end)
    else {
      run = begin(header, at, end)
      runs.push(run)
    }
    at = end
  }
  return runs
}

const isNext = ({ salt, sequence, previous }: Header, at: number, run: Run): boolean =>
  at === run.end && salt === run.salt && sequence === run.lastSequence + 1 && previous === run.lastChecksum

function extend(run: Run, { sequence, checksum, goesOn }: Header, end: number): void {
  run.end = end
  if (!goesOn) run.wholeEnd = end
  run.batches++
  run.lastSequence = sequence
  run.lastChecksum = checksum
}

function begin({ salt, sequence, previous, checksum, goesOn }: Header, at: number, end: number): Run {
  const [firstSequence, firstPrevious, lastSequence, lastChecksum] = [sequence, previous, sequence, checksum]
  const wholeEnd = goesOn ? at : end
  return { salt, at, end, wholeEnd, batches: 1, firstSequence, firstPrevious, lastSequence, lastChecksum }
}

function intactAt(bytes: JournalBytes, at: number): Header | undefined {
  const header = headerAt(bytes, at)
  if (!header || endOf(at, header) > bytes.size) return undefined
  const seed = crc32(bytes.view(at, headerBytes).subarray(0, 40))
  return bytes.checksum(at + headerBytes, header.length, seed) >>> 0 === header.checksum ? header : undefined
}

const magic = [0x6f, 0x66, 0x66, 0x31] as const

/** Returns where the next intact batch begins, at whatever byte, or the end if there is none. */
function searchFrom(bytes: JournalBytes, from: number): number {
  for (let at = from; at < bytes.size; ) {
    const view = bytes.view(at)
    if (view.length < headerBytes) break
    // A batch that begins in the last bytes of this view is found at the beginning of the next view.
    const next = at + view.length - magic.length + 1
    const found = startsIn(view).find((start) => intactAt(bytes, at + start))
    if (found !== undefined) return at + found
    at = next
  }
  return bytes.size
}

function startsIn(view: Uint8Array): number[] {
  const starts: number[] = []
  for (let at = view.indexOf(magic[0]); at !== -1; at = view.indexOf(magic[0], at + 1)) {
    if (view[at + 1] === magic[1] && view[at + 2] === magic[2] && view[at + 3] === magic[3]) starts.push(at)
  }
  return starts
}

// Choosing.

/** Returns the salt in the header at the first byte, even if the rest of it is damaged: data of a job cannot lie there. */
function saltAtStart(bytes: JournalBytes): number {
  const head = bytes.view(0, headerBytes)
  const view = new DataView(head.buffer, head.byteOffset, head.byteLength)
  return head.length < 16 ? -1 : view.getUint32(8, true) + view.getUint32(12, true) * 2 ** 32
}

/**
 * Leaves out what must be data of a job: whatever lies in the first batch, and journals that begin further on, unless their run
 * is the one that ends the file.
 */
function notSurelyData(runs: readonly Run[], bytes: JournalBytes): Run[] {
  const end = endOfFirst(runs, bytes)
  const last = runs.at(-1)
  const isLast = (salt: number) => last?.end === bytes.size && last.salt === salt
  return runs.filter(({ at, salt, firstSequence }) => at >= end && (firstSequence > 1 || at === 0 || isLast(salt)))
}

/**
 * Returns the end of the first batch, or 0 if it is unknown. The header is damaged, so its length only counts if a run begins
 * at that end, or if the file ends there.
 */
function endOfFirst(runs: readonly Run[], bytes: JournalBytes): number {
  const first = headerAt(bytes, 0)
  if (first?.sequence !== 1 || first.previous !== 0) return 0
  const end = endOf(0, first)
  return end === bytes.size || runs.some(({ at }) => at === end) ? end : 0
}

/** A run, and the best path that can come before it. */
interface Path {
  readonly run: Run
  readonly before: Path | undefined
  readonly weight: number
}

/**
 * Returns the runs of one journal, with rising numbers, that have the most bytes. Runs at the first and at the last byte of the
 * file count much more.
 */
function heaviest(runs: readonly Run[], { size }: JournalBytes): Run[] {
  /**
   * For each salt, the best paths, sorted by the number at which they end. The weights rise along the list: of two paths that
   * end at the same number only the heavier is kept.
   */
  const paths = new Map<number, Path[]>()
  let best: Path | undefined
  for (const run of runs) {
    const known = paths.get(run.salt) ?? []
    paths.set(run.salt, known)
    const before = known[countBelow(known, run.firstSequence) - 1]
    const path = { run, before, weight: (before?.weight ?? 0) + weightOf(run, size) }
    keep(known, path)
    if (!best || path.weight > best.weight) best = path
  }
  const chosen: Run[] = []
  for (let path = best; path; path = path.before) chosen.push(path.run)
  return chosen.reverse()
}

const weightOf = ({ at, end }: Run, size: number): number =>
  end - at + (at === 0 ? size : 0) + (end === size ? size : 0)

/** Returns how many of the paths end with a number below this one. */
function countBelow(paths: readonly Path[], sequence: number): number {
  let [low, high] = [0, paths.length]
  while (low < high) {
    const middle = (low + high) >> 1
    if ((paths[middle] as Path).run.lastSequence < sequence) low = middle + 1
    else high = middle
  }
  return low
}

function keep(paths: Path[], path: Path): void {
  const { lastSequence } = path.run
  const from = countBelow(paths, lastSequence + 1)
  if (from > 0 && (paths[from - 1] as Path).weight >= path.weight) return
  const start = countBelow(paths, lastSequence)
  let end = from
  while (end < paths.length && (paths[end] as Path).weight <= path.weight) end++
  paths.splice(start, end - start, path)
}

/**
 * A journal in a folder of its own.
 *
 *   journal        the frames
 *   journal.next…  a draft; left behind by a crash it means nothing, and goes
 *   journal.torn   what the last recovery cut off; what earlier ones did has a number, as in journal.torn.1
 */
import { systemClock } from '../platform/host.ts'
import type { Clock } from '../shared/clock.ts'
import type { Disk, DiskFile, Expected, FileStat } from '../shared/disk.ts'
import { OffstageError } from '../shared/errors.ts'
import { type Draft, type Medium, MediumError } from './medium.ts'
import type { StoreHost } from './store.ts'

export interface FileMediumOptions {
  /** `strict`: a frame is on the disk before it counts. `relaxed`: the system has it, which a power cut takes. */
  readonly durability: 'strict' | 'relaxed'
  /** How long a folder that somebody else owns is asked for again. Default 0: not at all. */
  readonly waitForLockMs?: number
}

const pieceBytes = 1024 * 1024
/** To ask once takes some hundred microseconds of the I/O thread. */
const askAgainMs = 200
/** What a draft lets gather between two syncs. */
const draftSyncBytes = 4 * 1024 * 1024
/** So many that nobody has looked at stay; then the newest makes way. A process that always ends badly must not fill the disk. */
const tornMax = 9
const noRoomCodes: readonly unknown[] = ['ENOSPC', 'EDQUOT', 'EFBIG']
const forbiddenCodes: readonly unknown[] = ['EACCES', 'EPERM', 'EROFS']

type OpenHost = Pick<StoreHost, 'clock' | 'signal'>

export class FileMedium implements Medium {
  readonly place: string
  readonly remedy = '`npx offstage salvage` recovers what is intact.'
  readonly #makeDisk: () => Disk
  #madeDisk: Disk | undefined
  readonly #folder: string
  readonly #isStrict: boolean
  readonly #waitForLockMs: number
  #release: (() => Promise<void>) | undefined
  #file: DiskFile | undefined
  /** What we left behind; somebody else was there when it is not so. */
  #size = 0
  #identity = ''
  #lastDraft = 0
  /** A draft was about to take the journal's place, and may have: neither can be written to. */
  #isUncertain = false
  /** The drafts that may have. */
  readonly #drafts = new Set<string>()

  /** A disk is made at the first call and closed with the medium, which can then be opened again. */
  constructor(makeDisk: () => Disk, folder: string, { durability, waitForLockMs = 0 }: FileMediumOptions) {
    this.#makeDisk = makeDisk
    this.#folder = folder
    this.#isStrict = durability === 'strict'
    this.#waitForLockMs = waitForLockMs
    this.place = this.#path('journal')
  }

  get #disk(): Disk {
    this.#madeDisk ??= this.#makeDisk()
    return this.#madeDisk
  }

  #path(name: string): string {
    return `${this.#folder}/${name}`
  }

  // Opening.

  async open(onPiece: (piece: Uint8Array) => void, host: OpenHost = { clock: systemClock }): Promise<void> {
    try {
      await this.#own(host)
      const there = await this.#disk.stat(this.place)
      if (there) await this.#openFile(there)
      await this.#read(onPiece)
    } catch (error) {
      await this.close()
      throw error instanceof OffstageError ? error : this.#unusable(error)
    }
  }

  async #own({ clock, signal }: OpenHost): Promise<void> {
    const there = await this.#disk.stat(this.#folder)
    if (there && there.kind !== 'folder') throw new Error('it is not a folder')
    if (!there) await this.#disk.makeFolder(this.#folder)
    const until = clock.monotonic() + this.#waitForLockMs
    for (;;) {
      const owned = await this.#disk.own(this.#folder)
      if (typeof owned === 'function') {
        this.#release = owned
        return
      }
      const leftMs = until - clock.monotonic()
      if (leftMs <= 0 || signal?.aborted) throw locked(this.#folder, owned)
      await pause(clock, Math.min(leftMs, askAgainMs), signal)
    }
  }

  async #openFile(there: FileStat): Promise<void> {
    if (there.kind !== 'file') throw corrupt(`${this.place} is not a file.`)
    if (there.size === 0) throw corrupt(`${this.place} is empty, which no journal is; it was left as it is.`)
    const file = await this.#disk.open(this.place, 'write')
    this.#file = file
    this.#identity = (await file.stat()).identity
  }

  read(onPiece: (piece: Uint8Array) => void): Promise<void> {
    return this.#attempt(() => this.#read(onPiece))
  }

  async #read(onPiece: (piece: Uint8Array) => void): Promise<void> {
    const file = this.#file
    this.#size = 0
    if (!file) return
    const piece = new Uint8Array(pieceBytes)
    for (;;) {
      const bytes = await file.read(piece, this.#size)
      if (bytes === 0) return
      onPiece(piece.subarray(0, bytes))
      this.#size += bytes
    }
  }

  async secure(from: number): Promise<void> {
    try {
      await this.#writeAgain(from)
      await this.#secureNames()
      await this.#removeDrafts()
    } catch (error) {
      const cause = error instanceof WriteError ? error.cause : error
      throw new MediumError('broken', messageOf(cause), cause)
    }
  }

  /**
   * After a sync that failed the system calls the pages clean and shows them, although the disk does not have them: a
   * sync alone would do nothing. The same bytes in the same place harm nobody, however far they come.
   */
  async #writeAgain(from: number): Promise<void> {
    const file = this.#file
    if (!file) return
    for (let at = from; at < this.#size; ) {
      const piece = new Uint8Array(Math.min(pieceBytes, this.#size - at))
      const bytes = await file.read(piece, at)
      if (bytes === 0) break
      await writeAll(file, piece.subarray(0, bytes), at)
      at += bytes
    }
    await file.sync()
  }

  /** What is written next must not hang on a name that a power cut takes: our file's, or that of a folder above. */
  async #secureNames(): Promise<void> {
    await this.#disk.syncFolder(this.#folder)
    for (let above = parentOf(this.#folder); above !== ''; above = parentOf(above)) {
      try {
        await this.#disk.syncFolder(above)
      } catch (error) {
        if (!forbiddenCodes.includes(codeOf(error))) throw error
        return // Not ours to sync, and so it was there before.
      }
    }
  }

  async #removeDrafts(): Promise<void> {
    for (const name of await this.#disk.list(this.#folder)) {
      if (name.startsWith('journal.next')) await this.#disk.remove(this.#path(name))
    }
  }

  #unusable(cause: unknown): OffstageError {
    const { code, message } = cause as { code?: unknown; message?: string }
    const why = forbiddenCodes.includes(code) ? `no permission to write there (${String(code)})` : message
    return new OffstageError('STORE_WRITE_FAILED', `The folder '${this.#folder}' cannot hold jobs: ${why}.`, { cause })
  }

  // Writing.

  async cut(offset: number, isKept = true): Promise<string | undefined> {
    const file = this.#open
    try {
      const kept = isKept ? await this.#setAside(file, offset) : undefined
      await file.truncate(offset)
      await file.sync()
      this.#size = offset
      return kept
    } catch (error) {
      const cause = error instanceof WriteError ? error.cause : error
      throw new MediumError('broken', `the end could not be cut off: ${messageOf(cause)}`, cause)
    }
  }

  /** A copy of what goes, for whoever wants to know. Where there is no room for one, there is none. */
  async #setAside(file: DiskFile, offset: number): Promise<string | undefined> {
    const path = this.#path('journal.torn')
    await this.#keepEarlier(path)
    try {
      await this.#copyTail(file, offset, path)
      return path
    } catch (error) {
      const cause = error instanceof WriteError ? error.cause : error
      if (!noRoomCodes.includes(codeOf(cause))) throw error
      await this.#disk.remove(path)
      return undefined
    }
  }

  /** It may be all that is left of jobs, and nobody may have looked at it. */
  async #keepEarlier(path: string): Promise<void> {
    const names = await this.#disk.list(this.#folder)
    if (!names.includes('journal.torn')) return
    for (let number = 1; number <= tornMax; number++) {
      if (!names.includes(`journal.torn.${number}`)) return this.#disk.rename(path, `${path}.${number}`)
    }
  }

  async #copyTail(file: DiskFile, offset: number, path: string): Promise<void> {
    const aside = await this.#disk.open(path, 'create', this.place)
    try {
      for (let at = offset; at < this.#size; ) {
        const piece = new Uint8Array(Math.min(pieceBytes, this.#size - at))
        const bytes = await file.read(piece, at)
        if (bytes === 0) break
        await writeAll(aside, piece.subarray(0, bytes), at - offset)
        at += bytes
      }
      await aside.sync()
    } finally {
      await aside.close()
    }
    await this.#disk.syncFolder(this.#folder)
  }

  async append(frame: Uint8Array, isSeal = false): Promise<void> {
    const file = this.#open
    if (this.#isUncertain) throw new MediumError('broken', 'a new generation may not have taken its place')
    const { length } = frame
    const expected = { path: this.place, size: this.#size, identity: this.#identity }
    try {
      // A seal that is there says that all before it is: it must not get to the disk first.
      if (isSeal && !this.#isStrict) await file.sync()
      await writeAndSync(file, frame, expected, this.#isStrict || isSeal)
    } catch (error) {
      return this.#undo(file, error)
    }
    this.#size += length
  }

  /** After a write that failed the file must end where it did, or nobody knows where it ends. */
  async #undo(file: DiskFile, error: unknown): Promise<never> {
    const isFull = error instanceof WriteError && noRoomCodes.includes(codeOf(error.cause))
    if (isFull) {
      try {
        await file.truncate(this.#size)
        await file.sync()
        throw new MediumError('full', `no room (${codeOf(error.cause)})`, error.cause)
      } catch (second) {
        if (second instanceof MediumError) throw second
      }
    }
    const cause = error instanceof WriteError ? error.cause : error
    // Somebody else has written there: not ours to undo.
    if (codeOf(cause) === 'ECHANGED') throw new MediumError('lost', messageOf(cause), cause)
    // A second sync would succeed although the pages are gone: this descriptor is finished.
    throw new MediumError('broken', messageOf(cause), cause)
  }

  /** What a draft takes the place of must be the journal that we had, whatever became of its end. */
  async #assertOurs(): Promise<void> {
    const there = await this.#attempt(() => this.#disk.stat(this.place))
    if (this.#file && there && there.identity !== this.#identity && !this.#drafts.has(there.identity))
      throw new MediumError('lost', 'another file has taken its place')
  }

  async draft(): Promise<Draft> {
    const path = this.#path(`journal.next${++this.#lastDraft}`)
    const file = await this.#attempt(() => this.#disk.open(path, 'create', this.place))
    let size = 0
    let unsynced = 0
    let isOpen = true
    return {
      append: async (frame) => {
        const at = size
        size += frame.length
        unsynced += frame.length
        await this.#attempt(() => writeAll(file, frame, at))
        // Now and then, because the journal's own frames wait behind a sync on the same thread.
        if (unsynced < draftSyncBytes) return
        unsynced = 0
        await this.#attempt(() => file.sync())
      },
      publish: async () => {
        await this.#attempt(() => file.sync())
        const { identity } = await this.#attempt(() => file.stat())
        await this.#assertOurs()
        this.#drafts.add(identity)
        this.#isUncertain = true
        await this.#attempt(() => this.#disk.rename(path, this.place))
        const before = this.#file
        isOpen = false
        this.#file = file
        this.#size = size
        this.#identity = identity
        await before?.close().catch(() => {})
        // Until the name is durable a power cut brings the old journal back.
        await this.#attempt(() => this.#disk.syncFolder(this.#folder))
        this.#isUncertain = false
        this.#drafts.clear()
      },
      discard: async () => {
        if (!isOpen) return
        isOpen = false
        await file.close()
        await this.#disk.remove(path)
      },
    }
  }

  /** For calls whose failure leaves the journal itself as it was. */
  async #attempt<Result>(call: () => Promise<Result>): Promise<Result> {
    try {
      return await call()
    } catch (error) {
      const cause = error instanceof WriteError ? error.cause : error
      throw new MediumError(noRoomCodes.includes(codeOf(cause)) ? 'full' : 'broken', messageOf(cause), cause)
    }
  }

  get #open(): DiskFile {
    if (!this.#file) throw new MediumError('broken', 'there is no journal')
    return this.#file
  }

  async close(): Promise<void> {
    const [file, release] = [this.#file, this.#release]
    this.#file = undefined
    this.#release = undefined
    const disk = this.#madeDisk
    this.#madeDisk = undefined
    await file?.close().catch(() => {})
    await release?.()
    await disk?.close()
  }
}

/** Ends early when it is aborted. Somebody waits for a store, so it keeps the process alive. */
function pause(clock: Clock, ms: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve) => {
    const end = () => {
      stop()
      signal?.removeEventListener('abort', end)
      resolve()
    }
    const stop = clock.startTimer(end, ms, true)
    signal?.addEventListener('abort', end)
  })
}

/** Tells a failed write from a failed sync: only the first may be undone. */
class WriteError extends Error {
  constructor(cause: unknown) {
    super('', { cause })
  }
}

/** So much goes out at a time. */
const writeBytesMax = 8 * 1024 * 1024

/** A short write is no error: the rest goes next. */
async function writeAll(file: DiskFile, bytes: Uint8Array, offset: number, expected?: Expected): Promise<void> {
  try {
    for (let done = 0; done < bytes.length; ) {
      const piece = bytes.subarray(done, done + writeBytesMax)
      done += await file.write(piece, offset + done, done === 0 ? expected : undefined)
    }
  } catch (error) {
    throw new WriteError(error)
  }
}

/** Both at once, because a disk that replies from another thread then replies once; in nearly all cases that is all. */
async function writeAndSync(file: DiskFile, frame: Uint8Array, expected: Expected, isStrict: boolean): Promise<void> {
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

const codeOf = (error: unknown): unknown => (error as { code?: unknown } | undefined)?.code
const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error))

/** The folder above; nothing above the root. */
function parentOf(path: string): string {
  // A path that begins with '/' is none of Windows: a backslash is a letter of a name there.
  const end = Math.max(path.lastIndexOf('/'), path.startsWith('/') ? -1 : path.lastIndexOf('\\'))
  return end <= 0 ? (path.length > 1 && end === 0 ? '/' : '') : path.slice(0, end)
}

const corrupt = (message: string): OffstageError => new OffstageError('STORE_CORRUPT', message)

function locked(folder: string, { pid, since }: { pid: number | undefined; since: number | undefined }): OffstageError {
  const who = pid === undefined ? 'somebody who does not answer' : `process ${pid}`
  const when = since === undefined ? '' : ` since ${new Date(since).toISOString()}`
  return new OffstageError('STORE_LOCKED', `The folder '${folder}' is open in ${who}${when}.`)
}

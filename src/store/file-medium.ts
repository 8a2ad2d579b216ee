/**
 * Keeps a journal in a folder of its own:
 *
 *   journal        the frames
 *   journal.next…  a draft; one that a crash left behind means nothing and is removed
 *   attachment.…   a blob in the value of a job; see file-attachments.ts
 *   journal.torn   what the last recovery cut off; older ones have a number, as in journal.torn.1
 */
import { systemClock } from '../platform/host.ts'
import type { Disk, DiskFile, FileStat } from '../shared/disk.ts'
import { OffstageError } from '../shared/errors.ts'
import type { Attachment } from './attachments.ts'
import { FileAttachments } from './file-attachments.ts'
import { causeOf, codeOf, isNoRoom, messageOf, WriteError, writeAll, writeAndSync } from './file-writes.ts'
import { type OwnHost, ownFolder } from './folder-lock.ts'
import { type Draft, type Medium, MediumError, type OnAttachment, UnreadableError } from './medium.ts'

export interface FileMediumOptions {
  /** `strict`: a frame counts when it is on the disk. `relaxed`: when the system has it, so a power cut can lose it. */
  readonly durability: 'strict' | 'relaxed'
  /** How long, in milliseconds, to try again for a folder that has another owner. Default 0: not at all. */
  readonly waitForLockMs?: number
}

const pieceBytes = 1024 * 1024
/** A draft is synced after this many bytes. */
const draftSyncBytes = 4 * 1024 * 1024
/**
 * At most this many numbered copies are kept. Then each new copy overwrites the newest: a process that always ends badly must
 * not fill the disk.
 */
const tornMax = 9
const forbiddenCodes: readonly unknown[] = ['EACCES', 'EPERM', 'EROFS']

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
  /** The size and identity of the journal as we left it. If the file differs, another program has written there. */
  #size = 0
  #identity = ''
  /** Whether the file ends where we left it: it may not after a write that has failed. */
  #isEndKnown = true
  #lastDraft = 0
  /**
   * Whether the rename of a draft was begun and not confirmed. Then the draft may be the journal or not, and neither may be
   * written to.
   */
  #isUncertain = false
  /** The identities of the drafts that may have taken the journal's place. */
  readonly #drafts = new Set<string>()
  readonly #attachments: FileAttachments

  /** Makes a disk at the first call and closes it with the medium, which can then be opened again. */
  constructor(makeDisk: () => Disk, folder: string, { durability, waitForLockMs = 0 }: FileMediumOptions) {
    this.#makeDisk = makeDisk
    this.#folder = folder
    this.#isStrict = durability === 'strict'
    this.#waitForLockMs = waitForLockMs
    this.place = this.#path('journal')
    this.#attachments = new FileAttachments(() => this.#disk, folder, this.place)
  }

  get #disk(): Disk {
    this.#madeDisk ??= this.#makeDisk()
    return this.#madeDisk
  }

  #path(name: string): string {
    return `${this.#folder}/${name}`
  }

  // Opening.

  async open(
    onPiece: (piece: Uint8Array) => void,
    host: OwnHost = { clock: systemClock },
    onAttachment?: OnAttachment,
  ): Promise<void> {
    try {
      this.#release = await ownFolder(this.#disk, this.#folder, this.#waitForLockMs, host)
      const there = await this.#disk.stat(this.place)
      if (there) await this.#openFile(there)
      await this.#attachments.read(onAttachment)
      await this.#read(onPiece)
    } catch (error) {
      await this.close()
      throw error instanceof OffstageError ? error : this.#unusable(error)
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
      await this.#attachments.removeUnfinished()
    } catch (error) {
      const cause = causeOf(error)
      throw new MediumError('broken', messageOf(cause), cause)
    }
  }

  /**
   * Writes the end of the journal again. After a failed sync the system calls the pages clean and shows them, although the disk
   * does not have them, so a second sync alone would do nothing. The same bytes in the same place do no harm, even if only some
   * of them are written.
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

  /**
   * Makes the names of the journal and of all folders above it durable. Otherwise a power cut could take a name, and with it
   * what is written next.
   */
  async #secureNames(): Promise<void> {
    await this.#disk.syncFolder(this.#folder)
    for (let above = parentOf(this.#folder); above !== ''; above = parentOf(above)) {
      try {
        await this.#disk.syncFolder(above)
      } catch (error) {
        if (!forbiddenCodes.includes(codeOf(error))) throw error
        return // A folder that we may not sync is not one that we made.
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
      this.#isEndKnown = false
      await file.truncate(offset)
      await file.sync()
      this.#size = offset
      this.#isEndKnown = true
      return kept
    } catch (error) {
      const cause = causeOf(error)
      throw new MediumError('broken', `the end could not be cut off: ${messageOf(cause)}`, cause)
    }
  }

  /** Keeps a copy of the end that is cut off. If there is no room for a copy, there is none. */
  async #setAside(file: DiskFile, offset: number): Promise<string | undefined> {
    const path = this.#path('journal.torn')
    await this.#keepEarlier(path)
    try {
      await this.#copyTail(file, offset, path)
      return path
    } catch (error) {
      const cause = causeOf(error)
      if (!isNoRoom(cause)) throw error
      await this.#disk.remove(path)
      return undefined
    }
  }

  /** Gives an earlier copy a number: it may be all that is left of some jobs, and may not have been looked at. */
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

  async append(frame: Uint8Array, isSeal = false, named: readonly Attachment[] = []): Promise<void> {
    const file = this.#open
    if (this.#isUncertain) throw new MediumError('broken', 'a new generation may not have taken its place')
    const kept = named.length > 0 ? await this.#keep(named) : []
    const { length } = frame
    const expected = { path: this.place, size: this.#size, identity: this.#identity }
    try {
      // A seal on the disk says that everything before it is there too. So it must not get to the disk first.
      if (isSeal && !this.#isStrict) await file.sync()
      this.#isEndKnown = false
      await writeAndSync(file, frame, expected, this.#isStrict || isSeal)
    } catch (error) {
      return this.#undo(file, error, kept)
    }
    this.#size += length
    this.#isEndKnown = true
  }

  #keep(named: readonly Attachment[]): Promise<number[]> {
    return this.#attempt(() => this.#attachments.keep(named))
  }

  removeAttachments(keys: readonly number[]): Promise<void> {
    return this.#attempt(() => this.#attachments.remove(keys))
  }

  placeOf(key: number): string {
    return this.#attachments.placeOf(key)
  }

  /**
   * Restores the end of the file after a failed write, and removes the attachments that were kept for it. If that fails, the end
   * is unknown and the file is broken. Then the attachments stay, because the frame that names them may be there.
   */
  async #undo(file: DiskFile, error: unknown, kept: readonly number[]): Promise<never> {
    const isFull = error instanceof WriteError && isNoRoom(error.cause)
    if (isFull) {
      try {
        await file.truncate(this.#size)
        await file.sync()
        this.#isEndKnown = true
        await this.#attachments.takeBack(kept)
        throw new MediumError('full', `no room (${codeOf(error.cause)})`, error.cause)
      } catch (second) {
        if (second instanceof MediumError) throw second
      }
    }
    const cause = causeOf(error)
    // Another program has written there, and that is not ours to undo.
    if (codeOf(cause) === 'ECHANGED') throw new MediumError('lost', messageOf(cause), cause)
    // A second sync would succeed although the pages are gone, so this descriptor is never used again.
    throw new MediumError('broken', messageOf(cause), cause)
  }

  /** Throws if the file that a draft is about to replace is not the journal as we left it (or one of our drafts). */
  async #assertOurs(): Promise<void> {
    if (!this.#file) return
    const there = await this.#attempt(() => this.#disk.stat(this.place))
    if (there && this.#drafts.has(there.identity)) return
    const isOurs = there ? there.identity === this.#identity : this.#isUncertain
    if (!isOurs) throw new MediumError('lost', 'another file has taken its place, or none')
    if (there && this.#isEndKnown && there.size !== this.#size) throw new MediumError('lost', 'its end was changed')
  }

  async draft(): Promise<Draft> {
    const path = this.#path(`journal.next${++this.#lastDraft}`)
    const file = await this.#attempt(() => this.#disk.open(path, 'create', this.place))
    let size = 0
    let unsynced = 0
    let isOpen = true
    return {
      append: async (frame, named = []) => {
        if (named.length > 0) await this.#keep(named)
        const at = size
        size += frame.length
        unsynced += frame.length
        await this.#attempt(() => writeAll(file, frame, at))
        // Synced in between, because the journal's own frames wait for the same thread while it syncs.
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
        this.#isEndKnown = true
        await before?.close().catch(() => {})
        // Until the name is durable, a power cut brings the old journal back.
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

  /** Runs a call whose failure leaves the journal itself unchanged. Turns its errors into a `MediumError`. */
  async #attempt<Result>(call: () => Promise<Result>): Promise<Result> {
    try {
      return await call()
    } catch (error) {
      if (error instanceof UnreadableError) throw error
      const cause = causeOf(error)
      throw new MediumError(isNoRoom(cause) ? 'full' : 'broken', messageOf(cause), cause)
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

/** Returns the folder above, or '' for the root. */
function parentOf(path: string): string {
  // A path that begins with '/' is not from Windows, so a backslash in it belongs to a name.
  const end = Math.max(path.lastIndexOf('/'), path.startsWith('/') ? -1 : path.lastIndexOf('\\'))
  return end <= 0 ? (path.length > 1 && end === 0 ? '/' : '') : path.slice(0, end)
}

const corrupt = (message: string): OffstageError => new OffstageError('STORE_CORRUPT', message)

/**
 * The attachments of a journal, as files beside it:
 *
 *   attachment.7.9f3a2c01   the bytes of attachment 7; the last part is their checksum
 *   attachment.8.new        one that is being written; what a crash left behind means nothing and is removed
 */
import { crc32 } from '../platform/crc32.ts'
import type { Disk } from '../shared/disk.ts'
import type { Attachment } from './attachments.ts'
import { writeAll } from './file-writes.ts'
import { type OnAttachment, UnreadableError } from './medium.ts'

const pieceBytes = 1024 * 1024
const unfinished = /^attachment\.\d+\.new$/

/** Returns what the name of a file says, if it is that of an attachment. */
export function parseAttachmentName(name: string): { readonly key: number; readonly checksum: string } | undefined {
  const [, key, checksum] = /^attachment\.(\d+)\.([0-9a-f]{8})$/.exec(name) ?? []
  return checksum === undefined ? undefined : { key: Number(key), checksum }
}

/** Returns a checksum as names have it. */
export const checksumText = (checksum: number): string => (checksum >>> 0).toString(16).padStart(8, '0')

export class FileAttachments {
  readonly #getDisk: () => Disk
  readonly #folder: string
  readonly #journal: string
  /** The names of the files that are there, by key. */
  readonly #names = new Map<number, string>()

  /** The files get the owner and the rights of the file `journal`. */
  constructor(getDisk: () => Disk, folder: string, journal: string) {
    this.#getDisk = getDisk
    this.#folder = folder
    this.#journal = journal
  }

  get #disk(): Disk {
    return this.#getDisk()
  }

  #path(name: string): string {
    return `${this.#folder}/${name}`
  }

  placeOf(key: number): string {
    return this.#path(this.#names.get(key) ?? `attachment.${key}`)
  }

  /**
   * Passes on all attachments, in memory: a blob that reads from a file cannot be sent to a thread. Changes nothing in the
   * folder.
   */
  async read(onAttachment: OnAttachment | undefined): Promise<void> {
    this.#names.clear()
    for (const name of await this.#disk.list(this.#folder)) {
      const parsed = parseAttachmentName(name)
      if (!parsed) continue
      const { key, checksum } = parsed
      this.#names.set(key, name)
      const { blob, sum } = await this.#readFile(name)
      onAttachment?.(key, checksumText(sum) === checksum ? blob : undefined)
    }
  }

  async #readFile(name: string): Promise<{ readonly blob: Blob; readonly sum: number }> {
    const file = await this.#disk.open(this.#path(name), 'read')
    try {
      // Each piece becomes a blob at once, so that the bytes are never there twice.
      const blobs: Blob[] = []
      const piece = new Uint8Array(pieceBytes)
      let sum = 0
      for (let at = 0; ; ) {
        const bytes = piece.subarray(0, await file.read(piece, at))
        if (bytes.length === 0) return { blob: new Blob(blobs), sum }
        sum = crc32(bytes, sum)
        blobs.push(new Blob([bytes]))
        at += bytes.length
      }
    } finally {
      await file.close()
    }
  }

  /** Removes what a crash has left behind. */
  async removeUnfinished(): Promise<void> {
    for (const name of await this.#disk.list(this.#folder))
      if (unfinished.test(name)) await this.#disk.remove(this.#path(name))
  }

  /**
   * Writes the attachments that are not there yet, and makes them durable. Returns their keys. If it rejects, with the error of
   * the disk or an `UnreadableError`, none of them is left.
   */
  async keep(attachments: readonly Attachment[]): Promise<number[]> {
    const fresh = attachments.filter(({ key }) => !this.#names.has(key))
    if (fresh.length === 0) return []
    const keys = fresh.map(({ key }) => key)
    try {
      for (const attachment of fresh) await this.#write(attachment)
      // Until the names are durable, no frame may name what they stand for.
      await this.#disk.syncFolder(this.#folder)
    } catch (error) {
      await this.takeBack(keys)
      throw error
    }
    return keys
  }

  async #write(attachment: Attachment): Promise<void> {
    const { key } = attachment
    const path = this.#path(newName(key))
    const file = await this.#disk.open(path, 'create', this.#journal)
    let sum = 0
    try {
      for (let at = 0; ; ) {
        const bytes = await bytesOf(attachment, at)
        if (bytes.length === 0) break
        sum = crc32(bytes, sum)
        await writeAll(file, bytes, at)
        at += bytes.length
      }
      await file.sync()
    } finally {
      await file.close()
    }
    const name = `attachment.${key}.${checksumText(sum)}`
    await this.#disk.rename(path, this.#path(name))
    this.#names.set(key, name)
  }

  /** Removes what was written for a frame that has failed. What cannot be removed is removed when the journal is opened next. */
  async takeBack(keys: readonly number[]): Promise<void> {
    for (const key of keys) {
      await this.#disk.remove(this.#path(this.#names.get(key) ?? newName(key))).catch(() => {})
      this.#names.delete(key)
    }
  }

  async remove(keys: readonly number[]): Promise<void> {
    for (const key of keys) {
      const name = this.#names.get(key)
      if (name === undefined) continue
      this.#names.delete(key)
      await this.#disk.remove(this.#path(name))
    }
  }
}

async function bytesOf(attachment: Attachment, at: number): Promise<Uint8Array> {
  try {
    return new Uint8Array(await (attachment.object as Blob).slice(at, at + pieceBytes).arrayBuffer())
  } catch (cause) {
    throw new UnreadableError(attachment, cause)
  }
}

const newName = (key: number): string => `attachment.${key}.new`

import { crc32 } from '../platform/crc32.ts'
import { nodeModule } from '../platform/host.ts'
import type { Attachment } from '../store/attachments.ts'
import { checksumText, parseAttachmentName } from '../store/file-attachments.ts'

export const fs = () => {
  const module = nodeModule<typeof import('node:fs')>('fs')
  if (!module) throw new Error('offstage needs Node, Bun or Deno here.')
  return module
}

const pieceBytes = 1024 * 1024

/** The files of attachments in the folder of a store, as they lie there. */
export class AttachmentFiles {
  readonly #folder: string
  readonly #isThorough: boolean
  #names: Map<number, string> | undefined

  /** With `isThorough` all bytes are read and compared with their checksum. */
  constructor(folder: string, isThorough: boolean) {
    this.#folder = folder
    this.#isThorough = isThorough
  }

  /** Whether the file is there, with the size that the journal says, and the checksum that its name says. */
  has({ key, object }: Attachment): boolean {
    this.#names ??= namesIn(this.#folder)
    const name = this.#names.get(key)
    if (name === undefined) return false
    const path = `${this.#folder}/${name}`
    const { size } = object as Partial<Blob>
    if (fs().statSync(path, { throwIfNoEntry: false })?.size !== size) return false
    return !this.#isThorough || checksumText(checksumOf(path)) === parseAttachmentName(name)?.checksum
  }
}

const namesIn = (folder: string): Map<number, string> =>
  new Map(
    fs()
      .readdirSync(folder)
      .flatMap((name) => {
        const parsed = parseAttachmentName(name)
        return parsed ? [[parsed.key, name] as const] : []
      }),
  )

function checksumOf(path: string): number {
  const descriptor = fs().openSync(path, 'r')
  try {
    const piece = new Uint8Array(pieceBytes)
    let checksum = 0
    for (;;) {
      const bytes = fs().readSync(descriptor, piece, 0, piece.length, null)
      if (bytes === 0) return checksum
      checksum = crc32(piece.subarray(0, bytes), checksum)
    }
  } finally {
    fs().closeSync(descriptor)
  }
}

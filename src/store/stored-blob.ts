import { type BlobKind, blobKindOf } from '../shared/kind.ts'

/** What a stored value says of a blob, a file or a list of files that the medium keeps. */
export interface BlobDescription {
  readonly kind: BlobKind
  /** In bytes; of a list, the number of its files. */
  readonly size: number
  /** The media type; '' for a list. */
  readonly type: string
  /** Of a file; otherwise ''. */
  readonly name: string
  /** Of a file; otherwise 0. */
  readonly lastModified: number
}

/** Returns the kind of an object that a medium keeps as it is. */
export const attachableKindOf = (value: object): BlobKind | undefined =>
  value instanceof AbsentBlob ? value.kind : blobKindOf(value)

export function describeBlob(kind: BlobKind, object: object): BlobDescription {
  if (kind === 'FileList') return { kind, size: (object as FileList).length, type: '', name: '', lastModified: 0 }
  const { size, type } = object as Blob
  const { name, lastModified } = kind === 'File' ? (object as File) : { name: '', lastModified: 0 }
  return { kind, size, type, name, lastModified }
}

/**
 * Returns the object that a value describes, made of what the medium has kept: the object itself, or nothing but its bytes.
 * Returns nothing if these are not as many as they were.
 */
export function asDescribed(kept: object, description: BlobDescription): object | undefined {
  const kind = blobKindOf(kept)
  if (!kind || (kind === 'FileList') !== (description.kind === 'FileList')) return undefined
  const { size, type } = describeBlob(kind, kept)
  if (size !== description.size) return undefined
  if (kind === description.kind && type === description.type) return kept
  const { name, lastModified } = description
  const options = { type: description.type, lastModified }
  return description.kind === 'File' ? new File([kept as Blob], name, options) : new Blob([kept as Blob], options)
}

/**
 * Stands for a blob, a file or a list of files of which only the description is there: it was not read, because the value is
 * only to be shown, or it is lost. It is written as what it stands for, under the number that it has.
 */
export class AbsentBlob implements BlobDescription {
  readonly kind: BlobKind
  readonly size: number
  readonly type: string
  readonly name: string
  readonly lastModified: number

  constructor({ kind, size, type, name, lastModified }: BlobDescription) {
    this.kind = kind
    this.size = size
    this.type = type
    this.name = name
    this.lastModified = lastModified
  }

  get length(): number {
    return this.size
  }

  get [Symbol.toStringTag](): string {
    return this.kind
  }

  toString(): string {
    const { kind, size, type, name } = this
    if (kind === 'FileList') return `FileList(${size} files)`
    const details = [...(name ? [`'${name}'`] : []), `${size} bytes`, ...(type ? [type] : [])]
    return `${kind}(${details.join(', ')})`
  }

  /** For Node's `inspect`. */
  [Symbol.for('nodejs.util.inspect.custom')](): string {
    return this.toString()
  }
}

/**
 * The blobs, files and lists of files in the values of a journal. No frame contains them. The medium keeps each as a whole,
 * under a number, and frames name that number. An attachment is
 *
 *   numbered   when a value with it is written for the first time. The object keeps its number, in a compaction as well
 *   held       by each record, and each row of an extension, that has a value with it
 *   loose      while nothing holds it: its batch is not committed yet, or was refused, or its last holder has let it go
 */
import { AbsentBlob, asDescribed, type BlobDescription } from './stored-blob.ts'

export interface Attachment {
  readonly key: number
  /** The object itself; an `AbsentBlob` if the medium does not have it, or was not asked for it. */
  readonly object: object
}

/** A record, by its `seq`, or a row, by a name of its table and key. */
export type Holder = number | string

export class Attachments {
  /** What the medium had when it was opened, by key; `undefined` for what is damaged. */
  readonly #kept: ReadonlyMap<number, object | undefined>
  readonly #byObject = new WeakMap<object, Attachment>()
  /** By key. Only while the journal is read. */
  readonly #found = new Map<number, Attachment>()
  /** What a value names, by the value itself: the object that is the whole input, result, checkpoint, step or row. */
  readonly #within = new WeakMap<object, readonly Attachment[]>()
  readonly #held = new Map<Holder, readonly Attachment[]>()
  /** How often each is held. */
  readonly #holds = new Map<Attachment, number>()
  readonly #loose = new Set<Attachment>()
  #keyMax = 0
  /** Whether there has been an attachment. Most journals never have one, and then nothing is looked up. */
  areUsed = false

  constructor(kept: ReadonlyMap<number, object | undefined> = new Map()) {
    this.#kept = kept
  }

  // Numbers.

  /** Returns the attachment that an object is. A new one is loose. */
  of(object: object): Attachment {
    const known = this.#byObject.get(object)
    if (known) return known
    return this.#begin({ key: this.#keyMax + 1, object })
  }

  /** Returns the attachment that a stored value names. */
  find(key: number, description: BlobDescription): Attachment {
    const known = this.#found.get(key)
    if (known) return known
    const kept = this.#kept.get(key)
    const object = (kept && asDescribed(kept, description)) ?? new AbsentBlob(description)
    const attachment = this.#begin({ key, object })
    this.#found.set(key, attachment)
    return attachment
  }

  #begin(attachment: Attachment): Attachment {
    this.areUsed = true
    this.#keyMax = Math.max(this.#keyMax, attachment.key)
    this.#byObject.set(attachment.object, attachment)
    this.#loose.add(attachment)
    return attachment
  }

  /** Notes which attachments a value names, when it was written or read. */
  note(value: unknown, named: readonly Attachment[] | undefined): void {
    if (named) this.#within.set(value as object, named)
  }

  // Holders.

  /** From now on `holder` holds what these values name, and nothing else. */
  hold(holder: Holder, values: Iterable<unknown>): void {
    const before = this.#held.get(holder)
    const now = this.#namedIn(values)
    if (!before && now.length === 0) return
    for (const attachment of now) this.#count(attachment, 1)
    for (const attachment of before ?? []) this.#count(attachment, -1)
    if (now.length > 0) this.#held.set(holder, now)
    else this.#held.delete(holder)
  }

  /** Whether `holder` holds just what these values name. */
  isHeld(holder: Holder, values: Iterable<unknown>): boolean {
    const held = this.#held.get(holder) ?? []
    const now = this.#namedIn(values)
    return held.length === now.length && held.every((attachment, index) => attachment === now[index])
  }

  /** Whether one of these values names it. */
  isNamed(attachment: Attachment, values: Iterable<unknown>): boolean {
    return this.#namedIn(values).includes(attachment)
  }

  #namedIn(values: Iterable<unknown>): Attachment[] {
    const named: Attachment[] = []
    for (const value of values) {
      const within = typeof value === 'object' && value !== null && this.#within.get(value)
      if (within) named.push(...within)
    }
    return named
  }

  #count(attachment: Attachment, change: number): void {
    const holds = (this.#holds.get(attachment) ?? 0) + change
    if (holds > 0) {
      this.#holds.set(attachment, holds)
      this.#loose.delete(attachment)
    } else {
      this.#holds.delete(attachment)
      this.#loose.add(attachment)
    }
  }

  // What nothing holds.

  get areLoose(): boolean {
    return this.#loose.size > 0
  }

  /** Returns the keys of all loose attachments, and forgets them: an object that comes again gets a new number. */
  takeLoose(): number[] {
    const keys: number[] = []
    for (const { key, object } of this.#loose) {
      keys.push(key)
      this.#byObject.delete(object)
    }
    this.#loose.clear()
    return keys
  }

  /**
   * To be called when everything has been read. Returns the keys of what the medium has and nothing holds. From then on no
   * number is used that has a meaning anywhere in the journal or the medium.
   */
  endOfReading(): number[] {
    this.takeLoose()
    this.#found.clear()
    const held = new Set([...this.#holds.keys()].map(({ key }) => key))
    for (const key of this.#kept.keys()) this.#keyMax = Math.max(this.#keyMax, key)
    return [...this.#kept.keys()].filter((key) => !held.has(key))
  }

  /** What is held, with each of its holders. */
  *held(): Iterable<readonly [Holder, Attachment]> {
    for (const [holder, attachments] of this.#held) for (const attachment of attachments) yield [holder, attachment]
  }
}

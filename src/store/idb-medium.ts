import { promisifyRequest } from 'idb-keyval'
import { Database, notOurs } from '../platform/database.ts'
import { systemRandom } from '../platform/host.ts'
import { type ErrorCode, OffstageError } from '../shared/errors.ts'
import { blobKindOf } from '../shared/kind.ts'
import type { Attachment } from './attachments.ts'
import {
  type Draft,
  type Medium,
  MediumError,
  type MediumFailure,
  type OnAttachment,
  UnreadableError,
} from './medium.ts'
import type { StoreHost } from './store.ts'

export interface IdbMediumOptions {
  /** `'relaxed'` is faster, but a power cut loses what was written last. */
  readonly durability: 'strict' | 'relaxed'
  /** How long a call may take, in milliseconds, before `onTrouble` is called. Default 5,000. */
  readonly patienceMs?: number
  /** For tests: the most bytes of a frame in one transaction. Default 1 MiB. */
  readonly transactionBytes?: number
  /** Reports trouble without a failed call: a delay that may pass, or a loss that the browser reports. */
  onTrouble(error: OffstageError): void
}

/** The record under the key `'meta'`. Every write reads it in its own transaction. */
interface Meta {
  readonly format: number
  /** The frames of this generation count. Their keys are `[generation, 0]`, `[generation, 1]`, … without a gap. */
  readonly generation: number
  /**
   * The owner's mark. Each opening writes a new one, by which the next write of the owner before sees that it has lost the
   * database.
   */
  readonly epoch: string
}

/** What has been written of a generation so far. */
interface Extent {
  readonly generation: number
  records: number
  bytes: number
}

/** What an opening finds when it takes possession. */
interface Claimed {
  readonly generation: number
  readonly attachments: ReadonlyMap<number, object>
}

type Durability = IdbMediumOptions['durability']
type Body<T> = (store: IDBObjectStore) => Promise<T>

const format = 1
const metaKey = 'meta'

/**
 * A longer frame is split into several records. Engines put long values into files of their own beside the database (Chromium
 * from 64 KiB on, Firefox from 1 MiB), and it is not known which sync covers those files.
 */
const recordBytesMax = 60 * 1024
/**
 * A longer frame is written in several transactions, because browsers keep a transaction in the memory of another process, and
 * because the thread is held while one is filled. Of its records only the last need to be durable: their sync covers all
 * earlier ones.
 */
const transactionBytesMax = 1024 * 1024

/** About how many bytes are read at once, and in how many records at first and at most. */
const readBytes = 4 * 1024 * 1024
const readRecordsFirst = 16
const readRecordsMax = 1024

/**
 * Keeps the frames of a journal in IndexedDB. Its attachments are records, too: the browser keeps a Blob, a File or a FileList
 * as it is. One is put in the transaction of the first frame that names it.
 *
 * Nothing keeps a second tab from opening the same database. Then the next write of the first tab finds another epoch there,
 * undoes itself and fails as `lost`. If there is no meta record at all, the database was deleted while it was open. That is
 * `broken`, and the next draft makes the database anew.
 *
 * A `Database` may run a transaction twice. So each transaction has the same effect when it is run twice: its keys are chosen
 * before it starts.
 */
export function idbMedium(name: string, options: IdbMediumOptions): Medium {
  return new IdbMedium(name, options)
}

class IdbMedium implements Medium {
  readonly place: string
  readonly remedy = 'Deleting the database makes room for a new one; its jobs are lost then.'
  readonly #name: string
  readonly #database: Database
  /** The epoch of this opening; '' while it is closed. */
  #epoch = ''
  #live: Extent = { generation: 0, records: 0, bytes: 0 }
  #draft: Extent | undefined
  /** The keys of the attachments that are there. */
  readonly #kept = new Set<number>()
  readonly #transactionBytes: number

  constructor(name: string, options: IdbMediumOptions) {
    const { durability, patienceMs = 5_000, transactionBytes = transactionBytesMax, onTrouble } = options
    this.#name = name
    this.#transactionBytes = transactionBytes
    this.place = `IndexedDB '${name}'`
    const tell = (code: ErrorCode, what: string) => onTrouble(new OffstageError(code, `${this.place} ${what}`))
    this.#database = new Database(name, 'offstage', {
      durability,
      patienceMs,
      onWait: () =>
        tell(
          'STORE_LOCKED',
          `has not answered for ${patienceMs / 1000} s. Another tab may be in its way: close those of this site.`,
        ),
      onLoss: (why) =>
        tell('STORE_CORRUPT', `is gone: the browser found its files damaged (${why}), and deleted them.`),
    })
  }

  /** May be called again once `close` has resolved. */
  async open(
    onPiece: (piece: Uint8Array) => void,
    _host?: Pick<StoreHost, 'clock' | 'signal'>,
    onAttachment?: OnAttachment,
  ): Promise<void> {
    this.#epoch = `${systemRandom()} ${systemRandom()}`
    try {
      const claim: Body<Claimed> = async (store) => {
        const [generation, attachments] = await Promise.all([this.#claim(store), readAttachments(store)])
        return { generation, attachments }
      }
      const { generation, attachments } = await this.#use('readwrite', claim)
      this.#live = { generation, records: 0, bytes: 0 }
      this.#kept.clear()
      for (const [key, object] of attachments) {
        this.#kept.add(key)
        onAttachment?.(key, object)
      }
      await this.read(onPiece)
    } catch (error) {
      await this.close()
      throw error instanceof MediumError ? this.#refusal(error) : error
    }
  }

  /** A seal is written with the durability `strict`. The sync of its transaction covers all earlier ones. */
  append(frame: Uint8Array, isSeal = false, named: readonly Attachment[] = []): Promise<void> {
    return this.#append(frame, this.#live, this.#live.generation, named, isSeal ? 'strict' : undefined)
  }

  /** Always `strict`: the browser may remove a file before the record of it is gone for good. */
  async removeAttachments(keys: readonly number[]): Promise<void> {
    const { generation } = this.#live
    for (const key of keys) this.#kept.delete(key)
    const remove: Body<void> = async (store) => {
      for (const key of keys) store.delete(key)
    }
    await this.#asOwner('readwrite', this.#live, generation, remove, 'strict')
  }

  placeOf(key: number): string {
    return `record ${key}`
  }

  /**
   * Does nothing, because `open` has made everything durable: its claim is a transaction, and a sync covers all earlier ones.
   */
  async secure(): Promise<void> {}

  /** Keeps no copy of what it cuts off: there is no place for one. */
  async cut(offset: number): Promise<undefined> {
    const live = this.#live
    const { generation } = live
    let { records, bytes } = live
    let last = new Uint8Array()
    while (bytes > offset) {
      const key = [generation, --records]
      last = await this.#asOwner('readonly', live, generation, async (store) => promisifyRequest(store.get(key)))
      bytes -= last.byteLength
    }
    const head = last.slice(0, offset - bytes)
    live.records = await this.#asOwner('readwrite', live, generation, async (store) => {
      store.delete(framesOf(generation, records))
      return put(store, head, generation, records)
    })
    live.bytes = bytes + head.byteLength
  }

  async draft(): Promise<Draft> {
    const base = await this.#use('readwrite', (store) => this.#prepareDraft(store))
    const generation = base + 1
    const draft: Extent = { generation, records: 0, bytes: 0 }
    this.#draft = draft
    return {
      append: (frame, named = []) => this.#append(frame, draft, base, named),
      publish: async () => {
        // Whatever generation it finds: if the transaction runs twice, the second run finds the draft published.
        await this.#asOwner('readwrite', draft, undefined, async (store) => {
          store.put(this.#meta(generation), metaKey)
          store.delete(upTo(base))
        })
        this.#draft = undefined
        this.#live = draft
      },
      // Does not delete a published draft: a `publish` that failed may have succeeded after all.
      discard: async () => {
        await this.#asOwner('readwrite', draft, base, async (store) => store.delete(after(base)))
        this.#draft = undefined
      },
    }
  }

  async close(): Promise<void> {
    await this.#database.close()
    this.#epoch = ''
    this.#draft = undefined
  }

  #refusal({ failure, message, cause }: MediumError): OffstageError {
    if (cause instanceof OffstageError) return cause
    const code = failure === 'lost' ? 'STORE_LOCKED' : 'STORE_WRITE_FAILED'
    const hint = cause ? ' The browser may have storage switched off here, as in some private windows.' : ''
    return new OffstageError(code, `${this.place} cannot hold jobs: ${message}.${hint}`, { cause })
  }

  /** Takes an empty database for a new one: it was made by a call that failed, or a user has emptied it. */
  async #claim(store: IDBObjectStore): Promise<number> {
    const meta: unknown = await promisifyRequest(store.get(metaKey))
    const isEmpty = meta === undefined && (await promisifyRequest(store.count())) === 0
    const generation = isEmpty ? 0 : this.#checkMeta(meta)
    store.put(this.#meta(generation), metaKey)
    store.delete(after(generation))
    return generation
  }

  /** Returns the generation. Throws if the record is not ours or is newer than this version. */
  #checkMeta(meta: unknown): number {
    const { format: found, generation } = (meta ?? {}) as Record<keyof Meta, unknown>
    if (Number.isInteger(found) && (found as number) > format) {
      throw new OffstageError(
        'STORE_CORRUPT',
        `${this.place} was written by a newer offstage (format ${found}; this one knows ${format}). Nothing in it was changed. Update offstage here.`,
      )
    }
    if (found !== format || !Number.isSafeInteger(generation)) throw notOurs(this.#name)
    return generation as number
  }

  #meta(generation: number): Meta {
    return { format, generation, epoch: this.#epoch }
  }

  /** Reads in pieces, so that a large journal is never in memory twice. */
  async read(onPiece: (piece: Uint8Array) => void): Promise<void> {
    const live = this.#live
    const { generation } = live
    live.records = 0
    live.bytes = 0
    let limit = readRecordsFirst
    for (;;) {
      const range = framesOf(generation, live.records)
      const records: unknown[] = await this.#asOwner('readonly', live, generation, async (store) =>
        promisifyRequest(store.getAll(range, limit)),
      )
      for (const record of records) {
        if (!ArrayBuffer.isView(record)) throw notOurs(this.#name)
        // A view of this realm's own class, wherever the record was read.
        onPiece(new Uint8Array(record.buffer, record.byteOffset, record.byteLength))
        live.bytes += record.byteLength
      }
      live.records += records.length
      if (records.length < limit) return
      limit = Math.min(readRecordsMax, Math.ceil((readBytes * live.records) / live.bytes))
    }
  }

  /**
   * Makes sure that there is a meta record of ours, and no record where the draft goes. Returns the generation before the
   * draft.
   */
  async #prepareDraft(store: IDBObjectStore): Promise<number> {
    const meta: Meta | undefined = await promisifyRequest(store.get(metaKey))
    if (meta) this.#checkOwner(meta)
    else this.#kept.clear()
    // If everything is gone, a new number: nothing may be appended to the old generation, whose frames are missing.
    const base = meta?.generation ?? this.#live.generation + 1
    store.put(this.#meta(base), metaKey)
    store.delete(after(base))
    return base
  }

  async #append(
    frame: Uint8Array,
    extent: Extent,
    published: number,
    named: readonly Attachment[],
    durability?: Durability,
  ): Promise<void> {
    const { generation } = extent
    const fresh = named.filter(({ key }) => !this.#kept.has(key))
    let { records } = extent
    const write = <T>(body: Body<T>, how = durability) => this.#asOwner('readwrite', extent, published, body, how)
    if (fresh.length > 0) await assertReadable(fresh)
    try {
      for (let at = 0; at < frame.byteLength; at += this.#transactionBytes) {
        const [piece, first] = [frame.subarray(at, at + this.#transactionBytes), records]
        const body: Body<number> = async (store) => {
          if (at === 0) for (const { key, object } of fresh) store.put(object, key)
          return put(store, piece, generation, first)
        }
        const isLast = at + piece.byteLength === frame.byteLength
        // Browsers sync the file of a blob in its own transaction, or not at all.
        const bringsBlobs = at === 0 && fresh.length > 0
        records = await write(body, bringsBlobs ? 'strict' : isLast ? durability : 'relaxed')
      }
    } catch (error) {
      // A file may also have been changed since.
      if (records === extent.records) await assertReadable(fresh)
      else if (failureOf(error) === 'full') await this.#takeBack(extent, fresh, write)
      throw error
    }
    for (const { key } of fresh) this.#kept.add(key)
    extent.records = records
    extent.bytes += frame.byteLength
  }

  /** Removes the parts of a frame for which there was no room, and the attachments that it was to bring. */
  async #takeBack(
    { generation, records }: Extent,
    fresh: readonly Attachment[],
    write: (body: Body<unknown>) => Promise<unknown>,
  ): Promise<void> {
    try {
      await write(async (store) => {
        store.delete(framesOf(generation, records))
        for (const { key } of fresh) store.delete(key)
      })
    } catch (error) {
      if (failureOf(error) !== 'full') throw error
      throw new MediumError('broken', 'a part of a frame could not be taken back', error)
    }
  }

  /** Reads the owner and runs `body` in the same transaction. If the owner is not this page, the transaction is undone. */
  #asOwner<T>(
    mode: IDBTransactionMode,
    extent: Extent,
    published: number | undefined,
    body: Body<T>,
    durability?: Durability,
  ): Promise<T> {
    const asOwner: Body<T> = async (store) => {
      // Checked here, because by the time of a second run another draft may have taken its place.
      if (extent !== this.#live && extent !== this.#draft) throw new MediumError('broken', 'this draft is over')
      const meta = promisifyRequest<Meta | undefined>(store.get(metaKey))
      const [found, result] = await Promise.all([meta, body(store)])
      this.#checkOwner(found, published)
      return result
    }
    return this.#use(mode, asOwner, durability)
  }

  #checkOwner(meta: Meta | undefined, published = meta?.generation): void {
    if (!meta) throw new MediumError('broken', 'the database was deleted')
    if (meta.epoch !== this.#epoch) throw new MediumError('lost', 'another tab has opened it')
    if (meta.generation !== published) throw new MediumError('broken', 'it is at another generation')
  }

  async #use<T>(mode: IDBTransactionMode, body: Body<T>, durability?: Durability): Promise<T> {
    if (!this.#epoch) throw new MediumError('lost', 'it is closed')
    try {
      return await this.#database.use(mode, body, durability)
    } catch (error) {
      if (error instanceof MediumError) throw error
      const { name, message, code } = error as OffstageError
      if (name === 'QuotaExceededError') throw new MediumError('full', `no room (${message})`, error)
      throw new MediumError(code === 'STORE_CORRUPT' ? 'lost' : 'broken', message, error)
    }
  }
}

const failureOf = (error: unknown): MediumFailure | undefined => (error as Partial<MediumError>).failure

/** Writes a frame as one or more records. Returns the number of the record after the last. */
function put(store: IDBObjectStore, frame: Uint8Array, generation: number, first: number): number {
  let next = first
  for (let at = 0; at < frame.byteLength; at += recordBytesMax) {
    // A copy, because a view would take its whole buffer along.
    store.put(frame.slice(at, at + recordBytesMax), [generation, next])
    next += 1
  }
  return next
}

/** Reads only handles of the browser, and none of their bytes. */
async function readAttachments(store: IDBObjectStore): Promise<ReadonlyMap<number, object>> {
  const range = IDBKeyRange.bound(0, Number.POSITIVE_INFINITY)
  const [keys, objects] = await Promise.all([
    promisifyRequest(store.getAllKeys(range)),
    promisifyRequest<object[]>(store.getAll(range)),
  ])
  return new Map(keys.map((key, index) => [key as number, objects[index] as object]))
}

/**
 * Reads one byte of each file, because it may have been changed or removed since it was chosen. Then browsers fail the
 * transaction as for any trouble of their own, or store a blob that cannot be read.
 */
async function assertReadable(attachments: readonly Attachment[]): Promise<void> {
  await Promise.all(
    attachments.map(async (attachment) => {
      const { object } = attachment
      const blobs = blobKindOf(object) === 'FileList' ? [...(object as FileList)] : [object as Blob]
      try {
        await Promise.all(blobs.map((blob) => blob.slice(0, 1).arrayBuffer()))
      } catch (cause) {
        throw new UnreadableError(attachment, cause)
      }
    }),
  )
}

// Keys: arrays are ordered item by item, a shorter one first. They come after strings, such as the key of the meta record, and
// these after numbers, which are the keys of attachments.

function framesOf(generation: number, first = 0): IDBKeyRange {
  return IDBKeyRange.bound([generation, first], [generation, []])
}

function upTo(generation: number): IDBKeyRange {
  return IDBKeyRange.bound([0], [generation, []])
}

function after(generation: number): IDBKeyRange {
  return IDBKeyRange.lowerBound([generation + 1])
}

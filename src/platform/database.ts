import { type Deferred, defer } from '../shared/deferred.ts'
import { OffstageError } from '../shared/errors.ts'
import { tagOf } from '../shared/show.ts'
import { listenTo } from './listening.ts'

type Durability = 'strict' | 'relaxed'
type Body<T> = (store: IDBObjectStore) => T | PromiseLike<T>

export interface DatabaseOptions {
  /** Of transactions that do not say otherwise. */
  readonly durability: Durability
  /** How long a call may take before `onWait` is told. It waits on all the same. */
  readonly patienceMs: number
  onWait(): void
  /** Chromium has found its own files damaged, and made the database anew: `why`, in its words. */
  onLoss(why: string): void
}

/** What only Chromium has, and no standard: https://github.com/w3c/IndexedDB/issues/30 */
interface ChromiumUpgrade {
  readonly dataLoss?: 'none' | 'total'
  readonly dataLossMessage?: string
}

/**
 * A database with one object store, connected to for as long as nobody minds.
 *
 * A connection is lost in many ways: somebody wants to upgrade or to delete the database, the user clears the site's data,
 * WebKit's database process dies. Whoever calls next connects again, and a call that fails with it is made a second time:
 * what a call does must come to the same when it is done twice.
 *
 * A page that leaves, or is put aside for the back button, takes nothing along: what runs is undone, and calls wait until
 * it is back. A transaction that is left behind, or begun on the way out, has Chromium throw the page away, and WebKit keep
 * all others out of the database: until the page is back, and when its tab was closed for ever.
 */
export class Database {
  readonly #name: string
  readonly #storeName: string
  readonly #options: DatabaseOptions
  #connection: Promise<IDBDatabase> | undefined
  #stopConnecting: (() => void) | undefined
  /** Lends its `indexedDB` when that of the page is dead. */
  #frame: HTMLIFrameElement | undefined
  readonly #underWay = new Set<Promise<unknown>>()
  /** What undoes each transaction that runs. */
  readonly #running = new Set<(error: unknown) => void>()
  /** Settles when the page is back. */
  #absence: Deferred<void> | undefined
  /** Goes up with each absence and each return: how long a call took that had one is nobody's fault. */
  #absences = 0
  #stopListening: (() => void) | undefined

  constructor(name: string, storeName: string, options: DatabaseOptions) {
    this.#name = name
    this.#storeName = storeName
    this.#options = options
  }

  /** One transaction. Settles when it is complete or undone, and it is undone when `body` rejects. */
  use<T>(mode: IDBTransactionMode, body: Body<T>, durability = this.#options.durability): Promise<T> {
    this.#stopListening ??= onAbsence(
      () => this.#interrupt(),
      () => this.#resume(),
    )
    const call = this.#attempt(mode, body, durability).catch((error) => {
      if (isPlatformError(error)) return this.#attempt(mode, body, durability)
      throw error
    })
    const { onWait, patienceMs } = this.#options
    const absences = this.#absences
    const timer = setTimeout(() => {
      if (!this.#absence && absences === this.#absences) onWait()
    }, patienceMs)
    const done = () => {
      clearTimeout(timer)
      this.#underWay.delete(call)
    }
    this.#underWay.add(call)
    call.then(done, done)
    return call
  }

  /** Waits for what is under way, but no longer than `patienceMs` for a connection. `use` would open everything again. */
  async close(): Promise<void> {
    const timer = setInterval(() => this.#stopConnecting?.(), this.#options.patienceMs)
    while (this.#underWay.size > 0) await Promise.allSettled(this.#underWay)
    clearInterval(timer)
    await this.#leave(this.#connection)
    this.#frame?.remove()
    this.#frame = undefined
    this.#stopListening?.()
    this.#stopListening = undefined
  }

  async #attempt<T>(mode: IDBTransactionMode, body: Body<T>, durability: Durability): Promise<T> {
    await this.#absence?.promise
    this.#connection ??= this.#connect()
    const connection = this.#connection
    try {
      const database = await connection
      if (this.#absence) throw aborted()
      const transaction = database.transaction(this.#storeName, mode, { durability })
      return await settled(transaction, async () => body(transaction.objectStore(this.#storeName)), this.#running)
    } catch (error) {
      if (isPlatformError(error)) this.#leave(connection)
      throw error
    }
  }

  #interrupt(): void {
    this.#absence ??= defer()
    this.#absences++
    for (const undo of this.#running) undo(aborted())
    this.#leave(this.#connection)
  }

  #resume(): void {
    if (!this.#absence) return
    this.#absence.resolve()
    this.#absence = undefined
    this.#absences++
  }

  #connect(): Promise<IDBDatabase> {
    const connection = this.#open()
    connection.then(
      (database) => {
        // Whoever wants to delete or upgrade it would have to wait for us.
        database.onversionchange = database.onclose = () => this.#leave(connection)
      },
      () => this.#leave(connection),
    )
    return connection
  }

  /** What runs on the connection runs on to its end. */
  async #leave(connection: Promise<IDBDatabase> | undefined): Promise<void> {
    if (this.#connection === connection) this.#connection = undefined
    await connection?.then(
      (database) => database.close(),
      () => {}, // Who waited for the connection has been told.
    )
  }

  async #open(): Promise<IDBDatabase> {
    const database = await this.#request(this.#frame?.contentWindow?.indexedDB ?? globalThis.indexedDB).catch(
      (error) => {
        // WebKit: "Connection to Indexed Database server lost. Refresh the page to try again". A new frame is as good.
        if (error.name !== 'UnknownError' || !globalThis.document) throw error
        return this.#request(this.#borrowFactory())
      },
    )
    if ([...database.objectStoreNames].join() === this.#storeName) {
      beginLog(this.#name)
      return database
    }
    database.close()
    throw notOurs(this.#name)
  }

  /** Without a version, it opens whatever there is; what is new has version 1. */
  #request(factory: IDBFactory | undefined): Promise<IDBDatabase> {
    return new Promise((resolve, reject) => {
      if (!factory) throw new OffstageError('STORE_WRITE_FAILED', 'There is no IndexedDB in this place.')
      const request = factory.open(this.#name)
      request.onupgradeneeded = (event) => {
        const { dataLoss, dataLossMessage = '' } = event as ChromiumUpgrade
        if (dataLoss === 'total') this.#options.onLoss(dataLossMessage)
        request.result.createObjectStore(this.#storeName)
      }
      request.onsuccess = () => resolve(request.result)
      request.onerror = (event) => {
        event.preventDefault() // Older versions of Firefox take it to `window.onerror`.
        reject(request.error)
      }
      this.#stopConnecting = () => {
        request.onsuccess = () => request.result.close()
        reject(new OffstageError('STORE_LOCKED', `Somebody keeps the IndexedDB database '${this.#name}' from opening.`))
      }
    })
  }

  /** Its document is there at once: it is empty. */
  #borrowFactory(): IDBFactory {
    this.#frame?.remove()
    const frame = document.createElement('iframe')
    this.#frame = frame
    frame.style.display = 'none'
    document.documentElement.append(frame)
    return (frame.contentWindow as Window).indexedDB
  }
}

/**
 * Settles as the transaction does, never earlier. (idb-keyval's `promisifyRequest` rejects with `null` here when a request
 * has failed: the transaction does not have its error yet.)
 */
function settled<T>(
  transaction: IDBTransaction,
  body: () => Promise<T>,
  running: Set<(error: unknown) => void>,
): Promise<T> {
  let failure: unknown
  let undo!: (error: unknown) => void
  const call = new Promise<T>((resolve, reject) => {
    undo = (error) => {
      failure ??= error
      try {
        transaction.abort()
        // Not when its event comes: in WebKit that never does once the connection is closed.
        reject(failure)
      } catch {
        // It is over already, and tells itself how.
      }
    }
    running.add(undo)
    const outcome = body()
    outcome.catch(undo)
    transaction.onerror = (event) => {
      event.preventDefault() // Older versions of Firefox take it to `window.onerror`.
      undo((event.target as IDBRequest).error)
    }
    // Its own error first: where it has one, those of its requests only say that they went with it.
    transaction.onabort = () => reject(transaction.error ?? failure ?? aborted())
    transaction.oncomplete = () => resolve(outcome)
  })
  return call.finally(() => running.delete(undo))
}

const aborted = (): DOMException => new DOMException('Aborted.', 'AbortError')

/**
 * Chromium's LevelDB goes on in the log of the browser's life before, also behind a record that its end has torn; in the
 * next life it takes that one for damage, and deletes all databases of the site. When a database is deleted, it begins a
 * new log. (Its option `reuse_logs`; https://crbug.com/460568.) Nobody waits for that, and where it fails all is as without.
 */
function beginLog(name: string): void {
  // Chromium alone has it, and no IndexedDB that is made up in Node.
  if (!('dataLoss' in (globalThis.IDBVersionChangeEvent?.prototype ?? {}))) return
  const scratch = `${name} (offstage scratch)`
  const request = indexedDB.open(scratch)
  request.onsuccess = () => {
    const { result } = request
    result.close()
    // It may be somebody's, after all.
    if (result.objectStoreNames.length === 0) indexedDB.deleteDatabase(scratch)
  }
}

/** The page is about to end or to be put aside, and is back. Returns a function that stops listening. */
function onAbsence(leave: () => void, comeBack: () => void): () => void {
  if (!globalThis.document) return () => {}
  return listenTo(true, [
    [globalThis, 'pagehide', leave],
    [globalThis, 'pageshow', comeBack],
    [document, 'freeze', leave],
    [document, 'resume', comeBack],
  ])
}

/** Another connection may do better. (A quota that is used up is not such an error, and in some engines no DOMException.) */
function isPlatformError(error: unknown): boolean {
  // Not `instanceof`: it may be from the frame.
  const isDomException = tagOf(error) === 'DOMException'
  return isDomException && (error as Error).name !== 'QuotaExceededError'
}

export function notOurs(name: string): OffstageError {
  return new OffstageError(
    'STORE_CORRUPT',
    `The IndexedDB database '${name}' holds something that is not offstage's. Nothing in it was changed. Use another name.`,
  )
}

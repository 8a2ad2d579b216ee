import { type Deferred, defer } from '../shared/deferred.ts'
import { OffstageError } from '../shared/errors.ts'
import { tagOf } from '../shared/show.ts'
import { listenTo } from './listening.ts'

type Durability = 'strict' | 'relaxed'
type Body<T> = (store: IDBObjectStore) => T | PromiseLike<T>

export interface DatabaseOptions {
  /** The durability of transactions that do not name their own. */
  readonly durability: Durability
  /** How long a call may take, in milliseconds, before `onWait` is called. The call itself waits on. */
  readonly patienceMs: number
  onWait(): void
  /** Called when Chromium has found its own files damaged and has made the database anew. `why` is Chromium's message. */
  onLoss(why: string): void
}

/** Fields that only Chromium has and no standard describes: https://github.com/w3c/IndexedDB/issues/30 */
interface ChromiumUpgrade {
  readonly dataLoss?: 'none' | 'total'
  readonly dataLossMessage?: string
}

/**
 * An IndexedDB database with one object store. The connection is opened by the first call, and again whenever it was lost.
 *
 * A connection is lost in many ways: another tab wants to upgrade or delete the database, the user clears the site's data,
 * WebKit's database process dies. The next call connects again, and a call that fails because of the lost connection is made a
 * second time. So the effect of a call must be the same when it is made twice.
 *
 * When the page is left, or put aside into the back/forward cache, running transactions are undone, and calls wait until the
 * page is back. Otherwise, a transaction that is left open, or begun while the page is leaving, makes Chromium discard the
 * page; and it makes WebKit keep all other pages out of the database until the page is back, even if its tab was closed for
 * good.
 */
export class Database {
  readonly #name: string
  readonly #storeName: string
  readonly #options: DatabaseOptions
  #connection: Promise<IDBDatabase> | undefined
  #stopConnecting: (() => void) | undefined
  /** An empty frame that lends its `indexedDB` when the page's own is dead. */
  #frame: HTMLIFrameElement | undefined
  readonly #underWay = new Set<Promise<unknown>>()
  /** For each running transaction, the function that undoes it. */
  readonly #running = new Set<(error: unknown) => void>()
  /** Exists while the page is away. Resolves when the page is back. */
  #absence: Deferred<void> | undefined
  /** Grows with each absence and each return. If it grew during a call, the absence explains why the call took long. */
  #absences = 0
  #stopListening: (() => void) | undefined

  constructor(name: string, storeName: string, options: DatabaseOptions) {
    this.#name = name
    this.#storeName = storeName
    this.#options = options
  }

  /** Runs `body` in one transaction. Settles when the transaction is complete or undone. If `body` rejects, it is undone. */
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

  /**
   * Waits for the calls under way, but for a connection no longer than `patienceMs`. A later call of `use` would open the
   * database again.
   */
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
        // Otherwise a tab that wants to delete or upgrade the database would have to wait for this connection.
        database.onversionchange = database.onclose = () => this.#leave(connection)
      },
      () => this.#leave(connection),
    )
    return connection
  }

  /** Drops the connection. Transactions that run on it still run to their end. */
  async #leave(connection: Promise<IDBDatabase> | undefined): Promise<void> {
    if (this.#connection === connection) this.#connection = undefined
    await connection?.then(
      (database) => database.close(),
      () => {}, // The caller that waited for the connection has its rejection already.
    )
  }

  async #open(): Promise<IDBDatabase> {
    const database = await this.#request(this.#frame?.contentWindow?.indexedDB ?? globalThis.indexedDB).catch(
      (error) => {
        // WebKit: "Connection to Indexed Database server lost. Refresh the page to try again". A new frame has the same effect.
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

  /** Without a version, `open` takes the database as it is. A new one gets version 1. */
  #request(factory: IDBFactory | undefined): Promise<IDBDatabase> {
    return new Promise((resolve, reject) => {
      if (!factory) throw new OffstageError('STORE_WRITE_FAILED', 'There is no IndexedDB here.')
      const request = factory.open(this.#name)
      request.onupgradeneeded = (event) => {
        const { dataLoss, dataLossMessage = '' } = event as ChromiumUpgrade
        if (dataLoss === 'total') this.#options.onLoss(dataLossMessage)
        request.result.createObjectStore(this.#storeName)
      }
      request.onsuccess = () => resolve(request.result)
      request.onerror = (event) => {
        event.preventDefault() // Otherwise older versions of Firefox report it to `window.onerror`.
        reject(request.error)
      }
      this.#stopConnecting = () => {
        request.onsuccess = () => request.result.close()
        reject(
          new OffstageError('STORE_LOCKED', `Another tab keeps the IndexedDB database '${this.#name}' from opening.`),
        )
      }
    })
  }

  /** The frame needs no loading: its document is empty and there at once. */
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
 * Settles when the transaction does, never earlier. (idb-keyval's `promisifyRequest` cannot be used here: when a request has
 * failed it rejects with `null`, because the transaction does not have its error yet.)
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
        // Rejects now. In WebKit the `abort` event never comes once the connection is closed.
        reject(failure)
      } catch {
        // The transaction is over already. Its own event settles the call.
      }
    }
    running.add(undo)
    const outcome = body()
    outcome.catch(undo)
    transaction.onerror = (event) => {
      event.preventDefault() // Otherwise older versions of Firefox report it to `window.onerror`.
      undo((event.target as IDBRequest).error)
    }
    // The transaction's own error comes first. If it has one, the errors of its requests only say that they were aborted.
    transaction.onabort = () => reject(transaction.error ?? failure ?? aborted())
    transaction.oncomplete = () => resolve(outcome)
  })
  return call.finally(() => running.delete(undo))
}

const aborted = (): DOMException => new DOMException('Aborted.', 'AbortError')

/**
 * Makes Chromium begin a new log for its LevelDB.
 *
 * Chromium goes on writing in the log of the browser's previous run, even behind a record that a crash has torn. In the next
 * run it takes that record for damage, and deletes all databases of the site. It begins a new log when a database is deleted,
 * so this function creates and deletes one. (The cause is LevelDB's option `reuse_logs`; https://crbug.com/460568.) The caller
 * does not wait for it. If it fails, nothing is worse than without it.
 */
function beginLog(name: string): void {
  // Only Chromium has `dataLoss`; implementations of IndexedDB for Node do not.
  if (!('dataLoss' in (globalThis.IDBVersionChangeEvent?.prototype ?? {}))) return
  const scratch = `${name} (offstage scratch)`
  const request = indexedDB.open(scratch)
  request.onsuccess = () => {
    const { result } = request
    result.close()
    // A database with object stores would be the application's own.
    if (result.objectStoreNames.length === 0) indexedDB.deleteDatabase(scratch)
  }
}

/**
 * Calls `leave` when the page is about to end or to be put aside, `comeBack` when it is back. Returns a function that stops
 * listening.
 */
function onAbsence(leave: () => void, comeBack: () => void): () => void {
  if (!globalThis.document) return () => {}
  return listenTo(true, [
    [globalThis, 'pagehide', leave],
    [globalThis, 'pageshow', comeBack],
    [document, 'freeze', leave],
    [document, 'resume', comeBack],
  ])
}

/**
 * Whether a new connection may help. A used-up quota is not such an error (and in some engines it is no DOMException at all).
 */
function isPlatformError(error: unknown): boolean {
  // Not `instanceof`: the error may come from the frame, which has its own classes.
  const isDomException = tagOf(error) === 'DOMException'
  return isDomException && (error as Error).name !== 'QuotaExceededError'
}

export function notOurs(name: string): OffstageError {
  return new OffstageError(
    'STORE_CORRUPT',
    `The IndexedDB database '${name}' holds something that is not offstage's. Nothing in it was changed. Use another name.`,
  )
}

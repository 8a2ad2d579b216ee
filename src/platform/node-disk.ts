import type { Disk, DiskFile, FileStat, FolderOwner } from '../shared/disk.ts'
import { soon } from '../shared/soon.ts'
import { folderOwner } from './folder-owner.ts'
import { nodeModule } from './host.ts'
import { ioThread } from './io-thread.ts'

type Threads = typeof import('node:worker_threads')

/** An error in the form in which the thread sends it. */
interface WireError {
  readonly message: string
  readonly code?: string
}

type Call = readonly [id: number, name: string, ...args: unknown[]]
type Reply = readonly [id: number, value: unknown, error?: WireError]

/** Measured: moving a buffer to another thread takes longer than copying one that is smaller than this. */
const movedBytesMin = 64 * 1024

interface Waiting {
  resolve(value: unknown): void
  reject(error: unknown): void
}

export interface NodeDisk extends Disk {
  /** Returns who owns a folder. Unlike `own`, it leaves no trace there. */
  ownerOf(folder: string): Promise<FolderOwner | undefined>
}

/**
 * The file system of Node, Bun and Deno, behind a thread of its own. Node's asynchronous calls share four threads with the
 * application's crypto, dns and zlib: with eight calls of pbkdf2 under way a sync takes 10 ms instead of 0.2. Node's
 * synchronous calls stop the caller's event loop.
 *
 * Calls of one tick travel together, so that `write` and `sync`, both called and then awaited, cost one round trip. The thread
 * keeps the process alive while a call is under way, and not a moment longer.
 */
export function nodeDisk(): NodeDisk {
  const thread = new IoThread()
  return {
    makeFolder: (path) => thread.call('makeFolder', [path]),
    list: (path) => thread.call('list', [path]),
    stat: (path) => thread.call('stat', [path]),
    open: async (path, mode, like) => openFile(thread, await thread.call<number>('open', [path, mode, like])),
    rename: (from, to) => thread.call('rename', [from, to]),
    remove: (path) => thread.call('remove', [path]),
    syncFolder: (path) => thread.call('syncFolder', [path]),
    own: (folder) => own(thread, folder),
    ownerOf: async (folder) => (await thread.call<{ readonly owner?: FolderOwner }>('own', [folder, true])).owner,
    close: () => thread.close(),
  }
}

async function own(thread: IoThread, folder: string): Promise<(() => Promise<void>) | FolderOwner> {
  type Answer = { readonly held: number } | { readonly owner: FolderOwner }
  const answer = await thread.call<Answer>('own', [folder])
  if ('owner' in answer) return answer.owner
  let released: Promise<void> | undefined
  return () => {
    // The files and locks that a thread holds go with it.
    released ??= thread.hasEnded ? thread.close() : thread.call('release', [answer.held])
    return released
  }
}

function openFile(thread: IoThread, fd: number): DiskFile {
  let closed: Promise<void> | undefined
  // A closed file must not be used: the system gives its number to the next file that is opened.
  const call = <Value>(name: string, args: unknown[], transfer?: ArrayBuffer): Promise<Value> =>
    closed ? Promise.reject(new Error('The file is closed.')) : thread.call(name, [fd, ...args], transfer)
  return {
    async read(into, offset) {
      const bytes = await call<ArrayBuffer>('read', [into.length, offset])
      into.set(new Uint8Array(bytes))
      return bytes.byteLength
    },
    write(bytes, offset, expected) {
      const copy = new Uint8Array(bytes)
      return call('write', [copy, offset, expected], copy.length < movedBytesMin ? undefined : copy.buffer)
    },
    sync: () => call('sync', []),
    truncate: (size) => call('truncate', [size]),
    stat: () => call<FileStat>('statFile', []),
    close() {
      closed ??= thread.call('closeFile', [fd])
      return closed
    },
  }
}

/** Starts with the first call. Once the thread has ended it never starts again: the files and folders that it held are lost. */
class IoThread {
  #worker: import('node:worker_threads').Worker | undefined
  #lastId = 0
  /** The calls of this tick. */
  #batch: Call[] = []
  #transfer: ArrayBuffer[] = []
  /** In the order of the calls. */
  readonly #waiting = new Map<number, Waiting>()
  #end: Error | undefined
  #closed: Promise<void> | undefined

  call<Value>(name: string, args: readonly unknown[], transfer?: ArrayBuffer): Promise<Value> {
    if (this.#end) return Promise.reject(this.#end)
    if (this.#batch.length === 0) soon(() => this.#send())
    const id = ++this.#lastId
    this.#batch.push([id, name, ...args])
    if (transfer) this.#transfer.push(transfer)
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve: resolve as Waiting['resolve'], reject })
    })
  }

  get hasEnded(): boolean {
    return this.#end !== undefined
  }

  /** Carries out the earlier calls first. Files that are still open are closed with the thread. */
  close(): Promise<void> {
    this.#closed ??= this.#close()
    return this.#closed
  }

  async #close(): Promise<void> {
    const isStarted = this.#worker !== undefined || this.#batch.length > 0
    const released = isStarted ? this.call('releaseAll', []) : undefined
    this.#end ??= new Error('The disk is closed.')
    // The call rejects if the thread dies, and the thread is to end anyway.
    await released?.catch(() => {})
    await this.#worker?.terminate()
  }

  #send(): void {
    const [batch, transfer] = [this.#batch, this.#transfer]
    this.#batch = []
    this.#transfer = []
    try {
      this.#worker ??= this.#start()
      this.#worker.ref()
      this.#worker.postMessage(batch, transfer)
    } catch (error) {
      // No thread could be started, or a buffer could not be sent.
      for (const [id] of batch) this.#take(id)?.reject(error)
      this.#release()
    }
  }

  #start(): import('node:worker_threads').Worker {
    const threads = nodeModule<Threads>('worker_threads')
    if (!threads) throw new Error('There are no files on this platform: it has none of the modules of Node.')
    // This is the thread of a library, so it loads nothing that the application preloads into its own threads.
    const worker = new threads.Worker(ioThread + folderOwner, {
      eval: true,
      name: 'offstage disk',
      env: {},
      execArgv: [],
      workerData: { thread: threads.threadId },
    })
    worker.on('message', (replies: readonly Reply[]) => this.#settle(replies))
    worker.on('messageerror', (error) => this.#died(error))
    worker.on('error', (error) => this.#died(error))
    worker.on('exit', (code) => this.#died(new Error(`It ended with exit code ${code}.`)))
    return worker
  }

  #settle(replies: readonly Reply[]): void {
    for (const [id, value, error] of replies) {
      const waiting = this.#take(id)
      if (error) waiting?.reject(fromWire(error))
      else waiting?.resolve(value)
    }
    this.#release()
  }

  #take(id: number): Waiting | undefined {
    const waiting = this.#waiting.get(id)
    this.#waiting.delete(id)
    return waiting
  }

  #release(): void {
    if (this.#waiting.size === 0) this.#worker?.unref()
  }

  #died(cause: unknown): void {
    this.#end ??= new Error('The thread that reads and writes the files of the store has died.', { cause })
    for (const { reject } of this.#waiting.values()) reject(this.#end)
    this.#waiting.clear()
  }
}

function fromWire({ message, ...fields }: WireError): Error {
  return Object.assign(new Error(message), fields)
}

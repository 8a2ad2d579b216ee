import type { ServeInline } from '../shared/inline.ts'
import type { Port } from '../shared/port.ts'
import { type Hello, helloVersion, ourThread } from './hello.ts'
import { nodeModule } from './host.ts'
import { portOf } from './message-port.ts'
import { OwnChannel } from './own-channel.ts'

type Threads = typeof import('node:worker_threads')
type NodeWorker = import('node:worker_threads').Worker

/** Options that Node takes for each thread; other platforms have none of these. */
export interface WorkerOptions {
  readonly resourceLimits?: {
    readonly maxOldGenerationSizeMb?: number
    readonly maxYoungGenerationSizeMb?: number
    readonly codeRangeSizeMb?: number
    readonly stackSizeMb?: number
  }
  readonly execArgv?: string[]
  readonly env?: Record<string, string | undefined>
}

/** What a factory answers: a Web Worker, or Node's. */
interface WorkerLike {
  postMessage(message: unknown, transfer: never[]): void
  terminate(): unknown
}

type WorkerFactory = () => WorkerLike | Promise<WorkerLike>

/** Serves jobs on this thread: what `inline(jobs)` answers. */
export interface InlineSource {
  readonly serveInline: ServeInline
}

export type WorkerSource = WorkerFactory | URL | string | InlineSource

const workerLine = `createScheduler(() => new Worker(new URL('./jobs.ts', import.meta.url), { type: 'module' }))`

/** Refuses at the door what can never start a thread here. */
export function checkSource(source: unknown): asserts source is WorkerSource {
  if (typeof source === 'function' || isInline(source)) return
  const isAddress = typeof source === 'string' || source instanceof URL
  if (isAddress && nodeModule('worker_threads')) return
  throw new TypeError(
    isAddress
      ? `In a browser the application makes the worker, so that its bundler sees the file. Write:\n\n  ${workerLine}`
      : `Expected the first argument to be a function that makes a worker, a URL or path (on servers), or inline(jobs). Write:\n\n  ${workerLine}`,
  )
}

const isInline = (source: unknown): source is InlineSource =>
  typeof (source as Partial<InlineSource> | undefined)?.serveInline === 'function'

/** Starts one thread and says hello to it. Rejects when the platform refuses to start it at all. */
export async function spawn(source: WorkerSource, options: WorkerOptions): Promise<Port> {
  if (isInline(source)) return spawnInline(source)
  // A microtask first: Parcel only defines the worker's URL after the module has run.
  await undefined
  const made = typeof source === 'function' ? callFactory(source, options) : fromAddress(source, options)
  // Not `await made`: on Deno a worker that cannot be loaded may say so within one microtask, and who does not listen
  // yet gets an unhandled rejection.
  return made instanceof Promise ? portTo(await made) : portTo(made)
}

/**
 * The same line starts a worker in browsers, Bun, Deno and Node. Node alone has no global `Worker`, so it gets one, for
 * as long as the factory runs and no longer: other code looks for that global to tell where it is.
 */
function callFactory(factory: WorkerFactory, options: WorkerOptions): WorkerLike | Promise<WorkerLike> {
  const scope = globalThis as { Worker?: unknown }
  if (scope.Worker !== undefined) return factory()
  scope.Worker = function NodeWorker(address: string | URL) {
    return fromAddress(address, options)
  }
  try {
    return factory()
  } finally {
    delete scope.Worker
  }
}

function fromAddress(address: string | URL, options: WorkerOptions): WorkerLike {
  const threads = nodeModule<Threads>('worker_threads')
  if (!threads) throw new TypeError('This platform has no worker threads.')
  const url = typeof address === 'string' && address.startsWith('file:') ? new URL(address) : address
  return new threads.Worker(url, { ...options, workerData: { [ourThread]: true } }) as unknown as WorkerLike
}

const portTo = (worker: WorkerLike): Port =>
  'on' in worker ? nodePort(worker as unknown as NodeWorker) : webPort(worker as unknown as Worker)

function nodePort(worker: NodeWorker): Port {
  const { port1, port2 } = new MessageChannel()
  const hello: Hello = { offstage: helloVersion, port: port2, mark: 0, lock: '' }
  worker.postMessage(hello, [port2 as never])
  const port = portOf(port1)
  const end = new Ending()
  let cause: unknown
  let isClosing = false
  worker.on('error', (error) => {
    cause = error
  })
  worker.on('exit', (code) => {
    if (!isClosing) end.tell(cause ?? new Error(`The thread ended with exit code ${code}.`))
  })
  return {
    post: port.post,
    onMessage(listener) {
      port.onMessage(listener)
      port.hold(false) // The thread itself holds the process, and only while it works.
    },
    onClose(listener) {
      port.onClose(listener)
      end.listen(listener)
    },
    async close() {
      isClosing = true
      await worker.terminate()
      await port.close()
    },
    hold(isHeld) {
      if (isClosing) return // Somebody waits for its end.
      if (isHeld) worker.ref()
      else worker.unref()
    },
  }
}

/** Why a thread has ended, kept for a listener that comes later. */
class Ending {
  #cause: { readonly value: unknown } | undefined
  #listener: ((cause: unknown) => void) | undefined

  tell(value: unknown): void {
    this.#cause = { value }
    this.#listener?.(value)
  }

  listen(listener: (cause: unknown) => void): void {
    this.#listener = listener
    if (this.#cause) listener(this.#cause.value)
  }
}

/** A module worker with top-level await loses what is posted before its handler is there, in all engines: say it again. */
const helloAgainMs = 50

interface RefCounted {
  ref?(): void
  unref?(): void
}

function webPort(worker: Worker): Port {
  const mark = 1 + Math.random()
  const lock = `offstage-thread-${mark}-${Date.now()}`
  const hello: Hello = { offstage: helloVersion, port: undefined, mark, lock }
  const watch = new AbortController()
  const end = new Ending()
  const channel = new OwnChannel(worker)
  channel.mark(mark, -mark)
  let helloTimer: ReturnType<typeof setTimeout> | undefined

  const sayHello = (againMs: number) => {
    worker.postMessage(hello)
    helloTimer = setTimeout(() => sayHello(againMs * 2), againMs)
  }
  const answered = () => {
    clearTimeout(helloTimer)
    whenFree(lock, watch.signal, () => ended(new Error('The worker closed itself.')))
  }
  const ended = (cause: unknown) => {
    if (watch.signal.aborted) return
    stop()
    end.tell(cause)
  }
  const stop = () => {
    watch.abort()
    clearTimeout(helloTimer)
    void channel.close()
    worker.terminate()
  }

  worker.addEventListener('error', (event) => {
    event.preventDefault?.()
    const { message, filename, lineno } = event as Partial<ErrorEvent>
    ended(
      new Error(
        message
          ? `${message}${filename ? ` (${filename}:${lineno})` : ''}`
          : 'The browser says no more than that it failed.',
      ),
    )
  })
  channel.onClose(ended)
  worker.addEventListener('close', () => ended(new Error('The worker closed itself.'))) // Bun.
  sayHello(helloAgainMs)

  return {
    post: (message, transfer) => channel.post(message, transfer),
    onMessage(listener) {
      channel.onMessage((first) => {
        answered()
        channel.onMessage(listener)
        listener(first)
      })
    },
    onClose: (listener) => end.listen(listener),
    async close() {
      stop()
    },
    hold(isHeld) {
      // Bun counts workers; browsers have nothing to keep alive.
      const counted = worker as Worker & RefCounted
      if (isHeld) counted.ref?.()
      else counted.unref?.()
    },
  }
}

/** Calls back when the thread that holds `lock` has let go of it: it is dead, however it died. */
function whenFree(lock: string, signal: AbortSignal, onFree: () => void): void {
  const { locks } = (globalThis.navigator ?? {}) as Partial<Navigator>
  locks?.request(lock, { signal }, onFree).catch(() => {
    // Aborted, because we ended the thread; or no locks in this place, and then there is no watch.
  })
}

function spawnInline(source: InlineSource): Port {
  const { port1, port2 } = new MessageChannel()
  const far = portOf(port2)
  const near = portOf(port1)
  const stop = source.serveInline(far)
  return {
    ...near,
    onMessage(listener) {
      near.onMessage(listener)
      far.hold(false) // The near end holds the process, and only while there is work.
    },
    async close() {
      stop()
      await near.close()
    },
  }
}

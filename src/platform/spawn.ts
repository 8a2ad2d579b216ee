import type { ServeInline } from '../shared/inline.ts'
import type { Port } from '../shared/port.ts'
import { show } from '../shared/show.ts'
import { isThenable } from '../shared/thenable.ts'
import { helloWithin } from './hello.ts'
import { nodeModule } from './host.ts'
import { makeChannel } from './make-channel.ts'
import { portOf } from './message-port.ts'
import { type NodeWorker, nodePort } from './node-port.ts'
import { webPort } from './web-port.ts'

type Threads = typeof import('node:worker_threads')

/** Options that Node takes for each thread. Other platforms have none of them. */
export interface WorkerOptions {
  /** Limits of the thread's memory, in megabytes. A thread that exceeds one ends. Default: Node's. */
  readonly resourceLimits?: {
    readonly maxOldGenerationSizeMb?: number
    readonly maxYoungGenerationSizeMb?: number
    readonly codeRangeSizeMb?: number
    readonly stackSizeMb?: number
  }
  /** Command-line options of Node for the thread. Default: those of the process. */
  readonly execArgv?: string[]
  /** What `process.env` holds in the thread. Default: a copy of the process's. */
  readonly env?: Record<string, string | undefined>
}

/** What a factory returns: a Web Worker, or Node's. */
interface WorkerLike {
  /** Sends a message to the thread. */
  postMessage(message: unknown, transfer: never[]): void
  /** Ends the thread. */
  terminate(): unknown
}

type WorkerFactory = () => WorkerLike | PromiseLike<WorkerLike>

/** What `inline(jobs)` returns: it serves jobs on this thread. */
export interface InlineSource {
  /** @internal */
  readonly serveInline: (port: never) => () => void
}

/** Where workers come from: a function that makes one, its URL or path (on servers), or `inline(jobs)`. */
export type WorkerSource = WorkerFactory | URL | string | InlineSource

// Split in two, because some bundler plugins would take it for code and look for the file.
const workerLine = `createScheduler(() => new ${'Worker'}(new URL('./jobs.ts', import.meta.url), { type: 'module' }))`

/** Throws a `TypeError` if `source` can never start a thread on this platform. */
export function checkSource(source: unknown): asserts source is WorkerSource {
  if (typeof source === 'function' || isInline(source)) return
  const isAddress = typeof source === 'string' || source instanceof URL
  if (isAddress && nodeModule('worker_threads')) return
  throw new TypeError(
    isAddress
      ? `In a browser the application makes the worker, so that its bundler sees the file. Write:\n\n  ${workerLine}`
      : `Expected the first argument to be a function that makes a worker, a URL or path (on servers), inline(jobs), or null beside a \`store\` whose jobs another tab runs. Write:\n\n  ${workerLine}`,
  )
}

const isInline = (source: unknown): source is InlineSource =>
  typeof (source as Partial<InlineSource> | undefined)?.serveInline === 'function'

/** Starts one thread and sends it a hello. Rejects when the platform refuses to start it at all. */
export async function spawn(source: WorkerSource, options: WorkerOptions): Promise<Port> {
  if (isInline(source)) return spawnInline(source)
  // Waits for a microtask first: Parcel defines the worker's URL only after the module has run.
  await undefined
  const made = expecting(() =>
    typeof source === 'function' ? callFactory(source, options) : fromAddress(source, options),
  )
  // `await made` would be too late: on Deno a worker that cannot be loaded may report that within one microtask, and without a
  // listener the error counts as an unhandled rejection.
  return isThenable(made) ? portTo(await made) : portTo(made)
}

/**
 * How long a thread waits for its hello, if it was made while a slow (asynchronous) factory ran. A thread that the application
 * makes for itself meanwhile waits just as long, in vain.
 */
const slowHelloMs = 1_000
/** How many slow factories are running. */
let slow = 0

/**
 * Announces a hello to the threads that are made in `make`. A thread that is made synchronously waits for its hello without a
 * time limit.
 */
function expecting<Made>(make: () => Made): Made {
  expectHello(Number.POSITIVE_INFINITY)
  try {
    const made = make()
    if (isThenable(made)) {
      slow++
      const settled = () => {
        slow--
        expectHello()
      }
      made.then(settled, settled)
    }
    return made
  } finally {
    expectHello()
  }
}

const expectHello = (withinMs: number | undefined = slow > 0 ? slowHelloMs : undefined): void =>
  nodeModule<Threads>('worker_threads')?.setEnvironmentData(helloWithin, withinMs as number)

/**
 * Lets the same line start a worker in browsers, Bun, Deno and Node. Node alone has no global `Worker`, so it gets one, but
 * only while the factory runs: other code looks for that global to tell where it runs.
 */
function callFactory(factory: WorkerFactory, options: WorkerOptions): WorkerLike | PromiseLike<WorkerLike> {
  const scope = globalThis as { Worker?: unknown }
  if (scope.Worker !== undefined) return factory()
  scope.Worker = function NodeWorker(address: string | URL, own?: object) {
    return fromAddress(address, { ...options, ...own })
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
  return new threads.Worker(url, options) as unknown as WorkerLike
}

function portTo(worker: WorkerLike): Port {
  const { on, addEventListener } = (worker ?? {}) as { on?: unknown; addEventListener?: unknown }
  if (!on && !addEventListener) throw new TypeError(`Expected the function to return a worker, got ${show(worker)}.`)
  try {
    return on ? nodePort(worker as unknown as NodeWorker) : webPort(worker as unknown as Worker)
  } catch (error) {
    void worker.terminate() // The caller has not got it, so it could never be ended.
    throw error
  }
}

function spawnInline(source: InlineSource): Port {
  const { port1, port2 } = makeChannel()
  const far = portOf(port2)
  const near = portOf(port1)
  const stop = (source.serveInline as ServeInline)(far)
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

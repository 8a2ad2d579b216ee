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

/** What a factory returns: a Web Worker, or Node's. */
interface WorkerLike {
  postMessage(message: unknown, transfer: never[]): void
  terminate(): unknown
}

type WorkerFactory = () => WorkerLike | PromiseLike<WorkerLike>

/** Serves jobs on this thread: what `inline(jobs)` returns. */
export interface InlineSource {
  readonly serveInline: ServeInline
}

export type WorkerSource = WorkerFactory | URL | string | InlineSource

// Not in one piece: there are bundler plugins that would take it for code, and look for the file.
const workerLine = `createScheduler(() => new ${'Worker'}(new URL('./jobs.ts', import.meta.url), { type: 'module' }))`

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
  const made = expecting(() =>
    typeof source === 'function' ? callFactory(source, options) : fromAddress(source, options),
  )
  // Not `await made`: on Deno a worker that cannot be loaded may say so within one microtask, and who does not listen
  // yet gets an unhandled rejection.
  return isThenable(made) ? portTo(await made) : portTo(made)
}

/** For one that a slow factory makes; another that the application makes meanwhile waits as long, for nothing. */
const slowHelloMs = 1_000
/** Slow factories that are at it. */
let slow = 0

/** Tells the threads that are made in `make` that somebody will say hello. One that is made at once stays however late it is. */
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
 * The same line starts a worker in browsers, Bun, Deno and Node. Node alone has no global `Worker`, so it gets one, for
 * as long as the factory runs and no longer: other code looks for that global to tell where it is.
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
    void worker.terminate() // Nobody else has hold of it.
    throw error
  }
}

function spawnInline(source: InlineSource): Port {
  const { port1, port2 } = makeChannel()
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

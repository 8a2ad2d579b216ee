import { unpacked } from '../shared/dom-exceptions.ts'
import type { Port } from '../shared/port.ts'
import { type Hello, helloWithin } from './hello.ts'
import { nextTask } from './hop.ts'
import { nodeModule, systemClock } from './host.ts'
import { portOf } from './message-port.ts'
import { type ChannelEnd, OwnChannel } from './own-channel.ts'

type Threads = typeof import('node:worker_threads')

interface WebScope extends ChannelEnd {
  WorkerGlobalScope?: new () => object
  addEventListener(type: string, listener: (event: never) => void, isFirst?: boolean): void
}

const isWebWorker = (scope: WebScope): boolean =>
  typeof scope.WorkerGlobalScope === 'function' && scope instanceof scope.WorkerGlobalScope

const scope = globalThis as unknown as WebScope
const isWeb = isWebWorker(scope)
/**
 * The channel to whoever made this thread; none in a thread that gets no hello. In a web worker it listens as soon as this module is
 * imported, so that it receives messages before the application does: not in all engines can a listener be put ahead of those that
 * are there.
 */
let channel = isWeb ? new OwnChannel(scope, true) : undefined
/** Whether a hello was answered. A thread serves one scheduler, which may repeat its hello until it is answered. */
let isAnswered = false

/**
 * In a thread: calls `serve` when a scheduler sends a hello. Only the last caller of `onHello` is called, so that a module of
 * jobs can be composed of other such modules. Outside of a thread, and in threads that the application made for itself, it does
 * nothing.
 */
export function onHello(serve: (port: Port) => void): void {
  channel ??= parentChannel()
  const own = channel
  own?.onHello((hello) => {
    if (isAnswered) return
    isAnswered = true
    void answer(own, hello).then(serve)
  })
}

/**
 * Returns the port to the scheduler when the thread is ready to serve: its whole module is evaluated, and it holds the lock that
 * shows that it lives.
 */
async function answer(own: OwnChannel, { port, output, mark, lock }: Hello): Promise<Port> {
  if (port) own.leave()
  else own.mark(-mark, mark)
  // Removed, because threads that are made in this thread would inherit it.
  nodeModule<Threads>('worker_threads')?.setEnvironmentData(helloWithin, undefined as never)
  if (output) answerWhenPrinted(output)
  if (!isWeb) await wholeModule()
  await holdLock(lock)
  return port ? polled(port) : own
}

/**
 * The channel of a `worker_threads` thread that a scheduler has made. A thread that the application made for itself gets none:
 * it must live, listen and end as it would without this library, so it is left alone.
 */
function parentChannel(): OwnChannel | undefined {
  const { parentPort, getEnvironmentData } = nodeModule<Threads>('worker_threads') ?? {}
  const withinMs = getEnvironmentData?.(helloWithin) as number | undefined
  if (!parentPort || withinMs === undefined) return undefined
  // Not ahead of other listeners: after its removal, Node 20 would keep alive what such a listener holds.
  const own = new OwnChannel(parentPort as unknown as ChannelEnd, false)
  if (withinMs !== Number.POSITIVE_INFINITY) systemClock.startTimer(() => isAnswered || own.leave(), withinMs, true)
  return own
}

/** Adds `poll` to a port, for platforms that can take a message from a port synchronously. */
function polled(port: MessagePort): Port {
  const { receiveMessageOnPort } = nodeModule<Threads>('worker_threads') as Threads
  return { ...portOf(port), poll: () => unpacked(receiveMessageOnPort(port as never)?.message) }
}

/**
 * Resolves when the module that this thread was made for is evaluated, including its top-level await. Node, Bun and Deno tell:
 * importing that module a second time waits for it. (Deno sometimes resolves too early. In Firefox the second import fails, and
 * WebKit evaluates the module a second time, so web workers do without.)
 */
async function wholeModule(): Promise<void> {
  try {
    const { argv } = nodeModule<NodeJS.Process>('process') as NodeJS.Process
    const { pathToFileURL } = nodeModule<typeof import('node:url')>('url') as typeof import('node:url')
    // Not a plain `import()`: bundlers want to know what could be imported.
    await new Function('url', 'return import(url)')(pathToFileURL(argv[1] as string).href)
  } catch {
    // Either the module has failed, and this thread ends before the next task; or it was made from a text and has no module.
    await nextTask()
  }
}

/** How often a thread checks whether what it printed has left it. */
const printedCheckMs = 1

/** Answers each message on `port` once all that was printed has left this thread. */
function answerWhenPrinted(port: MessagePort): void {
  const { stdout, stderr } = nodeModule<NodeJS.Process>('process') as NodeJS.Process
  const look = () => {
    if (stdout.writableLength > 0 || stderr.writableLength > 0) systemClock.startTimer(look, printedCheckMs, true)
    else port.postMessage(0)
  }
  portOf(port).onMessage(look)
  portOf(port).hold(false)
}

/** Reports errors that this thread does not catch. Node ends the thread and reports the error to the other side by itself. */
export function onUncaught(report: (error: unknown) => void): void {
  if (!isWeb) return
  scope.addEventListener('error', (event: ErrorEvent) => {
    event.preventDefault()
    report(event.error ?? new Error(event.message))
  })
  scope.addEventListener('unhandledrejection', (event: PromiseRejectionEvent) => {
    event.preventDefault()
    report(event.reason)
  })
}

/** Resolves once this thread holds the lock, or cannot hold one (no Web Locks on plain http or in this runtime). */
function holdLock(name: string): Promise<void> {
  const { locks } = (globalThis.navigator ?? {}) as Partial<Navigator>
  if (!locks || name === '') return Promise.resolve()
  return new Promise((resolve) => {
    const forever = () => {
      resolve()
      return new Promise<never>(() => {})
    }
    locks.request(name, forever).catch(() => resolve())
  })
}

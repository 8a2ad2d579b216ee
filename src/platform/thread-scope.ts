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
 * The one that this thread has by itself, none where nobody says hello. A web worker's is there as soon as this is imported, to
 * hear before the application does: not all engines let us in ahead of who listens already.
 */
let channel = isWeb ? new OwnChannel(scope, true) : undefined
/** One thread serves one scheduler, which may repeat its hello until it is answered. */
let isAnswered = false

/**
 * In a thread: calls back when a scheduler says hello; only the last who asks for it, so that a module of jobs can be made of
 * others. Elsewhere, and in threads that the application made for itself: nothing.
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

/** The line to the scheduler, once there is all that it needs: the whole module, and the lock that says that we live. */
async function answer(own: OwnChannel, { port, output, mark, lock }: Hello): Promise<Port> {
  if (port) own.leave()
  else own.mark(-mark, mark)
  // Not for the threads that are made in this one: they would inherit it.
  nodeModule<Threads>('worker_threads')?.setEnvironmentData(helloWithin, undefined as never)
  if (output) passOn(output)
  if (!isWeb) await wholeModule()
  await holdLock(lock)
  return port ? polled(port) : own
}

/**
 * Of a thread of `worker_threads` that a scheduler has made. One that the application made for itself lives, hears and ends as
 * without us: there we do not listen.
 */
function parentChannel(): OwnChannel | undefined {
  const { parentPort, getEnvironmentData } = nodeModule<Threads>('worker_threads') ?? {}
  const withinMs = getEnvironmentData?.(helloWithin) as number | undefined
  if (!parentPort || withinMs === undefined) return undefined
  // Not ahead of others: Node 20 would keep what such a listener holds alive when it is removed.
  const own = new OwnChannel(parentPort as unknown as ChannelEnd, false)
  if (withinMs !== Number.POSITIVE_INFINITY) systemClock.startTimer(() => isAnswered || own.leave(), withinMs, true)
  return own
}

/** Where there are such ports, messages can be asked for. */
function polled(port: MessagePort): Port {
  const { receiveMessageOnPort } = nodeModule<Threads>('worker_threads') as Threads
  return { ...portOf(port), poll: () => unpacked(receiveMessageOnPort(port as never)?.message) }
}

/**
 * Resolves when the module that this thread was made for is evaluated, with what it awaits, where the platform tells: servers
 * tell it to whoever imports that module once more. (Deno tells it too early at times, in Firefox it fails, and WebKit evaluates
 * the module a second time.)
 */
async function wholeModule(): Promise<void> {
  try {
    const { argv } = nodeModule<NodeJS.Process>('process') as NodeJS.Process
    const { pathToFileURL } = nodeModule<typeof import('node:url')>('url') as typeof import('node:url')
    // Not `import()` itself: bundlers want to know what there is to import.
    await new Function('url', 'return import(url)')(pathToFileURL(argv[1] as string).href)
  } catch {
    // It has failed, and this thread ends before the next task; or it was made from a text, and there is no telling.
    await nextTask()
  }
}

/** How often a thread looks whether it has passed on what it printed. */
const passedOnMs = 1

/** Says on `port` for each message there that nothing of what was printed is left here. */
function passOn(port: MessagePort): void {
  const { stdout, stderr } = nodeModule<NodeJS.Process>('process') as NodeJS.Process
  const look = () => {
    if (stdout.writableLength > 0 || stderr.writableLength > 0) systemClock.startTimer(look, passedOnMs, true)
    else port.postMessage(0)
  }
  portOf(port).onMessage(look)
  portOf(port).hold(false)
}

/** Told of what nobody in this thread catches. Node ends the thread and tells the other side by itself. */
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

/** Resolves once this thread holds the lock, or cannot (no Web Locks on plain http or in this runtime). */
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

import type { Port } from '../shared/port.ts'
import { isObject } from '../shared/show.ts'
import { ourThread } from './hello.ts'
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
 * The one that this thread has by itself, none on a main thread. A web worker's is there as soon as this is imported, to hear
 * before the application does: not all engines let us in ahead of who listens already.
 */
let channel = isWeb ? new OwnChannel(scope) : undefined
/** One thread serves one scheduler, which repeats its hello until it is answered. */
let isAnswered = false

/**
 * In a thread: calls back when a scheduler says hello; only the last who asks for it, so that a module of jobs can be made of
 * others. On a main thread: nothing.
 */
export function onHello(serve: (port: Port) => void): void {
  channel ??= parentChannel()
  const own = channel
  if (!own) return
  own.onHello = ({ port, mark, lock }) => {
    if (isAnswered) return
    isAnswered = true
    if (!port) own.mark(-mark, mark)
    void holdLock(lock).then(() => serve(port ? polled(port) : own))
  }
}

/** Of a thread of `worker_threads`. */
function parentChannel(): OwnChannel | undefined {
  const { parentPort, workerData } = nodeModule<Threads>('worker_threads') ?? {}
  if (!parentPort) return undefined
  // A thread of ours stays for its hello, however late. One that the application made itself may only import the module,
  // and then must be able to end: it waits for as long as a hello may take that was said right after it was made.
  if (!isOurs(workerData)) systemClock.startTimer(() => parentPort.unref(), foreignWaitMs, true)
  return new OwnChannel(parentPort as unknown as ChannelEnd)
}

const foreignWaitMs = 1_000

/** Where there are such ports, messages can be asked for. */
function polled(port: MessagePort): Port {
  const { receiveMessageOnPort } = nodeModule<Threads>('worker_threads') as Threads
  return { ...portOf(port), poll: () => receiveMessageOnPort(port as never)?.message }
}

const isOurs = (workerData: unknown): boolean => isObject(workerData) && ourThread in workerData

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

import type { Port } from '../shared/port.ts'
import { isHello, ourThread } from './hello.ts'
import { nodeModule, systemClock } from './host.ts'
import { portOf } from './message-port.ts'

type Threads = typeof import('node:worker_threads')

interface WebScope {
  WorkerGlobalScope?: new () => object
  addEventListener(type: string, listener: (event: never) => void): void
}

/** In a thread: calls back when a scheduler says hello. On a main thread: nothing. */
export function onHello(serve: (port: Port) => void): void {
  const scope = globalThis as unknown as WebScope
  let isAnswered = false
  const answer = (data: unknown) => {
    // The scheduler repeats its hello until it is answered; one thread serves one scheduler.
    if (isAnswered || !isHello(data)) return
    isAnswered = true
    void holdLock(data.lock).then(() => serve(portOf(data.port)))
  }
  if (isWebWorker(scope)) {
    scope.addEventListener('message', ({ data }: MessageEvent) => answer(data))
    return
  }
  const threads = nodeModule<Threads>('worker_threads')
  const parentPort = threads?.parentPort
  if (!parentPort) return
  parentPort.on('message', answer)
  // A thread of ours stays for its hello, however late. One that the application made itself may only import the module,
  // and then must be able to end: it waits for as long as a hello may take that was said right after it was made.
  if (isOurs(threads.workerData)) return
  systemClock.startTimer(() => parentPort.unref(), foreignWaitMs, true)
}

const foreignWaitMs = 1_000

const isOurs = (workerData: unknown): boolean =>
  typeof workerData === 'object' && workerData !== null && ourThread in workerData

/** Told of what nobody in this thread catches. Node ends the thread and tells the other side by itself. */
export function onUncaught(report: (error: unknown) => void): void {
  const scope = globalThis as unknown as WebScope
  if (!isWebWorker(scope)) return
  scope.addEventListener('error', (event: ErrorEvent) => {
    event.preventDefault()
    report(event.error ?? new Error(event.message))
  })
  scope.addEventListener('unhandledrejection', (event: PromiseRejectionEvent) => {
    event.preventDefault()
    report(event.reason)
  })
}

const isWebWorker = (scope: WebScope): boolean =>
  typeof scope.WorkerGlobalScope === 'function' && scope instanceof scope.WorkerGlobalScope

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

import { nodeModule, systemClock } from './host.ts'

type Process = typeof import('node:process')
type NodePort = import('node:worker_threads').MessagePort

/** When the process ends by itself, it waits no longer than this for a thread. */
const naturalEndMsMax = 1_000

/**
 * Saves what a thread has printed. The output comes to the parent piece by piece, each when the parent asks for it. What the
 * thread still holds when it ends is lost. So, before the thread is ended or the process ends by itself, the thread is asked to
 * answer once it has passed on all of it.
 */
export class Output {
  readonly #port: NodePort
  readonly #waiting = new Set<() => void>()
  /** Whether the thread may hold output: it has worked since it was last asked. */
  mayHold = true

  /** `port`: the other end of its channel goes to the thread with the hello. */
  constructor(port: MessagePort) {
    this.#port = port as unknown as NodePort
    this.#port.on('message', this.#drained)
    this.#port.unref()
    join(this)
  }

  /** Resolves when the thread has passed on what it has printed, has ended, or has not answered for `msMax` milliseconds. */
  drain(msMax: number): Promise<void> {
    this.mayHold = false
    if (!outputs.has(this)) return Promise.resolve()
    return new Promise((resolve) => {
      const stop = systemClock.startTimer(() => this.#drained(), msMax, true)
      this.#waiting.add(() => {
        stop()
        resolve()
      })
      this.#port.postMessage(0)
    })
  }

  /** To be called when the thread has ended. */
  close(): void {
    leave(this)
    this.#port.close()
    this.#drained()
  }

  readonly #drained = (): void => {
    for (const drained of this.#waiting) drained()
    this.#waiting.clear()
  }
}

const outputs = new Set<Output>()

function join(output: Output): void {
  if (outputs.size === 0) nodeModule<Process>('process')?.on('beforeExit', drainAll)
  outputs.add(output)
}

function leave(output: Output): void {
  outputs.delete(output)
  if (outputs.size === 0) nodeModule<Process>('process')?.off('beforeExit', drainAll)
}

/** Runs on each `beforeExit`. Draining gives the process work to do, so the event comes again afterwards. */
function drainAll(): void {
  for (const output of outputs) if (output.mayHold) void output.drain(naturalEndMsMax)
}

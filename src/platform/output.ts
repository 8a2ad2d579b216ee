import { nodeModule, systemClock } from './host.ts'

type Process = typeof import('node:process')
type NodePort = import('node:worker_threads').MessagePort

/** Longer than that a process that ends by itself does not wait for a thread. */
const naturalEndMsMax = 1_000

/**
 * What a thread prints comes to its parent bit by bit, each when the parent asks for it; what the thread still holds when it
 * ends is lost. So it is asked, before it is ended or the process ends by itself, to say when it has passed on all of it.
 */
export class Output {
  readonly #port: NodePort
  readonly #waiting = new Set<() => void>()
  /** It has worked since it was asked last. */
  mayHold = true

  /** `port`: its other end goes to the thread with the hello. */
  constructor(port: MessagePort) {
    this.#port = port as unknown as NodePort
    this.#port.on('message', this.#drained)
    this.#port.unref()
    join(this)
  }

  /** Resolves when the thread has passed on what it has printed, is gone, or has not said so for `msMax`. */
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

  /** The thread is gone. */
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

/** Said again when nothing is left to do after that. */
function drainAll(): void {
  for (const output of outputs) if (output.mayHold) void output.drain(naturalEndMsMax)
}

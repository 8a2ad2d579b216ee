import type { Engine, QueueControl } from '../engine/engine.ts'

/** One setting of the scheduler or of a queue. Each client keeps all settings, for the engine that runs the jobs next. */
export type Steer = readonly [
  queue: string | undefined,
  what: 'isPaused' | 'setConcurrency' | 'setRateLimit',
  value: unknown,
]

const keyOf = ([queue, what]: Steer): string => `${what} ${queue ?? ''}`

export const isSameSetting = (one: Steer, other: Steer): boolean => keyOf(one) === keyOf(other)

/** All settings, the newest of each kind. */
export class Steers {
  readonly #steers = new Map<string, Steer>()

  get all(): Steer[] {
    return [...this.#steers.values()]
  }

  keep(steer: Steer): void {
    const [, what, value] = steer
    // So everything begins.
    if (what === 'isPaused' && value === false) this.#steers.delete(keyOf(steer))
    else this.#steers.set(keyOf(steer), steer)
  }

  clear(): void {
    this.#steers.clear()
  }

  isPaused(queue: string | undefined): boolean {
    return this.#steers.get(keyOf([queue, 'isPaused', true]))?.[2] === true
  }
}

export function steerEngine(engine: Pick<Engine, 'queue' | 'pause' | 'resume'>, [queue, what, value]: Steer): void {
  const control = queue === undefined ? engine : engine.queue(queue)
  if (what !== 'isPaused') (control as QueueControl)[what](value as never)
  else if (value) control.pause()
  else control.resume()
}

/** A queue that is read with `look` and set with `steer`. */
export const queueControl = (
  name: string,
  look: () => Pick<QueueControl, 'isPaused' | 'size' | 'running'>,
  steer: (steer: Steer) => void,
): QueueControl => ({
  get isPaused() {
    return look().isPaused
  },
  get size() {
    return look().size
  },
  get running() {
    return look().running
  },
  pause: () => steer([name, 'isPaused', true]),
  resume: () => steer([name, 'isPaused', false]),
  setConcurrency: (concurrency) => steer([name, 'setConcurrency', concurrency]),
  setRateLimit: (rateLimit) => steer([name, 'setRateLimit', rateLimit]),
})

import type { Engine, QueueControl } from '../engine/engine.ts'

/** One setting of the scheduler or of a queue. Each client keeps all settings, for the engine that runs the jobs next. */
export type Setting = readonly [
  queue: string | undefined,
  what: 'isPaused' | 'setConcurrency' | 'setRateLimit',
  value: unknown,
]

const keyOf = ([queue, what]: Setting): string => `${what} ${queue ?? ''}`

export const isSameSetting = (one: Setting, other: Setting): boolean => keyOf(one) === keyOf(other)

/** All settings, the newest of each kind. */
export class Settings {
  readonly #settings = new Map<string, Setting>()

  get all(): Setting[] {
    return [...this.#settings.values()]
  }

  keep(setting: Setting): void {
    const [, what, value] = setting
    // So everything begins.
    if (what === 'isPaused' && value === false) this.#settings.delete(keyOf(setting))
    else this.#settings.set(keyOf(setting), setting)
  }

  clear(): void {
    this.#settings.clear()
  }

  isPaused(queue: string | undefined): boolean {
    return this.#settings.get(keyOf([queue, 'isPaused', true]))?.[2] === true
  }
}

export function applySetting(engine: Pick<Engine, 'queue' | 'pause' | 'resume'>, [queue, what, value]: Setting): void {
  const control = queue === undefined ? engine : engine.queue(queue)
  if (what !== 'isPaused') (control as QueueControl)[what](value as never)
  else if (value) control.pause()
  else control.resume()
}

/** A queue that is read with `look` and set with `set`. */
export const queueControl = (
  name: string,
  look: () => Pick<QueueControl, 'isPaused' | 'size' | 'running' | 'nextStartAt'>,
  set: (setting: Setting) => void,
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
  get nextStartAt() {
    return look().nextStartAt
  },
  pause: () => set([name, 'isPaused', true]),
  resume: () => set([name, 'isPaused', false]),
  setConcurrency: (concurrency) => set([name, 'setConcurrency', concurrency]),
  setRateLimit: (rateLimit) => set([name, 'setRateLimit', rateLimit]),
})

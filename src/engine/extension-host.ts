import type { Listener } from '../events/event-bus.ts'
import type { EventType } from '../events/event-map.ts'
import type { JobHeaders } from '../job/record.ts'
import type { Attached } from './attached.ts'
import type { ExtensionHost, Turn } from './extension.ts'
import type { ExtensionParts } from './extension-parts.ts'
import { View } from './turn.ts'

/** What carries out a turn that no move has caused. */
interface Turns {
  turn(attached: Attached, write: (turn: Turn) => unknown, isRefusable: boolean): Promise<unknown>
}

/** What `open` receives. */
export class Host extends View implements ExtensionHost {
  readonly #turns: Turns

  constructor(parts: ExtensionParts, attached: Attached, turns: Turns) {
    super(parts, attached)
    this.#turns = turns
  }

  turn<Result>(write: (turn: Turn) => Result, { isRefusable = false } = {}): Promise<Result> {
    return this.#turns.turn(this.attached, write, isRefusable) as Promise<Result>
  }

  at(wallMs: number, callback: () => void, { keepsProcessAlive = false } = {}): () => void {
    const { timers, bus } = this.parts.jobs
    const timer = timers.at(wallMs, () => bus.call(callback), keepsProcessAlive)
    return () => timers.cancel(timer)
  }

  after(delayMs: number, callback: () => void, { keepsProcessAlive = false } = {}): () => void {
    const { timers, bus } = this.parts.jobs
    const timer = timers.after(delayMs, () => bus.call(callback), keepsProcessAlive)
    return () => timers.cancel(timer)
  }

  on<Type extends EventType>(type: Type, listener: Listener<Type>): () => void {
    const { jobs, lifecycle } = this.parts
    // The bus of a tab outlives the engine with which it led.
    const stop = jobs.bus.on(type, (event) => (lifecycle.isEnded ? stop() : listener(event)))
    return stop
  }

  sendAlong(jobId: string, headers: JobHeaders): void {
    const { attempt } = this.parts.jobs.index.get(jobId) ?? {}
    if (attempt && !attempt.isSent)
      attempt.headers = { ...attempt.headers, ...attempt.record.rules.headers, ...headers }
  }
}

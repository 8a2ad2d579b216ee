/** Somebody who adds jobs with keys, in all modes. */

import { dedupe } from '../../src/dedupe/dedupe.ts'
import type { OffstageError } from '../../src/shared/errors.ts'
import type { Job } from '../../src/typed-job.ts'
import { show } from './equal.ts'
import { type KeyCall, type Mode, merge, mixed } from './key-oracle.ts'
import type { SimInput } from './kinds.ts'
import type { UserHost } from './user.ts'

type AnyJob = Job<unknown, unknown, unknown>
type Add = (input: unknown, options: object) => Promise<AnyJob>

const modes: readonly Mode[] = ['return', 'reject', 'replace', 'debounce', 'throttle', 'coalesce']
const windows: Readonly<Record<Mode, readonly (number | undefined)[]>> = {
  return: [undefined, undefined, 5_000],
  reject: [undefined, undefined, 60_000],
  replace: [undefined],
  debounce: [50, 2_000],
  throttle: [300, 5_000],
  coalesce: [undefined, 1_000],
}

export class KeyUser {
  readonly #host: UserHost
  readonly #onJob: (job: AnyJob) => void
  /** Few at a time, so that they meet. */
  readonly #keys: readonly string[]

  constructor(host: UserHost, onJob: (job: AnyJob) => void) {
    this.#host = host
    this.#onJob = onJob
    this.#keys = Array.from({ length: 3 }, () => host.chance.of([...modes, mixed]))
  }

  add(): void {
    const { chance, oracle, scheduler, clock } = this.#host
    const tag = this.#host.nextTag()
    const key = chance.of(this.#keys)
    const mode = key === mixed ? chance.of(modes) : (key as Mode)
    const windowMs = chance.of(windows[mode])
    const name = chance.is(0.8) ? 'tiny' : '__proto__'
    const input: SimInput = {
      tag,
      of: 'key',
      merged: [tag],
      value: chance.value(tag, 100),
      // It stays the same when the job of the key gets another input.
      ...(oracle.hasExtensions && name === '__proto__' && { isWatched: true }),
    }
    const id = chance.is(0.3) ? `key ${tag}` : undefined
    const call: KeyCall = { tag, name, key, mode, windowMs, id, input, at: clock.now(), since: oracle.batches, isAtOnce: this.#host.isOpen } // biome-ignore format: one line.
    oracle.keys.asked(call)
    oracle.touchedKeys()
    const options = { ...this.#host.jobOptions(tag), ...(id && { id }), dedupe: { key, mode, windowMs } }
    this.#host.say(32, () => `add ${tag} ${name} ${show(options)}`)
    const { [name]: add } = dedupe(scheduler, { merge: merge as never }).add as Record<string, Add>
    this.#host.watch(
      `add ${tag}`,
      add?.(input, options) as Promise<AnyJob>,
      (job) => {
        oracle.keys.added(call, job.id, job.disposition)
        this.#onJob(job)
      },
      (error) => oracle.isStopped || oracle.keys.rejected(call, error as OffstageError),
    )
  }
}

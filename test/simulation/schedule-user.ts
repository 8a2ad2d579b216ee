/** Somebody who sets schedules, changes, pauses and removes them, at any moment. */

import { type Schedules, schedules } from '../../src/schedules/schedules.ts'
import type { OffstageError } from '../../src/shared/errors.ts'
import { show } from './equal.ts'
import type { SimInput } from './kinds.ts'
import { cronTexts, type SetCall, type SimSpec } from './schedule-oracle.ts'
import { jobNames, type UserHost } from './user.ts'

/** One has what stands between a schedule and its occurrence. */
const ids = ['hourly', 'a@b', '__proto__']

export class ScheduleUser {
  readonly #host: UserHost
  readonly #times = new Map<string, Pick<SimSpec, 'cron' | 'everyMs' | 'startAt' | 'endAt'>>()

  constructor(host: UserHost) {
    this.#host = host
  }

  get #plan(): Schedules {
    return schedules(this.#host.scheduler)
  }

  act(): void {
    const { chance } = this.#host
    const id = chance.of(ids)
    const pick = chance.int(20)
    if (pick < 9) return this.#set(id)
    if (pick < 11) return this.#ask('pause', id)
    if (pick < 14) return this.#ask('resume', id)
    if (pick < 16) return this.#ask('trigger', id)
    if (pick < 18) return this.remove(id)
    this.#look(id)
  }

  removeAll(): void {
    for (const id of ids) this.remove(id)
  }

  remove(id: string): void {
    this.#ask('remove', id)
  }

  #set(id: string): void {
    const { chance, oracle, clock } = this.#host
    const tag = this.#host.nextTag()
    const known = this.#times.get(id)
    const times = known && chance.is(0.4) ? known : this.#newTimes(clock.now())
    this.#times.set(id, times)
    const spec = { ...times, ...this.#policy() } as SimSpec
    const input: SimInput = { tag, of: 'schedule', value: chance.value(tag, 60) }
    const job = { name: chance.of(jobNames), input, options: this.#host.jobOptions(tag) }
    const call: SetCall = { tag, id, spec, name: job.name, input }
    const serial = oracle.schedules.asked('set', id, call)
    this.#host.say(30, () => `set ${tag} '${id}' ${show(spec)}`)
    this.#settle('set', id, serial, tag, this.#plan.set(id, spec, job))
  }

  #newTimes(now: number): Pick<SimSpec, 'cron' | 'everyMs' | 'startAt' | 'endAt'> {
    const { chance } = this.#host
    const times: Record<string, unknown> = chance.is(0.2)
      ? { cron: chance.of(cronTexts), timeZone: 'UTC' }
      : { everyMs: chance.of([700, 5_000, 60_000, 3_600_000]) }
    if (chance.is(0.2)) times.startAt = now + chance.of([-10_000, 3_000, 60_000])
    if (chance.is(0.2)) times.endAt = now + chance.of([-1_000, 20_000, 300_000])
    return times
  }

  #policy(): Partial<SimSpec> {
    const { chance } = this.#host
    const policy: Record<string, unknown> = {}
    if (chance.is(0.25)) policy.limit = 1 + chance.int(4)
    if (chance.is(0.15)) policy.jitterMs = chance.of([100, 20_000])
    if (chance.is(0.6)) policy.missed = chance.of(['skip', 'last', 'all', 'all'])
    if (policy.missed === 'all' && chance.is(0.8)) policy.missedMax = 1 + chance.int(3)
    if (chance.is(0.7)) policy.overlap = chance.of(['allow', 'skip', 'queue', 'replace'])
    return policy
  }

  #ask(verb: 'remove' | 'pause' | 'resume' | 'trigger', id: string): void {
    const serial = this.#host.oracle.schedules.asked(verb, id)
    this.#host.say(31, () => `${verb} '${id}'`)
    this.#settle(verb, id, serial, 0, this.#plan[verb](id))
  }

  #settle(
    verb: 'set' | 'remove' | 'pause' | 'resume' | 'trigger',
    id: string,
    serial: number,
    tag: number,
    promise: Promise<unknown>,
  ): void {
    const { oracle } = this.#host
    this.#host.watch(
      `schedules.${verb}`,
      promise,
      (result) => oracle.schedules.acknowledged(verb, id, serial, tag, result, oracle.truth.rows),
      (error) => oracle.isStopped || oracle.schedules.rejected(verb, id, tag, error as OffstageError),
    )
  }

  #look(id: string): void {
    const { chance } = this.#host
    const none = () => {}
    if (chance.is(0.5)) this.#host.watch('schedules.get', this.#plan.get(id), none, none)
    else this.#host.watch('schedules.list', this.#plan.list(), none, none)
  }
}

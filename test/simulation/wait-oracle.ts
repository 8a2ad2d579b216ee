/**
 * Waits and signals: what a job has recorded is never lost, a signal that was acknowledged is received once and in order, nothing
 * waits for a signal that is there, and nothing goes on before its time.
 */
import type { Step } from '../../src/engine/steps.ts'
import { isTerminal, type JobRecord } from '../../src/job/record.ts'
import { doneKey, type Outcome, signalKey, signalsAwaited, unread, waitsOf } from '../../src/job/waits.ts'
import type { SentWait } from '../../src/pool/protocol.ts'
import type { SimClock } from './sim-clock.ts'
import type { Stats } from './stats.ts'
import { assert } from './truth.ts'

interface World {
  readonly clock: SimClock
  readonly stats: Stats
}

export class WaitOracle {
  readonly #world: World
  /** By attempt whose thread has said that all of its code waits: for how long at least, in milliseconds. */
  readonly #heard = new Map<string, number>()

  constructor(world: World) {
    this.#world = world
  }

  /** A thread has said that all code of an attempt waits. */
  heard(key: string, waits: readonly SentWait[]): void {
    const now = this.#world.clock.now()
    const spans = waits.map(([, , , until, ms]) =>
      until === undefined ? (ms ?? Number.POSITIVE_INFINITY) : until - now,
    )
    this.#heard.set(key, Math.min(...spans))
  }

  /** Returns how long the attempt waits, as it was said when it ended. */
  spanOf(key: string): number {
    return this.#heard.get(key) as number
  }

  judge(
    { type }: Step,
    before: JobRecord,
    after: JobRecord,
    key: string,
    isDueByHand: boolean,
    what: () => string,
  ): void {
    if (type === 'wait') {
      assert(before.state === 'running' && this.#heard.has(key), 'I13', () => `${what()}, and its handler goes on`)
      const { failures, attempt, interruptions } = after
      const isFree =
        failures === before.failures && attempt === before.attempt && interruptions === before.interruptions
      assert(isFree, 'I13', () => `${what()} uses up an attempt`)
      this.#world.stats.count(after.state === 'queued' ? 'waits: what it waits for is there' : 'waits without a thread')
    }
    if (type === 'signal' && before.state !== after.state) this.#world.stats.count('waits: woken by a signal')
    for (const stepKey of type === 'complete' ? [] : (before.steps?.keys() ?? []))
      assert(after.steps?.has(stepKey) === true, 'I1', () => `${what()} loses '${stepKey}'`)
    this.#judgeSignals(after, what)
    this.#judgeTimes(before, after, isDueByHand, what)
  }

  #judgeSignals({ steps, state, attempt }: JobRecord, what: () => string): void {
    const sent: string[] = []
    const received: string[] = []
    for (const [key, value] of steps ?? []) {
      if (key.startsWith(signalKey(''))) sent.push((value as string[])[0] as string)
      const [kind, id] = key.startsWith(doneKey('')) ? (value as Outcome) : []
      if (kind === 'signal' && id !== undefined) received.push(id as string)
    }
    assert(new Set(sent).size === sent.length, 'W1', () => `${what()}: a signal is there twice`)
    assert(new Set(received).size === received.length, 'W1', () => `${what()}: a signal was received twice`)
    const inOrder = sent.filter((id) => received.includes(id))
    assert(inOrder.join() === received.join(), 'W1', () => `${what()}: signals were received in another order`)
    const names = new Set(signalsAwaited({ state, attempt, steps }))
    const missed = unread(steps).find(([, name]) => names.has(name))
    assert(!missed, 'W2', () => `${what()} waits for the signal '${missed?.[1]}', which is there`)
  }

  /** A sleep, or a wait for a signal without one, ends only when its time has come. */
  #judgeTimes(before: JobRecord, after: JobRecord, isDueByHand: boolean, what: () => string): void {
    const waits = waitsOf(before)
    if (!waits || isDueByHand) return
    for (const [kind, key, , until] of waits) {
      const outcome = after.steps?.get(doneKey(key)) as Outcome | undefined
      if (!outcome || before.steps?.has(doneKey(key)) || outcome[1] !== undefined) continue
      assert(outcome[0] === kind, 'W3', () => `${what()}: '${key}' is another wait`)
      this.#world.stats.count(kind === 'sleep' ? 'waits: slept' : 'waits: no signal in time')
      assert(
        (until as number) <= this.#world.clock.highest || before.runAt !== undefined,
        'W3',
        () => `${what()} too early`,
      )
    }
  }

  /** `signal` has resolved with true. */
  acknowledged(id: string, record: JobRecord | undefined, tag: number): void {
    if (!record || isTerminal(record.state)) return
    const isThere = [...(record.steps ?? [])].some(
      ([key, value]) => key.startsWith(signalKey('')) && (value as unknown[])[2] === tag,
    )
    assert(isThere, 'W1', () => `a signal to '${id}' is acknowledged, and is not there`)
  }
}

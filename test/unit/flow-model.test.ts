// Flows against a model of them that counts nothing: random jobs that wait for each other complete, fail, are tried again,
// cancelled, retried and removed, on a store whose process is killed, and whose power is cut, at any call of the disk. Whatever
// happens, each job is where the documentation says it is, handlers find what they waited for, and every flow comes to its end.
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { Checks, fits } from './flow-model/checks.ts'
import { type Act, advance, anyCommand, type Command, clean, complete } from './flow-model/commands.ts'
import { FlowModel, isEnded, type Keeps } from './flow-model/model.ts'
import { World } from './flow-model/world.ts'

/** On Deno a new task comes milliseconds later. */
const isSlow = 'Deno' in globalThis
const runs = Number(process.env.OFFSTAGE_MODEL_RUNS ?? (isSlow ? 10 : 100))
const commandsMax = Number(process.env.OFFSTAGE_MODEL_COMMANDS ?? 40)

/** In the middle of a command, and in the middle of the openings that follow: after so many calls of the disk each. */
interface Kill {
  readonly after: number
  readonly openings: readonly number[]
  readonly isPowerCut: boolean
  /** A job that ran when its process ended three times in a row fails. */
  readonly times: number
}

interface Step {
  readonly command: Command
  readonly kill: Kill | undefined
}

const anyKeep = fc.record({
  count: fc.constantFrom(0, 1, 3, Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY),
  ageMs: fc.constantFrom(0, 2_000, Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY),
})

const anySetting = fc.record({
  seed: fc.nat(),
  isRelaxed: fc.boolean(),
  workers: fc.integer({ min: 1, max: 3 }),
  keeps: fc.record({ completed: anyKeep, failed: anyKeep, cancelled: anyKeep }),
})

const anyKill: fc.Arbitrary<Kill> = fc.record({
  after: fc.nat({ max: 10 }),
  openings: fc.array(fc.nat({ max: 30 }), { maxLength: 2 }),
  isPowerCut: fc.boolean(),
  times: fc.constantFrom(1, 1, 1, 3),
})

const anyStep: fc.Arbitrary<Step> = fc.record({
  command: anyCommand,
  kill: fc.oneof({ weight: 7, arbitrary: fc.constant(undefined) }, { weight: 1, arbitrary: anyKill }),
})

/** One course of events. */
class Course {
  readonly #world: World
  #model: FlowModel
  readonly #checks: Checks
  readonly #trace: string[] = []

  constructor({
    seed,
    isRelaxed,
    workers,
    keeps,
  }: { seed: number; isRelaxed: boolean; workers: number; keeps: Keeps }) {
    this.#world = new World(seed, isRelaxed, workers, keeps)
    this.#model = new FlowModel(this.#world.clock.now(), keeps)
    this.#checks = new Checks(this.#world)
    this.#world.open()
    this.#trace.push(JSON.stringify({ seed, isRelaxed, workers, keeps }))
  }

  get #what(): string {
    return this.#trace.join(', ')
  }

  async run({ command, kill }: Step): Promise<void> {
    const act = command(this.#model, this.#world)
    if (!act) return
    this.#trace.push(act.name)
    if (kill) {
      await this.#runAndKill(act, kill)
      // What ran is tried again after a second.
      if (kill.times > 1) await this.#do(advance(1_000))
      if (kill.times > 1) await this.run({ command: advance(1), kill: { ...kill, times: kill.times - 1 } })
      return
    }
    act.apply(this.#model)
    await this.#carryOut(act)
    this.#checks.compare(this.#model, this.#what)
  }

  /** Whether it was said to be done. */
  async #carryOut(act: Act): Promise<boolean> {
    let outcome: { error?: unknown } | undefined
    act.carryOut(this.#world).then(
      () => (outcome = {}),
      (error) => (outcome = { error }),
    )
    await this.#world.settle()
    if (outcome && 'error' in outcome) throw outcome.error
    if (!this.#world.isDead) expect(outcome, `${this.#what}: is never done`).toBeDefined()
    return outcome !== undefined
  }

  /** What was said to be done is there afterwards; what was under way is there or not, but never in part. */
  async #runAndKill(act: Act, { after, openings, isPowerCut }: Kill): Promise<void> {
    const before = this.#model.clone()
    act.apply(this.#model)
    before.advance(this.#model.now - before.now)
    this.#world.killAfter(after)
    const isDone = await this.#carryOut(act)
    await this.#world.end(isPowerCut)
    this.#trace.push(isPowerCut ? 'power cut' : 'kill')
    this.#checks.noteStarts(this.#model, this.#what)
    let candidates = isDone ? [this.#model] : [this.#model, before]
    for (const calls of [...openings, Number.POSITIVE_INFINITY]) {
      this.#world.open()
      this.#world.killAfter(calls)
      await this.#find(candidates)
      const { found } = this.#world
      if (calls < Number.POSITIVE_INFINITY) await this.#world.end(isPowerCut)
      if (!found) continue
      const fitting = candidates.filter((each) => fits(each, found.records))
      if (fitting.length === 0) expect(this.#shown(), this.#what).toEqual(candidates.map((each) => each.present))
      this.#model = fitting[0] as FlowModel
      candidates = [this.#opened(), this.#model]
      if (this.#world.isDead) this.#checks.noteStarts(this.#model, this.#what)
    }
    this.#model = candidates[0] as FlowModel
    this.#checks.compare(this.#model, this.#what, false)
  }

  #shown() {
    return this.#world.found?.records.map(({ id, state, failures }) => ({ id, state, failures }))
  }

  /** As it is when what ran for the third time in a row has failed. */
  #opened(): FlowModel {
    const opened = this.#model.clone()
    const ran = this.#world.found?.records.filter(({ state, crashes }) => state === 'running' && crashes >= 2) ?? []
    opened.poison(ran.map(({ id }) => id))
    opened.restart()
    return opened
  }

  async #find(candidates: readonly FlowModel[]): Promise<void> {
    const flows = new Set(candidates.flatMap((each) => [...each.flows]))
    await this.#carryOut({
      name: 'open',
      apply() {},
      carryOut: (world) => Promise.all([...flows].map((id) => world.find(id))),
    })
  }

  /** Every flow comes to its end when its handlers do; then its records go, and nothing is left. */
  async finish(): Promise<void> {
    for (let round = 0; !this.#model.present.every(isEnded); round++) {
      expect(round, `${this.#what}: hangs`).toBeLessThan(300)
      await this.#do(this.#world.attempts.size > 0 ? complete(0) : advance(6_000))
    }
    await this.#do(advance(1e9))
    await this.#do(clean(0))
    await this.#close()
    this.#world.open()
    await this.#close()
    expect(this.#world.found, this.#what).toEqual({ records: [], rows: [] })
  }

  #do(command: Command): Promise<void> {
    return this.run({ command, kill: undefined })
  }

  async #close(): Promise<void> {
    const { scheduler, clock } = this.#world
    await this.#carryOut({ name: 'close', apply() {}, carryOut: () => scheduler.close() })
    expect(clock.timers, `${this.#what}: timers`).toBe(0)
  }
}

test('flows are where the model has them, whatever happens', { timeout: 20 * 60_000 }, async () => {
  const courses = fc.asyncProperty(
    anySetting,
    fc.array(anyStep, { maxLength: commandsMax, size: 'max' }),
    async (setting, steps) => {
      const course = new Course(setting)
      for (const step of steps) await course.run(step)
      await course.finish()
    },
  )
  await fc.assert(courses, { numRuns: runs, endOnFailure: false })
})

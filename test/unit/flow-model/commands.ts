// What somebody does to flows. Each command picks what it acts on when its turn comes, and acts on the model and on the real
// thing alike.
import fc from 'fast-check'
import { expect } from 'vitest'
import { type FlowModel, isEnded, type ModelJob } from './model.ts'
import { type AnyFlow, anyFlow, flowsMax, type Shape, shapeOf } from './shapes.ts'
import type { World } from './world.ts'

/** What is to be done, once it is clear to whom. */
export interface Act {
  readonly name: string
  apply(model: FlowModel): void
  /** Resolves when it is said to be done. */
  carryOut(world: World): Promise<unknown>
}

export type Command = (model: FlowModel, world: World) => Act | undefined

const pick = <Item>(items: readonly Item[], at: number): Item | undefined => items[at % items.length]

/** Mostly one for which it makes a difference. */
function pickJob(model: FlowModel, at: number, isFit: (job: ModelJob) => boolean): ModelJob | undefined {
  const jobs = model.present
  const fit = jobs.filter(isFit)
  return fit.length > 0 && at % 8 > 0 ? pick(fit, at >> 3) : pick(jobs, at >> 3)
}

/** No two results or errors are the same. */
let outcomes = 0

/** For messages: what each waits for, and its options. */
const describe = ({ nodes }: Shape): string =>
  nodes
    .map(({ path, parents, options: { attempts, priority, delayMs, keepMs } }) => {
      const after = parents.map(({ jobId, onFailure }) => `${jobId.split('/')[1]}:${onFailure}`)
      return `${path.join('.')}(${after} ${attempts} ${priority} ${delayMs} ${keepMs})`
    })
    .join(' ')

const add =
  (at: number, flow: AnyFlow): Command =>
  (model) => {
    const shape = shapeOf(at % flowsMax, flow)
    const isThere = model.flows.has(shape.id)
    return {
      name: `add ${shape.id}${isThere ? '' : ` ${describe(shape)}`}`,
      apply: (each) => {
        if (!isThere) each.add(shape)
      },
      carryOut: async (world) => {
        const { disposition } = await world.add(shape.id, shape.spec)
        expect(disposition).toBe(isThere ? 'existing' : 'created')
      },
    }
  }

export const complete =
  (at: number): Command =>
  (_, world) => {
    const id = pick([...world.attempts.keys()], at)
    if (id === undefined) return
    const result = `result ${++outcomes} of ${id}`
    return {
      name: `complete ${id}`,
      apply: (model) => model.complete(id, result),
      carryOut: () => world.endAttempt(id, (attempt) => attempt.complete(result)),
    }
  }

const fail =
  (at: number, isForGood: boolean): Command =>
  (_, world) => {
    const id = pick([...world.attempts.keys()], at)
    if (id === undefined) return
    const message = `failure ${++outcomes} of ${id}`
    return {
      name: `fail ${id}${isForGood ? ' for good' : ''}`,
      apply: (model) => model.failAttempt(id, message, isForGood),
      carryOut: () => world.endAttempt(id, (attempt) => attempt.fail(message, isForGood)),
    }
  }

/** The handler puts its job off. */
const snooze =
  (at: number, ms: number): Command =>
  (_, world) => {
    const id = pick([...world.attempts.keys()], at)
    if (id === undefined) return
    return {
      name: `snooze ${id} for ${ms}`,
      apply: (model) => model.snooze(id, ms),
      carryOut: () => world.endAttempt(id, (attempt) => attempt.snooze(ms)),
    }
  }

const cancel =
  (at: number): Command =>
  (model) => {
    const job = pickJob(model, at, (each) => !isEnded(each))
    if (!job) return
    const count = isEnded(job) ? 0 : 1
    return {
      name: `cancel ${job.id}`,
      apply: (each) => void each.cancel(job.id),
      carryOut: async ({ scheduler }) => expect(await scheduler.cancel(job.id)).toBe(count),
    }
  }

const cancelFlow =
  (at: number): Command =>
  (model) => {
    const flow = pick([...model.flows], at)
    if (flow === undefined) return
    const count = model.of(flow).filter((job) => !isEnded(job)).length
    return {
      name: `cancel ${flow}`,
      apply: (each) => void each.cancelFlow(flow),
      carryOut: async ({ handles }) => expect(await handles.get(flow)?.cancel()).toBe(count),
    }
  }

const retry =
  (at: number): Command =>
  (model) => {
    const job = pickJob(model, at, ({ id }) => model.canRetry(id))
    if (!job) return
    const count = model.canRetry(job.id) ? 1 : 0
    return {
      name: `retry ${job.id}`,
      apply: (each) => void each.retry(job.id),
      carryOut: async (world) => {
        expect(await world.scheduler.retry(job.id)).toBe(count)
        const flow = world.handles.get(job.flow)
        if (flow) world.watch(flow)
      },
    }
  }

const remove =
  (at: number): Command =>
  (model) => {
    const job = pickJob(model, at, isEnded)
    if (!job) return
    return {
      name: `remove ${job.id}`,
      apply: (each) => void each.remove(job.id),
      carryOut: async ({ scheduler }) => expect(await scheduler.remove(job.id)).toBe(1),
    }
  }

export const clean =
  (olderThanMs: number): Command =>
  (model) => {
    const count = model.clone().clean(olderThanMs)
    return {
      name: `clean(${olderThanMs})`,
      apply: (each) => void each.clean(olderThanMs),
      carryOut: async ({ scheduler }) => expect(await scheduler.clean({ olderThanMs })).toBe(count),
    }
  }

export const advance =
  (ms: number): Command =>
  () => ({
    name: `advance(${ms})`,
    apply: (model) => model.advance(ms),
    carryOut: async ({ clock }) => clock.advance(ms),
  })

/** So that a course of events can be read when it is reported. */
const named = (name: string, command: Command): Command => Object.assign(command, { [fc.toStringMethod]: () => name })

const number = fc.nat({ max: 1_000 })
const onOne = (name: string, make: (at: number) => Command) => number.map((at) => named(`${name}(${at})`, make(at)))

export const anyCommand: fc.Arbitrary<Command> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc
      .tuple(number, anyFlow)
      .map(([at, flow]) => named(`add(${describe(shapeOf(at % flowsMax, flow))})`, add(at, flow))),
  },
  { weight: 9, arbitrary: onOne('complete', complete) },
  { weight: 3, arbitrary: onOne('fail', (at) => fail(at, false)) },
  { weight: 2, arbitrary: onOne('fail for good', (at) => fail(at, true)) },
  { weight: 1, arbitrary: fc.constantFrom(0, 500).chain((ms) => onOne(`snooze for ${ms}`, (at) => snooze(at, ms))) },
  { weight: 2, arbitrary: onOne('cancel', cancel) },
  { weight: 1, arbitrary: onOne('cancel flow', cancelFlow) },
  { weight: 4, arbitrary: onOne('retry', retry) },
  { weight: 1, arbitrary: onOne('remove', remove) },
  { weight: 1, arbitrary: fc.constantFrom(0, 1_000, 10_000).map((ms) => named(`clean(${ms})`, clean(ms))) },
  { weight: 4, arbitrary: fc.constantFrom(1, 500, 1_000, 6_000).map((ms) => named(`advance(${ms})`, advance(ms))) },
)

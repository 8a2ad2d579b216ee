/** Somebody who adds flows and batches, appends, seals, cancels and looks, at any moment. */

import { batches } from '../../src/flows/batches.ts'
import { flows } from '../../src/flows/flows.ts'
import type { OffstageError } from '../../src/shared/errors.ts'
import { show } from './equal.ts'
import type { BatchCall, FlowCall } from './flow-oracle.ts'
import type { SimInput } from './kinds.ts'
import { jobNames, type UserHost } from './user.ts'

const callbackNames = ['onSuccess', 'onComplete', 'onDeath'] as const
interface SimJob {
  readonly name: string
  readonly input: SimInput
  readonly options: Record<string, unknown>
}

export class FlowUser {
  readonly #host: UserHost
  #serial = 0
  /** The newest, some of which are gone. */
  #flows: string[] = []
  #batches: string[] = []

  constructor(host: UserHost) {
    this.#host = host
  }

  act(): void {
    const { chance } = this.#host
    const pick = chance.int(15)
    if (pick < 4) return this.#addFlow()
    if (pick < 7) return this.#addBatch()
    if (pick < 9) return this.#append()
    if (pick < 10) return this.#seal(chance.of(this.#batches))
    if (pick < 11) return this.#look()
    if (pick < 14) return this.#actOnJob()
    this.#cancel()
  }

  sealAll(): void {
    for (const id of this.#host.oracle.flows.openBatches(this.#host.oracle.truth.rows)) this.#seal(id)
  }

  #job(of: 'flow' | 'batch', within: string): SimJob {
    const { chance, oracle } = this.#host
    const tag = this.#host.nextTag()
    const input: SimInput = { tag, of, within, value: chance.value(tag, 60) }
    oracle.adds.set(tag, { tag, input, options: {} })
    const options = this.#host.jobOptions(tag)
    // What is let go soon shows whether results are kept for those that need them.
    if (chance.is(0.2)) options.keepMs = 0
    return { name: chance.of(jobNames), input, options }
  }

  // Flows.

  #addFlow(): void {
    const { oracle } = this.#host
    const id = `flow ${++this.#serial}`
    const call: FlowCall = { id, tags: [], nodes: new Map() }
    const spec = this.#members(call, '', [], 1 + this.#host.chance.int(6))
    oracle.flows.askedFlow(call)
    this.#flows = [...this.#flows, id].slice(-5)
    this.#host.say(40, () => `add ${show(spec)}`)
    this.#host.watch(
      `add ${id}`,
      flows(this.#host.scheduler).add(spec as never, { id }),
      (flow) => oracle.flows.addedFlow(call, flow.snapshot()),
      (error) => this.#refused(call.tags, error as OffstageError),
    )
  }

  /** Members, each of which waits for some of those before it; `outer`: what those wait for that wait for none of these. */
  #members(
    call: FlowCall,
    prefix: string,
    outer: FlowCall['nodes'] extends Map<string, infer Parents> ? Parents : never,
    size: number,
  ): object {
    const { chance } = this.#host
    const spec: Record<string, unknown> = {}
    const sinks = new Map<string, string[]>()
    for (let index = 0; index < size; index++) {
      const key = `n${index}`
      const keys = Object.keys(spec).filter(() => chance.is(0.4))
      const after = keys.map((parent) => ({
        key: parent,
        onFailure: chance.of(['fail', 'cancel', 'continue'] as const),
      }))
      const own = after.flatMap(({ key: parent, onFailure }) =>
        (sinks.get(parent) as string[]).map((jobId) => ({ jobId, onFailure })),
      )
      const parents = own.length > 0 ? own : outer
      if (prefix === '' && chance.is(0.15)) {
        const flow = this.#members(call, `${key}.`, parents, 1 + chance.int(2))
        spec[key] = { flow, after }
        const inner = Object.keys(flow)
        const awaited = new Set(
          Object.values(flow).flatMap((member) => (member.after as { key: string }[]).map((edge) => edge.key)),
        )
        sinks.set(
          key,
          inner.filter((each) => !awaited.has(each)).map((each) => `${call.id}/${key}.${each}`),
        )
        continue
      }
      const job = this.#job('flow', call.id)
      const jobId = `${call.id}/${prefix}${key}`
      call.tags.push(job.input.tag)
      call.nodes.set(jobId, parents)
      sinks.set(key, [jobId])
      spec[key] = { ...job, after }
    }
    return spec
  }

  /** What others wait for is removed, or runs again. */
  #actOnJob(): void {
    const { chance, oracle } = this.#host
    const id = chance.of(this.#flows)
    const jobId = id === undefined ? undefined : chance.of([...oracle.flows.jobsOf(id)])
    if (jobId !== undefined) this.#host.actOn(chance.of(['remove', 'retry', 'retry', 'cancel']), jobId)
  }

  #cancel(): void {
    const { chance, oracle, scheduler } = this.#host
    const id = chance.of(this.#flows)
    if (id === undefined) return
    this.#host.say(41, () => `cancel ${id}`)
    for (const jobId of oracle.flows.jobsOf(id)) oracle.verbs.set(jobId, (oracle.verbs.get(jobId) ?? 0) + 1)
    const none = () => {}
    const found = flows(scheduler)
      .get(id)
      .then((flow) => flow?.cancel())
    this.#host.watch(`flow cancel ${id}`, found, none, none)
  }

  // Batches.

  #addBatch(): void {
    const { oracle, scheduler } = this.#host
    const id = `batch ${++this.#serial}`
    const call: BatchCall = { id, isOpen: false, parent: undefined, tags: [], callbacks: {} }
    const { jobs, options } = this.#batch(call, 0)
    oracle.flows.askedBatch(call)
    this.#batches = [...this.#batches, id].slice(-4)
    this.#host.say(42, () => `add ${id} ${show(jobs)} ${show(options)}`)
    this.#host.watch(
      `add ${id}`,
      batches(scheduler).add(jobs as never, { ...options, id }),
      () => oracle.flows.addedBatch(call),
      (error) => this.#refused(call.tags, error as OffstageError),
    )
  }

  #batch(call: BatchCall, depth: number): { jobs: unknown[]; options: Record<string, unknown> } {
    const { chance, oracle } = this.#host
    const jobs = Array.from({ length: chance.int(4) }, () => {
      if (depth > 1 || !chance.is(0.2)) {
        const job = this.#job('batch', call.id)
        call.tags.push(job.input.tag)
        return job
      }
      const id = `batch ${++this.#serial}`
      const inner: BatchCall = { id, isOpen: false, parent: call.id, tags: call.tags, callbacks: {} }
      const { jobs: batch, options } = this.#batch(inner, depth + 1)
      oracle.flows.askedBatch(inner)
      this.#batches = [...this.#batches, id].slice(-4)
      return { batch, ...options, id }
    })
    call.isOpen = chance.is(0.3)
    const options: Record<string, unknown> = { open: call.isOpen }
    for (const name of callbackNames) {
      if (chance.is(0.4)) continue
      const job = this.#job('batch', `${name} ${call.id}`)
      call.callbacks[name] = job.input.tag
      call.tags.push(job.input.tag)
      options[name] = job
    }
    return { jobs, options }
  }

  #append(): void {
    const { chance, oracle, scheduler } = this.#host
    const id = chance.of(this.#batches)
    if (id === undefined) return
    const jobs = Array.from({ length: 1 + chance.int(2) }, () => this.#job('batch', id))
    const tags = jobs.map(({ input }) => input.tag)
    this.#host.say(43, () => `append to ${id}: ${tags}`)
    const found = batches(scheduler)
      .get(id)
      .then(async (batch) => {
        await batch?.append(jobs as never)
        return batch !== undefined
      })
    this.#host.watch(
      `append ${id}`,
      found,
      (isThere) => isThere && oracle.flows.appended(tags),
      (error) => this.#refused(tags, error as OffstageError),
    )
  }

  /** What a handler appends, which may be too much, or wrong. */
  appendedBy({ within = '' }: SimInput): unknown {
    const { chance } = this.#host
    return Array.from({ length: 1 + chance.int(2) }, () => {
      const { options, ...job } = this.#job('batch', within.replace(/^on\w+ /, ''))
      return { ...job, options: chance.is(0.05) ? { attempts: -1 } : options }
    })
  }

  #seal(id: string | undefined): void {
    const { scheduler, oracle } = this.#host
    if (id === undefined) return
    this.#host.say(44, () => `seal ${id}`)
    oracle.flows.askedToSeal(id)
    const found = batches(scheduler)
      .get(id)
      .then(async (batch) => {
        await batch?.seal()
        return batch !== undefined
      })
    this.#host.watch(
      `seal ${id}`,
      found,
      (isThere) => isThere && oracle.flows.sealed(id, oracle.truth.rows),
      () => {},
    )
  }

  #look(): void {
    const { chance, oracle, scheduler } = this.#host
    const id = chance.of(this.#batches)
    const none = () => {}
    if (id === undefined) return
    // It settles when the batch has ended, or with the scheduler.
    const found = batches(scheduler)
      .get(id)
      .then((batch) => batch?.result())
    this.#host.watch(`result ${id}`, found, (counts) => counts && oracle.flows.ended(id, counts), none)
  }

  #refused(tags: readonly number[], { code, message }: OffstageError): void {
    const { oracle } = this.#host
    oracle.flows.refused(code)
    if (oracle.isStopped || code === 'SCHEDULER_CLOSED' || message.startsWith('The change is not stored yet')) return
    for (const tag of tags) oracle.addRejected({ tag, input: undefined, options: {} }, code)
  }
}

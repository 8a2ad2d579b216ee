import type { BatchCounts } from '../flows/batches-extension.ts'
import type { FlowSnapshot } from '../flows/flow.ts'
import type { Scheduler } from '../typed-scheduler.ts'

interface Family<Snapshot> {
  readonly id: string
  readonly snapshot: () => Snapshot
}

/** What the panel asks the flows of a scheduler. */
export interface PanelFlows {
  /** The flow with this id. */
  get(id: string): Promise<(Family<FlowSnapshot> & { cancel(): Promise<number> }) | undefined>
}

/** What the panel asks the batches of a scheduler. */
export interface PanelBatches {
  /** The batch with this id. */
  get(id: string): Promise<Family<BatchCounts> | undefined>
}

/** So many jobs of either kind are looked at for the flows and batches that they belong to. */
const lookedMax = 2_000
/** And so many of these are shown. */
const familiesMax = 100

const ofJobs = [
  ['scheduled', 'blocked', 'queued', 'running'],
  ['failed', 'completed', 'cancelled'],
] as const

/**
 * The flows and batches that are known here. Nothing lists them, but the ids of their jobs begin with theirs, unless the application
 * has given the jobs ids of its own; then their events say them, or somebody who knows them.
 */
export class Families {
  readonly flows = new Map<string, NonNullable<Awaited<ReturnType<PanelFlows['get']>>>>()
  readonly batches = new Map<string, NonNullable<Awaited<ReturnType<PanelBatches['get']>>>>()
  readonly #scheduler: Scheduler
  readonly #ofFlows: PanelFlows | undefined
  readonly #ofBatches: PanelBatches | undefined
  readonly #asked = new Set<string>()

  constructor(scheduler: Scheduler, flows: PanelFlows | undefined, batches: PanelBatches | undefined) {
    this.#scheduler = scheduler
    this.#ofFlows = flows
    this.#ofBatches = batches
  }

  /** Whether there can be any. */
  get isThere(): boolean {
    return this.#ofFlows !== undefined || this.#ofBatches !== undefined
  }

  /** Looks for those that are not known yet. */
  async look(): Promise<void> {
    const jobs = await Promise.all(ofJobs.map((state) => this.#scheduler.find({ state, limit: lookedMax })))
    const prefixes = jobs.flat().flatMap(({ id }) => /^(.+)\//s.exec(id)?.[1] ?? [])
    const unasked = [...new Set(prefixes)].filter((id) => !this.#asked.has(id))
    await Promise.all(unasked.slice(0, familiesMax).map((id) => this.add(id)))
  }

  /** Resolves with whether there is a flow or a batch with this id. */
  async add(id: string): Promise<boolean> {
    this.#asked.add(id)
    const [flow, batch] = await Promise.all([this.#ofFlows?.get(id), this.#ofBatches?.get(id)])
    if (flow) this.flows.set(id, flow)
    if (batch) this.batches.set(id, batch)
    for (const known of [this.flows, this.batches])
      if (known.size > familiesMax) known.delete(known.keys().next().value as string)
    return Boolean(flow ?? batch)
  }
}

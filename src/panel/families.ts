import type { ListedBatch } from '../flows/batches-extension.ts'
import type { ListedFlow } from '../flows/flows-extension.ts'
import type { ListOptions } from '../flows/row-list.ts'
import type { Job } from '../typed-job.ts'

/** What the panel asks the flows of a scheduler. */
export interface PanelFlows {
  /** A page of them, the newest first. */
  list(options: ListOptions): Promise<readonly ListedFlow[]>
  /** The flow with this id, with the handles of its jobs by key. */
  get(id: string): Promise<{ readonly id: string; readonly jobs: object; cancel(): Promise<number> } | undefined>
}

/** What the panel asks the batches of a scheduler. */
export interface PanelBatches {
  /** A page of them, the newest first. */
  list(options: ListOptions): Promise<readonly ListedBatch[]>
}

/** The jobs of a flow in a list, with their keys; those of a flow within it behind its own key, with a dot. */
export function* jobsOf(members: object, prefix = ''): Generator<readonly [key: string, job: Job]> {
  for (const [key, member] of Object.entries(members)) {
    // A member of a flow within it may have the key `snapshot`, but is no function.
    if (typeof member.snapshot === 'function') yield [prefix + key, member]
    else yield* jobsOf(member, `${prefix}${key}.`)
  }
}

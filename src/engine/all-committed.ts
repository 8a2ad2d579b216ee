import type { Inserted } from './engine.ts'
import type { JobView } from './job-view.ts'

/** Mostly they are of one batch: when the first is committed, so are all. */
export async function allCommitted(
  inserted: readonly Inserted[],
  whenCommitted: (job: JobView) => Promise<void>,
): Promise<void> {
  for (const { job, along } of inserted) {
    if (!job.committed) await whenCommitted(job)
    if (along && !along.committed) await whenCommitted(along)
  }
}

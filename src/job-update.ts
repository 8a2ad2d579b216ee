import { changesChecks } from './job/job-options.ts'
import type { JobChanges } from './job/transition.ts'
import * as check from './shared/check.ts'
import { copyValue } from './shared/clone.ts'
import type { JobUpdate } from './typed-scheduler.ts'

/** Checks and copies the changes of the caller. `checkStorable` throws for an input that the store cannot keep. */
export function takeChanges(given: JobUpdate, checkStorable: (value: unknown, what: string) => void): JobChanges {
  check.checkArgument('changes', check.object, given)
  const changes = check.deepCopy(given, 1)
  check.checkOptions(changes, changesChecks)
  const { input, runAt, priority, tags, version } = changes
  return {
    ...(input !== undefined && { input: copyValue(input, 'input', checkStorable) }),
    runAt: runAt === undefined ? undefined : Number(runAt),
    priority,
    tags: check.deepCopy(tags),
    version,
  }
}

// A call that names a job waits for all that was written by then. That job may be committed long before.
import { createScheduler, inline } from 'offstage'
import { defineJobs } from 'offstage/worker'
import { expect, onTestFinished, test } from 'vitest'
import { defer } from '../../src/shared/deferred.ts'
import { OffstageError } from '../../src/shared/errors.ts'
import { memoryStore } from '../../src/store/memory-store.ts'
import type { StoreHost } from '../../src/store/store.ts'

const jobs = defineJobs({ note: (value: number) => value })

test('an `add` that finds a job which is being committed resolves with it, also when the store stops right after that', async () => {
  const commits: ReturnType<typeof defer<void>>[] = []
  let host: StoreHost | undefined
  const store = {
    ...memoryStore(),
    isDurable: true,
    open(given: StoreHost) {
      host = given
      return { records: [], rows: [] }
    },
    commit() {
      const commit = defer<void>()
      commits.push(commit)
      return commit.promise
    },
  }
  const scheduler = createScheduler<typeof jobs>(inline(jobs), { store })
  onTestFinished(() => scheduler.close({ mode: 'now' }))
  scheduler.pause()
  const first = scheduler.add.note(1, { id: 'first' })
  await Promise.resolve()
  expect(commits).toHaveLength(1)

  const other = expect(scheduler.add.note(2, { id: 'other' })).rejects.toMatchObject({ code: 'STORE_LOCKED' })
  const again = scheduler.add.note(1, { id: 'first' })
  commits[0]?.resolve()
  expect((await first).id).toBe('first')
  await expect.poll(() => commits.length).toBe(2)
  host?.stopped(new OffstageError('STORE_LOCKED', 'somebody else has it'))
  await other
  expect((await again).disposition).toBe('existing')
})

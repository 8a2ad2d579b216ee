// A store that refuses batches, at will: what was to be added is given up, as it was added, and everything else goes again.
import { createScheduler, inline } from 'offstage'
import { manualClock } from 'offstage/testing'
import { expect, onTestFinished, test } from 'vitest'
import { type Deferred, defer } from '../../src/shared/deferred.ts'
import { OffstageError } from '../../src/shared/errors.ts'
import { memoryStore } from '../../src/store/memory-store.ts'
import type { Change } from '../../src/store/store.ts'
import { jobs } from '../fixtures/jobs.ts'
import { turn } from '../support/testing.ts'

const full = new Error('disk full')

/** Nothing starts, and each batch waits for its answer. */
function setUp() {
  const batches: Deferred<void>[] = []
  let isOver = false
  const clock = manualClock()
  const commit = () => {
    const batch = defer<void>()
    batches.push(batch)
    if (isOver) batch.resolve()
    return batch.promise
  }
  const store = { ...memoryStore(), isDurable: true, commit }
  const scheduler = createScheduler<typeof jobs>(inline(jobs), { store, clock })
  scheduler.pause()
  onTestFinished(() => {
    isOver = true
    for (const batch of batches) batch.resolve()
    const closing = scheduler.close({ mode: 'now' })
    clock.advance(1_000) // What was refused goes again.
    return closing
  })
  return { scheduler, batches }
}

/** One call is just adding a job when another wants the same job and one more. */
async function addBehind() {
  const { scheduler, batches } = setUp()
  const first = scheduler.add.double(1, { id: 'same' })
  await turn()
  const both = scheduler.addMany([
    { name: 'double', input: 2 },
    { name: 'double', input: 3, options: { id: 'same' } },
  ])
  return { scheduler, batches, first, both }
}

test('what cannot be encoded although it was checked is refused alone', async () => {
  const store = { ...memoryStore(), isDurable: true }
  const commit = (changes: readonly Change[]) => {
    for (const { after } of changes) if (after?.input === 666) throw new OffstageError('DATA_CLONE', 'no')
  }
  let isWicked = false
  const check = (value: unknown) => {
    if (isWicked && value === 666) throw new OffstageError('DATA_CLONE', 'no')
  }
  const scheduler = createScheduler<typeof jobs>(inline(jobs), { store: { ...store, commit, check } })
  onTestFinished(() => scheduler.close({ mode: 'now' }))
  const adding = [scheduler.add.double(1), scheduler.add.double(666), scheduler.add.double(2)]
  isWicked = true
  const added = await Promise.allSettled(adding)
  expect(added.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled'])
})

test('an `addMany` with a job that another call is just adding is stored whole, whatever becomes of that call', async () => {
  const { scheduler, batches, first, both } = await addBehind()
  await turn()
  batches[0]?.reject(full)
  await expect(first).rejects.toMatchObject({ code: 'STORE_WRITE_FAILED', cause: full })
  await turn()
  batches[1]?.resolve()
  expect((await both).map(({ input, disposition }) => [input, disposition])).toEqual([
    [2, 'created'],
    [3, 'created'],
  ])
  expect(await scheduler.counts()).toMatchObject({ queued: 2 })
})

test('an `addMany` finds the job that another call was just adding, once that is committed', async () => {
  const { batches, first, both } = await addBehind()
  batches[0]?.resolve()
  await first
  await turn()
  batches[1]?.resolve()
  expect((await both).map(({ input, disposition }) => [input, disposition])).toEqual([
    [2, 'created'],
    [1, 'existing'],
  ])
})

test('an `add` of a committed job does not wait for later batches', async () => {
  const { scheduler, batches } = setUp()
  const first = scheduler.add.double(1, { id: 'same' })
  await turn()
  batches[0]?.resolve()
  await first
  const moving = scheduler.setPriority('same', 1)
  await turn()
  const again = scheduler.add.double(1, { id: 'same' })
  batches[1]?.reject(full)
  expect((await again).disposition).toBe('existing')
  expect(await Promise.race([moving, 'not yet'])).toBe('not yet')
})

test('what is done to a job that is just being added was not done when the store does not take that job', async () => {
  const { scheduler, batches } = setUp()
  const adding = scheduler.add.double(1, { id: 'refused' })
  const moving = scheduler.setPriority('refused', 3)
  await turn()
  batches[0]?.reject(full)
  await expect(adding).rejects.toMatchObject({ code: 'STORE_WRITE_FAILED' })
  expect(await moving).toBe(false)
})

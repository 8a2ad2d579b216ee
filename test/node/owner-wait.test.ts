// `waitForLockMs`: a scheduler that finds its folder open elsewhere tries again for that long.
import { createScheduler, inline } from 'offstage'
import { type FileStoreOptions, fileStore } from 'offstage/file'
import { manualClock } from 'offstage/testing'
import { defineJobs } from 'offstage/worker'
import { beforeEach, expect, onTestFinished, test } from 'vitest'
import { temporaryFolder } from '../support/testing.ts'

const jobs = defineJobs({ double: (n: number) => n * 2 })
const folders = temporaryFolder()
let folder: string
let last = 0
beforeEach(() => {
  folder = `${folders}/store-${++last}`
})

function open(options: FileStoreOptions = {}, clock = manualClock()) {
  const scheduler = createScheduler<typeof jobs>(inline(jobs), { store: fileStore(folder, options), clock })
  onTestFinished(() => scheduler.close({ mode: 'now' }))
  return scheduler
}

/** It has asked, and waits to ask again. */
const untilItWaits = (clock: { readonly timers: number }) => expect.poll(() => clock.timers, { interval: 5 }).toBe(1)

const locked = { code: 'STORE_LOCKED', message: expect.stringContaining('/store-') }

test('without it the answer comes at once, and names the folder', async () => {
  await open().counts()
  const clock = manualClock()
  await expect(open({}, clock).counts()).rejects.toMatchObject({
    code: 'STORE_LOCKED',
    message: expect.stringContaining(`'${folder}' is open in process ${process.pid}`),
  })
  expect(clock.timers).toBe(0)
})

test('calls wait until the folder is free', async () => {
  const first = open()
  await first.counts()
  const clock = manualClock()
  const second = open({ waitForLockMs: 60_000 }, clock)
  const result = second.run.double(21)
  for (let round = 0; round < 3; round++) {
    await untilItWaits(clock)
    clock.advance(200)
  }
  await untilItWaits(clock)
  await first.close()
  clock.advance(200)
  expect(await result).toBe(42)
})

test('and no longer than it says', async () => {
  await open().counts()
  const clock = manualClock()
  const second = open({ waitForLockMs: 500 }, clock)
  let error: unknown
  const counts = second.counts().catch((thrown) => {
    error = thrown
  })
  for (const ms of [200, 200, 99]) {
    await untilItWaits(clock)
    clock.advance(ms)
  }
  expect(error).toBeUndefined()
  clock.advance(1)
  await counts
  expect(error).toMatchObject(locked)
  expect(clock.timers).toBe(0)
})

test('closing it ends the wait', async () => {
  const first = open()
  await first.counts()
  const clock = manualClock()
  const second = open({ waitForLockMs: Number.POSITIVE_INFINITY }, clock)
  const refused = expect(second.counts()).rejects.toMatchObject(locked)
  await untilItWaits(clock)
  await second.close()
  await refused
  expect(clock.timers).toBe(0)
  // What it waited for is not its own, and still somebody's.
  expect(await first.run.double(2)).toBe(4)
})

test.each([-1, Number.NaN, '5', null])('%j is refused', (waitForLockMs) => {
  expect(() => fileStore(folder, { waitForLockMs } as never)).toThrow(/`waitForLockMs`/)
})

// A large value never holds the thread: its bytes are copied into frames, and their checksum is calculated, in slices, each in a
// task of its own. That is counted, not timed.
import { beforeEach, expect, onTestFinished, test, vi } from 'vitest'
import { createRecord, resolveDefaults } from '../../src/job/job-options.ts'
import { hop } from '../../src/platform/hop.ts'
import { systemClock } from '../../src/platform/host.ts'
import type { Clock } from '../../src/shared/clock.ts'
import { seededRandom } from '../../src/shared/seeded-random.ts'
import { Journal } from '../../src/store/journal.ts'
import type { Change } from '../../src/store/store.ts'
import { MemoryMedium } from '../support/memory-medium.ts'

const work = vi.hoisted(() => ({ task: 0, bytesByTask: new Map<number, number>() }))

vi.mock('../../src/platform/crc32.ts', async (original) => {
  const { crc32, ...others } = await original<typeof import('../../src/platform/crc32.ts')>()
  const counted = (bytes: Uint8Array, seed?: number) => {
    work.bytesByTask.set(work.task, (work.bytesByTask.get(work.task) ?? 0) + bytes.length)
    return crc32(bytes, seed)
  }
  return { ...others, crc32: counted }
})

const MiB = 1024 * 1024
const sliceBytes = 512 * 1024

beforeEach(() => {
  let isOver = false
  // The hop comes before all that are asked for in the task, so what they do counts for the next task.
  const next = () => {
    work.task++
    if (!isOver) hop(next)
  }
  hop(next)
  onTestFinished(() => {
    isOver = true
  })
})

/** The most bytes that one task has summed up, and all of them. */
function worked(): { most: number; all: number } {
  const bytes = [...work.bytesByTask.values()]
  work.bytesByTask.clear()
  return { most: Math.max(...bytes), all: bytes.reduce((sum, each) => sum + each, 0) }
}

async function open(generations: Uint8Array[][] = [[]], clock: Clock = systemClock) {
  const journal = new Journal(new MemoryMedium(generations), { valueBytesMax: 64 * MiB })
  const host = { clock, random: seededRandom(1), errors: [], report: () => {}, stopped: () => {} }
  const { records } = await journal.open(host)
  onTestFinished(() => journal.close())
  return { journal, generations, records }
}

const insert = (seq: number, input: unknown): Change => ({
  before: undefined,
  after: createRecord({ id: `job ${seq}`, name: 'work', input, seq, lineTime: 0 }, {}, resolveDefaults({}), 0),
})
const bytesOf = (length: number) => Uint8Array.from({ length }, (_, index) => index % 251)

test('a value of 10 MB, and several at once, are written in slices', async () => {
  const { journal, generations } = await open()
  worked()
  await journal.commit([insert(1, bytesOf(10 * MiB))])
  const one = worked()
  expect(one.most).toBeLessThan(sliceBytes + 100)
  expect(one.all).toBeGreaterThan(10 * MiB)
  await journal.commit([2, 3, 4].map((seq) => insert(seq, { image: bytesOf(3 * MiB).buffer, at: seq })))
  const three = worked()
  expect(three.most).toBeLessThan(sliceBytes + 100)
  expect(three.all).toBeGreaterThan(9 * MiB)
  await journal.close()
  const { records } = await open(generations)
  const [first, second] = records.map(({ input }) => input) as [Uint8Array, { image: ArrayBuffer }]
  expect(Buffer.compare(first, bytesOf(10 * MiB))).toBe(0)
  expect(Buffer.compare(new Uint8Array(second.image), bytesOf(3 * MiB))).toBe(0)
})

test('small batches are written at once', async () => {
  const { journal } = await open()
  const { task } = work
  for (const input of [bytesOf(100_000), 'small', 'x'.repeat(50_000)]) {
    journal.check(input, 'input')
    await journal.commit([insert(1, input)])
  }
  expect(work.task).toBe(task)
})

test('a value that took long to measure is written in another task', async () => {
  const { journal } = await open()
  const encode = vi.spyOn(TextEncoder.prototype, 'encodeInto')
  onTestFinished(() => encode.mockRestore())
  const text = 'x'.repeat(100_000)
  journal.check(text, 'input')
  const { task } = work
  const committed = journal.commit([insert(1, text)])
  await undefined
  expect(encode).toHaveBeenCalledTimes(1)
  await committed
  expect(encode).toHaveBeenCalledTimes(2)
  expect(work.task).toBeGreaterThan(task)
})

test('several values that take long to write are written one by one', async () => {
  let now = 0
  const { journal } = await open([[]], { ...systemClock, monotonic: () => now++ * 2 })
  const { task } = work
  await journal.commit(Array.from({ length: 10 }, (_, seq) => insert(seq, 'x'.repeat(100_000))))
  // Each takes two milliseconds, and a slice three.
  expect(work.task - task).toBeGreaterThanOrEqual(5)
})

// A large value never holds the thread: its bytes are copied into frames, and their checksum is calculated, in slices, each in a
// task of its own. That is counted, not timed.
import { beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest'
import { createRecord, resolveDefaults } from '../../src/job/job-options.ts'
import type { JobRecord } from '../../src/job/record.ts'
import { hop } from '../../src/platform/hop.ts'
import { systemClock } from '../../src/platform/host.ts'
import type { Clock } from '../../src/shared/clock.ts'
import { seededRandom } from '../../src/shared/seeded-random.ts'
import { Journal } from '../../src/store/journal.ts'
import type { Change } from '../../src/store/store.ts'
import { MemoryMedium } from '../support/memory-medium.ts'

const work = vi.hoisted(() => {
  vi.resetModules() // Files of tests share modules; here they are loaded anew, with the mock.
  return { task: 0, bytesByTask: new Map<number, number>() }
})

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
  const { journal } = await open([[]], { ...systemClock, monotonic: () => 0 })
  const { task } = work
  for (const input of [bytesOf(100_000), 'small', 'x'.repeat(50_000)]) {
    journal.check(input, 'input')
    await journal.commit([insert(1, input)])
  }
  expect(work.task).toBe(task)
})

test.each([
  ['ASCII', 'x', 1],
  ['Latin 1', 'é', 1],
  ['other', '\u4e2d', 2],
])('a long text is not written when it is checked, and then in slices: %s', async (_kind, unit, bytesPerUnit) => {
  const { journal, generations } = await open()
  const encode = vi.spyOn(TextEncoder.prototype, 'encodeInto')
  onTestFinished(() => encode.mockRestore())
  const text = unit.repeat((5 * MiB) / bytesPerUnit)
  worked()
  journal.check(text, 'input')
  journal.check({ text }, 'input')
  expect(encode).not.toHaveBeenCalled()
  await journal.commit([insert(1, text), insert(2, { text })])
  const { most, all } = worked()
  expect(most).toBeLessThan(sliceBytes + 200)
  expect(all).toBeGreaterThan(10 * MiB)
  await journal.close()
  const { records } = await open(generations)
  expect(records.map(({ input }) => input)).toEqual([text, { text }])
})

describe('a tree of many objects', () => {
  const shared = { at: 'several places' }
  const tree = {
    people: Array.from({ length: 5_000 }, (_, id) => ({ id, name: `person ${id}`, tags: ['a', 'b'], shared })),
    byName: new Map(Array.from({ length: 3_000 }, (_, id) => [`person ${id}`, { id, shared }])),
    ids: new Set(Array.from({ length: 3_000 }, (_, id) => id * 1.5)),
    sparse: Object.assign(new Array(20_000), { 3: shared, 19000: 'end' }),
    image: bytesOf(100_000),
    text: 'x'.repeat(100_000),
    when: new Date(5),
  }

  test('is encoded in slices, and not to measure it', async () => {
    let now = 0
    const { journal, generations } = await open([[]], { ...systemClock, monotonic: () => now++ })
    const { people } = tree
    journal.check({ people }, 'input')
    const from = work.task
    await journal.commit([insert(1, { people })])
    // A thousandth of a second for each 32 of five thousand, and three for a slice.
    expect(work.task - from).toBeGreaterThan(5_000 / 32 / 3 - 5)
    journal.check(tree, 'input')
    await journal.commit([insert(2, tree)])
    await journal.close()
    const { records } = await open(generations)
    expect(records.map(({ input }) => input)).toEqual([{ people }, tree])
  })

  test('also when the journal is compacted, and what is changed meanwhile is kept', async () => {
    let now = 0
    const clock = { ...systemClock, monotonic: () => now++ }
    const { journal, generations } = await open([[]], clock)
    journal.check(tree, 'input')
    const change = insert(1, tree)
    await journal.commit([change])
    let record = change.after as JobRecord
    const { length } = generations
    for (let attempt = 1; attempt <= 10; attempt++) {
      const after: JobRecord = { ...record, attempt, checkpoint: attempt }
      const other = insert(1 + attempt, 'x'.repeat(500_000))
      await journal.commit([{ before: record, after }, other])
      await journal.commit([{ before: other.after, after: undefined }])
      record = after
    }
    // It waits for the compaction that is under way.
    await journal.close()
    expect(generations.length).toBeGreaterThan(length)
    const { records } = await open(generations)
    expect(records).toMatchObject([{ attempt: record.attempt, checkpoint: record.checkpoint }])
    expect(records[0]?.input).toEqual(tree)
  })
})

test('several values that take long to write are written one by one', async () => {
  let now = 0
  const { journal } = await open([[]], { ...systemClock, monotonic: () => now++ * 2 })
  const { task } = work
  await journal.commit(Array.from({ length: 10 }, (_, seq) => insert(seq, 'x'.repeat(100_000))))
  // Each takes two milliseconds, and a slice three.
  expect(work.task - task).toBeGreaterThanOrEqual(5)
})

// Blobs and files in the values of a journal: that the medium keeps each once and as long as something holds it, whatever is
// refused, torn off, compacted or written anew; and that no job is without its blobs.
import 'fake-indexeddb/auto'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { createRecord, resolveDefaults } from '../../src/job/job-options.ts'
import type { JobRecord } from '../../src/job/record.ts'
import { nextTask } from '../../src/platform/hop.ts'
import { defer } from '../../src/shared/deferred.ts'
import type { OffstageError } from '../../src/shared/errors.ts'
import { manualClock } from '../../src/shared/manual-clock.ts'
import { seededRandom } from '../../src/shared/seeded-random.ts'
import { idbMedium } from '../../src/store/idb-medium.ts'
import { Journal, type JournalOptions } from '../../src/store/journal.ts'
import { type Medium, MediumError, UnreadableError } from '../../src/store/medium.ts'
import type { Change, Row } from '../../src/store/store.ts'
import { MemoryMedium } from '../support/memory-medium.ts'

const defaults = resolveDefaults({})
const blob = (text: string): Blob => new Blob([text], { type: 'text/plain' })

const record = (seq: number, input?: unknown, more: Partial<JobRecord> = {}): JobRecord => ({
  ...createRecord({ id: `job ${seq}`, name: 'echo', input, seq, lineTime: seq }, {}, defaults, seq),
  ...more,
})
const insert = (after: JobRecord): Change => ({ before: undefined, after })
const update = (before: JobRecord, more: Partial<JobRecord>): Change & { after: JobRecord } => ({
  before,
  after: { ...before, ...more },
})
const remove = (before: JobRecord): Change => ({ before, after: undefined })
const rows = (...list: Row[]): Change => ({ before: undefined, after: undefined, rows: list })

/** A journal in memory, which may be opened again. */
class Bench {
  readonly generations: Uint8Array[][] = [[]]
  readonly kept = new Map<number, object>()
  readonly clock = manualClock()
  readonly reported: OffstageError[] = []
  medium = new MemoryMedium(this.generations, this.kept)
  journal!: Journal

  /** As after a crash, unless the journal was closed. */
  async open(options: Partial<JournalOptions> = {}): Promise<{ records: readonly JobRecord[]; rows: readonly Row[] }> {
    this.medium.kill()
    this.medium = new MemoryMedium(this.generations, this.kept)
    this.journal = new Journal(this.medium, { valueBytesMax: 100_000, ...options })
    return this.journal.open({
      clock: this.clock,
      random: seededRandom(1),
      errors: [],
      report: (error) => this.reported.push(error),
      stopped: (error) => this.reported.push(error),
    })
  }

  /** Fails the append after `count` more. */
  failAfter(count: number, error: unknown): void {
    const { medium } = this
    const { append } = medium
    let left = count
    medium.append = async (...args) => {
      if (left-- === 0) throw error
      return append.apply(medium, args)
    }
  }

  /** The seal comes after a second, and behind it goes what nothing holds. */
  async seal(): Promise<void> {
    const removed = this.#nextRemoval()
    this.clock.advance(1_000)
    await removed
  }

  #nextRemoval(): Promise<void> {
    const { medium } = this
    const { removeAttachments } = medium
    return new Promise((resolve) => {
      medium.removeAttachments = async (keys) => {
        await removeAttachments.call(medium, keys)
        resolve()
      }
    })
  }

  /** The texts of what the medium keeps. */
  get texts(): Promise<string[]> {
    return Promise.all([...this.kept.values()].map((each) => (each as Blob).text())).then((texts) => texts.sort())
  }
}

async function opened(options?: Partial<JournalOptions>): Promise<Bench> {
  const bench = new Bench()
  await bench.open(options)
  return bench
}

/** Adds and removes jobs, from number `first` on, until there is another generation. */
async function compacted(bench: Bench, first: number): Promise<void> {
  const { length } = bench.generations
  for (let seq = first; bench.generations.length === length; seq++) {
    const passing = record(seq, [blob(`passing ${seq}`), 'x'.repeat(500)])
    await bench.journal.commit([insert(passing)])
    await bench.journal.commit([remove(passing)])
    await nextTask()
  }
}

describe('a blob is kept', () => {
  test('as it is, once, and beside the frames', async () => {
    const bench = await opened()
    const [one, two] = [blob('x'.repeat(5_000)), new File(['y'], 'y.txt', { type: 'a/b', lastModified: 7 })]
    bench.journal.check({ one }, 'input')
    await bench.journal.commit([
      insert(record(1, { one, again: one })),
      insert(record(2, { deep: new Map([[two, one]]) })),
    ])
    const [first, second, ...more] = bench.kept.values()
    expect([first === one, second === two, more.length]).toEqual([true, true, 0])
    expect(bench.generations.flat().reduce((sum, { length }) => sum + length, 0)).toBeLessThan(1_000)
    const { records } = await bench.open()
    const [job, other] = records as [JobRecord, JobRecord]
    const { one: found, again } = job.input as { one: Blob; again: Blob }
    expect([found === one, again === one]).toEqual([true, true])
    expect((other.input as { deep: Map<unknown, unknown> }).deep.get(two)).toBe(one)
  })

  test('as long as a record or a row holds it, and a second more', async () => {
    const bench = await opened()
    const first = record(1, blob('input'))
    await bench.journal.commit([insert(first), rows({ table: 't', key: 'k', value: [blob('row')] })])
    const second = update(first, { checkpoint: { at: blob('checkpoint 1') }, steps: new Map([['a', blob('step')]]) })
    await bench.journal.commit([second])
    const third = update(second.after, { checkpoint: blob('checkpoint 2') })
    await bench.journal.commit([third, rows({ table: 't', key: 'k', value: blob('row 2') })])
    expect(await bench.texts).toEqual(['checkpoint 1', 'checkpoint 2', 'input', 'row', 'row 2', 'step'])
    await bench.seal()
    expect(await bench.texts).toEqual(['checkpoint 2', 'input', 'row 2', 'step'])
    const last = update(third.after, { checkpoint: undefined, steps: undefined, result: [blob('result')] })
    await bench.journal.commit([last])
    await bench.seal()
    expect(await bench.texts).toEqual(['input', 'result', 'row 2'])
    await bench.journal.commit([remove(last.after), rows({ table: 't', key: 'k', value: undefined })])
    await bench.journal.close()
    expect(await bench.texts).toEqual([])
  })

  test('as long as an error holds it that a handler threw', async () => {
    const bench = await opened()
    const error = Object.assign(new Error('x'), { detail: { shot: blob('screenshot') } })
    const failed = record(1, 0, { error, state: 'failed' })
    const thrown = record(2, 0, { error: { shot: blob('thrown') }, state: 'failed' })
    await bench.journal.commit([insert(failed), insert(thrown)])
    const { records } = await bench.open({ compactBytesMin: 2_000 })
    await compacted(bench, 3)
    expect(await bench.texts).toEqual(['screenshot', 'thrown'])
    // Errors are copied when they are written, other values are not.
    expect(bench.kept.has(2)).toBe(true)
    expect(records[0]?.error).toMatchObject({ detail: { shot: expect.any(Blob) } })
    await bench.journal.commit(records.map(remove))
    await bench.journal.close()
    expect(bench.kept.size).toBe(0)
  })

  test('only if it is stored: an error that takes too much room loses what is attached to it', async () => {
    const bench = await opened({ valueBytesMax: 3_000 })
    const error = Object.assign(new Error('x'), { detail: { shot: blob('screenshot'), text: 'x'.repeat(3_000) } })
    await bench.journal.commit([insert(record(1, 0, { error, state: 'failed' }))])
    expect(bench.kept.size).toBe(0)
  })

  test('when it moves from one holder to another in one batch, and under a new number when it comes back later', async () => {
    const bench = await opened()
    const moved = blob('moved')
    await bench.journal.commit([insert(record(1, moved))])
    await bench.journal.commit([remove(record(1, moved)), rows({ table: 't', key: 'k', value: [moved] })])
    await bench.journal.commit([insert(record(2))])
    bench.clock.advance(1_000)
    await bench.journal.commit([rows({ table: 't', key: 'k', value: undefined })])
    expect([...bench.kept.keys()]).toEqual([1])
    await bench.seal()
    expect(bench.kept.size).toBe(0)
    await bench.journal.commit([insert(record(3, moved))])
    expect([...bench.kept]).toEqual([[2, moved]])
    await bench.open()
    await bench.journal.commit([insert(record(4, blob('another')))])
    expect([...bench.kept.keys()]).toEqual([2, 3])
  })
})

describe('what a crash leaves behind', () => {
  test('is removed when the journal is opened, and its number not used for anything else', async () => {
    const bench = await opened()
    await bench.journal.commit([insert(record(1, blob('one')))])
    bench.kept.set(7, blob('orphan'))
    await bench.open()
    expect(await bench.texts).toEqual(['one'])
    await bench.journal.commit([insert(record(2, blob('two')))])
    expect([...bench.kept.keys()]).toEqual([1, 8])
  })

  test.each([1, 2, 3])('in the middle of a batch of which %s frames are there', async (frames) => {
    const bench = await opened({ frameBytes: 1 })
    await bench.journal.commit([insert(record(1, blob('before')))])
    bench.failAfter(frames, undefined)
    const { medium } = bench
    const { append } = medium
    const died = new Promise<void>((resolve) => {
      medium.append = (...args) => append.apply(medium, args).catch(() => new Promise(() => resolve()))
    })
    void bench.journal.commit([2, 3, 4, 5].map((seq) => insert(record(seq, blob(`late ${seq}`)))))
    await died
    expect(bench.kept.size).toBe(1 + frames)
    const { records } = await bench.open()
    expect(records.map(({ seq }) => seq)).toEqual([1])
    expect(await bench.texts).toEqual(['before'])
  })

  test('between the removal of a job and that of its blob', async () => {
    const bench = await opened()
    await bench.journal.commit([insert(record(1, blob('gone')))])
    await bench.journal.commit([remove(record(1))])
    expect(bench.kept.size).toBe(1)
    const { records } = await bench.open()
    expect([records, bench.kept.size]).toEqual([[], 0])
    // The frames name what is gone, and say that its job is gone too.
    expect((await bench.open()).records).toEqual([])
  })

  test.each<[string, (bench: Bench) => void]>([
    ['missing', ({ kept }) => kept.delete(1)],
    ['of another size', ({ kept }) => kept.set(1, blob('shorter'))],
    ['another kind of thing', ({ kept }) => kept.set(1, new Map())],
  ])('never is a blob that a job holds: if it is %s, the journal is refused', async (_what, harm) => {
    const bench = await opened()
    await bench.journal.commit([insert(record(1, { file: new File(['some text'], 'a.txt', { type: 'text/plain' }) }))])
    await bench.journal.close()
    harm(bench)
    const before = [...bench.kept.keys()]
    await expect(bench.open()).rejects.toMatchObject({
      code: 'STORE_CORRUPT',
      message: expect.stringMatching(
        /attachment 1, File\('a\.txt', 9 bytes, text\/plain\S*\) of job 'job 1', is missing or/,
      ),
    })
    expect([...bench.kept.keys()]).toEqual(before)
  })
})

describe('a refused batch leaves no blob behind', () => {
  const refusals: [string, unknown, object][] = [
    ['there is no room', new MediumError('full', 'no room'), { code: 'STORE_WRITE_FAILED' }],
    ['a value cannot be stored', undefined, { code: 'DATA_CLONE', jobId: 'job 4' }],
  ]
  test.each(refusals)('when %s, and takes the same objects again', async (_why, failure, expected) => {
    const bench = await opened({ frameBytes: 1 })
    await bench.journal.commit([insert(record(1, blob('before'))), insert(record(9, blob('gone')))])
    await bench.journal.commit([remove(record(9))])
    await bench.seal()
    const changes = [2, 3].map((seq) => insert(record(seq, blob(`late ${seq}`))))
    if (failure) bench.failAfter(2, failure)
    const last = insert(record(4, failure ? blob('last') : () => {}))
    await expect(bench.journal.commit([...changes, last])).rejects.toMatchObject(expected)
    await bench.seal()
    expect(await bench.texts).toEqual(['before'])
    await bench.journal.commit(changes)
    const { records } = await bench.open()
    expect(records.map(({ seq }) => seq)).toEqual([1, 2, 3])
    expect(await bench.texts).toEqual(['before', 'late 2', 'late 3'])
  })

  test('when it comes again before they are gone', async () => {
    const bench = await opened({ frameBytes: 1 })
    const changes = [1, 2].map((seq) => insert(record(seq, blob(`late ${seq}`))))
    bench.failAfter(1, new MediumError('full', 'no room'))
    await expect(bench.journal.commit(changes)).rejects.toMatchObject({ code: 'STORE_WRITE_FAILED' })
    await bench.journal.commit(changes)
    await bench.journal.close()
    expect(await bench.texts).toEqual(['late 1', 'late 2'])
    expect((await bench.open()).records.length).toBe(2)
  })

  test('when the bytes of one cannot be read: that job is named, and the others go on', async () => {
    const bench = await opened()
    const [good, bad] = [record(1, blob('good')), record(2, { list: [blob('bad')] })]
    const { append } = bench.medium
    bench.medium.append = async (frame, isSeal, named = []) => {
      const unreadable = named.find(({ object }) => object === (bad.input as { list: unknown[] }).list[0])
      if (unreadable) throw new UnreadableError(unreadable, new DOMException('gone', 'NotReadableError'))
      return append.call(bench.medium, frame, isSeal, named)
    }
    await expect(bench.journal.commit([insert(good), insert(bad)])).rejects.toMatchObject({
      code: 'DATA_CLONE',
      jobId: 'job 2',
      message: expect.stringContaining("A Blob of job 'job 2' cannot be stored"),
      cause: { name: 'NotReadableError' },
    })
    await bench.journal.commit([insert(good)])
    await bench.journal.close()
    expect((await bench.open()).records.map(({ seq }) => seq)).toEqual([1])
    expect(await bench.texts).toEqual(['good'])
  })
})

describe('a snapshot', () => {
  test('names what is there, under the same numbers', async () => {
    const bench = await opened({ compactBytesMin: 2_000 })
    const kept = record(1, { blob: blob('kept') })
    await bench.journal.commit([insert(kept)])
    await compacted(bench, 2)
    await compacted(bench, 1_000)
    await bench.journal.close()
    expect(await bench.texts).toEqual(['kept'])
    expect([...bench.kept.keys()]).toEqual([1])
    const { records } = await bench.open()
    expect(records[0]?.input).toEqual({ blob: expect.any(Blob) })
  })

  test('of a medium that broke has all, also what was never written', async () => {
    const bench = await opened({ frameBytes: 1 })
    await bench.journal.commit([insert(record(1, blob('before')))])
    bench.failAfter(1, new MediumError('broken', 'is gone'))
    await bench.journal.commit([2, 3, 4].map((seq) => insert(record(seq, blob(`late ${seq}`)))))
    expect(bench.reported).toMatchObject([{ code: 'STORE_WRITE_FAILED' }])
    expect(await bench.texts).toEqual(['before', 'late 2', 'late 3', 'late 4'])
    await bench.journal.commit([remove(record(4))])
    await bench.journal.close()
    expect(await bench.texts).toEqual(['before', 'late 2', 'late 3'])
    expect((await bench.open()).records.length).toBe(3)
  })

  test('has the blobs that the application has put into its copy of a result', async () => {
    const bench = await opened({ compactBytesMin: 2_000 })
    const result: Record<string, unknown> = { shot: blob('first') }
    await bench.journal.commit([insert(record(1, 0, { result }))])
    result.shot = blob('second')
    await compacted(bench, 2)
    await bench.journal.close()
    expect(await bench.texts).toEqual(['second'])
    const { records } = await bench.open()
    await bench.journal.commit(records.map(remove))
    await bench.journal.close()
    expect(bench.kept.size).toBe(0)
  })
})

test('what a draft names for the first time stays, although a seal removes meanwhile what nothing holds', async () => {
  const bench = await opened({ compactBytesMin: 2_000 })
  const result: Record<string, unknown> = { shot: blob('first') }
  await bench.journal.commit([insert(record(1, 0, { result }))])
  result.shot = blob('second')
  const { medium, generations } = bench
  const { draft } = medium
  const gate = defer<void>()
  let isWritten = false
  medium.draft = async () => {
    const made = await draft.call(medium)
    const { append } = made
    made.append = async (...args) => {
      await append(...args)
      isWritten = true
      await gate.promise
    }
    return made
  }
  for (let seq = 2; !isWritten; seq++) {
    const passing = record(seq, 'x'.repeat(900))
    await bench.journal.commit([insert(passing)])
    await bench.journal.commit([remove(passing)])
    await nextTask()
  }
  bench.clock.advance(1_000)
  await nextTask()
  gate.resolve()
  const { length } = generations
  while (generations.length === length) await nextTask()
  await bench.journal.close()
  expect(await bench.texts).toEqual(['second'])
  expect((await bench.open()).records).toHaveLength(1)
})

const makeIdb = (name: string): Medium =>
  idbMedium(name, { durability: 'strict', transactionBytes: 90, onTrouble: () => {} })

async function openIdb(name: string) {
  const journal = new Journal(makeIdb(name), { valueBytesMax: 1_000, frameBytes: 1 })
  const host = { clock: manualClock(), random: seededRandom(1), errors: [], report: () => {}, stopped: () => {} }
  return { journal, records: (await journal.open(host)).records }
}

test.each(['strict', 'relaxed'] as const)(
  'in IndexedDB a blob is synced, whatever the durability: %s',
  async (durability) => {
    const name = `attachments-${Math.random()}`
    const medium = idbMedium(name, { durability, transactionBytes: 10, onTrouble: () => {} })
    await medium.open(() => {})
    const transaction = vi.spyOn(IDBDatabase.prototype, 'transaction')
    onTestFinished(() => transaction.mockRestore())
    await medium.append(new Uint8Array(25), false, [{ key: 1, object: blob('text') }])
    await medium.append(new Uint8Array(25), false)
    const how = transaction.mock.calls.map(([, , options]) => options?.durability)
    expect(how).toEqual(['strict', 'relaxed', durability, 'relaxed', 'relaxed', durability])
    await medium.close()
  },
)

test('in IndexedDB all blobs are written again when the database was deleted under them', async () => {
  const name = `attachments-${Math.random()}`
  const { journal } = await openIdb(name)
  await journal.commit([insert(record(1, blob('before')))])
  await new Promise((resolve) => {
    indexedDB.deleteDatabase(name).onsuccess = resolve
  })
  await journal.commit([insert(record(2, blob('behind')))])
  await journal.close()
  const { records } = await openIdb(name)
  expect(await Promise.all(records.map(({ input }) => (input as Blob).text()))).toEqual(['before', 'behind'])
})

test('in IndexedDB a blob is written with its frame, and removed behind the removal of its job', async () => {
  const name = `attachments-${Math.random()}`
  const { journal } = await openIdb(name)
  await journal.commit([insert(record(1, { file: blob('text') })), insert(record(2, blob('other')))])
  const { records, journal: next } = await openIdb(name)
  const [first] = records as [JobRecord]
  expect(await (first.input as { file: Blob }).file.text()).toBe('text')
  await next.commit([remove(first)])
  await next.close()
  const medium = makeIdb(name)
  const found: [number, unknown][] = []
  await medium.open(
    () => {},
    undefined,
    (key, object) => found.push([key, object]),
  )
  expect(found).toEqual([[2, expect.any(Blob)]])
  await medium.close()
})

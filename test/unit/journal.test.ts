// What a journal makes of a batch: how large a piece its medium gets at most, that all of a batch counts or none of it, when it
// is sealed, and what is reported of an end that is cut off.
import 'fake-indexeddb/auto'
import { describe, expect, test } from 'vitest'
import { createRecord, resolveDefaults } from '../../src/job/job-options.ts'
import type { JobRecord } from '../../src/job/record.ts'
import type { OffstageError } from '../../src/shared/errors.ts'
import { manualClock } from '../../src/shared/manual-clock.ts'
import { seededRandom } from '../../src/shared/seeded-random.ts'
import { ByteWriter } from '../../src/store/bytes.ts'
import { headerBytes, readFrame } from '../../src/store/frame.ts'
import { idbMedium } from '../../src/store/idb-medium.ts'
import { Journal, type JournalOptions } from '../../src/store/journal.ts'
import { type Medium, MediumError } from '../../src/store/medium.ts'
import type { Change, Row } from '../../src/store/store.ts'
import { writeValue } from '../../src/store/value-writer.ts'
import { MemoryMedium } from '../support/memory-medium.ts'

const defaults = resolveDefaults({})
const clock = manualClock()

function insert(seq: number, input: unknown = 'small'): Change {
  const identity = { id: `job ${seq}`, name: 'echo', input, seq, lineTime: seq }
  return { before: undefined, after: createRecord(identity, {}, defaults, seq) }
}

interface Bench {
  readonly journal: Journal
  readonly found: readonly JobRecord[]
  readonly rows: readonly Row[]
  readonly reported: OffstageError[]
}

async function open(medium: Medium, options: Partial<JournalOptions> = {}): Promise<Bench> {
  const journal = new Journal(medium, { valueBytesMax: 1e9, ...options })
  const reported: OffstageError[] = []
  const host = {
    clock,
    random: seededRandom(1),
    errors: [],
    report: (error: OffstageError) => reported.push(error),
    stopped: (error: OffstageError) => reported.push(error),
  }
  const { records: found, rows } = await journal.open(host)
  return { journal, found, rows, reported }
}

/** So small that each change has a frame of its own. */
const onePerFrame = { frameBytes: 1 }

const seqsOf = (records: readonly JobRecord[]): number[] => records.map(({ seq }) => seq)

/** A seal of any kind, as it lies there. */
const isSeal = (frame: Uint8Array): boolean => frame.length === headerBytes
const isStrict = (frame: Uint8Array): boolean => readFrame(frame, 0, undefined)?.isRelaxed === false

describe('a large batch', () => {
  test('reaches the medium in pieces of 4 MiB, and a value more, and is read again', async () => {
    const generations: Uint8Array[][] = [[]]
    const { journal } = await open(new MemoryMedium(generations))
    const sizes = [...Array(40).fill(1024), 9 * 1024].map((kilobytes) => kilobytes * 1024)
    await journal.commit(sizes.map((size, index) => insert(index + 1, new Uint8Array(size))))
    const lengths = generations.at(-1)?.map(({ length }) => length) as number[]
    expect(Math.max(...lengths)).toBeLessThan((4 + 9 + 0.1) * 1024 * 1024)
    expect(lengths.length).toBeGreaterThan(9)
    const { found } = await open(new MemoryMedium(generations))
    expect(found.map(({ input }) => (input as Uint8Array).length)).toEqual(sizes)
  })

  test('is encoded in one task and appended in another when a value is long', async () => {
    const generations: Uint8Array[][] = [[]]
    const { journal } = await open(new MemoryMedium(generations))
    const committedIn = async (bytes: number): Promise<'one task' | 'several'> => {
      let isCommitted = false
      const committed = journal.commit([insert(bytes, new Uint8Array(bytes))]).then(() => {
        isCommitted = true
      })
      for (let turn = 0; turn < 100; turn++) await undefined
      const answer = isCommitted ? 'one task' : 'several'
      await committed
      return answer
    }
    expect([await committedIn(10_000), await committedIn(2_000_000)]).toEqual(['one task', 'several'])
  })

  test('a snapshot of it as well, and one record with several large values', async () => {
    const generations: Uint8Array[][] = [[]]
    const options = { frameBytes: 10_000, compactBytesMin: 50_000 }
    const { journal } = await open(new MemoryMedium(generations), options)
    let { before, after } = insert(1, new Uint8Array(8_000))
    await journal.commit([{ before, after }])
    for (let turn = 0; turn < 60; turn++) {
      const { checkpoint, steps = new Map() } = after as JobRecord
      before = after
      const value = new Uint8Array(4_000).fill(turn)
      const isStep = turn % 2 === 0
      after = {
        ...(after as JobRecord),
        checkpoint: isStep ? checkpoint : value,
        steps: isStep ? new Map(steps).set(`step ${turn % 20}`, value) : steps,
      }
      await journal.commit([{ before, after }])
      // Something that goes, or there is nothing to gain.
      const passing = insert(turn + 2, new Uint8Array(8_000))
      await journal.commit([passing])
      await journal.commit([{ before: passing.after, after: undefined }])
    }
    await journal.close()
    expect(generations.length).toBeGreaterThan(2)
    for (const frame of generations.flat()) expect(frame.length).toBeLessThan(10_000 + 8_000 + 500)
    const { found } = await open(new MemoryMedium(generations))
    expect(found).toStrictEqual([after])
  })

  test.each(['idb', 'memory'])('of which some pieces are there when its process dies never was: %s', async (kind) => {
    const generations: Uint8Array[][] = [[]]
    const name = `journal-${Math.random()}`
    const make = (): Medium =>
      kind === 'memory'
        ? new MemoryMedium(generations)
        : idbMedium(name, { durability: 'strict', transactionBytes: 90, onTrouble: () => {} })
    const many = Array.from({ length: 5 }, (_, index) => insert(index + 2))
    for (let pieces = 1; pieces <= 5; pieces++) {
      const medium = make()
      const { journal, found } = await open(medium, onePerFrame)
      const known = seqsOf(found)
      if (known.length === 0) await journal.commit([insert(1)])
      let left = pieces
      const { append } = medium
      const hasDied = new Promise<void>((resolve) => {
        medium.append = async (frame, isSealed) => {
          if (left-- > 0) return append.call(medium, frame, isSealed)
          resolve()
          return new Promise(() => {})
        }
      })
      const committed = journal.commit(many)
      await (pieces < 5 ? hasDied : committed)
      const next = await open(make(), onePerFrame)
      const isWhole = pieces === 5
      expect(seqsOf(next.found)).toEqual(isWhole ? [1, 2, 3, 4, 5, 6] : [1])
      expect(next.reported).toMatchObject(isWhole ? [] : [{ name: 'OffstageError', code: 'STORE_WRITE_FAILED' }])
      // There is no file that could be named.
      if (!isWhole) expect(next.reported[0]?.message).toMatch(/\d+ bytes, from byte \d+ on, .*no copy is kept/)
      await next.journal.commit([insert(7)])
      await next.journal.close()
      const last = await open(make())
      expect(seqsOf(last.found)).toEqual(isWhole ? [1, 2, 3, 4, 5, 6, 7] : [1, 7])
      await last.journal.commit([{ before: last.found.at(-1), after: undefined }])
      await last.journal.close()
    }
  })

  test('that turns out not to be storable when some pieces are there is refused, and leaves no trace', async () => {
    const generations: Uint8Array[][] = [[]]
    const { journal } = await open(new MemoryMedium(generations), onePerFrame)
    await journal.commit([insert(1)])
    const before = generations.at(-1)?.slice()
    const changes = [insert(2), insert(3), insert(4, () => {}), insert(5)]
    await expect(journal.commit(changes)).rejects.toMatchObject({ code: 'DATA_CLONE', jobId: 'job 4' })
    expect(generations.at(-1)).toEqual(before)
    await journal.commit([insert(6)])
    await journal.close()
    const { found } = await open(new MemoryMedium(generations))
    expect(seqsOf(found)).toEqual([1, 6])
  })

  test('for which there is no room in the end, and whose beginning cannot be taken back: all is written anew', async () => {
    const generations: Uint8Array[][] = [[]]
    const medium = new MemoryMedium(generations)
    const { journal, reported } = await open(medium, onePerFrame)
    await journal.commit([insert(1)])
    const { append } = medium
    let left = 2
    medium.append = async (frame) => {
      if (left-- === 0) throw new MediumError('full', 'no room')
      return append.call(medium, frame)
    }
    medium.cut = async () => {
      throw new MediumError('broken', 'cannot be cut')
    }
    const many = [2, 3, 4, 5].map((seq) => insert(seq))
    await expect(journal.commit(many)).rejects.toMatchObject({ code: 'STORE_WRITE_FAILED' })
    expect(reported).toMatchObject([{ message: expect.stringContaining('cannot be cut') }])
    await journal.commit([insert(6)])
    await journal.close()
    expect(seqsOf((await open(new MemoryMedium(generations))).found)).toEqual([1, 6])
  })
})

describe('rows of extensions', () => {
  const put = (key: string, value: unknown, table = 'flows'): Change => ({
    before: undefined,
    after: undefined,
    rows: [{ table, key, value }],
  })
  const byKey = (rows: readonly Row[]) =>
    new Map([...rows].sort((a, b) => (a.key < b.key ? -1 : 1)).map(({ key, value }) => [key, value]))

  test('are there after a compaction, with what changed while it went on', async () => {
    const generations: Uint8Array[][] = [[]]
    const { journal } = await open(new MemoryMedium(generations), { compactBytesMin: 50_000 })
    const expected = new Map<string, unknown>()
    for (let turn = 0; turn < 400; turn++) {
      const [key, other] = [`row ${turn % 40}`, `row ${(turn * 7) % 40}`]
      const isGone = turn % 5 === 0
      expected.set(key, 'x'.repeat(2_000) + turn)
      if (isGone) expected.delete(other)
      await journal.commit([put(key, expected.get(key) ?? 'x'), ...(isGone ? [put(other, undefined)] : [])])
      if (isGone && key === other) expected.delete(key)
    }
    await journal.close()
    expect(generations.length).toBeGreaterThan(2)
    const { rows } = await open(new MemoryMedium(generations))
    expect(byKey(rows)).toEqual(byKey([...expected].map(([key, value]) => ({ table: 'flows', key, value }))))
  })

  test('one that is written again and again does not put a compaction off', async () => {
    const generations: Uint8Array[][] = [[]]
    const { journal } = await open(new MemoryMedium(generations), { compactBytesMin: 20_000 })
    for (let turn = 0; turn < 2_000; turn++) await journal.commit([put('counter', { turn, text: 'x'.repeat(100) })])
    await journal.close()
    expect(generations.length).toBeGreaterThan(2)
    expect((await open(new MemoryMedium(generations))).rows).toEqual([
      { table: 'flows', key: 'counter', value: { turn: 1_999, text: 'x'.repeat(100) } },
    ])
  })

  test('count with all of their batch, in however many frames, or not at all', async () => {
    for (let pieces = 0; pieces <= 3; pieces++) {
      const generations: Uint8Array[][] = [[]]
      const medium = new MemoryMedium(generations)
      const { journal } = await open(medium, onePerFrame)
      await journal.commit([put('state', 'before')])
      let left = pieces
      const { append } = medium
      const hasDied = new Promise<void>((resolve) => {
        medium.append = async (frame) => {
          if (left-- > 0) return append.call(medium, frame)
          resolve()
          return new Promise(() => {})
        }
      })
      const rows = put('state', 'after').rows
      const committed = journal.commit([{ ...insert(1), rows }, insert(2)])
      await (pieces < 3 ? hasDied : committed)
      const next = await open(new MemoryMedium(generations), onePerFrame)
      expect([seqsOf(next.found), next.rows[0]?.value]).toEqual(pieces < 3 ? [[], 'before'] : [[1, 2], 'after'])
    }
  })

  test('one that turns out not to be storable is refused with its batch', async () => {
    const generations: Uint8Array[][] = [[]]
    const { journal } = await open(new MemoryMedium(generations))
    const refused = journal.commit([insert(1), put('bad', { call: () => {} })])
    await expect(refused).rejects.toMatchObject({ code: 'DATA_CLONE', message: expect.stringContaining("row 'bad'") })
    await journal.close()
    const { found, rows } = await open(new MemoryMedium(generations))
    expect([found, rows]).toEqual([[], []])
  })
})

describe('a seal', () => {
  test.each([true, false])('is strict, whether the journal is relaxed (%s) or not', async (isRelaxed) => {
    const generations: Uint8Array[][] = [[]]
    const { journal } = await open(new MemoryMedium(generations), { isRelaxed })
    await journal.commit([insert(1)])
    expect(isStrict(generations.at(-1)?.at(-1) as Uint8Array)).toBe(!isRelaxed)
    await journal.close()
    const last = generations.at(-1)?.at(-1) as Uint8Array
    expect([isSeal(last), isStrict(last)]).toEqual([true, true])
  })

  test('comes a second after what it protects, however much is committed meanwhile', async () => {
    const generations: Uint8Array[][] = [[]]
    const { journal } = await open(new MemoryMedium(generations), { isRelaxed: true })
    for (let seq = 1; seq <= 10; seq++) {
      await journal.commit([insert(seq)])
      clock.advance(300)
    }
    await journal.close()
    const seals = generations.at(-1)?.map(isSeal) as boolean[]
    // The first is that of an empty journal, the last that of the close.
    expect(seals.slice(1, -1).filter(Boolean).length).toBeGreaterThanOrEqual(2)
  })

  test('that is there is not written again by who only opens and closes', async () => {
    const generations: Uint8Array[][] = [[]]
    const { journal } = await open(new MemoryMedium(generations))
    await journal.commit([insert(1)])
    await journal.close()
    const before = generations.at(-1)?.length
    for (let times = 0; times < 3; times++) await (await open(new MemoryMedium(generations))).journal.close()
    expect(generations.at(-1)?.length).toBe(before)
  })

  test('comes a second after an opening that finds none', async () => {
    const generations: Uint8Array[][] = [[]]
    const { journal } = await open(new MemoryMedium(generations))
    await journal.commit([insert(1)])
    const medium = new MemoryMedium(generations)
    await open(medium)
    clock.advance(1_000)
    await expect.poll(() => isSeal(generations.at(-1)?.at(-1) as Uint8Array)).toBe(true)
  })
})

describe('the size of a value', () => {
  test.each([
    ['bytes', new Uint8Array(10_000)],
    ['a text', 'x'.repeat(10_000)],
    ['a list', Array.from({ length: 10_000 }, () => 1)],
  ])('is checked to the byte, however large what was refused before: %s', async (_name, value) => {
    const out = new ByteWriter()
    writeValue(out, value, 'input')
    const exact = await open(new MemoryMedium([[]]), { valueBytesMax: out.length })
    const less = await open(new MemoryMedium([[]]), { valueBytesMax: out.length - 1 })
    const refused = {
      code: 'DATA_CLONE',
      message: expect.stringContaining(`\`valueBytesMax\` is ${out.length - 1} bytes`),
    }
    for (const giant of [new Uint8Array(1e8), [new Uint8Array(1e8)]]) {
      exact.journal.check(value, 'input')
      expect(() => exact.journal.check(giant, 'input')).toThrow(/^The input cannot be stored/)
      expect(() => less.journal.check(value, 'input')).toThrow(expect.objectContaining(refused))
    }
  })
})

// What is got out of a journal that is damaged anywhere: all that is intact, nothing that was never there, and a word
// about the rest.
import { describe, expect, test } from 'vitest'
import type { JobRecord } from '../../src/job/record.ts'
import { withStep } from '../../src/job/steps.ts'
import { crc32 } from '../../src/platform/crc32.ts'
import { BatchWriter } from '../../src/store/batch-writer.ts'
import { headerBytes } from '../../src/store/frame.ts'
import { JournalBytes } from '../../src/store/journal-bytes.ts'
import { type Salvage, salvage } from '../../src/store/salvage.ts'
import { Chance } from '../simulation/chance.ts'
import { randomRecord, randomUpdate } from '../simulation/records.ts'
import { JournalBuilder, jobRecord, MemorySource, type WrittenBatch } from '../support/journals.ts'

const salvaged = (bytes: Uint8Array): Salvage | undefined =>
  salvage(new MemorySource(bytes), { errors: [], keeps: () => true })

function recovered(bytes: Uint8Array): Salvage {
  const found = salvaged(bytes)
  if (!found) throw new Error('no sign of a journal')
  return found
}

const ids = ({ records }: Salvage): string[] => records.map(({ id }) => id)
const numbered = (from: number, to: number): JobRecord[] =>
  Array.from({ length: to - from + 1 }, (_, index) => jobRecord(from + index, `job ${from + index}`))

/** A bit is wrong there. */
function flip(bytes: Uint8Array, at: number): Uint8Array {
  bytes[at] = (bytes[at] as number) ^ 1
  return bytes
}

test('what is not damaged is found whole, and said to be so', () => {
  const journal = new JournalBuilder(1)
    .insert(...numbered(1, 3))
    .batch({ before: jobRecord(2, 'job 2'), after: undefined })
  const found = recovered(journal.seal().bytes)
  expect(ids(found)).toEqual(['job 1', 'job 3'])
  expect(found).toMatchObject({ isDamaged: false, batches: 3, gaps: [], strays: [], unreadable: [] })
})

describe('a batch whose last frame is missing', () => {
  const begun = () =>
    new JournalBuilder(1)
      .insert(...numbered(1, 2))
      .seal()
      .begun(...numbered(3, 4))

  test('was never acknowledged, and counts no more than for recovery', () => {
    const found = recovered(begun().bytes)
    expect(ids(found)).toEqual(['job 1', 'job 2'])
    expect(found.gaps).toEqual([{ at: begun().batches[2]?.at, bytes: expect.any(Number), batches: 0 }])
  })

  test('may have been whole where there is damage: what is there of it is recovered', () => {
    const journal = begun()
    expect(ids(recovered(flip(journal.bytes, (journal.batches[0]?.at as number) + 60)))).toEqual(['job 3', 'job 4'])
  })
})

test.each([
  ['nothing', ''],
  ['a text', 'Dear diary, off1 '.repeat(100)],
])('there is no journal in %s', (_name, text) => {
  expect(salvaged(new TextEncoder().encode(text))).toBeUndefined()
})

describe('a batch that cannot be read is a gap, and not the end', () => {
  test('one whose bytes are wrong', () => {
    const journal = new JournalBuilder(1)
      .insert(...numbered(1, 2))
      .insert(...numbered(3, 4))
      .insert(...numbered(5, 6))
    const found = recovered(flip(journal.seal().bytes, (journal.batches[1]?.at as number) + 60))
    expect(ids(found)).toEqual(['job 1', 'job 2', 'job 5', 'job 6'])
    const { at, end } = journal.batches[1] as { at: number; end: number }
    expect(found.gaps).toEqual([{ at, bytes: end - at, batches: 1 }])
  })

  test('one that is whole by its checksum and makes no sense: what is before that in it counts', () => {
    const half = new BatchWriter(headerBytes)
    half.add({ before: undefined, after: jobRecord(2, 'job 2') })
    const nonsense = new Uint8Array([...half.finish().bytes, 77, 77])
    const journal = new JournalBuilder(1)
      .insert(...numbered(1, 1))
      .frame(nonsense)
      .insert(...numbered(3, 4))
    const found = recovered(journal.seal().bytes)
    expect(ids(found)).toEqual(['job 1', 'job 2', 'job 3', 'job 4'])
    expect(found).toMatchObject({ isDamaged: true, gaps: [] })
    expect(found.unreadable).toEqual([
      { at: journal.batches[1]?.at, bytes: nonsense.length, reason: expect.stringContaining('operation 77') },
    ])
  })

  test('the one with the first steps of a job: the rest of that job is kept, its later steps too', () => {
    const running = jobRecord(2, 'stepper', { state: 'running', attempt: 1 })
    const first = { ...running, steps: withStep(undefined, 'buy', 1) }
    const second = { ...running, steps: withStep(first.steps, 'ship', 2) }
    const journal = new JournalBuilder(1)
      .insert(...numbered(1, 1))
      .insert(running)
      .batch({ before: running, after: first })
      .batch({ before: first, after: { ...second, checkpoint: 'kept', priority: 5 } })
      .insert(...numbered(3, 3))
    const found = recovered(flip(journal.seal().bytes, (journal.batches[2]?.at as number) + 46))
    expect(ids(found)).toEqual(['job 1', 'stepper', 'job 3'])
    expect(found.records[1]).toMatchObject({ checkpoint: 'kept', priority: 5, steps: new Map([['ship', 2]]) })
    expect(found.partial).toEqual(['stepper'])
  })

  test('the one in which a job began: its later changes are counted', () => {
    const [before] = numbered(2, 2) as [JobRecord]
    const journal = new JournalBuilder(1)
      .insert(...numbered(1, 1))
      .insert(before)
      .batch({ before, after: { ...before, steps: new Map([['a', 1]]) } })
      .batch({ before, after: undefined })
    const found = recovered(flip(journal.seal().bytes, (journal.batches[1]?.at as number) + 50))
    expect(ids(found)).toEqual(['job 1'])
    expect(found.orphans).toBe(2)
  })

  test('the one in which a job was removed: another with its id has taken its place', () => {
    const [one, two] = [jobRecord(1, 'same', { input: 'old' }), jobRecord(3, 'same', { input: 'new' })]
    const journal = new JournalBuilder(1).insert(one).batch({ before: one, after: undefined }).insert(two)
    const found = recovered(flip(journal.seal().bytes, (journal.batches[1]?.at as number) + 45))
    expect(found.records).toMatchObject([{ id: 'same', input: 'new' }])
    expect(found.replaced).toEqual(['same'])
  })

  test('the first, of which neither the salt nor the length is right any more', () => {
    const journal = new JournalBuilder(1)
      .insert(...numbered(1, 2))
      .insert(...numbered(3, 4))
      .seal()
    for (const length of [1, 60, 300, 2 ** 31]) {
      const { bytes } = journal
      new DataView(bytes.buffer).setUint32(32, length, true)
      const found = recovered(flip(bytes, 9))
      expect(ids(found)).toEqual(['job 3', 'job 4'])
      expect(found.gaps).toEqual([{ at: 0, bytes: journal.batches[0]?.end, batches: 1 }])
    }
  })

  test('wherever the next one begins: the search goes by windows', () => {
    for (let size = 2 ** 20 - 6; size < 2 ** 20 + 6; size++) {
      const journal = new JournalBuilder(1).frame(new Uint8Array(size)).insert(...numbered(1, 2))
      expect(ids(recovered(flip(journal.bytes, 3)))).toEqual(['job 1', 'job 2'])
    }
  })

  test('at the end', () => {
    const journal = new JournalBuilder(1).insert(...numbered(1, 2)).insert(...numbered(3, 4))
    const { at } = journal.batches[1] as { at: number }
    const found = recovered(journal.bytes.slice(0, -3))
    expect(ids(found)).toEqual(['job 1', 'job 2'])
    expect(found.gaps).toEqual([{ at, bytes: journal.bytes.length - 3 - at, batches: 0 }])
  })

  test('and so is a chain that is broken where no byte is missing', () => {
    const [one, two] = [new JournalBuilder(1).insert(...numbered(1, 2)), new JournalBuilder(1)]
    two.insert(...numbered(8, 8)).insert(...numbered(3, 4))
    const second = two.bytes.slice(two.batches[1]?.at)
    const found = recovered(new Uint8Array([...one.bytes, ...second]))
    expect(ids(found)).toEqual(['job 1', 'job 2', 'job 3', 'job 4'])
    expect(found).toMatchObject({ isDamaged: true, gaps: [{ bytes: 0, batches: 0 }] })
  })
})

describe('a batch of several frames loses what is in those that are damaged, and nothing else', () => {
  const value = (fill: number) => new Uint8Array(900).fill(fill)
  const steps = new Map([3, 4, 5].map((n) => [`step ${n}`, value(n)] as const))
  const giant = jobRecord(3, 'giant', { input: value(1), state: 'running', attempt: 1, checkpoint: value(2), steps })
  const records = [giant, ...numbered(4, 4), jobRecord(5, 'large', { input: value(6) }), ...numbered(6, 7)]

  /** The second batch has a frame for each value or two. */
  const journal = new JournalBuilder(1)
    .insert(...numbered(1, 2))
    .large(800, ...records.map((after) => ({ before: undefined, after })))
    .insert(...numbered(8, 8))
    .batch({ before: giant, after: { ...giant, priority: 5 } })
    .seal()
  const frames = journal.batches.filter(({ changes }) => changes.length > 2)
  const has = ({ at, end }: { at: number; end: number }, fill: number) =>
    Buffer.from(journal.bytes.subarray(at, end)).includes(Buffer.from(value(fill)))

  test('as it is made here', () => {
    expect(frames.map((frame) => [1, 2, 3, 4, 5, 6].filter((fill) => has(frame, fill)))).toEqual([
      [1],
      [2],
      [3],
      [4],
      [5],
      [6],
      [],
    ])
    const found = recovered(journal.bytes)
    expect(found.records).toHaveLength(8)
    expect(found).toMatchObject({ isDamaged: false, incomplete: [], partial: [] })
  })

  const wounds: [name: string, at: number][] = [
    ['payload', 60],
    ['magic', 0],
    ['length', 33],
    ['flags', 6],
  ]
  test.each(frames.flatMap((frame, index) => wounds.map(([name, at]) => [index + 1, name, frame, at] as const)))(
    'frame %i, damaged in its %s',
    (_number, _name, frame, at) => {
      const found = recovered(flip(journal.bytes, frame.at + at))
      const isLost = (fill: number) => has(frame, fill)
      const lost = isLost(1) ? ['giant'] : isLost(6) ? ['job 4', 'large'] : []
      if (frame === frames.at(-1)) lost.push('job 6', 'job 7')
      expect(ids(found)).toEqual(ids(recovered(journal.bytes)).filter((id) => !lost.includes(id)))
      expect(found).toMatchObject({ unreadable: [], strays: [] })
      expect(found.gaps).toEqual([{ at: frame.at, bytes: frame.end - frame.at, batches: 1 }])
      const kept = found.records.find(({ id }) => id === 'giant')
      if (!kept) return expect(found.orphans).toBe(5)
      expect(kept).toMatchObject({ input: value(1), priority: 5, checkpoint: isLost(2) ? undefined : value(2) })
      expect([...(kept.steps ?? [])]).toEqual([...steps].filter((_step, index) => !isLost(index + 3)))
      // What may be lost of it is said; whether more was to come nobody can tell.
      expect(found.incomplete).toEqual(frame === frames.at(-1) ? [] : ['giant'])
      expect(found.partial).toEqual(isLost(3) ? ['giant'] : [])
    },
  )

  test('two of them', () => {
    const [, second, , fourth] = frames
    const bytes = flip(flip(journal.bytes, (second?.at as number) + 50), (fourth?.at as number) + 50)
    const found = recovered(bytes)
    expect(ids(found)).toEqual(ids(recovered(journal.bytes)))
    expect(found.gaps.map(({ at }) => at)).toEqual([second?.at, fourth?.at])
    expect(found.records[2]).toMatchObject({ input: value(1), checkpoint: undefined })
    expect([...(found.records[2]?.steps?.keys() ?? [])]).toEqual(['step 3', 'step 5'])
  })
})

test('records come in the order of adding, whatever was lost: the store relies on it', () => {
  const [one, two] = [jobRecord(5, 'a'), jobRecord(7, 'b')]
  const journal = new JournalBuilder(1)
    .insert(one, two)
    .batch({ before: one, after: undefined }, { before: two, after: undefined })
    .insert(jobRecord(6, 'c'), jobRecord(7, 'd'))
  const found = recovered(flip(journal.seal().bytes, (journal.batches[1]?.at as number) + 45))
  expect(found.records.map(({ seq }) => seq)).toEqual([5, 6, 7])
})

test('what a newer version has written is left to that one', () => {
  const bytes = new JournalBuilder(1).insert(...numbered(1, 2)).bytes
  const view = new DataView(bytes.buffer)
  view.setUint16(4, 9, true)
  view.setUint32(40, crc32(bytes.subarray(headerBytes), crc32(bytes.subarray(0, 40))), true)
  expect(() => salvaged(bytes)).toThrow(/newer version of offstage \(format 9\)/)
})

describe('an upload that contains a journal is data, and never takes the place of the store', () => {
  /** With its own seal, and with more bytes than all the rest. */
  const fake = (salt = 666, count = 500) => {
    const journal = new JournalBuilder(salt)
    for (let seq = 1; seq <= count; seq++) journal.insert(jobRecord(seq, `fake ${seq}`))
    return journal.seal()
  }

  /** A job with it comes first or third; four others are around it. */
  const withUpload = (place: 'first' | 'third', upload: Uint8Array, salt = 1) => {
    const job = jobRecord(9, 'upload', { input: upload })
    const journal = new JournalBuilder(salt)
    if (place === 'first') journal.insert(job)
    journal.insert(jobRecord(10, 'real 1')).insert(jobRecord(11, 'real 2'))
    if (place === 'third') journal.insert({ ...job, seq: 12 })
    return journal.insert(jobRecord(13, 'real 3')).insert(jobRecord(14, 'real 4'))
  }

  const real = ['real 1', 'real 2', 'real 3', 'real 4']
  const uploaded = ({ batches }: JournalBuilder) =>
    batches.find(({ changes }) => changes[0]?.after?.id === 'upload')?.at

  const wounds: [name: string, wound: (bytes: Uint8Array, at: number) => void][] = [
    ['a bit of its payload', (bytes, at) => flip(bytes, at + 45)],
    ['a bit of its magic', (bytes, at) => flip(bytes, at)],
    ['a bit of its salt', (bytes, at) => flip(bytes, at + 9)],
    ['a bit of its length', (bytes, at) => flip(bytes, at + 33)],
    ['all of its header', (bytes, at) => bytes.fill(0, at, at + headerBytes)],
    ['its header and the beginning of the upload', (bytes, at) => bytes.fill(0xff, at, at + 1_000)],
  ]
  test.each((['first', 'third'] as const).flatMap((place) => wounds.map((wound) => [place, ...wound] as const)))(
    'in the %s batch, damaged in %s',
    (place, _name, wound) => {
      const journal = withUpload(place, fake().bytes).seal()
      const { bytes } = journal
      wound(bytes, uploaded(journal) as number)
      const found = recovered(bytes)
      expect(ids(found)).toEqual(real)
      expect(found.strays).toHaveLength(1)
      expect(found.strays[0]?.batches).toBeGreaterThan(450)
    },
  )

  test('with the header of the first batch and the end of the last one gone', () => {
    const { bytes } = withUpload('first', fake().bytes)
    const found = recovered(bytes.fill(0, 0, headerBytes).subarray(0, -2))
    expect(ids(found)).toEqual(real.slice(0, 3))
  })

  test('when nothing else is intact: then nothing is recovered', () => {
    const journal = new JournalBuilder(1).insert(jobRecord(1, 'upload', { input: fake().bytes }))
    for (const wound of wounds) {
      const { bytes } = journal
      wound[1](bytes, 0)
      const found = recovered(bytes)
      if (!wound[0].includes('beginning of the upload')) expect(ids(found), wound[0]).toEqual([])
      expect(found.strays.length + found.gaps.length).toBeGreaterThan(0)
    }
  })

  test('when only the part of it that the damage has left has no beginning', () => {
    const alone = new JournalBuilder(1).insert(jobRecord(1, 'upload', { input: fake().bytes.slice(70) }))
    expect(ids(recovered(flip(alone.bytes, 50)))).toEqual([])
    const { bytes } = withUpload('first', fake().bytes.slice(70)).seal()
    expect(ids(recovered(flip(bytes, 50)))).toEqual(real)
    expect(ids(recovered(bytes.fill(0, 0, headerBytes)))).toEqual(real)
  })

  test('a copy of the same journal, of before', () => {
    const before = new JournalBuilder(1).insert(jobRecord(10, 'real 1')).insert(jobRecord(11, 'real 2')).seal()
    const journal = withUpload('third', before.bytes)
    const found = recovered(flip(journal.seal().bytes, uploaded(journal) as number))
    expect(ids(found)).toEqual(real)
  })

  test('one that went on from the same beginning, as after a backup was put back', () => {
    const other = new JournalBuilder(1).insert(jobRecord(10, 'real 1')).insert(jobRecord(11, 'real 2'))
    for (let seq = 20; seq < 500; seq++) other.insert(jobRecord(seq, `fake ${seq}`))
    const journal = withUpload('third', other.seal().bytes)
    for (const [name, wound] of wounds) {
      const { bytes } = journal
      wound(bytes, uploaded(journal) as number)
      expect(ids(recovered(bytes)), name).toEqual(real)
    }
  })

  test('bytes in front of a journal are no upload: it goes on to the end', () => {
    const journal = new JournalBuilder(1)
      .insert(...numbered(1, 2))
      .insert(...numbered(3, 4))
      .seal()
    const found = recovered(new Uint8Array([1, 2, 3, ...journal.bytes]))
    expect(ids(found)).toEqual(['job 1', 'job 2', 'job 3', 'job 4'])
  })

  // Taken at their word, they cost the reading of all that they claim to be: 36 or 1.2 GB.
  test.each([
    ['a megabyte', 900_000, 40_000, 40_000],
    ['ten kilobytes', 10_000, 120_000, 500],
  ])('one that is full of beginnings of %s each does not keep the search from ending', (_name, length, count, each) => {
    // Each twelve bytes are a header's magic, version and length, and other fields of those before it.
    const beginning = new Uint8Array(new Uint32Array([0x3166666f, 1, length]).buffer)
    const upload = new Uint8Array(count * beginning.length + length)
    for (let index = 0; index < count; index++) upload.set(beginning, index * beginning.length)
    const journal = new JournalBuilder(1).insert(...numbered(1, 1), jobRecord(2, 'upload', { input: upload }))
    journal.insert(...numbered(3, 3)).insert(jobRecord(4, 'big', { input: new Uint8Array(2_000_000) }))
    const source = new MemorySource(flip(journal.seal().bytes, 3))
    const found = salvage(source, { errors: [], keeps: () => true }) as Salvage
    expect(ids(found)).toEqual(['job 3', 'big'])
    expect(source.bytesRead).toBeLessThan(count * each)
  })
})

describe('of a journal that does not fit into memory', () => {
  test('the checksum of any stretch is known, from a few blocks', () => {
    const chance = new Chance(5)
    const bytes = Uint8Array.from({ length: 300_000 }, () => chance.int(256))
    const journal = new JournalBytes(new MemorySource(bytes))
    for (let round = 0; round < 200; round++) {
      const at = chance.int(bytes.length)
      const length = chance.int(bytes.length - at + 1)
      const seed = chance.int(2 ** 32)
      expect(journal.checksum(at, length, seed) >>> 0).toBe(crc32(bytes.subarray(at, at + length), seed))
    }
  })

  test('no more than a slice is read at a time, and values that nobody wants are let go', () => {
    const journal = new JournalBuilder(1)
    for (let seq = 1; seq <= 6; seq++) journal.insert(jobRecord(seq, `job ${seq}`, { input: 'x'.repeat(3_000_000) }))
    const source = new MemorySource(journal.seal().bytes)
    const found = salvage(source, { errors: [], keeps: ({ seq }) => seq === 2 }) as Salvage
    expect(found.records.map(({ input }) => (input as string | undefined)?.length)).toEqual([
      undefined,
      3_000_000,
      ...Array(4),
    ])
    expect(source.longestRead).toBeLessThan(2_000_000)
  })
})

describe('a random journal with random damage', () => {
  const runs = Number(process.env.OFFSTAGE_SALVAGE_RUNS ?? 400)
  const firstSeed = Number(process.env.OFFSTAGE_SALVAGE_SEED ?? 1)

  test(`from seed ${firstSeed} on: never throws, never has what was not there, has all that is intact`, () => {
    for (let seed = firstSeed; seed < firstSeed + runs; seed++) {
      try {
        tryOne(new Chance(seed))
      } catch (error) {
        throw new Error(`OFFSTAGE_SALVAGE_RUNS=1 OFFSTAGE_SALVAGE_SEED=${seed}: ${(error as Error).message}`, {
          cause: error,
        })
      }
    }
  })
})

/** `prefix` begins every id. */
function randomJournal(chance: Chance, salt: number, prefix: string, upload?: Uint8Array): JournalBuilder {
  const journal = new JournalBuilder(salt)
  const live: JobRecord[] = []
  let seq = 0
  for (let left = 3 + chance.int(15); left > 0; left--) {
    const changes = Array.from({ length: 1 + chance.int(4) }, () => {
      const index = chance.int(live.length)
      const before = live[index]
      if (before && chance.is(0.3)) return { before, after: live.splice(index, 1) && undefined }
      if (before && chance.is(0.5)) {
        const after = randomUpdate(chance, before, ++seq)
        live[index] = after
        return { before, after }
      }
      const made = randomRecord(chance, ++seq)
      const record = { ...made, id: `${prefix} ${made.id}`, input: upload && chance.is(0.2) ? upload : made.input }
      live.push(record)
      return { before: undefined, after: record }
    })
    journal.large(chance.of([1e6, 1e6, 200, 1]), ...changes)
  }
  return chance.is(0.8) ? journal.seal() : journal
}

function damage(chance: Chance, bytes: Uint8Array): { bytes: Uint8Array; hasMoved: boolean } {
  let damaged = bytes
  let hasMoved = false
  for (let left = 1 + chance.int(3); left > 0; left--) {
    const at = chance.is(0.2) ? chance.int(50) : chance.int(damaged.length)
    const end = at + chance.skewed(600)
    const kind = chance.int(5)
    if (kind === 0) damaged = damaged.slice(0, Math.max(20, at))
    else if (kind === 1) damaged.fill(chance.int(256), at, end)
    else if (kind === 2) {
      damaged.copyWithin(at, chance.int(damaged.length), end)
      hasMoved = true
    } else flip(damaged, Math.min(at, damaged.length - 1))
  }
  return { bytes: damaged, hasMoved }
}

/** What is not intact lies in gaps, to the byte, and nothing else does but pieces of batches of which another piece is hurt. */
function checkGaps(
  { gaps }: Salvage,
  { batches }: JournalBuilder,
  size: number,
  isIntact: (batch: WrittenBatch) => boolean,
) {
  const isGap = (at: number) => gaps.some((gap) => gap.at <= at && at < gap.at + gap.bytes)
  const hurt = new Set(batches.filter((batch) => !isIntact(batch)).map(({ changes }) => changes))
  for (const batch of batches) {
    const { at, changes } = batch
    const end = Math.min(batch.end, size)
    if (isIntact(batch) ? hurt.has(changes) : at >= end) continue
    expect([isGap(at), isGap(end - 1)]).toEqual(isIntact(batch) ? [false, false] : [true, true])
  }
}

function tryOne(chance: Chance): void {
  const fake = randomJournal(chance, 99, 'fake').bytes
  const journal = randomJournal(chance, 1, 'real', fake)
  const whole = journal.bytes
  const { bytes, hasMoved } = damage(chance, journal.bytes)
  const isIntact = ({ at, end }: { at: number; end: number }) =>
    end <= bytes.length && whole.subarray(at, end).every((byte, index) => bytes[at + index] === byte)
  const found = salvaged(bytes)
  const last = journal.batches.filter(isIntact).at(-1)
  // Where nothing says which journal it is, the one with more bytes is taken.
  const isTold = isIntact({ at: 8, end: 16 }) || (last !== undefined && last.end === bytes.length)
  if (!last || !isTold) return
  if (!found) throw new Error('nothing was found')

  const added = new Map<string, unknown>()
  const final = new Map<number, JobRecord | undefined>()
  const hurt = new Set<number>()
  for (const batch of journal.batches) {
    for (const { before, after } of batch.changes) {
      const { id, seq, input } = (after ?? before) as JobRecord
      added.set(id, input)
      final.set(seq, after)
      if (!isIntact(batch)) hurt.add(seq)
    }
  }
  for (const { id, input } of found.records) {
    if (!added.has(id)) throw new Error(`'${id}' was never there`)
    expect(input).toEqual(added.get(id))
  }
  const bySeq = new Map(found.records.map((record) => [record.seq, record]))
  for (const [seq, record] of final) if (!hurt.has(seq)) expect(bySeq.get(seq)).toEqual(asRead(record))
  if (!hasMoved) checkGaps(found, journal, bytes.length, isIntact)
  // An end that is cut off between two batches leaves nothing that would show it.
  const there = journal.batches.filter(({ at }) => at < bytes.length)
  const isTorn = journal.batches.some(({ at, changes }) => at >= bytes.length && changes === there.at(-1)?.changes)
  expect(found.isDamaged).toBe(isTorn || !there.every(isIntact))
}

const asRead = (record: JobRecord | undefined) => (record?.steps ? { ...record, steps: new Map(record.steps) } : record)

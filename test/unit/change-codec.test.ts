// A batch of changes as bytes: replayed in order, the batches give back the records, and little is written twice.
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { createRecord, type JobDefaults, resolveDefaults } from '../../src/job/job-options.ts'
import { type JobRecord, states } from '../../src/job/record.ts'
import { never } from '../../src/job/retry.ts'
import { withStep } from '../../src/job/steps.ts'
import { type Action, isLegal, transition } from '../../src/job/transition.ts'
import { BatchWriter } from '../../src/store/batch-writer.ts'
import { ByteWriter } from '../../src/store/bytes.ts'
import { LiveRecords } from '../../src/store/live-records.ts'
import { Replayer } from '../../src/store/replayer.ts'
import type { Change } from '../../src/store/store.ts'
import { writeValue } from '../../src/store/value-writer.ts'
import { filled } from '../support/journals.ts'

const start = 1_750_000_000_000
const defaults = resolveDefaults({})

function jobOf(seq: number, input: unknown = { upTo: 5 }, own: JobDefaults = {}, resolved = defaults): JobRecord {
  const identity = { id: `k3j9x-${seq.toString(36)}`, name: 'countPrimes', input, seq, lineTime: start + seq }
  return createRecord(identity, own, resolved, start + seq)
}

const insert = (after: JobRecord): Change => ({ before: undefined, after })
const remove = (before: JobRecord): Change => ({ before, after: undefined })
const act = (before: JobRecord, action: Action, now: number): Change => ({
  before,
  after: transition(before, action, now),
})

function encode(changes: readonly Change[]): Uint8Array {
  const batch = new BatchWriter(3)
  for (const change of changes) batch.add(change)
  return filled(batch.finish()).subarray(3)
}

/** In all frames that it takes. */
function framesOf(changes: readonly Change[], frameBytes: number): Uint8Array[] {
  const batch = new BatchWriter(3, { frameBytes })
  for (const change of changes) batch.add(change)
  return [...batch.full, batch.finish()].map((frame) => filled(frame).subarray(3))
}

function replayAll(batches: readonly Uint8Array[], records = new LiveRecords()): JobRecord[] {
  const replayer = new Replayer([])
  for (const batch of batches) replayer.replay(batch, records)
  return [...records.values()]
}

const fields = Object.keys(jobOf(1))

function expectRecords(actual: readonly JobRecord[], expected: readonly JobRecord[]): void {
  // How steps are held is no matter of the codec.
  const withMaps = expected.map((record) => ({ ...record, steps: record.steps && new Map(record.steps) }))
  expect(actual).toStrictEqual(withMaps)
  for (const record of actual) expect(Object.keys(record)).toEqual(fields)
}

describe('batches give back the records', () => {
  const value = fc.anything({ withDate: true, withMap: true, withTypedArray: true }).map((any) => structuredClone(any))
  const thrown = fc.oneof(
    value,
    fc.string().map((message) => new RangeError(message)),
  )
  const retryMs = fc.constantFrom(undefined, 0, 5, never)
  const action: fc.Arbitrary<Action> = fc.oneof(
    fc.constantFrom<Action>({ type: 'start' }, { type: 'start' }, { type: 'release' }, { type: 'due' }),
    fc.constantFrom<Action>({ type: 'expire' }, { type: 'retry' }),
    fc.record({ type: fc.constant('interrupt'), error: thrown, isOwnMaking: fc.boolean() }),
    fc.record({ type: fc.constant('checkpoint'), checkpoint: value }),
    fc.record({ type: fc.constant('step'), key: fc.constantFrom('a', 'b', '', '__proto__', '漢'), value }),
    fc.record({ type: fc.constant('complete'), result: value }),
    fc.record({ type: fc.constant('fail'), error: thrown, retryMs, random: fc.constantFrom(0, 0.3) }),
    fc.record({ type: fc.constant('snooze'), ms: fc.nat(1e6) }),
    fc.record({ type: fc.constant('prioritize'), priority: fc.double({ noNaN: true }) }),
    fc.record({ type: fc.constant('cancel'), error: thrown }),
  ) as fc.Arbitrary<Action>
  const options: fc.Arbitrary<JobDefaults> = fc.record(
    {
      attempts: fc.integer({ min: 1, max: 4 }),
      backoff: fc.constantFrom(
        { type: 'exponential', delayMs: 0.25, jitter: 0.5 },
        { type: 'fixed', delayMs: 0 },
        { type: 'linear', delayMs: 10, jitter: 'decorrelated' },
        { type: 'sidekiq' },
        [1, 2.5],
      ),
      retryForMs: fc.nat(1e4),
      keepValues: fc.integer({ min: 1, max: 1e5 }),
      group: fc.string(),
      queue: fc.string(),
      priority: fc.double(),
      delayMs: fc.oneof(fc.nat(1e6), fc.double({ min: 0, max: 1e9, noNaN: true })),
      expiresInMs: fc.nat(),
      keepMs: fc.constantFrom(0, 5, Number.POSITIVE_INFINITY),
      tags: fc.array(fc.string(), { maxLength: 3 }),
    },
    { requiredKeys: [] },
  ) as fc.Arbitrary<JobDefaults>
  const event = fc.oneof(
    fc.record({ kind: fc.constant('insert' as const), input: value, options }),
    fc.record({ kind: fc.constant('act' as const), job: fc.nat(20), action, now: fc.oneof(fc.nat(), fc.double()) }),
    fc.record({ kind: fc.constant('act' as const), job: fc.nat(20), action, now: fc.nat({ max: 5_000 }) }),
    fc.record({ kind: fc.constant('remove' as const), job: fc.nat(20) }),
    fc.record({ kind: fc.constant('commit' as const) }),
  )

  test('after any course of their lives, cut into any batches, and these into any frames', () => {
    fc.assert(
      fc.property(fc.array(event, { maxLength: 60 }), fc.constantFrom(1, 30, 200, 1e6), (events, frameBytes) => {
        const live = new Map<number, JobRecord>()
        const batches: Uint8Array[] = []
        let changes: Change[] = []
        let seq = 0
        const commit = () => {
          batches.push(...framesOf(changes, frameBytes))
          changes = []
        }
        const put = (change: Change) => {
          changes.push(change)
          if (change.after) live.set(change.after.seq, change.after)
          else live.delete((change.before as JobRecord).seq)
        }
        for (const event of events) {
          if (event.kind === 'commit') commit()
          else if (event.kind === 'insert') {
            seq += 1 + (seq % 3)
            put(insert(jobOf(seq, event.input, event.options)))
          } else {
            const before = [...live.values()][event.job]
            if (!before) continue
            if (event.kind === 'remove') put(remove(before))
            else if (isLegal(before.state, event.action.type)) put(act(before, event.action, start + event.now))
          }
        }
        commit()
        expectRecords(replayAll(batches), [...live.values()])
      }),
      { numRuns: 500 },
    )
  })

  test('with steps written anew, overwritten, taken out of order and dropped', () => {
    const maps = [
      undefined,
      new Map([['a', 1]]),
      new Map([
        ['a', 1],
        ['b', 2],
      ]),
      new Map([
        ['a', 3],
        ['b', 2],
        ['c', undefined],
      ]),
      new Map([
        ['c', 1],
        ['a', 3],
      ]),
      new Map(),
      undefined,
    ]
    const courses = maps.map((steps) => ({ ...jobOf(1), steps }))
    courses.forEach((after, index) => {
      const changes = courses.slice(0, index).map((before, at) => ({ before, after: courses[at + 1] as JobRecord }))
      const [record] = replayAll([encode([insert(courses[0] as JobRecord)]), encode(changes)])
      expectRecords([record as JobRecord], [after])
      expect([...(record?.steps ?? [])]).toEqual([...(after.steps ?? [])])
    })
  })

  test('with any times', () => {
    const times = [0, -0, 0.5, -7, 8.64e15, -8.64e15, 2 ** 53 - 1, 1 - 2 ** 53, 1e300, Number.NaN, start, start - 1]
    const far = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, undefined]
    const pairs = [...times, ...far].flatMap((runAt) => times.map((dueAt) => ({ dueAt, runAt })))
    const jobs = pairs.map((pair, seq) => ({ ...jobOf(seq), ...pair }))
    expectRecords(replayAll([encode(jobs.map(insert))]), jobs)
  })

  test('with errors that cannot be kept, in a few words', () => {
    const running = transition(jobOf(1), { type: 'start' }, start)
    const failed = transition(running, { type: 'fail', error: { run() {} }, retryMs: never, random: 0 }, start)
    expect(replayAll([encode([insert(failed)])])[0]?.error).toEqual({ run: 'a function' })
  })

  test('and tell how many bytes each takes', () => {
    const batch = new BatchWriter(44)
    expect([batch.isEmpty, batch.bytes, batch.finish().bytes.length]).toEqual([true, 0, 44])
    const job = jobOf(1)
    const bytes = batch.add(insert(job)) + batch.add(act(job, { type: 'start' }, start))
    expect([batch.isEmpty, batch.bytes, batch.finish().bytes.length]).toEqual([false, bytes, 44 + bytes])
    const records = new LiveRecords()
    replayAll([batch.finish().bytes.subarray(44)], records)
    expect([records.get(1)?.seq, records.bytes]).toEqual([1, bytes])
  })

  // A journal is compacted when less than half of it is alive.
  test.each([
    ['nothing', undefined, undefined],
    ['a number', 7, 1_000_000],
    ['text', 'x'.repeat(300), 'y'],
    ['coordinates', { x: 0.123, y: -9.5, z: 2.625 }, { w: 0.33 }],
    ['an array of numbers', [0.5, 1.5, 2.5], [1, 2]],
    ['something large', { text: 'x'.repeat(50_000) }, { ok: true }],
    ['what is not plain', new Map([['at', new Date(start)]]), new Uint8Array(100)],
  ])('a removal takes off most of what the job came to: %s', (_name, input, result) => {
    const batch = new BatchWriter(0)
    const records = new LiveRecords()
    const write = (change: Change) => records.set(change.after!, batch.add(change))
    const count = 100
    for (let seq = 0; seq < count; seq++) {
      const job = jobOf(seq, input)
      const running = act(job, { type: 'start' }, start + seq)
      for (const change of [insert(job), running, act(running.after!, { type: 'complete', result }, start + seq + 9)])
        write(change)
    }
    const { bytes } = records
    for (let seq = 1; seq < count; seq++) records.delete(seq)
    expect(records.bytes).toBeLessThan(bytes / 3)
    records.delete(0)
    expect(records.bytes).toBeGreaterThanOrEqual(0)
  })
})

describe('little is written twice', () => {
  const jobs = Array.from({ length: 1_000 }, (_, index) => jobOf(index + 1_000))
  const started = jobs.map((job) => act(job, { type: 'start' }, job.addedAt + 20))
  const completed = started.map(({ after }) =>
    act(after!, { type: 'complete', result: { found: 78_498 } }, start + 900),
  )

  test('a thousand jobs of a type take about 30 bytes each, to start 10, to complete 20', () => {
    expect(encode(jobs.map(insert)).length).toBeLessThan(32_000)
    expect(encode(started).length).toBeLessThan(10_000)
    expect(encode(completed).length).toBeLessThan(20_000)
  })

  test('their rules and names are shared by all that come back, whatever their batches', () => {
    const own = resolveDefaults({ attempts: 2, tags: ['x'] })
    const batches = [0, 1, 2].map((n) => encode([jobOf(n * 2), jobOf(n * 2 + 1, 0, {}, own)].map(insert)))
    const records = replayAll(batches)
    expect(new Set(records.map(({ rules }) => rules)).size).toBe(2)
    expect(records[1]?.rules).toEqual(own.rules)
  })

  test('a thousand steps take a thousand times what one takes', () => {
    let record = transition(jobOf(1), { type: 'start' }, start)
    const batches = [encode([insert(record)])]
    for (let step = 0; step < 1_000; step++) {
      const change = act(record, { type: 'step', key: `step ${step}`, value: step }, start)
      record = change.after as JobRecord
      batches.push(encode([change]))
    }
    expect(batches.reduce((sum, { length }) => sum + length, 0)).toBeLessThan(20_000)
    expectRecords(replayAll(batches), [record])
  })
})

describe('a large batch', () => {
  const frameBytes = 1_000
  /** Beside its value: an operation, what it is about, and what the frame had before. */
  const others = 200
  const bytes = (size: number) => new Uint8Array(size)
  const many = Array.from({ length: 300 }, (_, index) => insert(jobOf(index + 1)))

  test('is cut into frames, each of which can be read without the others', () => {
    const frames = framesOf(many, frameBytes)
    expect(frames.length).toBeGreaterThan(5)
    for (const frame of frames) expect(frame.length).toBeLessThan(frameBytes + others)
    expectRecords(replayAll(frames), many.map(({ after }) => after) as JobRecord[])
    expect(replayAll(frames.slice(2)).map(({ seq }) => seq)).toEqual(
      replayAll(frames.slice(2).reverse())
        .map(({ seq }) => seq)
        .sort((a, b) => a - b),
    )
  })

  test('is one frame up to the limit, and two from one operation more on', () => {
    const one = insert(jobOf(1))
    const size = encode([one]).length
    expect(framesOf([one, remove(jobOf(1))], size + 1)).toHaveLength(1)
    expect(framesOf([one, remove(jobOf(1))], size)).toHaveLength(2)
    expect(framesOf([one], 1)).toHaveLength(1)
  })

  test('of values that are larger than a frame has a frame for each, and no empty one', () => {
    const frames = framesOf(
      [1, 2, 3].map((seq) => insert(jobOf(seq, bytes(5_000)))),
      frameBytes,
    )
    expect(frames).toHaveLength(3)
    for (const frame of frames) expect(frame.length).toBeLessThan(5_000 + others)
  })

  test('a record with several large values is never in one piece, nor are two of its values', () => {
    const steps = new Map(Array.from({ length: 50 }, (_, index) => [`step ${index}`, bytes(900)]))
    const record: JobRecord = {
      ...jobOf(7, bytes(3_000)),
      state: 'completed',
      result: bytes(4_000),
      error: new RangeError('x'.repeat(3_500)),
      checkpoint: bytes(2_000),
      steps,
    }
    const frames = framesOf([insert(jobOf(1)), insert(record), insert(jobOf(9))], frameBytes)
    // The stack of the error comes on top.
    for (const frame of frames) expect(frame.length).toBeLessThan(9_000)
    const found = replayAll(frames)
    expectRecords(found, [jobOf(1), record, jobOf(9)])
    expect([...(found[1]?.steps?.keys() ?? [])]).toEqual([...steps.keys()])
    const dropped = { ...record, checkpoint: bytes(2_500), result: bytes(4_500), steps: undefined }
    expectRecords(replayAll(framesOf([insert(record), { before: record, after: dropped }], frameBytes)), [dropped])
    const emptied = { ...dropped, steps: new Map() }
    expectRecords(replayAll(framesOf([insert(record), { before: record, after: emptied }], frameBytes)), [emptied])
  })

  test.each<[string, (size: number) => Change]>([
    ['an input', (size) => insert(jobOf(1, new Uint8Array(size)))],
    ['a result', (size) => ({ before: jobOf(1), after: { ...jobOf(1), result: new Uint8Array(size) } })],
    [
      'a step',
      (size) => ({ before: jobOf(1), after: { ...jobOf(1), steps: new Map([['key', new Uint8Array(size)]]) } }),
    ],
    [
      'the key of a step',
      (size) => ({ before: jobOf(1), after: { ...jobOf(1), steps: new Map([['k'.repeat(size), 1]]) } }),
    ],
    ['an id', (size) => insert({ ...jobOf(1), id: 'i'.repeat(size) })],
  ])(
    'has no frame that is longer than can be read: %s that makes it so is refused, and its job named',
    (_name, make) => {
      const bytesMax = 1_000
      const sizes = Array.from({ length: 100 }, (_, index) => bytesMax - index)
      const tried = sizes.map((size) => {
        const change = make(size)
        const batch = new BatchWriter(3, { frameBytes: 100, frameBytesMax: bytesMax })
        batch.add(insert(jobOf(7)))
        try {
          batch.add(change)
        } catch (error) {
          expect(error).toMatchObject({ code: 'DATA_CLONE', jobId: change.after?.id })
          return false
        }
        const frames = [...batch.full, batch.finish()].map((frame) => filled(frame).subarray(3))
        expect(Math.max(...frames.map(({ length }) => length))).toBeLessThanOrEqual(bytesMax)
        return true
      })
      // Once one fits, so do all that are smaller.
      expect(tried.indexOf(true)).toBeGreaterThan(0)
      expect(tried.lastIndexOf(false)).toBe(tried.indexOf(true) - 1)
    },
  )

  test('says how many bytes each change took, wherever it is cut', () => {
    const batch = new BatchWriter(44, { frameBytes: 300 })
    const sum = many.map((change) => batch.add(change)).reduce((total, size) => total + size)
    const frames = [...batch.full, batch.finish()]
    expect(sum).toBe(batch.bytes)
    expect(sum).toBe(frames.reduce((total, { bytes }) => total + bytes.length - 44, 0))
  })
})

describe('what makes no sense is refused', () => {
  const job = jobOf(1)
  const running = transition(job, { type: 'start' }, start)
  const none = new Map<string, unknown>()
  const sample = encode([insert(job), act(job, { type: 'start' }, start), insert(jobOf(2, 'x', { tags: ['t'] }))])

  test.each<[string, Change[][]]>([
    ['an insert of what is there', [[insert(job)], [insert(job)]]],
    ['an update of what is not there', [[act(job, { type: 'start' }, start)]]],
    ['a removal of what is not there', [[insert(job), remove(job)], [remove(job)]]],
    ['more steps than none', [[insert(running)], [{ before: { ...running, steps: none }, after: { ...running, steps: withStep(none, 'a', 1) } }]]], // biome-ignore format: one line.
  ])('%s', (_name, batches) => {
    expect(() => replayAll(batches.map(encode))).toThrow(Error)
  })

  test.each<[string, number[]]>([
    ['an operation', [6, 2]],
    ['a field', [1, 2, 128, 128, 128, 2]],
    ['a state', [1, 2, 1, 7]],
    ['a list of steps', [1, 2, 64, 3]],
    ['rules', rulesOfSeven()],
  ])('%s of a newer version, which the message says', (_name, bytes) => {
    expect(() => replayAll([Uint8Array.from(bytes)])).toThrow('newer version')
  })

  test('cut anywhere but between two changes', () => {
    const whole = [0, encode([insert(job)]).length, encode([insert(job), act(job, { type: 'start' }, start)]).length]
    for (let length = 0; length < sample.length; length++) {
      if (whole.includes(length)) replayAll([sample.subarray(0, length)])
      else expect(() => replayAll([sample.subarray(0, length)])).toThrow(Error)
    }
  })

  test('any bit flipped: records or an error', () => {
    for (let bit = 0; bit < sample.length * 8; bit++) {
      const damaged = sample.slice()
      damaged[bit >> 3]! ^= 1 << (bit & 7)
      try {
        for (const record of replayAll([damaged])) expect(Object.keys(record)).toEqual(fields)
      } catch (error) {
        expect(error).toBeInstanceOf(Error)
      }
    }
  })
})

function rulesOfSeven(): number[] {
  const out = new ByteWriter()
  out.raw(Uint8Array.of(1, 2, 0x80, 0x80, 0x08, 0))
  writeValue(out, [1, undefined, undefined, undefined, [], ['flows'], true], 'rules')
  return [...out.toBytes().bytes]
}

// Stored for ever: what was written by version 1 must be read by every version to come.
describe('version 1', () => {
  const rules = {
    attempts: 3,
    backoff: { type: 'exponential', delayMs: 1_000, jitter: 0.5 },
    timeoutMs: 60_000,
    keepMs: Number.POSITIVE_INFINITY,
    tags: ['nightly'],
  } as const
  const first: JobRecord = {
    id: 'import-7',
    name: 'importOrders',
    queue: 'imports',
    group: undefined,
    rules,
    input: { file: 'orders.csv', from: new Date(start) },
    state: 'scheduled',
    priority: 0.5,
    dueAt: start + 60_000,
    seq: 7,
    attempt: 0,
    failures: 0,
    interruptions: 0,
    crashes: 0,
    addedAt: start,
    runAt: start + 60_000,
    expiresAt: start + 3_600_000.5,
    startMs: undefined,
    finishMs: undefined,
    result: undefined,
    error: undefined,
    checkpoint: undefined,
    steps: undefined,
  }
  const failed: JobRecord = {
    ...first,
    state: 'failed',
    priority: -1,
    attempt: 130,
    failures: 3,
    interruptions: 1,
    runAt: undefined,
    startMs: -5,
    finishMs: 60_200,
    error: { code: 404 },
    checkpoint: [1, 2],
    steps: new Map<string, unknown>([['fetch', 'ok']]),
  }
  const more: JobRecord = { ...failed, steps: withStep(failed.steps, 'parse', null) }
  const completed: JobRecord = { ...more, state: 'completed', result: 5n, error: undefined, steps: undefined }
  const other: JobRecord = { ...first, id: 'import-3', seq: 3 }

  const hex = [
    '010e81da3f10696d706f72742d370018696d706f72744f7264657273010e696d706f727473000b05830a0308747970650816',
    '6578706f6e656e7469616c0e64656c61794d7304e8070c6a697474657206000000000000e03f04e0d40306000000000000f0',
    '7f0b01080e6e696768746c790a020866696c6508146f72646572732e6373760866726f6d0f0480b883a1f732000600000000',
    '0000e03fc2998ec2ee65c1a907c2a907010008a87c45777942010781da3f10696d706f72742d330001000a020866696c6508',
    '146f72646572732e6373760866726f6d0f0480b883a1f7320006000000000000e03f02c1a907c2a907010008a87c45777942',
    '0208ef2f0505018201030100cba907dcac070a0108636f64650494030b02818201010a666574636808046f6b030702084002',
    '010a706172736501020071040702350000',
  ].join('')
  const bytes = Uint8Array.from(Buffer.from(hex, 'hex'))

  test('starts that ended with the process have a bit of their own, and are 0 where it is not set', () => {
    const crashed = { ...first, crashes: 2 }
    expect(replayAll([bytes])[0]?.crashes).toBe(0)
    expectRecords(replayAll([encode([insert(crashed)])]), [crashed])
    const back = encode([{ before: crashed, after: first }])
    expect(Buffer.from(back).toString('hex')).toBe('020e80804000')
    expectRecords(replayAll([encode([insert(crashed)]), back]), [first])
  })

  test('is read', () => {
    const records = replayAll([bytes])
    expectRecords(records, [completed])
    expect(records[0]).toHaveProperty('rules', rules)
  })

  test('is written', () => {
    const update = (before: JobRecord, after: JobRecord): Change => ({ before, after })
    const changes = [insert(first), insert(other), update(first, failed), remove(other), update(failed, more)]
    expect(Buffer.from(encode([...changes, update(more, completed)])).toString('hex')).toBe(hex)
  })

  test('has rows, and rules with marks, beside', () => {
    const marked = { ...first, rules: { ...rules, marks: ['flows'] } }
    const batch = new BatchWriter(0)
    batch.addRow({ table: 'flows', key: 'a', value: [1] })
    batch.addRow({ table: 'flows', key: 'b', value: undefined })
    batch.add(insert(marked))
    const written = batch.finish().bytes
    expect(Buffer.from(written.subarray(0, 17)).toString('hex')).toBe('04000a666c6f777302610b018105000262')
    expect(Buffer.from(written).toString('hex')).toContain('0b06')
    const records = new LiveRecords()
    records.setRow({ table: 'flows', key: 'b', value: 2 }, 10)
    expectRecords(replayAll([written], records), [marked])
    expect([...records.rows()]).toEqual([{ table: 'flows', key: 'a', value: [1] }])
  })

  test('knows the states by their place in the list', () => {
    const ofVersion1 = ['scheduled', 'blocked', 'queued', 'running', 'completed', 'failed', 'cancelled']
    expect(states.slice(0, ofVersion1.length)).toEqual(ofVersion1)
  })
})

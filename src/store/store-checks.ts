import { createRecord, resolveDefaults } from '../job/job-options.ts'
import type { JobRecord } from '../job/record.ts'
import { type Action, transition } from '../job/transition.ts'
import { OffstageError } from '../shared/errors.ts'
import { manualClock } from '../shared/manual-clock.ts'
import { seededRandom } from '../shared/seeded-random.ts'
import { tagOf } from '../shared/show.ts'
import type { Change, Row, Store, StoreHost } from './store.ts'

/** One thing that every store must do. `run` rejects with what is wrong. */
export interface StoreCheck {
  /** What it checks, as the title of a test. */
  readonly name: string
  /** Resolves when the check passes; rejects with what is wrong. */
  run(): Promise<void>
}

/**
 * Checks everything that offstage relies on in a store, for authors of stores. `make(place)` returns a store that is not open.
 * Two stores with the same place share what they hold. Every new place starts empty.
 *
 * @example
 * ```ts
 * import { storeChecks } from 'offstage/testing'
 * for (const { name, run } of storeChecks((place) => myStore(`/tmp/${place}`))) test(name, run)
 * ```
 */
export function storeChecks(make: (place: string) => Store): StoreCheck[] {
  const { isDurable } = make('offstage-kind')
  return Object.entries({ ...always, ...(isDurable && durable) }).map(([name, check], index) => ({
    name,
    run: () => check(new Bench(make, `offstage-check-${index}`)),
  }))
}

/** A store in use, and what it must contain. */
class Bench {
  readonly #make: (place: string) => Store
  readonly place: string
  readonly reported: unknown[] = []
  readonly clock = manualClock()
  /** The rows that it contained when it was opened, by table and key. */
  rows: readonly Row[] = []
  #store: Store | undefined
  #seq = 0

  constructor(make: (place: string) => Store, place: string) {
    this.#make = make
    this.place = place
  }

  get host(): StoreHost {
    return {
      clock: this.clock,
      random: seededRandom(1),
      errors: [OwnError],
      report: (error) => this.reported.push(error),
      stopped: (error) => this.reported.push(error),
    }
  }

  get store(): Store {
    this.#store ??= this.#make(this.place)
    return this.#store
  }

  another(): Store {
    return this.#make(this.place)
  }

  async open(): Promise<JobRecord[]> {
    const { records, rows } = await this.store.open(this.host)
    this.rows = [...rows].sort((a, b) => order(a.table, b.table) || order(a.key, b.key))
    return [...records].sort((a, b) => a.seq - b.seq)
  }

  async reopen(): Promise<JobRecord[]> {
    await this.store.close()
    this.#store = undefined
    return this.open()
  }

  record(input?: unknown, options = {}): JobRecord {
    const seq = ++this.#seq
    const identity = { id: `job-${seq}`, name: 'resize', input, seq, lineTime: this.clock.now() }
    return createRecord(identity, options, shared, this.clock.now())
  }

  async insert(...records: JobRecord[]): Promise<JobRecord[]> {
    await this.store.commit(records.map((after) => ({ before: undefined, after })))
    return records
  }

  /** Commits the rows in one batch with these changes. */
  async put(rows: readonly Row[], ...changes: Change[]): Promise<void> {
    await this.store.commit([...changes, { before: undefined, after: undefined, rows }])
  }

  async move(before: JobRecord, ...actions: Action[]): Promise<JobRecord> {
    let record = before
    const changes: Change[] = []
    for (const action of actions) {
      const after = transition(record, action, this.clock.now())
      changes.push({ before: record, after })
      record = after
    }
    await this.store.commit(changes)
    return record
  }
}

const order = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0)
const row = (table: string, key: string, value: unknown): Row => ({ table, key, value })

class OwnError extends Error {
  readonly detail = 7
}

const shared = resolveDefaults({ attempts: 3, backoff: { type: 'exponential', delayMs: 10 }, tags: ['a'] })
const start: Action = { type: 'start' }
const fail = (error: unknown): Action => ({ type: 'fail', error, retryMs: undefined, random: 0 })

type Check = (bench: Bench) => Promise<void>

const always: Readonly<Record<string, Check>> = {
  'a new store is empty': async (bench) => {
    expectSame(await bench.open(), [])
    await bench.store.close()
  },

  'takes inserts, updates and removals': async (bench) => {
    await bench.open()
    const [kept, gone] = (await bench.insert(bench.record({ width: 1 }), bench.record({ width: 2 }))) as [
      JobRecord,
      JobRecord,
    ]
    await bench.move(kept, start, { type: 'complete', result: 'done' })
    await bench.store.commit([{ before: gone, after: undefined }])
    await bench.store.close()
  },

  'takes rows, and changes of nothing': async (bench) => {
    await bench.open()
    await bench.put([row('counts', 'a', 1), row('counts', 'a', undefined)])
    await bench.store.commit([{ before: undefined, after: undefined }])
    await bench.store.close()
  },

  'can be closed twice, and opened again': async (bench) => {
    await bench.open()
    await bench.store.close()
    await bench.store.close()
    expectSame(await bench.open(), [])
    await bench.store.close()
  },
}

const durable: Readonly<Record<string, Check>> = {
  'what was committed is there after opening again': async (bench) => {
    await bench.open()
    const [first, second, third] = (await bench.insert(
      bench.record({ width: 1 }, { priority: 3, delayMs: 5, tags: ['x', 'y'] }),
      bench.record('two', { queue: 'other', group: 'user 7', expiresInMs: 1_000, keepMs: 60_000 }),
      bench.record(),
    )) as [JobRecord, JobRecord, JobRecord]
    const due = await bench.move(first, { type: 'due' }, start, { type: 'checkpoint', checkpoint: { at: 10 } })
    const stepped = await bench.move(due, { type: 'step', key: 'a', value: 1 }, { type: 'step', key: 'b', value: [2] })
    await bench.move(second, start, { type: 'crash' }, start, {
      type: 'complete',
      result: { bytes: new Uint8Array([1, 2, 3]) },
    })
    await bench.store.commit([{ before: third, after: undefined }])
    const crashed = await bench.move(stepped, fail(new RangeError('too wide')), { type: 'due' }, start, {
      type: 'crash',
    })
    const found = await bench.reopen()
    expectSame(
      found.map(({ id }) => id),
      [first.id, second.id],
    )
    expectSame(found[0], crashed)
    expectSame((found[1] as JobRecord).result, { bytes: new Uint8Array([1, 2, 3]) })
    expectSame((found[1] as JobRecord).state, 'completed')
    await bench.store.close()
  },

  'an id may be given to another job in one batch': async (bench) => {
    await bench.open()
    const [old] = (await bench.insert(bench.record(1))) as [JobRecord]
    const renewed = { ...bench.record(2), id: old.id }
    await bench.store.commit([
      { before: old, after: undefined },
      { before: undefined, after: renewed },
    ])
    expectSame(await bench.reopen(), [renewed])
    await bench.store.close()
  },

  'keeps many batches in order': async (bench) => {
    await bench.open()
    const records: JobRecord[] = []
    for (let index = 0; index < 50; index++) records.push(...(await bench.insert(bench.record(index), bench.record())))
    for (let index = 0; index < 100; index += 2)
      records[index] = await bench.move(records[index] as JobRecord, start, { type: 'complete', result: index })
    expectSame(await bench.reopen(), records)
    await bench.store.close()
  },

  'keeps the last value of each row, and its table apart from others': async (bench) => {
    await bench.open()
    await bench.put([row('flows', 'a', 1), row('flows', 'b', { at: [1, 2] }), row('counts', 'a', null)])
    await bench.put([row('flows', 'a', 2), row('flows', 'b', undefined), row('flows', 'never there', undefined)])
    await bench.put([row('flows', 'c', 'gone'), row('flows', 'c', undefined), row('__proto__', '', 0)])
    await bench.reopen()
    expectSame(bench.rows, [row('__proto__', '', 0), row('counts', 'a', null), row('flows', 'a', 2)])
    await bench.put([row('flows', 'a', undefined)])
    await bench.reopen()
    expectSame(bench.rows, [row('__proto__', '', 0), row('counts', 'a', null)])
    await bench.store.close()
  },

  'keeps rows in one batch with the moves that they follow from': async (bench) => {
    await bench.open()
    const record = bench.record()
    await bench.store.commit([{ before: undefined, after: record, rows: [row('jobs', record.id, 'queued')] }])
    const started = transition(record, start, bench.clock.now())
    await bench.put([row('jobs', record.id, 'running')], { before: record, after: started })
    expectSame(await bench.reopen(), [started])
    expectSame(bench.rows, [row('jobs', record.id, 'running')])
    await bench.store.close()
  },

  'takes thousands of changes at once': async (bench) => {
    await bench.open()
    const records = await bench.insert(...Array.from({ length: 5_000 }, (_, index) => bench.record({ index })))
    await bench.put(Array.from({ length: 5_000 }, (_, index) => row('many', String(index), { index })))
    expectSame(await bench.reopen(), records)
    expectSame(bench.rows.length, 5_000)
    await bench.store.close()
  },

  'keeps every type that structured clone knows and a store can': async (bench) => {
    await bench.open()
    const [record] = (await bench.insert(bench.record(everything()))) as [JobRecord]
    bench.store.check(record.input, 'input')
    await bench.put([row('all', 'types', everything())])
    const [found] = await bench.reopen()
    expectSame(found?.input, everything())
    expectSame(bench.rows[0]?.value, everything())
    await bench.store.close()
  },

  'keeps blobs and files wherever they are in a value, or refuses them': async (bench) => {
    await bench.open()
    const refusal = thrownBy(() => bench.store.check({ deep: [new Blob(['a'])] }, 'input'))
    if (refusal) {
      expectRefused(refusal, 'input.deep[0]')
      return bench.store.close()
    }
    const image = new Blob(['image'], { type: 'image/png' })
    const [kept, gone] = (await bench.insert(bench.record({ deep: [image, image] }), bench.record(image))) as [
      JobRecord,
      JobRecord,
    ]
    await bench.put([row('files', 'a', new File(['draft'], 'ü.txt')), row('files', 'b', [new Blob(['replaced'])])])
    const started = await bench.move(kept, start, { type: 'checkpoint', checkpoint: new Blob(['replaced']) })
    const stepped = await bench.move(started, { type: 'step', key: 'a', value: new Map([[0, new Blob(['step'])]]) })
    await bench.move(stepped, { type: 'checkpoint', checkpoint: new Blob(['checkpoint']) })
    await bench.put([row('files', 'b', [new Blob(['row'])])], { before: gone, after: undefined })
    await bench.reopen()
    const [found] = (await bench.reopen()) as [JobRecord]
    const { deep } = found.input as { readonly deep: readonly [Blob, Blob] }
    expectSame([deep[0] === deep[1], deep[0].type], [true, 'image/png'])
    const [file, [inRow]] = bench.rows.map(({ value }) => value) as [File, [Blob]]
    expectSame([file.name, file.type], ['ü.txt', ''])
    const inStep = (found.steps?.get('a') as Map<number, Blob> | undefined)?.get(0)
    expectSame(await textsOf(deep[0], found.checkpoint, inStep, file, inRow), [
      'image',
      'checkpoint',
      'step',
      'draft',
      'row',
    ])
    await bench.move(found, { type: 'interrupt', error: undefined, isOwnMaking: false })
    const [again] = (await bench.reopen()) as [JobRecord]
    expectSame(await textsOf(again.checkpoint), ['checkpoint'])
    await bench.store.close()
  },

  'keeps cycles and shared references': async (bench) => {
    await bench.open()
    const inner = { name: 'inner' }
    const cyclic: Record<string, unknown> = { one: inner, two: inner }
    cyclic.self = cyclic
    await bench.insert(bench.record(cyclic))
    const [found] = await bench.reopen()
    const input = found?.input as typeof cyclic
    if (input.self !== input) throw new Error('the cycle is gone')
    if (input.one !== input.two) throw new Error('the shared object is two')
    await bench.store.close()
  },

  'keeps errors with class, code, cause and own fields': async (bench) => {
    await bench.open()
    const cause = new OwnError('own')
    const [record] = (await bench.insert(bench.record())) as [JobRecord]
    await bench.move(record, start, fail(new OffstageError('WORKER_CRASHED', 'ended', { cause, jobId: 'x' })))
    const error = (await bench.reopen())[0]?.error as OffstageError
    expectSame(
      [error instanceof OffstageError, error.code, error.message, error.jobId],
      [true, 'WORKER_CRASHED', 'ended', 'x'],
    )
    const own = error.cause as OwnError
    expectSame([own instanceof OwnError, own.detail], [true, 7])
    await bench.store.close()
  },

  'refuses what it cannot keep, naming the place': async (bench) => {
    await bench.open()
    const unkept: [unknown, string][] = [
      [{ deep: [{ call: () => {} }] }, 'input.deep[0].call'],
      [{ symbol: Symbol('s') }, 'input.symbol'],
      [new Map([['key', Promise.resolve()]]), "input.get('key')"],
    ]
    for (const [value, place] of unkept) {
      expectRefused(
        thrownBy(() => bench.store.check(value, 'input')),
        place,
      )
    }
    await bench.store.close()
  },

  'two owners never both write': async (bench) => {
    await bench.open()
    await bench.insert(bench.record('first'))
    const other = bench.another()
    let isRefused = false
    try {
      await other.open(bench.host)
    } catch (error) {
      expectSame((error as OffstageError).code, 'STORE_LOCKED')
      isRefused = true
    }
    if (!isRefused) {
      const error = await bench.insert(bench.record('late')).then(
        () => undefined,
        (reason) => reason,
      )
      if (!error) throw new Error('the first owner wrote after the second had opened')
      await other.close()
    }
    const found = await bench.reopen()
    expectSame(
      found.map(({ input }) => input),
      ['first'],
    )
    await bench.store.close()
  },
}

function everything(): unknown {
  const sparse: unknown[] = [1]
  sparse[2] = 3
  const buffer = new Uint8Array([1, 2, 3, 4]).buffer
  return {
    nothing: undefined,
    none: null,
    numbers: [0, -0, 1, -1, 1.5, 2 ** 53, Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY],
    big: [0n, -1n, 2n ** 100n],
    texts: ['', 'text', 'ü', '漢字', '😀', '\ud800', '\0'],
    date: new Date(0),
    invalidDate: new Date(Number.NaN),
    pattern: /a.b/giu,
    map: new Map<unknown, unknown>([
      [{ key: 1 }, new Set([1, 'two'])],
      ['x', undefined],
    ]),
    buffer,
    views: [new Float64Array([1.5, Number.NaN]), new Uint8Array(buffer, 1, 2), new DataView(buffer, 2)],
    bigs: new BigInt64Array([-1n, 5n]),
    sparse,
    boxed: [new Number(1), new String('s'), new Boolean(false)],
    error: new TypeError('kept'),
  }
}

const textsOf = (...blobs: unknown[]): Promise<string[]> => Promise.all(blobs.map((blob) => (blob as Blob).text()))

function expectRefused(error: unknown, place: string): void {
  const { code, message } = (error ?? {}) as Partial<OffstageError>
  if (code !== 'DATA_CLONE' || !message?.includes(`\`${place}\``))
    throw new Error(`expected a DATA_CLONE that names \`${place}\`, got ${String(error)}`)
}

function thrownBy(call: () => void): unknown {
  try {
    call()
    return undefined
  } catch (error) {
    return error
  }
}

/** Throws, with the place in the message, unless both are deeply equal. */
function expectSame(found: unknown, expected: unknown): void {
  const difference = findDifference(found, expected, 'it', new Map())
  if (difference) throw new Error(`expected the same: ${difference}`)
}

function findDifference(
  found: unknown,
  expected: unknown,
  path: string,
  seen: Map<unknown, unknown>,
): string | undefined {
  if (Object.is(found, expected) || (seen.has(expected) && seen.get(expected) === found)) return undefined
  if (typeof found !== 'object' || typeof expected !== 'object' || found === null || expected === null)
    return `${path} is ${String(found)}, not ${String(expected)}`
  if (tagOf(found) !== tagOf(expected)) return `${path} is ${tagOf(found)}, not ${tagOf(expected)}`
  seen.set(expected, found)
  const [foundParts, expectedParts] = [partsOf(found), partsOf(expected)]
  if (foundParts.length !== expectedParts.length)
    return `${path} has ${foundParts.length} parts, not ${expectedParts.length}`
  for (const [index, [key, value]] of expectedParts.entries()) {
    const [foundKey, foundValue] = foundParts[index] as [unknown, unknown]
    const difference =
      findDifference(foundKey, key, `${path}, key ${index}`, seen) ??
      findDifference(foundValue, value, `${path}.${String(key)}`, seen)
    if (difference) return difference
  }
  return undefined
}

/** Returns all parts of a value, in order. */
function partsOf(value: object): [unknown, unknown][] {
  if (tagOf(value) === 'Map') return [...(value as Map<unknown, unknown>)]
  if (value instanceof Set) return [...value].map((item) => ['item', item])
  if (value instanceof Date || value instanceof RegExp) return [['text', String(value)]]
  if (value instanceof Error) return [['name', value.name], ['message', value.message], ...Object.entries(value)]
  if (value instanceof Number || value instanceof String || value instanceof Boolean)
    return [['value', value.valueOf()]]
  if (value instanceof ArrayBuffer) return [['bytes', String(new Uint8Array(value))]]
  if (ArrayBuffer.isView(value))
    return [['bytes', String(new Uint8Array(value.buffer, value.byteOffset, value.byteLength))]]
  return Object.entries(value)
}

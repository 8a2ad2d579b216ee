// The journal's place in IndexedDB: what is kept there and in which order, who may write, and what becomes of it when
// connections are lost, room runs out or somebody deletes the database.
import { afterEach, describe, expect, onTestFinished, test, vi } from 'vitest'
import { defer } from '../../src/shared/deferred.ts'
import { idbMedium } from '../../src/store/idb-medium.ts'
import type { Medium, MediumFailure } from '../../src/store/medium.ts'
import { watchHost } from '../support/testing.ts'

type Options = Partial<Parameters<typeof idbMedium>[1]>

let runs = 0
const newName = (): string => `medium-${++runs}-${Math.random().toString(36).slice(2)}`

/** Closed when the test is over, and its database deleted. */
function make(name: string, options: Options = {}): Medium {
  const medium = idbMedium(name, { ...quiet, ...options })
  onTestFinished(async () => {
    vi.restoreAllMocks()
    await medium.close()
    indexedDB.deleteDatabase(name)
  })
  return medium
}

// How long a sync takes on a busy machine is no failure; a call that never ends is found by the test's own limit.
const quiet = { durability: 'strict', onTrouble: () => {} } as const

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)
const text = (piece: Uint8Array): string => new TextDecoder().decode(piece)

/** Opens it, and answers what it hands over. */
async function open(medium: Medium): Promise<string[]> {
  const pieces: string[] = []
  await medium.open((piece) => pieces.push(text(piece)))
  return pieces
}

/** An open medium that holds these frames. */
async function filled(name: string, frames: readonly string[], options?: Options): Promise<Medium> {
  const medium = make(name, options)
  await open(medium)
  for (const frame of frames) await medium.append(bytes(frame))
  return medium
}

/** What the next one to open it finds. */
async function reopened(name: string): Promise<string[]> {
  const medium = make(name)
  const pieces = await open(medium)
  await medium.close()
  return pieces
}

async function failure(call: Promise<unknown>): Promise<MediumFailure> {
  const error = await call.then(
    () => expect.fail('It resolved.'),
    (error) => error,
  )
  return error.failure ?? expect.fail(`Not a MediumError: ${error.stack}`)
}

/** Past the medium: a connection like any other application's. It lets go of the database for nobody. */
function connect(name: string, version?: number, upgrade?: (database: IDBDatabase) => void): Promise<IDBDatabase> {
  return new Promise((resolve, reject) => {
    const request = indexedDB.open(name, version)
    request.onupgradeneeded = () => upgrade?.(request.result)
    request.onsuccess = () => resolve(request.result)
    request.onerror = () => reject(request.error)
    request.onblocked = () => reject(new Error('blocked'))
  })
}

function deleteDatabase(name: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const request = indexedDB.deleteDatabase(name)
    request.onsuccess = () => resolve()
    request.onerror = () => reject(request.error)
    request.onblocked = () => reject(new Error('blocked'))
  })
}

async function inStore<T>(name: string, ask: (store: IDBObjectStore) => IDBRequest<T>): Promise<T> {
  const database = await connect(name)
  try {
    const request = ask(database.transaction('offstage', 'readwrite').objectStore('offstage'))
    await new Promise((resolve) => {
      request.transaction?.addEventListener('complete', resolve)
    })
    return request.result
  } finally {
    database.close()
  }
}

const keysIn = (name: string): Promise<unknown[]> => inStore(name, (store) => store.getAllKeys())
const metaIn = (name: string): Promise<Record<string, unknown>> => inStore(name, (store) => store.get('meta'))

/** Calls back for each transaction that is started from now on; answers how many there were. */
function spyOnTransactions(started: (transaction: IDBTransaction, count: number) => void = () => {}): IDBTransaction[] {
  const { transaction: original } = IDBDatabase.prototype
  const all: IDBTransaction[] = []
  vi.spyOn(IDBDatabase.prototype, 'transaction').mockImplementation(function (this: IDBDatabase, ...args) {
    const transaction = original.apply(this, args)
    all.push(transaction)
    started(transaction, all.length)
    return transaction
  })
  return all
}

const isWrite = ({ mode }: IDBTransaction): boolean => mode === 'readwrite'

afterEach(() => {
  vi.restoreAllMocks()
  vi.unstubAllGlobals()
})

describe('frames', () => {
  test('come back in order, after close and reopen', async () => {
    const name = newName()
    const medium = await filled(name, ['a', 'b', 'c'])
    await medium.close()
    expect(await reopened(name)).toEqual(['a', 'b', 'c'])
  })

  test('are appended behind those that were there', async () => {
    const name = newName()
    await (await filled(name, ['a', 'b'])).close()
    const medium = make(name)
    await open(medium)
    await medium.append(bytes('c'))
    expect(await reopened(name)).toEqual(['a', 'b', 'c'])
  })

  test('the same object can be opened again once it is closed, and closed twice', async () => {
    const name = newName()
    const medium = await filled(name, ['a'])
    await Promise.all([medium.close(), medium.close()])
    const opened = vi.spyOn(IDBFactory.prototype, 'open')
    expect(await failure(medium.append(bytes('nowhere')))).toBe('lost')
    expect(opened).not.toHaveBeenCalled()
    expect(await open(medium)).toEqual(['a'])
    await medium.append(bytes('b'))
    expect(await reopened(name)).toEqual(['a', 'b'])
  })

  test('of any length come back byte for byte, in pieces that no engine moves out of the database', async () => {
    const name = newName()
    const medium = make(name)
    await open(medium)
    const frames = [0, 1, 61_440, 61_441, 300_000].map((length, index) =>
      Uint8Array.from({ length }, (_, at) => (at * 31 + index) % 251),
    )
    for (const frame of frames) await medium.append(frame)
    await medium.close()
    const pieces: Uint8Array[] = []
    const again = make(name)
    await again.open((piece) => pieces.push(piece.slice()))
    expect(Math.max(...pieces.map(({ length }) => length))).toBeLessThan(65_000)
    expect(await new Blob(pieces as never).arrayBuffer()).toEqual(await new Blob(frames as never).arrayBuffer())
    await again.append(bytes('behind'))
    expect((await reopened(name)).at(-1)).toBe('behind')
  })

  test('that look at a part of a large buffer take none of the rest along', async () => {
    const name = newName()
    const medium = await filled(name, [])
    await medium.append(new Uint8Array(1_000_000).subarray(10, 20))
    const record = await inStore<Uint8Array>(name, (store) => store.get([0, 0]))
    expect([record.byteLength, record.buffer.byteLength]).toEqual([10, 10])
  })

  test('are read a few megabytes at a time, however many there are', async () => {
    const name = newName()
    const medium = await filled(name, [])
    for (let index = 0; index < 16; index++) await medium.append(new Uint8Array(1_000_000).fill(index))
    await medium.append(bytes('end'))
    await medium.close()
    const { getAll } = IDBObjectStore.prototype
    let largest = 0
    vi.spyOn(IDBObjectStore.prototype, 'getAll').mockImplementation(function (this: IDBObjectStore, ...args) {
      const request = getAll.apply(this, args as never)
      request.addEventListener('success', () => {
        const sum = request.result.reduce((sum, { byteLength }: Uint8Array) => sum + byteLength, 0)
        largest = Math.max(largest, sum)
      })
      return request
    })
    const reader = make(name)
    const seen: number[] = []
    let length = 0
    await reader.open((piece) => {
      length += piece.length
      if (seen.at(-1) !== piece[0]) seen.push(piece[0] as number)
    })
    expect(length).toBe(16_000_003)
    expect(seen).toEqual([...Array(16).keys(), bytes('e')[0]])
    expect(largest).toBeGreaterThan(1_000_000)
    expect(largest).toBeLessThan(5_000_000)
  })

  test.each(['strict', 'relaxed'] as const)('are written with durability %s', async (durability) => {
    const spy = vi.spyOn(IDBDatabase.prototype, 'transaction')
    const medium = await filled(newName(), ['a'], { durability })
    await (await medium.draft()).append(bytes('b'))
    const writes = spy.mock.calls.filter(([, mode]) => mode === 'readwrite')
    expect(writes).toHaveLength(4)
    expect(writes.map(([, , options]) => options)).toEqual(writes.map(() => ({ durability })))
    // What the engine made of it.
    const made = spy.mock.results.at(-1)?.value as IDBTransaction
    expect(made.durability).toBe(durability)
  })

  test('that are seals are strict, whatever the others are', async () => {
    const medium = await filled(newName(), ['a'], { durability: 'relaxed' })
    const spy = vi.spyOn(IDBDatabase.prototype, 'transaction')
    await medium.append(bytes('seal'), true)
    expect(spy.mock.calls.map(([, , options]) => options)).toEqual([{ durability: 'strict' }])
    const made = spy.mock.results.at(-1)?.value as IDBTransaction
    expect(made.durability).toBe('strict')
  })

  test('that are long go in several transactions, up to the limit in one', async () => {
    const name = newName()
    const medium = await filled(name, [], { transactionBytes: 100_000 })
    const long = Uint8Array.from({ length: 250_000 }, (_, at) => at % 251)
    const transactions = spyOnTransactions()
    await medium.append(long.slice(0, 100_000))
    expect(transactions.splice(0)).toHaveLength(1)
    await medium.append(long.slice(0, 100_001))
    expect(transactions.splice(0)).toHaveLength(2)
    await medium.append(long)
    expect(transactions.splice(0)).toHaveLength(3)
    const pieces: Uint8Array[] = []
    await make(name).open((piece) => pieces.push(piece.slice()))
    const expected = new Blob([long.slice(0, 100_000), long.slice(0, 100_001), long])
    expect(await new Blob(pieces as never).arrayBuffer()).toEqual(await expected.arrayBuffer())
  })

  test('that are long, and for which there is no room in the end, leave nothing behind', async () => {
    const name = newName()
    const medium = await filled(name, ['a'], { transactionBytes: 100_000 })
    let puts = 0
    const { put } = IDBObjectStore.prototype
    const spy = vi.spyOn(IDBObjectStore.prototype, 'put').mockImplementation(function (this: IDBObjectStore, ...args) {
      if (++puts > 4) throw new DOMException('No room.', 'QuotaExceededError')
      return put.apply(this, args)
    })
    expect(await failure(medium.append(new Uint8Array(350_000)))).toBe('full')
    expect(puts).toBe(5)
    spy.mockRestore()
    expect(await keysIn(name)).toEqual(['meta', [0, 0]])
    await medium.append(bytes('b'))
    expect(await reopened(name)).toEqual(['a', 'b'])
  })

  test('are acknowledged when the transaction is complete, and not before', async () => {
    const medium = await filled(newName(), [])
    const heard: string[] = []
    spyOnTransactions((transaction) => {
      transaction.addEventListener('complete', () => heard.push('complete'))
    })
    const { put } = IDBObjectStore.prototype
    vi.spyOn(IDBObjectStore.prototype, 'put').mockImplementation(function (this: IDBObjectStore, ...args) {
      const request = put.apply(this, args)
      request.addEventListener('success', () => heard.push('put'))
      return request
    })
    await medium.append(bytes('a')).then(() => heard.push('resolved'))
    expect(heard).toEqual(['put', 'complete', 'resolved'])
  })

  test('are no longer waited for once they are there', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
    onTestFinished(() => void vi.useRealTimers())
    const medium = await filled(newName(), ['a'])
    const appended = medium.append(bytes('b'))
    expect(vi.getTimerCount()).toBe(1)
    await appended
    expect(vi.getTimerCount()).toBe(0)
  })
})

describe('a second one on the same name', () => {
  test('takes over: the first can write nothing more', async () => {
    const name = newName()
    const first = await filled(name, ['a'])
    const draft = await first.draft()
    await draft.append(bytes('draft'))
    const second = make(name)
    expect(await open(second)).toEqual(['a'])
    const before = await keysIn(name)
    expect(await failure(first.append(bytes('no')))).toBe('lost')
    expect(await failure(first.cut(0))).toBe('lost')
    expect(await failure(first.draft())).toBe('lost')
    expect(await failure(draft.append(bytes('no')))).toBe('lost')
    expect(await failure(draft.publish())).toBe('lost')
    expect(await failure(draft.discard())).toBe('lost')
    expect(await keysIn(name)).toEqual(before)
    await second.append(bytes('b'))
    expect(await failure(first.append(bytes('no')))).toBe('lost')
    expect(await reopened(name)).toEqual(['a', 'b'])
  })

  test('wins against a write that is under way, or comes after it', async () => {
    const name = newName()
    const first = await filled(name, [])
    const second = make(name)
    let acknowledged = 0
    const writing = failure(
      (async () => {
        for (;;) {
          await first.append(bytes(String(acknowledged)))
          acknowledged++
        }
      })(),
    )
    const seen = await open(second)
    expect(await writing).toBe('lost')
    expect(seen).toEqual(Array.from({ length: acknowledged }, (_, index) => String(index)))
    expect(await reopened(name)).toEqual(seen)
  })

  test('is noticed by one that is still reading', async () => {
    const name = newName()
    await (await filled(name, Array(40).fill('frame'))).close()
    const first = make(name)
    const second = make(name)
    let opened: Promise<unknown> | undefined
    const all = spyOnTransactions((transaction, count) => {
      // The claim is first, then what is read in pieces.
      if (count !== 2) return
      opened = open(second)
      // Lasts until the second one's claim is in line behind it, and before whatever is read next.
      const store = transaction.objectStore('offstage')
      const last = () => {
        if (all.length === 2) store.count().onsuccess = last
      }
      last()
    })
    await expect(first.open(() => {})).rejects.toMatchObject({ code: 'STORE_LOCKED' })
    expect(await opened).toHaveLength(40)
  })
})

describe('cut', () => {
  test.each([
    ['at the end', 9, ['abc', 'def', 'ghi']],
    ['between two frames', 6, ['abc', 'def']],
    ['in a frame', 4, ['abc', 'd']],
    ['at the beginning', 0, []],
  ])('%s removes what is behind, and writing goes on there', async (_, offset, left) => {
    const name = newName()
    await (await filled(name, ['abc', 'def', 'ghi'])).close()
    const medium = make(name)
    await open(medium)
    await medium.cut(offset)
    await medium.append(bytes('new'))
    await medium.cut(offset + 2)
    expect(await reopened(name)).toEqual([...left, 'ne'])
  })

  test('finds its way in a frame that lies in several records', async () => {
    const name = newName()
    const medium = await filled(name, [])
    const frame = Uint8Array.from({ length: 200_000 }, (_, at) => at % 251)
    await medium.append(frame)
    await medium.append(frame)
    await medium.cut(300_000)
    await medium.append(bytes('x'))
    const pieces: Uint8Array[] = []
    await make(name).open((piece) => pieces.push(piece.slice()))
    const expected = new Blob([frame as never, frame.subarray(0, 100_000) as never, 'x'])
    expect(await new Blob(pieces as never).arrayBuffer()).toEqual(await expected.arrayBuffer())
  })
})

describe('a draft', () => {
  test('is not seen before it is published, then takes the place of all before', async () => {
    const name = newName()
    const medium = await filled(name, ['a', 'b', 'c'])
    const draft = await medium.draft()
    await draft.append(bytes('A'))
    await medium.append(bytes('meanwhile'))
    await draft.append(bytes('B'))
    await draft.publish()
    await medium.append(bytes('C'))
    await medium.cut(2)
    await medium.append(bytes('D'))
    expect(await keysIn(name)).toEqual(['meta', [1, 0], [1, 1], [1, 2]])
    expect(await reopened(name)).toEqual(['A', 'B', 'D'])
  })

  test('that is discarded leaves nothing behind', async () => {
    const name = newName()
    const medium = await filled(name, ['a'])
    const draft = await medium.draft()
    await draft.append(bytes('A'))
    await draft.discard()
    await medium.append(bytes('b'))
    expect(await keysIn(name)).toEqual(['meta', [0, 0], [0, 1]])
    expect(await reopened(name)).toEqual(['a', 'b'])
  })

  test('that a crash left behind is removed by who opens next', async () => {
    const name = newName()
    const crashed = await filled(name, ['a'])
    const draft = await crashed.draft()
    await draft.append(bytes('A'))
    await draft.append(bytes('B'))
    const medium = make(name)
    expect(await open(medium)).toEqual(['a'])
    expect(await keysIn(name)).toEqual(['meta', [0, 0]])
    const next = await medium.draft()
    await next.append(bytes('only'))
    await next.publish()
    expect(await reopened(name)).toEqual(['only'])
  })

  test('ends the one before it, which writes nothing more', async () => {
    const name = newName()
    const medium = await filled(name, ['a'])
    const first = await medium.draft()
    await first.append(bytes('A'))
    const late = first.append(bytes('B'))
    const second = await medium.draft()
    await late
    await second.append(bytes('X'))
    for (const call of [first.append(bytes('C')), first.publish(), first.discard()]) {
      expect(await failure(call)).toBe('broken')
    }
    await second.publish()
    expect(await failure(second.append(bytes('Y')))).toBe('broken')
    expect(await reopened(name)).toEqual(['X'])
  })
})

describe('somebody else wants the database', () => {
  test('to delete it: they get it at once, and the journal goes on in a new one', async () => {
    const name = newName()
    const medium = await filled(name, ['a', 'b'])
    await deleteDatabase(name)
    expect(await failure(medium.append(bytes('c')))).toBe('broken')
    const draft = await medium.draft()
    // Behind frames that are gone nothing may be written.
    expect(await failure(medium.append(bytes('c')))).toBe('broken')
    await draft.append(bytes('all'))
    await draft.publish()
    await medium.append(bytes('c'))
    expect(await reopened(name)).toEqual(['all', 'c'])
  })

  test('to delete it while a draft is being written', async () => {
    const name = newName()
    const medium = await filled(name, ['a'])
    const draft = await medium.draft()
    await draft.append(bytes('A'))
    await deleteDatabase(name)
    expect(await failure(draft.append(bytes('B')))).toBe('broken')
    expect(await failure(draft.publish())).toBe('broken')
    const second = await medium.draft()
    expect(await failure(draft.publish())).toBe('broken')
    await second.append(bytes('all'))
    await second.publish()
    expect(await reopened(name)).toEqual(['all'])
  })

  test('to delete it, and a second scheduler was faster: that one has it', async () => {
    const name = newName()
    const medium = await filled(name, ['a'])
    await deleteDatabase(name)
    const second = await filled(name, ['x'])
    expect(await failure(medium.append(bytes('b')))).toBe('lost')
    expect(await failure(medium.draft())).toBe('lost')
    await second.append(bytes('y'))
    expect(await reopened(name)).toEqual(['x', 'y'])
  })

  test('to delete it, and it became something else: that stays as it is', async () => {
    const name = newName()
    const medium = await filled(name, ['a'])
    await deleteDatabase(name)
    const theirs = await connect(name, 3, (database) => database.createObjectStore('theirs'))
    theirs.close()
    expect(await failure(medium.append(bytes('b')))).toBe('lost')
    expect(await failure(medium.draft())).toBe('lost')
    const after = await connect(name)
    expect([after.version, ...after.objectStoreNames]).toEqual([3, 'theirs'])
    after.close()
  })

  test('to empty it, as developer tools can', async () => {
    const name = newName()
    const medium = await filled(name, ['a'])
    await inStore(name, (store) => store.clear())
    expect(await failure(medium.append(bytes('b')))).toBe('broken')
    const draft = await medium.draft()
    await draft.append(bytes('all'))
    await draft.publish()
    expect(await reopened(name)).toEqual(['all'])
  })

  test('to upgrade it: they get it at once, and writing goes on', async () => {
    const name = newName()
    const medium = await filled(name, ['a'])
    const upgraded = await connect(name, 7)
    upgraded.close()
    await medium.append(bytes('b'))
    expect(await reopened(name)).toEqual(['a', 'b'])
  })

  /** The deletion of a database that somebody keeps open: until `end`, nobody can open it. */
  async function pendingDeletion(name: string): Promise<{ end(): Promise<void> }> {
    const keeper = await connect(name)
    const deletion = indexedDB.deleteDatabase(name)
    const done = new Promise((resolve) => {
      deletion.onsuccess = resolve
    })
    // Everybody else has been asked to let go by then.
    await new Promise((resolve) => {
      deletion.onblocked = resolve
    })
    return {
      async end() {
        keeper.close()
        await done
      },
    }
  }

  test('and somebody does not let go: the wait is told, and ends with it', async () => {
    const name = newName()
    let troubles = 0
    let trouble = defer<unknown>()
    const onTrouble = (error: unknown) => {
      troubles++
      trouble.resolve(error)
    }
    const medium = await filled(name, ['a'], { patienceMs: 200, onTrouble })
    const deletion = await pendingDeletion(name)
    // On a busy machine that alone may have tried its patience.
    troubles = 0
    trouble = defer()
    const appended = failure(medium.append(bytes('b')))
    expect(await trouble.promise).toMatchObject({ code: 'STORE_LOCKED', message: expect.stringContaining(name) })
    await deletion.end()
    expect(await appended).toBe('broken')
    expect(troubles).toBe(1)
    const draft = await medium.draft()
    await draft.append(bytes('all'))
    await draft.publish()
    expect(await reopened(name)).toEqual(['all'])
  })

  test('and somebody does not let go: `close` does not wait for that', async () => {
    const name = newName()
    const medium = await filled(name, ['a'], { patienceMs: 100, onTrouble: () => {} })
    const deletion = await pendingDeletion(name)
    const appended = failure(medium.append(bytes('b')))
    await medium.close()
    expect(await appended).toBe('broken')
    await deletion.end()
    // Nothing is open that would be in somebody's way.
    await deleteDatabase(name)
  })
})

describe('refused, and left as it is', () => {
  test.each<[string, (database: IDBDatabase) => void]>([
    ['a database with a store of another name', (database) => database.createObjectStore('theirs').put('x', 'y')],
    ['one with more stores', (database) => ['offstage', 'theirs'].map((store) => database.createObjectStore(store))],
    ['one without stores', () => {}],
    [
      'one with records and no meta',
      (database) => database.createObjectStore('offstage').put(new Uint8Array(3), [0, 0]),
    ],
    [
      'one whose meta has no format',
      (database) => database.createObjectStore('offstage').put({ generation: 0, epoch: 'y' }, 'meta'),
    ],
    ['one whose meta is no such thing', (database) => database.createObjectStore('offstage').put('mine', 'meta')],
    [
      'one whose meta has no generation',
      (database) => database.createObjectStore('offstage').put({ format: 1, generation: 'x', epoch: 'y' }, 'meta'),
    ],
    [
      'one with a frame that is none',
      (database) => {
        const store = database.createObjectStore('offstage')
        store.put({ format: 1, generation: 0, epoch: 'x' }, 'meta')
        store.put('frame', [0, 0])
      },
    ],
  ])('%s', async (_, upgrade) => {
    const name = newName()
    const database = await connect(name, 1, upgrade)
    const stores = [...database.objectStoreNames]
    database.close()
    const keys = stores[0] === 'offstage' ? await keysIn(name) : undefined
    await expect(open(make(name))).rejects.toMatchObject({
      code: 'STORE_CORRUPT',
      message: expect.stringContaining(name),
    })
    const after = await connect(name)
    expect([after.version, ...after.objectStoreNames]).toEqual([1, ...stores])
    after.close()
    if (keys)
      expect(await keysIn(name)).toEqual(keys)
      // Nothing is open that would be in its owner's way.
    ;(await connect(name, 2)).close()
  })

  test('what a newer offstage wrote', async () => {
    const name = newName()
    const medium = await filled(name, ['a'])
    await medium.close()
    const meta = { ...(await metaIn(name)), format: 2 }
    await inStore(name, (store) => store.put(meta, 'meta'))
    await expect(open(make(name))).rejects.toMatchObject({
      code: 'STORE_CORRUPT',
      message: expect.stringMatching(/newer offstage/),
    })
    expect(await metaIn(name)).toEqual(meta)
  })

  test('a place without IndexedDB', async () => {
    vi.stubGlobal('indexedDB', undefined)
    await expect(idbMedium('x', quiet).open(() => {})).rejects.toMatchObject({
      code: 'STORE_WRITE_FAILED',
      message: expect.stringMatching(/no IndexedDB/),
    })
  })

  test('a place where storage is switched off', async () => {
    vi.spyOn(IDBFactory.prototype, 'open').mockImplementation(() => {
      throw new DOMException('The user denied permission to access the database.', 'SecurityError')
    })
    await expect(open(idbMedium('x', quiet))).rejects.toMatchObject({
      code: 'STORE_WRITE_FAILED',
      message: expect.stringMatching(/denied permission.*private/),
      cause: { name: 'SecurityError' },
    })
  })
})

describe('no room', () => {
  const quotaExceeded = (): DOMException => new DOMException('The quota has been exceeded.', 'QuotaExceededError')

  /** The next frame that is put fails as a request does, events and all. */
  function failNextPut(): void {
    const { put } = IDBObjectStore.prototype
    const spy = vi.spyOn(IDBObjectStore.prototype, 'put')
    spy.mockImplementation(function (this: IDBObjectStore, value, key) {
      if (key === 'meta') return put.call(this, value, key)
      spy.mockRestore()
      const request = this.add(value, 'meta') // Is there already.
      Object.defineProperty(request, 'error', { get: quotaExceeded })
      return request
    })
  }

  /** The next write succeeds in all its requests and is then undone. */
  function failNextCommit(): void {
    const transactions = spyOnTransactions((transaction) => {
      if (!isWrite(transaction) || transactions.filter(isWrite).length > 1) return
      Object.defineProperty(transaction, 'error', { get: quotaExceeded })
      let lastPut = 0
      const { put } = IDBObjectStore.prototype
      vi.spyOn(IDBObjectStore.prototype, 'put').mockImplementation(function (this: IDBObjectStore, ...args) {
        const request = put.apply(this, args)
        const number = ++lastPut
        if (this.transaction === transaction) {
          request.addEventListener('success', () => number === lastPut && transaction.abort())
        }
        return request
      })
    })
  }

  const ways = [
    ['at the request', failNextPut],
    ['at the commit', failNextCommit],
  ] as const

  test.each(ways)('%s: that frame is refused and not there, and the next one is tried', async (_, fail) => {
    const host = watchHost()
    const name = newName()
    const medium = await filled(name, ['a'])
    fail()
    expect(await failure(medium.append(new Uint8Array(100_000)))).toBe('full')
    vi.restoreAllMocks()
    expect(await keysIn(name)).toEqual(['meta', [0, 0]])
    await medium.append(bytes('b'))
    expect(await reopened(name)).toEqual(['a', 'b'])
    host.stop()
    expect(host.uncaught).toEqual([])
  })

  test.each(ways)('%s of a draft: the journal stays as it is', async (_, fail) => {
    const name = newName()
    const medium = await filled(name, ['a'])
    const draft = await medium.draft()
    await draft.append(bytes('A'))
    fail()
    expect(await failure(draft.append(bytes('B')))).toBe('full')
    await draft.discard()
    await medium.append(bytes('b'))
    expect(await reopened(name)).toEqual(['a', 'b'])
  })

  test('for the publication of a draft: the journal stays as it is', async () => {
    const name = newName()
    const medium = await filled(name, ['a'])
    const draft = await medium.draft()
    await draft.append(bytes('A'))
    failNextCommit()
    expect(await failure(draft.publish())).toBe('full')
    vi.restoreAllMocks()
    await draft.discard()
    await medium.append(bytes('b'))
    expect(await reopened(name)).toEqual(['a', 'b'])
  })

  test('to open it', async () => {
    const name = newName()
    await (await filled(name, ['a'])).close()
    failNextCommit()
    await expect(open(make(name))).rejects.toMatchObject({
      code: 'STORE_WRITE_FAILED',
      cause: { name: 'QuotaExceededError' },
    })
    vi.restoreAllMocks()
    expect(await reopened(name)).toEqual(['a'])
  })
})

describe('the connection is lost', () => {
  /** The connection that the medium has. */
  async function connectionOf(medium: Medium): Promise<IDBDatabase> {
    const transactions = spyOnTransactions()
    await medium.append(bytes('.'))
    vi.restoreAllMocks()
    return (transactions[0] as IDBTransaction).db
  }

  test('closed under us: the next call opens another', async () => {
    const name = newName()
    const medium = await filled(name, [])
    const connection = await connectionOf(medium)
    connection.close()
    await medium.append(bytes('a'))
    expect(await reopened(name)).toEqual(['.', 'a'])
  })

  test('by a `close` event: the next call opens another', async () => {
    const medium = await filled(newName(), [])
    const connection = await connectionOf(medium)
    connection.dispatchEvent(new Event('close'))
    expect(await connectionOf(medium)).not.toBe(connection)
  })

  test('under a write: it is made again, once', async () => {
    const name = newName()
    const medium = await filled(name, ['a'])
    const transactions = spyOnTransactions((transaction, count) => {
      if (count === 1) transaction.abort()
    })
    await medium.append(bytes('b'))
    expect(transactions).toHaveLength(2)
    expect(transactions[0]?.db).not.toBe(transactions[1]?.db)
    expect(await reopened(name)).toEqual(['a', 'b'])
  })

  test('and what became of a write is not known: it is there once', async () => {
    const name = newName()
    const medium = await filled(name, ['a'])
    spyOnTransactions((transaction, count) => {
      if (count === 1) abortedOnlyInName(transaction)
    })
    await medium.append(new Uint8Array(100_000))
    await medium.append(bytes('b'))
    expect((await reopened(name)).map(({ length }) => length)).toEqual([1, 61_440, 38_560, 1])
  })

  test('again and again: `broken`, and a new generation is as good as ever', async () => {
    const name = newName()
    const medium = await filled(name, ['a'])
    const transactions = spyOnTransactions((transaction) => transaction.abort())
    expect(await failure(medium.append(bytes('b')))).toBe('broken')
    expect(transactions).toHaveLength(2)
    vi.restoreAllMocks()
    const draft = await medium.draft()
    await draft.append(bytes('all'))
    await draft.publish()
    expect(await reopened(name)).toEqual(['all'])
  })

  test('under a cut, which comes to the same when it is made twice', async () => {
    const name = newName()
    const medium = await filled(name, ['abc', 'def', 'ghi'])
    const transactions = spyOnTransactions((transaction) => {
      if (isWrite(transaction) && transactions.filter(isWrite).length === 1) abortedOnlyInName(transaction)
    })
    await medium.cut(4)
    expect(await reopened(name)).toEqual(['abc', 'd'])
  })

  test('under a publication that came through all the same', async () => {
    const name = newName()
    const medium = await filled(name, ['a'])
    const draft = await medium.draft()
    await draft.append(bytes('A'))
    spyOnTransactions((transaction, count) => {
      if (count === 1) abortedOnlyInName(transaction)
    })
    await draft.publish()
    await medium.append(bytes('B'))
    expect(await reopened(name)).toEqual(['A', 'B'])
  })

  test('under a publication that came through and was never known to: nothing takes it back', async () => {
    const name = newName()
    const medium = await filled(name, ['a'])
    const draft = await medium.draft()
    await draft.append(bytes('A'))
    spyOnTransactions(abortedOnlyInName)
    expect(await failure(draft.publish())).toBe('broken')
    vi.restoreAllMocks()
    expect(await failure(draft.discard())).toBe('broken')
    expect(await failure(medium.append(bytes('lost')))).toBe('broken')
    const second = await medium.draft()
    await second.append(bytes('X'))
    // A crash here finds what was published.
    const crashed = await keysIn(name)
    expect(crashed).toEqual(['meta', [1, 0], [2, 0]])
    await second.publish()
    await medium.append(bytes('Y'))
    expect(await reopened(name)).toEqual(['X', 'Y'])
  })

  test('while it is read: it is read on from there', async () => {
    const name = newName()
    const frames = Array.from({ length: 40 }, (_, index) => String(index))
    await (await filled(name, frames)).close()
    const transactions = spyOnTransactions((transaction, count) => {
      if (count === 3) transaction.abort()
    })
    expect(await open(make(name))).toEqual(frames)
    expect(transactions).toHaveLength(4)
  })
})

/** It is complete, and who started it is told that it was undone. */
function abortedOnlyInName(transaction: IDBTransaction): void {
  transaction.addEventListener('complete', (event) => {
    event.stopImmediatePropagation()
    transaction.onabort?.(event)
  })
}

describe('the browser has deleted the database, because its files were damaged', () => {
  /** As Chromium tells it of a database that it makes anew. */
  function announceLoss(why: string): void {
    const { prototype } = IDBVersionChangeEvent
    for (const [name, value] of Object.entries({ dataLoss: 'total', dataLossMessage: why })) {
      const own = Object.getOwnPropertyDescriptor(prototype, name)
      Object.defineProperty(prototype, name, { configurable: true, get: () => value })
      onTestFinished(() => {
        if (own) Object.defineProperty(prototype, name, own)
        else Reflect.deleteProperty(prototype, name)
      })
    }
  }

  test('it is told, with the reason, and what comes is kept', async () => {
    const name = newName()
    const troubles: unknown[] = []
    announceLoss('checksum mismatch')
    const medium = await filled(name, ['a'], { onTrouble: (error) => void troubles.push(error) })
    expect(troubles).toEqual([expect.objectContaining({ code: 'STORE_CORRUPT' })])
    expect(String(troubles[0])).toMatch(new RegExp(`'${name}' is gone: .*\\(checksum mismatch\\)`))
    await medium.close()
    expect(await reopened(name)).toEqual(['a'])
  })

  // The case 'torn log' of `test/tabs` shows what for.
  test.runIf('dataLoss' in IDBVersionChangeEvent.prototype)(
    'which Chromium is kept from: it begins a log',
    async () => {
      const name = newName()
      const { deleteDatabase } = IDBFactory.prototype
      const deleted = new Promise((resolve, reject) => {
        vi.spyOn(IDBFactory.prototype, 'deleteDatabase').mockImplementation(function (this: IDBFactory, scratch) {
          const request = deleteDatabase.call(this, scratch)
          request.addEventListener('success', () => resolve(scratch))
          request.addEventListener('error', () => reject(request.error))
          return request
        })
      })
      await open(make(name))
      expect(await deleted).toBe(`${name} (offstage scratch)`)
      expect((await indexedDB.databases()).map((each) => each.name)).not.toContain(`${name} (offstage scratch)`)
    },
  )

  test('where it would begin one somebody has a database: that stays', async () => {
    const name = newName()
    await (await filled(`${name} (offstage scratch)`, ['theirs'])).close()
    const medium = await filled(name, ['ours'])
    await deleteDatabase(name)
    expect(await failure(medium.append(bytes('behind it')))).toBe('broken')
    expect(await reopened(`${name} (offstage scratch)`)).toEqual(['theirs'])
  })

  test('a database that is new, or was left as it is, is no loss', async () => {
    const name = newName()
    const onTrouble = vi.fn()
    await (await filled(name, ['a'], { onTrouble })).close()
    announceLoss('of another database')
    await open(make(name, { onTrouble }))
    expect(onTrouble).not.toHaveBeenCalled()
  })
})

describe('the page leaves', () => {
  const passes = {
    'for the back button': [
      () => dispatchEvent(new PageTransitionEvent('pagehide', { persisted: true })),
      () => dispatchEvent(new PageTransitionEvent('pageshow', { persisted: true })),
    ],
    'to be frozen': [
      () => document.dispatchEvent(new Event('freeze')),
      () => document.dispatchEvent(new Event('resume')),
    ],
  } as const

  describe.each(Object.entries(passes))('%s', (_, [leave, comeBack]) => {
    afterEach(() => void comeBack())

    test('under a write: it is undone, and made again when the page is back', async () => {
      const name = newName()
      const medium = await filled(name, ['a'])
      const left = defer<unknown>()
      spyOnTransactions(() => queueMicrotask(() => left.resolve(leave())))
      const writing = medium.append(bytes('b'))
      await left.promise
      vi.restoreAllMocks()
      // As another tab would find it.
      expect(await keysIn(name)).toEqual(['meta', [0, 0]])
      comeBack()
      await writing
      expect(await reopened(name)).toEqual(['a', 'b'])
    })

    test('and nothing is begun until it is back', async () => {
      const name = newName()
      const medium = await filled(name, ['a'])
      leave()
      const transactions = spyOnTransactions()
      const writing = medium.append(bytes('b'))
      // Nobody is in the way of who wants to upgrade it.
      const other = await connect(name, 2)
      other.close()
      expect(transactions).toEqual([])
      comeBack()
      await writing
      expect(await reopened(name)).toEqual(['a', 'b'])
    })

    test('for longer than the patience: that is not the fault of another tab', async () => {
      const patienceMs = 20
      let troubles = 0
      const medium = await filled(newName(), ['a'], { patienceMs, onTrouble: () => void troubles++ })
      troubles = 0
      vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
      onTestFinished(() => void vi.useRealTimers())
      leave()
      const writing = medium.append(bytes('b'))
      vi.advanceTimersByTime(3 * patienceMs)
      comeBack()
      await writing
      expect(troubles).toBe(0)
    })
  })
})

describe('WebKit has lost its database server', () => {
  const frames = (): number => document.querySelectorAll('iframe').length
  const lastFrame = (): HTMLIFrameElement => [...document.querySelectorAll('iframe')].at(-1) as HTMLIFrameElement

  /** Every attempt in this frame fails from now on; others are not concerned. */
  function loseServer(frame: object = globalThis): void {
    const { IDBFactory: Factory } = frame as typeof globalThis
    vi.spyOn(Factory.prototype, 'open').mockImplementation(() => {
      const request = new EventTarget() as unknown as IDBOpenDBRequest
      const error = new DOMException(
        'Connection to Indexed Database server lost. Refresh the page to try again',
        'UnknownError',
      )
      Object.defineProperty(request, 'error', { value: error })
      queueMicrotask(() => request.onerror?.(new Event('error')))
      return request
    })
  }

  test('a frame of our own lends its IndexedDB, and goes when it is closed', async () => {
    const name = newName()
    const medium = await filled(name, ['a'])
    const before = frames()
    loseServer()
    spyOnTransactions((transaction, count) => {
      if (count === 1) transaction.abort()
    })
    await medium.append(bytes('b'))
    expect(frames()).toBe(before + 1)
    expect(lastFrame().checkVisibility()).toBe(false)
    await medium.append(bytes('c'))
    const draft = await medium.draft()
    await draft.append(bytes('all'))
    await draft.publish()
    await medium.append(bytes('d'))
    expect(frames()).toBe(before + 1)
    await medium.close()
    expect(frames()).toBe(before)
    vi.restoreAllMocks()
    expect(await reopened(name)).toEqual(['all', 'd'])
  })

  test('before it is opened: frames are views of this page all the same', async () => {
    const name = newName()
    await (await filled(name, ['a', 'b'])).close()
    loseServer()
    const medium = make(name)
    const pieces: Uint8Array[] = []
    await medium.open((piece) => pieces.push(piece))
    expect(pieces.map((piece) => piece instanceof Uint8Array)).toEqual([true, true])
    expect(pieces.map(text)).toEqual(['a', 'b'])
    await medium.append(bytes('c'))
    // Errors of the frame are known for what they are, too.
    await medium.cut(1)
  })

  test('and loses it again: one frame takes the place of the other', async () => {
    const name = newName()
    const medium = make(name)
    const before = frames()
    loseServer()
    await open(medium)
    const first = lastFrame()
    // It is used for as long as it will do.
    await deleteDatabase(name)
    expect(await failure(medium.append(bytes('a')))).toBe('broken')
    expect(lastFrame()).toBe(first)
    loseServer(first.contentWindow as Window)
    await deleteDatabase(name)
    expect(await failure(medium.append(bytes('a')))).toBe('broken')
    expect(lastFrame()).not.toBe(first)
    expect(frames()).toBe(before + 1)
  })

  test('and the page has removed the frame: another one does', async () => {
    const name = newName()
    const medium = await filled(name, ['a'])
    const before = frames()
    loseServer()
    await medium.close()
    await open(medium)
    await medium.append(bytes('b'))
    lastFrame().remove()
    await medium.append(bytes('c'))
    expect(frames()).toBe(before + 1)
    await medium.close()
    vi.restoreAllMocks()
    expect(await reopened(name)).toEqual(['a', 'b', 'c'])
  })

  test('fenced there as well', async () => {
    const name = newName()
    await (await filled(name, ['a'])).close()
    loseServer()
    const first = make(name)
    await open(first)
    vi.restoreAllMocks()
    await filled(name, ['b'])
    expect(await failure(first.append(bytes('no')))).toBe('lost')
    expect(await reopened(name)).toEqual(['a', 'b'])
  })
})

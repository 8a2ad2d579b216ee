// A fault at every transaction that the IndexedDB medium starts, one after the other: whatever goes wrong and whenever,
// what was acknowledged is there afterwards, nothing that was refused is, and nothing is there twice.
import 'fake-indexeddb/auto'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { idbMedium } from '../../src/store/idb-medium.ts'
import type { Draft, Medium, MediumFailure } from '../../src/store/medium.ts'

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)
const failureOf = (error: unknown): MediumFailure | undefined => (error as { failure?: MediumFailure }).failure

/** What the script below appends at most takes three transactions. */
const make = (name: string): Medium =>
  idbMedium(name, { durability: 'strict', transactionBytes: 30_000, onTrouble: () => {} })

async function contents(medium: Medium): Promise<string> {
  let all = ''
  await medium.open((piece) => {
    all += new TextDecoder().decode(piece)
  })
  return all
}

/** Does with a medium what a journal does, and knows what must be there. */
class Journal {
  medium: Medium
  readonly #name: string
  truth = ''
  /** What is there if the last call came through although it failed. */
  doubt: string | undefined

  constructor(name: string) {
    this.#name = name
    this.medium = make(name)
  }

  async reopen(): Promise<void> {
    await this.medium.close()
    expect(await contents(this.medium)).toBe(this.truth)
  }

  append(text: string): Promise<void> {
    return this.#do(this.truth + text, () => this.medium.append(bytes(text)))
  }

  cut(offset: number): Promise<void> {
    return this.#do(this.truth.slice(0, offset), () => this.medium.cut(offset))
  }

  /** With `meanwhile` appended to the journal before the draft takes its place. */
  async compact(meanwhile: string): Promise<void> {
    let draft: Draft | undefined
    try {
      draft = await this.medium.draft()
      await draft.append(bytes(this.truth))
      await this.append(meanwhile)
      await draft.append(bytes(meanwhile))
      // Refused, or written anew in a draft that ended this one.
      if (!this.truth.endsWith(meanwhile)) await draft.discard()
      else await draft.publish()
    } catch (error) {
      if (!failureOf(error)) throw error
      await draft?.discard().catch(() => {})
    }
  }

  async #do(after: string, write: () => Promise<unknown>): Promise<void> {
    this.doubt = after
    try {
      await write()
    } catch (error) {
      if (failureOf(error) === 'full') {
        this.doubt = undefined
        return
      }
      if (failureOf(error) !== 'broken') throw error
      await this.#renew(after)
    }
    this.truth = after
    this.doubt = undefined
  }

  async #renew(all: string): Promise<void> {
    try {
      const draft = await this.medium.draft()
      await draft.append(bytes(all))
      await draft.publish()
    } catch (cause) {
      throw new Error('The journal stops.', { cause })
    }
  }

  async script(): Promise<void> {
    await this.reopen()
    await this.append('first ')
    await this.append('x'.repeat(70_000))
    await this.cut(70_003)
    await this.compact('meanwhile ')
    await this.append('second ')
    await this.reopen()
    await this.cut(70_010)
    await this.append('third ')
    await this.compact('more ')
    await this.append('fourth ')
  }

  /** As another one finds it, in the same or another page. */
  async found(): Promise<string> {
    const medium = make(this.#name)
    try {
      return await contents(medium)
    } finally {
      await medium.close()
    }
  }
}

/** Starts a transaction, of which there were `count`, and spoils the one `at`. */
type Fault = (start: () => IDBTransaction, count: number, at: number) => IDBTransaction

const crash = new Error('The page is gone.')

const aborted = (transaction: IDBTransaction): IDBTransaction => {
  transaction.abort()
  return transaction
}

/** It comes through, and who waits for it is told that it did not. */
const abortedOnlyInName = (transaction: IDBTransaction): IDBTransaction => {
  transaction.addEventListener('complete', (event) => {
    event.stopImmediatePropagation()
    transaction.onabort?.(event)
  })
  return transaction
}

const withoutRoom = (transaction: IDBTransaction): IDBTransaction => {
  const error = new DOMException('No room.', 'QuotaExceededError')
  Object.defineProperty(transaction, 'error', { get: () => error })
  return aborted(transaction)
}

const withoutConnection = (transaction: IDBTransaction): IDBTransaction => {
  transaction.db.close()
  return transaction
}

const gone = (): never => {
  throw crash
}

const faults: Record<string, Fault> = {
  'is aborted': (start, count, at) => (count === at ? aborted(start()) : start()),
  'is aborted, and so is its second try': (start, count, at) =>
    count === at || count === at + 1 ? aborted(start()) : start(),
  'is said to be aborted': (start, count, at) => (count === at ? abortedOnlyInName(start()) : start()),
  'is said to be aborted, and so is its second try': (start, count, at) =>
    count === at || count === at + 1 ? abortedOnlyInName(start()) : start(),
  'is said to be aborted, and its second try is': (start, count, at) =>
    count === at ? abortedOnlyInName(start()) : count === at + 1 ? aborted(start()) : start(),
  'finds no room': (start, count, at) => (count === at ? withoutRoom(start()) : start()),
  'ends the connection': (start, count, at) => (count === at ? withoutConnection(start()) : start()),
  'is never started, nor any other: the page is gone': (start, count, at) => (count < at ? start() : gone()),
  'is the last of the page, and came through': (start, count, at) =>
    count < at ? start() : count === at ? abortedOnlyInName(start()) : gone(),
}

/** Puts itself before each transaction that a medium starts. */
function onTransaction(hook: (start: () => IDBTransaction, count: number) => IDBTransaction): void {
  const { transaction: original } = IDBDatabase.prototype
  let count = 0
  vi.spyOn(IDBDatabase.prototype, 'transaction').mockImplementation(function (this: IDBDatabase, ...args) {
    const start = () => original.apply(this, args)
    // fake-indexeddb calls it as well, to upgrade.
    return (args[1] as string) === 'versionchange' ? start() : hook(start, ++count)
  })
}

/** Runs the script with a fault at one transaction; answers how many there were. */
async function run(fault: Fault, at: number): Promise<number> {
  const name = `sweep-${Math.random()}`
  let total = 0
  onTransaction((start, count) => {
    total = count
    return fault(start, count, at)
  })
  const journal = new Journal(name)
  const stopped = await journal.script().catch((error) => error)
  if (stopped?.name === 'AssertionError') throw stopped
  vi.restoreAllMocks()
  const found = await journal.found()
  if (at === 0) expect(stopped).toBeUndefined()
  // A frame of several transactions may be torn, as in a file: the journal sees to that.
  const isTorn = found.startsWith(journal.truth) && journal.doubt?.startsWith(found)
  if (stopped) expect([journal.truth, journal.doubt, ...(isTorn ? [found] : [])]).toContain(found)
  else expect(found).toBe(journal.truth)
  await journal.medium.close()
  return total
}

afterEach(() => {
  vi.restoreAllMocks()
})

describe('a transaction', () => {
  test.each(Object.entries(faults))('%s: each in turn', async (_, fault) => {
    const total = await run((start) => start(), 0)
    expect(total).toBeGreaterThan(20)
    for (let at = 1; at <= total; at++) {
      await run(fault, at).catch((error) => {
        error.message = `At transaction ${at}: ${error.message}`
        throw error
      })
    }
  })

  test('is the last before the database is deleted: each in turn', async () => {
    const total = await run((start) => start(), 0)
    const refusals: number[] = []
    for (let at = 1; at <= total; at++) {
      const name = `delete-${at}-${Math.random()}`
      let deleted: Promise<unknown> | undefined
      onTransaction((start, count) => {
        if (count === at) {
          deleted = new Promise((resolve) => {
            indexedDB.deleteDatabase(name).onsuccess = resolve
          })
        }
        return start()
      })
      const journal = new Journal(name)
      const error = await journal.script().catch((error) => error)
      await deleted
      if (error) refusals.push(at)
      else {
        await journal.append('end')
        expect(await journal.found()).toBe(journal.truth)
      }
      await journal.medium.close()
      vi.restoreAllMocks()
    }
    // The script opens it twice, and until it is open there is nobody who could write it anew.
    expect(refusals.length).toBeLessThanOrEqual(5)
  })
})

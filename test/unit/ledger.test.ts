// Commit, then tell; and whoever asks for a turn gets one, even while a batch is on its way.
import { expect, test } from 'vitest'
import { Ledger } from '../../src/engine/ledger.ts'
import type { Step } from '../../src/engine/steps.ts'
import { defer } from '../../src/shared/deferred.ts'
import { manualClock } from '../../src/shared/manual-clock.ts'
import { memoryStore } from '../../src/store/memory-store.ts'

const step = (type: Step['type'] = 'start') =>
  ({
    type,
    job: {},
    call: type === 'insert' ? {} : undefined,
    before: undefined,
    after: type === 'insert' ? { id: 'new' } : undefined,
    afterwards: undefined,
  }) as unknown as Step
const turn = () => new Promise((resolve) => setTimeout(resolve, 0))

const setUp = (commit: () => Promise<void> | void) => {
  const log: string[] = []
  const clock = manualClock(0)
  const ledger: Ledger = new Ledger({ ...memoryStore(), commit }, clock, {
    beforeCommit: () => log.push('turn'),
    tell: ({ type }) => log.push(`told ${type}`),
    afterSlice: () => {},
    afterTell: () => log.push('quiet'),
    blamed: (steps) => steps.filter(({ call }) => call),
    onRefused: (fallen) => log.push(`refused ${fallen.map(({ type }) => type)}`),
  })
  return { ledger, log, clock }
}

test('nothing is told before the store has it', async () => {
  const committed = defer<void>()
  const { ledger, log } = setUp(() => committed.promise)
  ledger.write(step())
  const safe = ledger.whenSafe().then(() => log.push('safe'))
  await turn()
  expect(log).toEqual(['turn'])
  committed.resolve()
  await safe
  expect(log).toEqual(['turn', 'told start', 'quiet', 'safe'])
})

test('what comes while a batch is on its way goes with the next', async () => {
  const commits = [defer<void>(), defer<void>()]
  let batches = 0
  const { ledger, log } = setUp(() => commits[batches++]?.promise)
  ledger.write(step('start'))
  await turn()
  ledger.write(step('cancel'))
  ledger.write(step('retry'))
  commits[0]?.resolve()
  commits[1]?.resolve()
  await ledger.whenSafe()
  expect([batches, log.filter((line) => line.startsWith('told'))]).toEqual([
    2,
    ['told start', 'told cancel', 'told retry'],
  ])
})

test('a turn that is asked for while a batch is on its way is not lost', async () => {
  const committed = defer<void>()
  const { ledger, log } = setUp(() => committed.promise)
  ledger.write(step())
  await turn()
  ledger.schedule() // A thread has come online, say: nothing to write, but somebody has to look.
  committed.resolve()
  await turn()
  expect(log.filter((line) => line === 'turn')).toHaveLength(2)
})

test('a batch that the store refuses is told to those who wait, and what can be tried again is', async () => {
  let isFull = true
  const { ledger, log, clock } = setUp(() => {
    if (isFull) throw new Error('disk full')
  })
  ledger.write(step('insert'))
  ledger.write(step('complete'))
  await expect(ledger.whenSafe()).rejects.toMatchObject({ code: 'STORE_WRITE_FAILED', cause: { message: 'disk full' } })
  isFull = false
  clock.advance(1_000)
  await turn()
  expect(log.filter((line) => line.startsWith('told'))).toEqual(['told complete'])
})

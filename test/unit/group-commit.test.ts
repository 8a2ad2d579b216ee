// Commit, then tell; and whoever asks for a turn gets one, even while a batch is on its way.
import { expect, test } from 'vitest'
import { GroupCommit } from '../../src/engine/group-commit.ts'
import { fallenOf, type Step } from '../../src/engine/steps.ts'
import { defer } from '../../src/shared/deferred.ts'
import { manualClock } from '../../src/shared/manual-clock.ts'
import { memoryStore } from '../../src/store/memory-store.ts'
import { turn } from '../support/testing.ts'

const step = (type: Step['type'] = 'start') =>
  ({
    type,
    job: {},
    call: type === 'insert' ? {} : undefined,
    before: undefined,
    after: type === 'turn' ? undefined : { id: type === 'insert' ? 'new' : 'old' },
    afterwards: undefined,
  }) as unknown as Step

const setUp = (commit: () => Promise<void> | void) => {
  const log: string[] = []
  const clock = manualClock(0)
  const commits: GroupCommit = new GroupCommit({ ...memoryStore(), commit }, clock, {
    beforeCommit: () => log.push('turn'),
    onCommitted: ({ type }) => log.push(`committed ${type}`),
    afterSlice: () => {},
    afterCommit: () => log.push('quiet'),
    fallen: (steps, all) =>
      fallenOf(
        steps.filter(({ call }) => call),
        all,
      ),
    onRefused: (fallen) => log.push(`refused ${fallen.map(({ type }) => type)}`),
  })
  return { commits, log, clock }
}

test('no listener is notified before the store has it', async () => {
  const committed = defer<void>()
  const { commits, log } = setUp(() => committed.promise)
  commits.write(step())
  const waiting = commits.whenCommitted().then(() => log.push('resolved'))
  await turn()
  expect(log).toEqual(['turn'])
  committed.resolve()
  await waiting
  expect(log).toEqual(['turn', 'committed start', 'quiet', 'resolved'])
})

test('what comes while a batch is on its way goes with the next', async () => {
  const answers = [defer<void>(), defer<void>()]
  let batches = 0
  const { commits, log } = setUp(() => answers[batches++]?.promise)
  commits.write(step('start'))
  await turn()
  commits.write(step('cancel'))
  commits.write(step('retry'))
  answers[0]?.resolve()
  answers[1]?.resolve()
  await commits.whenCommitted()
  expect([batches, log.filter((line) => line.startsWith('committed '))]).toEqual([
    2,
    ['committed start', 'committed cancel', 'committed retry'],
  ])
})

test('a turn that is asked for while a batch is on its way is not lost', async () => {
  const committed = defer<void>()
  const { commits, log } = setUp(() => committed.promise)
  commits.write(step())
  await turn()
  commits.schedule() // A thread has come online, say: nothing to write, but somebody has to look.
  committed.resolve()
  await turn()
  expect(log.filter((line) => line === 'turn')).toHaveLength(2)
})

test('a batch that the store refuses rejects for those who wait, and what can be tried again is', async () => {
  let isFull = true
  const { commits, log, clock } = setUp(() => {
    if (isFull) throw new Error('disk full')
  })
  commits.write(step('insert'))
  commits.write(step('complete'))
  await expect(commits.whenCommitted()).rejects.toMatchObject({
    code: 'STORE_WRITE_FAILED',
    cause: { message: 'disk full' },
  })
  isFull = false
  clock.advance(1_000)
  await turn()
  expect(log.filter((line) => line.startsWith('committed '))).toEqual(['committed complete'])
})

test('a turn that changes nothing goes to no store, and its listeners are notified all the same', async () => {
  let batches = 0
  const { commits, log } = setUp(() => void batches++)
  commits.write(step('turn'))
  await commits.whenCommitted()
  expect([batches, log]).toEqual([0, ['turn', 'committed turn', 'quiet']])
  commits.write(step('turn'))
  commits.write(step('start'))
  await commits.whenCommitted()
  expect(batches).toBe(1)
})

// The state machine: what leads where, and what is refused.
import { describe, expect, test } from 'vitest'
import { createRecord, resolveDefaults } from '../../src/job/job-options.ts'
import { finishedAt, type JobRecord, type State, states } from '../../src/job/record.ts'
import { backoffDelayMs } from '../../src/job/retry.ts'
import { type Action, interruptionsMax, isLegal, transition } from '../../src/job/transition.ts'

const now = 1_000
const base = createRecord(
  { id: 'a', name: 'job', input: 1, seq: 1, lineTime: now },
  {},
  resolveDefaults({ attempts: 2 }),
  now - 7,
)
const inState = (state: State, more: Partial<JobRecord> = {}): JobRecord => ({ ...base, state, ...more })
const error = new Error('x')

const actions: Record<Action['type'], Action> = {
  start: { type: 'start' },
  release: { type: 'release' },
  interrupt: { type: 'interrupt', error, isOwnMaking: true },
  crash: { type: 'crash' },
  acquit: { type: 'acquit' },
  checkpoint: { type: 'checkpoint', checkpoint: 7 },
  step: { type: 'step', key: 'k', value: 1 },
  complete: { type: 'complete', result: 1 },
  fail: { type: 'fail', error, isFinal: false, random: 0 },
  expire: { type: 'expire' },
  due: { type: 'due' },
  prioritize: { type: 'prioritize', priority: 5 },
  update: { type: 'update', changes: { input: 2, runAt: now + 5, priority: 1, tags: ['t'] } },
  cancel: { type: 'cancel', error },
  retry: { type: 'retry' },
  block: { type: 'block' },
  unblock: { type: 'unblock', lineTime: 0 },
  mark: { type: 'mark', rules: { ...base.rules, marks: ['flows'] } },
}

describe('every action from every state', () => {
  const cases = states.flatMap((state) => Object.values(actions).map((action) => [state, action.type, action] as const))
  test.each(cases)('%s, %s', (state, type, action) => {
    const record = Object.freeze(inState(state))
    if (!isLegal(state, type)) return expect(() => transition(record, action, now)).toThrow('offstage bug')
    const after = transition(record, action, now)
    expect(states).toContain(after.state)
    expect(Object.keys(after)).toEqual(Object.keys(record)) // One shape, always.
    const hasEnded = ['completed', 'failed', 'cancelled'].includes(after.state) && type !== 'mark'
    expect(finishedAt(after)).toBe(hasEnded ? now : undefined)
  })

  test('nothing but retry leaves an end', () => {
    for (const state of ['completed', 'failed', 'cancelled'] as const) {
      expect(
        Object.values(actions)
          .filter(({ type }) => type !== 'mark' && isLegal(state, type))
          .map(({ type }) => type),
      ).toEqual(state === 'completed' ? [] : ['retry'])
    }
  })
})

test('a blocked job has its place in line from when it is unblocked, and a time before which it does not start', () => {
  const later = now + 500
  const unblock = (lineTime: number): Action => ({ type: 'unblock', lineTime })
  const blocked = transition(inState('queued', { dueAt: 3 }), actions.block, now)
  expect(blocked).toMatchObject({ state: 'blocked', dueAt: 3 })
  expect(transition(blocked, unblock(later), later)).toMatchObject({ state: 'queued', dueAt: later })
  const delayed = transition(inState('scheduled', { runAt: later, dueAt: later }), actions.block, now)
  const early = transition(delayed, unblock(now), now)
  expect(early).toMatchObject({ state: 'scheduled', runAt: later, dueAt: later })
  const late = transition(delayed, unblock(later + 1), later + 1)
  expect(late).toMatchObject({ state: 'queued', runAt: undefined, dueAt: later + 1 })
  const setBack = transition(delayed, unblock(later + 9), now)
  expect(setBack).toMatchObject({ state: 'scheduled', runAt: later, dueAt: later + 9 })
  // It has waited its turn once.
  const retried = transition(inState('blocked', { attempt: 1, dueAt: 3 }), unblock(later), later)
  expect(retried).toMatchObject({ state: 'queued', dueAt: 3 })
})

test('attempts count every start, and an interruption uses none up', () => {
  const running = transition(inState('queued'), actions.start, now)
  const again = transition(transition(running, actions.interrupt, now), actions.start, now)
  expect([again.attempt, again.failures, again.interruptions]).toEqual([2, 0, 1])
})

test('a release is as if it had never started', () => {
  const queued = inState('queued')
  expect(transition(transition(queued, actions.start, now), actions.release, now)).toEqual(queued)
})

test('the third death of its own making is the last', () => {
  const after = transition(inState('running', { interruptions: interruptionsMax - 1 }), actions.interrupt, now)
  expect(after).toMatchObject({ state: 'failed', error: { code: 'JOB_POISONED', cause: error } })
  const innocent = transition(
    inState('running', { interruptions: 2 }),
    { type: 'interrupt', error, isOwnMaking: false },
    now,
  )
  expect(innocent.state).toBe('queued')
})

test('the third time in a row that its process ends is the last', () => {
  const running = inState('running', { crashes: 1, failures: 1, error })
  const second = transition(running, actions.crash, now)
  expect(second).toMatchObject({ state: 'queued', crashes: 2, failures: 1, error: undefined, dueAt: base.dueAt })
  const third = transition({ ...second, state: 'running' }, actions.crash, now)
  expect(third).toMatchObject({ state: 'failed', error: { code: 'JOB_POISONED', jobId: 'a' } })
})

test('whatever shows that the process lives on speaks for the job', () => {
  const suspect = inState('running', { crashes: 2 })
  for (const action of [actions.acquit, actions.complete, actions.fail, actions.interrupt])
    expect(transition(suspect, action, now).crashes, action.type).toBe(0)
  const closed = { type: 'interrupt', error, isOwnMaking: false } as const
  for (const action of [closed, actions.release, actions.checkpoint, actions.step, actions.prioritize])
    expect(transition(suspect, action, now).crashes, action.type).toBe(2)
  expect(transition(inState('failed', { crashes: 3 }), actions.retry, now).crashes).toBe(0)
})

test('a failed attempt waits for its back-off, and the last one fails the job', () => {
  const rules = { ...base.rules, backoff: { type: 'fixed', delayMs: 500 } } as const
  const first = transition(inState('running', { rules }), actions.fail, now)
  expect(first).toMatchObject({ state: 'scheduled', runAt: 1_500, failures: 1, dueAt: base.dueAt, seq: base.seq })
  expect(transition({ ...first, state: 'running' }, actions.fail, now).state).toBe('failed')
  expect(transition(inState('running', { rules }), { ...actions.fail, isFinal: true } as Action, now).state).toBe(
    'failed',
  )
})

describe('back-off', () => {
  const waits = (backoff: Parameters<typeof backoffDelayMs>[0], random = 0) =>
    [1, 2, 3, 4].map((failures) => backoffDelayMs(backoff, failures, random))
  test.each([
    ['none', undefined, [0, 0, 0, 0]],
    ['fixed', { type: 'fixed', delayMs: 100 }, [100, 100, 100, 100]],
    ['linear', { type: 'linear', delayMs: 100 }, [100, 200, 300, 400]],
    ['exponential', { type: 'exponential', delayMs: 100 }, [100, 200, 400, 800]],
    ['exponential up to a limit', { type: 'exponential', delayMs: 100, maxMs: 300 }, [100, 200, 300, 300]],
  ] as const)('%s', (_name, backoff, expected) => expect(waits(backoff)).toEqual(expected))

  test('jitter takes away up to its share', () => {
    expect(waits({ type: 'fixed', delayMs: 100, jitter: 0.5 }, 0.5)).toEqual([75, 75, 75, 75])
  })

  test('no number of failures leads beyond what a date can hold', () => {
    const delayMs = backoffDelayMs({ type: 'exponential', delayMs: 1 }, 5_000, 0)
    expect(new Date(delayMs).getTime()).toBe(delayMs)
  })
})

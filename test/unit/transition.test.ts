// The state machine: what leads where, and what is refused.
import { describe, expect, test } from 'vitest'
import { createRecord, resolveDefaults } from '../../src/job/job-options.ts'
import { finishedAt, type JobRecord, type State, states } from '../../src/job/record.ts'
import { backoffDelayMs, never } from '../../src/job/retry.ts'
import { type Action, canExpire, interruptionsMax, isLegal, transition } from '../../src/job/transition.ts'

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
  snooze: { type: 'snooze', ms: 500 },
  wait: { type: 'wait', waits: [['sleep', 'sleep', '', now + 500]] },
  child: { type: 'child', key: 'resize', end: { result: 1 } },
  signal: { type: 'signal', signal: ['id', 'approved', true] },
  fail: { type: 'fail', error, retryMs: undefined, random: 0 },
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
  for (const action of [actions.acquit, actions.complete, actions.fail, actions.snooze, actions.interrupt])
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
  expect(transition(inState('running', { rules }), { ...actions.fail, retryMs: never } as Action, now).state).toBe(
    'failed',
  )
})

test('a handler that asks for a wait gets that, in place of the back-off', () => {
  const rules = { ...base.rules, backoff: [9_000] }
  const after = (retryMs: number) =>
    transition(inState('running', { rules }), { ...actions.fail, retryMs } as Action, now)
  expect(after(70)).toMatchObject({ state: 'scheduled', runAt: now + 70, failures: 1 })
  expect(after(0)).toMatchObject({ state: 'queued', runAt: undefined, failures: 1 })
})

test('a snooze uses no attempt, and keeps the place and what was saved', () => {
  const steps = new Map([['k', 1]])
  const running = inState('running', { attempt: 2, failures: 1, error, dueAt: 3, checkpoint: 7, steps })
  const later = transition(running, actions.snooze, now)
  expect(later).toMatchObject({ state: 'scheduled', runAt: now + 500, attempt: 2, failures: 1, error: undefined })
  expect(later).toMatchObject({ dueAt: 3, checkpoint: 7, steps })
  expect(transition(running, { type: 'snooze', ms: 0 }, now)).toMatchObject({ state: 'queued', runAt: undefined })
})

describe('the time for retries', () => {
  const rules = { ...base.rules, attempts: 9, backoff: [400], retryForMs: 1_000 }
  /** Started at `startedAt`, which is 7 ms before it failed. */
  const running = (more: Partial<JobRecord> = {}) => inState('running', { rules, attempt: 1, startMs: 7, ...more })
  const startedAt = base.addedAt + 7
  const failAt = (record: JobRecord, at: number) => transition(record, actions.fail, at)
  const again = (record: JobRecord): JobRecord => ({ ...record, state: 'running', attempt: 2, startMs: 999 })

  test('begins with the first attempt that failed, and no wait goes beyond it', () => {
    const first = failAt(running(), now)
    expect(first).toMatchObject({ state: 'scheduled', runAt: now + 400, expiresAt: startedAt + 1_000 })
    expect(canExpire(first)).toBe(true)
    const last = failAt(again(first), startedAt + 600)
    expect(last).toMatchObject({ state: 'scheduled', expiresAt: startedAt + 1_000 })
    expect(failAt(again(first), startedAt + 601)).toMatchObject({ state: 'failed', error, runAt: undefined })
  })

  test('is over while the job waits: it fails with what the last attempt threw', () => {
    expect(transition(failAt(running(), now), actions.expire, now)).toMatchObject({ state: 'failed', error })
    const crashed = { ...failAt(running(), now), error: undefined }
    expect(transition(crashed, actions.expire, now).error).toMatchObject({ code: 'JOB_EXPIRED' })
  })

  test('takes the place of `expiresInMs`, and a snooze or a retry by hand begins it anew', () => {
    const first = failAt(running({ expiresAt: 5 }), now)
    expect(first.expiresAt).toBe(startedAt + 1_000)
    const snoozed = transition(again(first), actions.snooze, now)
    expect([snoozed.expiresAt, canExpire(snoozed)]).toEqual([undefined, false])
    expect(failAt({ ...again(snoozed), startMs: 5_007 }, now + 5_000).expiresAt).toBe(startedAt + 6_000)
    const failed = { ...first, state: 'failed', finishMs: 9 } as const
    expect(transition(failed, actions.retry, now)).toMatchObject({ failures: 0, expiresAt: undefined })
  })

  test('without it, nothing expires that has once started', () => {
    const plain = { ...base.rules, attempts: 9 }
    const failed = failAt(running({ rules: plain, expiresAt: 5 }), now)
    expect([failed.expiresAt, canExpire(failed), failed.rules === plain]).toEqual([5, false, true])
  })
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
    ['a list, of which the last repeats', [1, 0, 70], [1, 0, 70, 70]],
    ['Sidekiq', { type: 'sidekiq' }, [15_000, 16_000, 31_000, 96_000]],
    ['Sidekiq up to a limit', { type: 'sidekiq', maxMs: 20_000 }, [15_000, 16_000, 20_000, 20_000]],
  ] as const)('%s', (_name, backoff, expected) => expect(waits(backoff)).toEqual(expected))

  test('jitter takes away up to its share', () => {
    expect(waits({ type: 'fixed', delayMs: 100, jitter: 0.5 }, 0.5)).toEqual([75, 75, 75, 75])
  })

  test('full jitter takes away up to all of it', () => {
    expect(waits({ type: 'linear', delayMs: 100, jitter: 'full' }, 0.75)).toEqual([25, 50, 75, 100])
  })

  test('Sidekiq adds up to nine seconds for each attempt so far', () => {
    expect(waits({ type: 'sidekiq' }, 0.999)).toEqual([24_000, 34_000, 58_000, 132_000])
    expect(waits({ type: 'sidekiq' }, 0.05)).toEqual([15_000, 16_000, 31_000, 96_000])
  })

  test('with decorrelated jitter each wait is between the delay and three times the wait before', () => {
    const backoff = { type: 'fixed', delayMs: 100, maxMs: 2_000, jitter: 'decorrelated' } as const
    const waitsOf = (random: number, retried = false) => {
      let record = inState('running', { rules: { ...base.rules, attempts: 99, backoff } })
      return Array.from({ length: 5 }, (_, at) => {
        const after = transition({ ...record, state: 'running' }, { ...actions.fail, random } as Action, now)
        record = retried && at === 2 ? { ...after, failures: 0 } : after
        return (after.runAt as number) - now
      })
    }
    expect(waitsOf(0)).toEqual([100, 100, 100, 100, 100])
    expect(waitsOf(0.5)).toEqual([200, 350, 575, 913, 1_420])
    expect(waitsOf(1 - 1e-9)).toEqual([300, 900, 2_000, 2_000, 2_000])
    expect(waitsOf(0.5, true)).toEqual([200, 350, 575, 200, 350])
  })

  test('no number of failures leads beyond what a date can hold', () => {
    const delayMs = backoffDelayMs({ type: 'exponential', delayMs: 1 }, 5_000, 0)
    expect(new Date(delayMs).getTime()).toBe(delayMs)
    const sidekiqMs = backoffDelayMs({ type: 'sidekiq' }, 1e6, 0.9)
    expect(new Date(sidekiqMs).getTime()).toBe(sidekiqMs)
  })
})

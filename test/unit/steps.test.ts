// The steps of a job: a map that never changes, and what it costs to add to it, counted.
import { describe, expect, test } from 'vitest'
import { createRecord, resolveDefaults } from '../../src/job/job-options.ts'
import type { JobRecord } from '../../src/job/record.ts'
import { stepsSince, withStep } from '../../src/job/steps.ts'
import { transition } from '../../src/job/transition.ts'
import { BatchWriter } from '../../src/store/batch-writer.ts'
import { LiveRecords } from '../../src/store/live-records.ts'
import { Replayer } from '../../src/store/replayer.ts'

test('each version stays what it was, whatever is made of it', () => {
  const none = new Map<string, unknown>()
  const one = withStep(none, 'a', 1)
  const two = withStep(one, 'b', 2)
  const other = withStep(one, 'c', 3)
  const changed = withStep(two, 'a', undefined)
  const more = withStep(changed, 'd', 4)
  expect([none, one, two, other, changed, more].map((steps) => [...steps])).toEqual([
    [],
    [['a', 1]],
    [['a', 1], ['b', 2]], // biome-ignore format: one line each.
    [
      ['a', 1],
      ['c', 3],
    ],
    [
      ['a', undefined],
      ['b', 2],
    ],
    [
      ['a', undefined],
      ['b', 2],
      ['d', 4],
    ],
  ])
  expect([one.get('b'), one.has('b'), one.size, two.get('b'), changed.has('a')]).toEqual([undefined, false, 1, 2, true])
  expect([[...two.keys()], [...two.values()], [...two.entries()]]).toEqual([['a', 'b'], [1, 2], [...two]])
  const seen: unknown[] = []
  two.forEach((value, key) => {
    seen.push([key, value])
  })
  expect(seen).toEqual([...two])
})

test('what was added is known between versions of one history, and of what it began with', () => {
  const stored = new Map<string, unknown>([['a', 1]])
  const one = withStep(stored, 'b', 2)
  const two = withStep(one, 'c', 3)
  expect(stepsSince(two, one)).toEqual([['c', 3]])
  expect(stepsSince(two, stored)).toEqual([['b', 2], ['c', 3]]) // biome-ignore format: one line.
  expect(stepsSince(one, two)).toBeUndefined()
  expect(stepsSince(withStep(one, 'd', 4), two)).toBeUndefined()
  expect(stepsSince(stored, one)).toBeUndefined()
})

/** Counts entries that are set in maps, and items that are walked, while `act` runs. */
function counted(act: () => void): number {
  let work = 0
  const prototypes = [Map.prototype, ...[new Map().keys(), [].values()].map((walk) => Object.getPrototypeOf(walk))]
  const stops = prototypes.map((prototype, index) => {
    const name = index === 0 ? 'set' : 'next'
    const method = prototype[name]
    prototype[name] = function (...args: unknown[]) {
      work++
      return method.apply(this, args)
    }
    return () => {
      prototype[name] = method
    }
  })
  try {
    act()
  } finally {
    for (const stop of stops) stop()
  }
  return work
}

/** Records so many steps, writes each and reads them, with the store opened anew in between. */
function record(count: number): void {
  const identity = { id: 'a', name: 'steps', input: 0, seq: 1, lineTime: 0 }
  let job: JobRecord = transition(createRecord(identity, {}, resolveDefaults({}), 0), { type: 'start' }, 0)
  const payloads: Uint8Array[] = []
  const write = (before: JobRecord | undefined, after: JobRecord) => {
    const batch = new BatchWriter(0)
    batch.add({ before, after })
    payloads.push(batch.finish().bytes)
  }
  write(undefined, job)
  const add = (from: number, to: number) => {
    for (let step = from; step < to; step++) {
      const after = transition(job, { type: 'step', key: `step ${step}`, value: step }, 0)
      write(job, after)
      job = after
    }
  }
  const reopen = () => {
    const records = new LiveRecords()
    const replayer = new Replayer([])
    for (const payload of payloads) replayer.replay(payload, records)
    job = records.get(1) as JobRecord
  }
  add(0, count / 2)
  reopen()
  add(count / 2, count)
  reopen()
  if (job.steps?.size !== count || job.steps.get(`step ${count - 1}`) !== count - 1)
    throw new Error('steps are missing')
}

describe('recording steps, before and after the store was opened again', () => {
  test('takes for four times as many no more than four times the work', () => {
    const [few, many] = [counted(() => record(500)), counted(() => record(2_000))]
    expect(many / few).toBeLessThan(4.5)
  })
})

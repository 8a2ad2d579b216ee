// What the web demo says about two runs: made of what was measured, whatever the machine is busy with.
import { expect, test } from 'vitest'
import {
  type Frame,
  frozenMs,
  lateOtherwiseMs,
  longestFreezeMs,
  type Run,
  verdict,
} from '../../demo/web/comparison/run.ts'

const frame = (ms: number, heldMs = 0): Frame => ({ ms, heldMs })
const runOf = (place: Run['place'], ...frames: Frame[]): Run => ({ place, frames, jobs: 1 })

const main = runOf('main', frame(16), frame(520, 510), frame(40, 40), frame(130, 120), frame(16))
const workers = runOf('workers', frame(16), frame(90), frame(16), frame(210, 2))

test('frozen is what jobs have held the thread, in frames that were late', () => {
  expect([frozenMs(main), longestFreezeMs(main), lateOtherwiseMs(main)]).toEqual([630, 510, 0])
})

test('frames that are late though no job held the thread are not held against the run', () => {
  expect([frozenMs(workers), longestFreezeMs(workers), lateOtherwiseMs(workers)]).toEqual([0, 0, 200])
})

test('the verdict is one sentence for both, and says what to do while there is but one', () => {
  expect(verdict(main, workers)).toBe('Main thread: 0.6\u00a0s frozen. Workers: 0\u00a0s.')
  expect(verdict(undefined, workers)).toBe('Workers: 0\u00a0s frozen. Now run the same jobs on the main thread.')
  expect(verdict(main, undefined)).toBe('Main thread: 0.6\u00a0s frozen. Now run the same jobs in workers.')
  expect(verdict(undefined, undefined)).toBe('The same jobs, on the main thread and in workers.')
})

// Everything that waits for a time waits here, behind one timer.
import { expect, onTestFinished, test, vi } from 'vitest'
import { manualClock } from '../../src/shared/manual-clock.ts'
import { type Timer, TimerQueue } from '../../src/timers/timer-queue.ts'

const setUp = () => {
  const clock = manualClock(0)
  const timers = new TimerQueue(clock)
  const rung: string[] = []
  const ring = (name: string) => () => rung.push(`${name}@${clock.monotonic()}`)
  return { clock, timers, rung, ring }
}

test('pending ring in the order in which they are due, each at its own time', () => {
  const { clock, timers, rung, ring } = setUp()
  timers.after(300, ring('c'))
  timers.after(100, ring('a'))
  timers.at(200, ring('b'))
  clock.advance(1_000)
  expect(rung).toEqual(['a@100', 'b@200', 'c@300'])
})

test('there is one timer however many pending there are, and none without', () => {
  const { clock, timers, ring } = setUp()
  const pending = Array.from({ length: 100 }, (_, n) => timers.after(n + 1, ring('x'), true))
  expect(clock.timers).toBe(1)
  for (const timer of pending) timers.cancel(timer)
  expect(clock.timers).toBe(0)
})

test('delays longer than a timer can be are kept', () => {
  const { clock, timers, rung, ring } = setUp()
  const years = 3 * 365 * 24 * 60 * 60 * 1_000
  timers.after(years, ring('monotonic'))
  timers.at(years, ring('wall'))
  clock.advance(years - 1)
  expect(rung).toEqual([])
  clock.advance(1)
  expect(rung).toHaveLength(2)
})

test('a wall clock that is set forward is noticed within 30 seconds', () => {
  const { clock, timers, rung, ring } = setUp()
  timers.at(3_600_000, ring('due'))
  clock.setWall(3_600_000)
  clock.advance(30_000)
  expect(rung).toHaveLength(1)
})

test('a wall clock that is set back makes stored moments later and spans no longer', () => {
  const { clock, timers, rung, ring } = setUp()
  clock.setWall(3_600_000)
  timers.at(3_601_000, ring('moment'))
  timers.after(1_000, ring('span'))
  clock.setWall(0)
  clock.advance(1_000)
  expect(rung).toEqual(['span@1000'])
  clock.advance(3_600_000)
  expect(rung).toHaveLength(2)
})

test('a wall clock that is set ahead is noticed at the next look', () => {
  const { clock, timers, rung, ring } = setUp()
  timers.at(3_600_000, ring('due'))
  timers.look()
  clock.setWall(3_600_000)
  timers.look()
  expect(rung).toEqual(['due@0'])
})

test('a span whose end is stored: no longer when the clock is set back, over when it is set ahead, and rung once', () => {
  const { clock, timers, rung, ring } = setUp()
  clock.setWall(3_600_000)
  timers.within(1_000, 3_601_000, ring('back'))
  clock.setWall(0)
  clock.advance(1_000)
  expect(rung).toEqual(['back@1000'])
  const ahead = timers.within(1_000, 2_000, ring('ahead'))
  expect(timers.isDue(ahead)).toBe(false)
  clock.setWall(3_600_000)
  expect(timers.isDue(ahead)).toBe(true)
  timers.look()
  clock.advance(10_000)
  expect(rung).toEqual(['back@1000', 'ahead@1000'])
  expect(clock.timers).toBe(0)
})

test('one that was called off can be set again, and keeps its time', () => {
  const { clock, timers, rung, ring } = setUp()
  const timer = timers.within(100, 100, ring('span'))
  timers.cancel(timer)
  clock.advance(50)
  timers.set(timer)
  clock.advance(50)
  expect(rung).toEqual(['span@100'])
})

test('what is called off by another that rings with it does not ring', () => {
  const { clock, timers, rung, ring } = setUp()
  let second: Timer | undefined
  timers.at(20, () => timers.cancel(second))
  second = timers.at(20, ring('second'))
  clock.advance(50)
  expect(rung).toEqual([])
})

test('an timer set while others ring waits for the next round', () => {
  const { clock, timers, rung } = setUp()
  const again = () => {
    rung.push('again')
    if (rung.length < 3) timers.after(0, again)
  }
  timers.after(0, again)
  clock.advance(0)
  expect(rung).toHaveLength(3)
})

test('what was called off does not ring, even when it is due in the same moment', () => {
  const { clock, timers, rung, ring } = setUp()
  const second = timers.after(20, ring('second'))
  timers.after(10, () => timers.cancel(second))
  clock.advance(50)
  expect(rung).toEqual([])
})

test('the timer holds the process only while an timer does', () => {
  const held: boolean[] = []
  const clock = manualClock(0)
  const timers = new TimerQueue({
    ...clock,
    startTimer: (callback, delayMs, keepsAlive) => {
      held.push(keepsAlive)
      return clock.startTimer(callback, delayMs, keepsAlive)
    },
  })
  timers.after(100, () => {})
  const holding = timers.after(200, () => {}, true)
  timers.cancel(holding)
  expect(held).toEqual([false, true, false])
})

test('a timer that is late is no reason to wait for it: `look` rings what is due', () => {
  let isAsleep = false
  const clock = manualClock(0)
  const timers = new TimerQueue({
    ...clock,
    startTimer: (callback, delayMs, keepsAlive) => clock.startTimer(() => isAsleep || callback(), delayMs, keepsAlive),
  })
  const rung: number[] = []
  timers.after(100, () => rung.push(clock.monotonic()))
  isAsleep = true
  clock.advance(99)
  timers.look()
  expect(rung).toEqual([])
  clock.advance(50)
  timers.look()
  timers.look()
  expect(rung).toEqual([149])
})

test('a page that wakes up rings what is due, and after close nothing listens', () => {
  const page = new EventTarget()
  const stubs = {
    document: page,
    addEventListener: page.addEventListener.bind(page),
    removeEventListener: page.removeEventListener.bind(page),
  }
  for (const [name, value] of Object.entries(stubs)) vi.stubGlobal(name, value)
  onTestFinished(() => void vi.unstubAllGlobals())
  const { clock, timers, rung, ring } = setUp()
  timers.at(3_600_000, ring('due'))
  clock.setWall(3_600_000)
  page.dispatchEvent(new Event('visibilitychange'))
  expect(rung).toHaveLength(1)
  timers.at(3_600_000, ring('never'))
  timers.close()
  page.dispatchEvent(new Event('pageshow'))
  timers.after(0, ring('nor this'))
  clock.advance(1_000)
  expect(rung).toHaveLength(1)
  expect(clock.timers).toBe(0)
})

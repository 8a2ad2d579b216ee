// How a thread takes its messages, handed out one by one or asked for while it has nothing else to do, and how it answers.
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { fromThread, fromThreadFields, toThread } from '../../src/pool/protocol.ts'
import type { Port } from '../../src/shared/port.ts'
import { Server } from '../../src/thread/serve.ts'

/** A sum of these is exact. */
const askMs = 1 / 1_024
let now = 0
beforeEach(() => {
  now = 1_000
  vi.spyOn(performance, 'now').mockImplementation(() => now)
})
afterEach(() => {
  vi.restoreAllMocks()
})

/** A thread with one job type, whose messages come when the test says so. `poll` is what it finds when it asks. */
function serve(poll: () => unknown[] | undefined = () => undefined) {
  const ran: unknown[] = []
  const sent: unknown[][] = []
  let asked = 0
  let receive = (_message: unknown[]): void => {}
  const port: Port = {
    post: (batch) => void sent.push(batch),
    onMessage(listener) {
      receive = listener
    },
    onClose() {},
    async close() {},
    hold() {},
    poll() {
      asked++
      now += askMs
      return poll()
    },
  }
  const handlers = {
    note(input: unknown) {
      ran.push(input)
    },
    wait: () => new Promise(() => {}),
    take(ms: number) {
      now += ms
    },
  }
  new Server(port, handlers as never)
  return { ran, sent, asked: () => asked, receive: (message: unknown[]) => receive(message) }
}

let lastWireId = 0
const run = (input: unknown, name = 'note'): unknown[] => [
  toThread.runFirst,
  ++lastWireId,
  name,
  `id${lastWireId}`,
  input,
]

test('a thread whose last message came at once looks out for the next before it waits', () => {
  const coming: unknown[][] = []
  const { ran, receive } = serve(() => coming.shift())
  receive(run('first'))
  coming.push(run('third'), run('fourth'))
  receive(run('second'))
  expect(ran).toEqual(['first', 'second', 'third', 'fourth'])
})

/** How long it looks out for a third message when the second took so long. */
function pollMs(tookMs: number): number {
  const { asked, receive } = serve(() => undefined)
  receive(run('first'))
  now += tookMs
  receive(run('second'))
  return asked() * askMs
}

test.each([
  ['twice as long as that one took', 0.03, 0.06],
  ['no less than 20 µs', 0, 0.02],
  ['no more than 120 µs', 0.1, 0.12],
  ['not at all when it took longer', 0.121, 0],
])('%s', (_, tookMs, expectedMs) => {
  const ms = pollMs(tookMs)
  expect(ms).toBeGreaterThanOrEqual(expectedMs)
  expect(ms).toBeLessThan(expectedMs + askMs)
})

test('what it found tells how long to look out for the next', () => {
  const coming = [undefined, undefined, undefined, run('third')]
  const { asked, receive } = serve(() => coming.shift())
  receive(run('first'))
  now += 0.05
  receive(run('second'))
  // The third was found at the fourth time of asking.
  expect(asked()).toBe(4 + Math.ceil(0.02 / askMs))
})

test('polling in vain counts as waiting: soon it is not repeated', () => {
  const { asked, receive } = serve(() => undefined)
  receive(run('first'))
  now += 0.07
  receive(run('second'))
  const before = asked()
  receive(run('third'))
  expect(asked()).toBe(before)
})

test('not when many jobs came with it', () => {
  const { asked, receive } = serve(() => undefined)
  receive(run('first'))
  receive(Array.from({ length: 20 }, (_, index) => run(index)).flat())
  expect(asked()).toBe(0)
})

test('not while a job waits for something', () => {
  const { asked, receive } = serve(() => undefined)
  receive(run('first'))
  receive(run('second', 'wait'))
  expect(asked()).toBe(0)
})

test('timers of the thread get their turn however fast messages come', () => {
  const { ran, receive } = serve(() => {
    now += 9 * askMs
    return ran.length < 10_000 ? run('next') : undefined
  })
  receive(run('first'))
  receive(run('second'))
  const ms = 10 * askMs * (ran.length - 2)
  expect(ms).toBeGreaterThan(7.9)
  expect(ms).toBeLessThan(8.1)
})

/** A thread that is given messages in pairs, one right after the other, and whose polls are late by `lateMs` once. */
function servePairs() {
  let lateMs = 0
  const { asked, receive } = serve(() => {
    now += lateMs
    lateMs = 0
    return undefined
  })
  return (late = 0) => {
    lateMs = late
    const before = asked()
    receive(run('next'))
    receive(run('right after it'))
    return asked() - before
  }
}

test('a thread whose core is taken from it while it polls does without polling for a while', () => {
  const polls = servePairs()
  expect(polls(50)).toBe(1)
  now += 50
  expect(polls()).toBe(0)
  now += 100
  expect(polls(3)).toBe(1)
  now += 50
  // It has not made up for what it lost before.
  expect(polls()).toBe(0)
})

test('to be late now and then, as by a collection of garbage, is no reason to', () => {
  const polls = servePairs()
  for (let count = 0; count < 10_000; count++) expect(polls(count % 1_000 === 0 ? 2 : 0)).toBeGreaterThan(0)
})

/** How many results were in each message, when so many jobs of so many milliseconds come after a pause. */
function resultsPerMessage(count: number, ms: number, pauseMs: number): number[] {
  const { sent, receive } = serve()
  // Known to be tiny.
  for (let known = 0; known < 8; known++) receive(run(ms, 'take'))
  now += pauseMs
  sent.length = 0
  receive(Array.from({ length: count }, () => run(ms, 'take')).flat())
  return sent.map((message) => doneIn(message))
}

function doneIn(message: readonly unknown[]): number {
  let done = 0
  for (let at = 0; at < message.length; at += 1 + (fromThreadFields[message[at] as number] as number))
    if (message[at] === fromThread.done) done++
  return done
}

test.each([
  ['together, when they take no time', 100, 0, 0, [100]],
  ['in halves, when somebody has had the time to wait', 100, 0, 1 / 8, [50, 50]],
  ['the first at once after a longer pause, so that whoever waits wakes up meanwhile', 100, 0, 1, [1, 99]],
  ['every millisecond, and sooner when there is little left to do', 20, 1 / 4, 0, [4, 4, 4, 4, 2, 1, 1]],
  ['256 at most', 1_000, 0, 0, [256, 256, 256, 232]],
])('results are sent %s', (_, count, ms, pauseMs, expected) => {
  expect(resultsPerMessage(count, ms, pauseMs)).toEqual(expected)
})

test.each([
  ['nothing at all', null],
  ['a text', 'x'],
  ['an operation that there is not', [99, 1]],
  ['a message that is cut off', [toThread.run, 1, 'note']],
  ['an operation as text', [`${toThread.concurrency}`, 2]],
])('a scheduler that sends %s is notified that this worker is of no use', (_what, message) => {
  const { ran, sent, receive } = serve()
  receive(message as never)
  const why = expect.objectContaining({ message: expect.stringContaining('an invalid message') })
  expect(sent).toEqual([[fromThread.ready, fromThread.fatal, why]])
  receive(run('after'))
  expect(ran).toEqual(['after'])
})

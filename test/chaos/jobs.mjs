// Jobs that do whatever user code does, and more. The line to the scheduler is taken hold of, to forge what is said on it.
import { defineJobs } from 'offstage/worker'

/** @typedef {import('offstage/worker').JobContext<any, any>} Context */

/** What offstage says are lists; other ports of a thread, such as those of its output, post other things. @type {MessagePort | undefined} */
let line
/** Of an attempt that has begun here, mostly the newest. */
let ticket = 1
const { postMessage } = MessagePort.prototype
MessagePort.prototype.postMessage = function (/** @type {any[]} */ ...args) {
  const [message] = args
  if (Array.isArray(message)) {
    line = this
    if (message.at(-2) === 1) ticket = message.at(-1)
  }
  return postMessage.apply(this, /** @type {any} */ (args))
}

const sleep = (/** @type {number} */ ms) => new Promise((resolve) => setTimeout(resolve, ms))
const never = () => new Promise(() => {})

/** @param {number} ms */
function spin(ms) {
  const until = performance.now() + ms
  while (performance.now() < until);
}

/** @param {number} levels */
function deep(levels) {
  /** @type {any} */
  let value = {}
  for (let level = 0; level < levels; level++) value = { value }
  return value
}

/** What no scheduler has ever been sent by `offstage/worker`. */
const garbage = () => [
  null,
  'x',
  7,
  {},
  { length: 3, 0: 2, 1: ticket, 2: 3 },
  { packed: deep(2_000) },
  [],
  [[]],
  [null],
  new Array(3),
  [99, ticket],
  [1, -5],
  [1, 7n],
  [1, ticket, 1, ticket],
  [1, ticket + 1],
  [0],
  [0, 0, 0],
  [3, ticket, 0, undefined, false],
  [3, ticket, 0, { kind: 'error' }, false],
  [3, ticket, 0, { kind: 'seen', index: 9 }, false],
  [3, ticket, Number.NaN, { kind: 'value' }, 'yes'],
  [8, null],
  [8, { kind: 'error', lineage: 5, name: {}, message: [], stack: null, fields: 7 }],
  [8, { kind: 'error', lineage: [], name: '', message: '', stack: '', fields: [{}], errors: 5 }],
  [6, ticket, 5],
  [7, ticket, {}, { a: 1 }, 5],
  [7, ticket, 99, '', deep(3_000)],
  [5, ticket, deep(3_000)],
  [2, ticket, 'long', 'forged', 2, ticket],
  [2, ticket, -1, 'forged'],
  [2, ticket, 1],
  [2, ticket, 1, 'forged', 99],
  [2, ticket + 1, 1, 'forged'],
  [2, {}, Number.NaN, 1],
  new Map([[1, 2]]),
]

export const jobs = defineJobs({
  echo: (/** @type {any} */ value) => value,
  sleep: (/** @type {number} */ ms) => sleep(ms),
  spin: (/** @type {number} */ ms) => spin(ms),
  never: () => never(),
  forever() {
    for (;;);
  },
  /** @param {number} ms @param {Context} job */
  async polite(ms, job) {
    for (let slept = 0; slept < ms; slept += 2) {
      await sleep(2)
      await job.safePoint()
    }
  },
  /** @param {number} count */
  *walk(count) {
    for (let step = 0; step < count; step++) yield step / count
    return count
  },
  *stubborn() {
    for (;;) {
      try {
        yield
      } catch {
        // Told to stop, and goes on.
      }
    }
  },
  exit: () => process.exit(3),
  async reject() {
    void Promise.reject(new Error('nobody caught this'))
    await never()
  },
  /** @param {number} ms */
  throwLater(ms) {
    setTimeout(() => {
      throw new Error('too late')
    }, ms)
  },
  /** Has ended, but its thread does not get rid of it. @param {number} ms */
  leftoverLoop(ms) {
    setTimeout(() => {
      for (;;);
    }, ms)
  },
  /** @param {number} which */
  fail(which) {
    throw [
      undefined,
      null,
      'text',
      new RangeError('range'),
      Object.assign(new Error('with fields'), { job: () => {}, deep: deep(3_000) }),
      new AggregateError([new Error('one'), 2]),
      new DOMException('gone', 'NotFoundError'),
      { code: 7, close: () => {} },
      deep(3_000),
    ][which % 9]
  },
  /** @param {number} which */
  result: (which) =>
    [() => {}, Symbol('mine'), deep(3_000), new Uint8Array(200_000), new Map([[{}, new Set()]]), never()][which % 6],
  /** @param {number} count @param {Context} job */
  async flood(count, job) {
    for (let sent = 0; sent < count; sent++) {
      job.progress(sent)
      job.log('line', sent)
      void job.send({ sent }).catch(() => {})
    }
  },
  /** @param {number} count @param {Context} job */
  async values(count, job) {
    for (let sent = 0; sent < count; sent++) await job.send(sent)
    return count
  },
  /** @param {number} count @param {Context} job */
  async steps(count, job) {
    for (let step = 0; step < count; step++) {
      await job.step(`step ${step}`, () => step)
      await job.checkpoint({ step })
    }
    return count
  },
  /** @param {number} which */
  async forge(which) {
    await sleep(1)
    const all = garbage()
    for (const message of which % 8 === 0 ? all : [all[which % all.length]]) if (line) postMessage.call(line, message)
    await sleep(2)
    return 'forged'
  },
  moved: (/** @type {Uint8Array} */ bytes) => bytes.byteLength,
  /** @param {number} lines */
  print(lines) {
    for (let line = 0; line < lines; line++) console.log('line', line)
  },
})

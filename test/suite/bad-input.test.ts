// The law of bad input, one row a case: every call settles, once, with an error that names the thing or with the value
// that is due; then the next good job runs; and the host hears of nothing that nobody caught.
import { createScheduler, inline, type Scheduler, type SchedulerOptions } from 'offstage'
import { grouped } from 'offstage/groups'
import { manualClock } from 'offstage/testing'
import { afterAll, beforeAll, describe, expect, onTestFinished, test, vi } from 'vitest'
import { jobs } from '../fixtures/unruly.ts'
import { forbiddenWorker, missingWorker, workerOf } from '../support/broken-workers.ts'
import { heard, isBrowser, isNode, type Place, places, start, turn, watchHost } from '../support/testing.ts'
import { jobsWorker } from '../support/workers.ts'

type Jobs = typeof jobs
type Bench = Scheduler<Jobs>
/** Does the bad thing and checks what comes of it. Gets a scheduler with one worker, and how to make another. */
type Act = (scheduler: Bench, make: (options?: SchedulerOptions<never>) => Bench) => unknown
/** What happens, the act, and a reason not to do it here. */
type Row = readonly [name: string, act: Act, skipHere?: (place: Place) => string | false]

/** The promise rejects with an `OffstageError` of this code, whose message has all of `words` in it. */
const refuses =
  (code: string, call: (scheduler: Bench) => Promise<unknown>, ...words: string[]): Act =>
  async (scheduler) => {
    const error = await call(scheduler).then(
      (value) => expect.unreachable(`resolved with ${String(value)}`),
      (thrown: unknown) => thrown as Error,
    )
    expect(error).toMatchObject({ name: 'OffstageError', code })
    for (const word of words) expect(error.message).toContain(word)
  }

const answers =
  (call: (scheduler: Bench) => Promise<unknown>, expected: unknown): Act =>
  async (scheduler) =>
    expect(await call(scheduler)).toStrictEqual(expected)

const throws =
  (call: (scheduler: Bench) => Promise<unknown>, expected: unknown): Act =>
  async (scheduler) => {
    const outcome = await call(scheduler).then(
      (value) => ({ value }),
      (thrown: unknown) => ({ thrown }),
    )
    expect(outcome).toEqual({ thrown: expected })
  }

/** The names of jobs are whatever the user says. */
const runNamed = (scheduler: Bench, name: string, ...args: unknown[]) =>
  (scheduler.run as unknown as Record<string, (...args: unknown[]) => Promise<unknown>>)[name]!(...args)

const goodWorker = jobsWorker('unruly')

/** Past all types. */
const wrong = <T>(value: unknown): T => value as T

const onThreads = (place: Place) => place === 'inline' && 'inline jobs share the thread of the test'
const onNode = (place: Place) => onThreads(place) || (!isNode && 'only Node has it')
const onServers = (place: Place) => onThreads(place) || (isBrowser && 'browsers do not say so')
/** Safari's engine, whoever builds it. */
const isWebKit = globalThis.navigator?.vendor?.startsWith('Apple') ?? false
const inBrowsers = (place: Place) => onThreads(place) || (!isBrowser && 'only browsers have it')

// Inputs.

const echo = (input: unknown) => (scheduler: Bench) => scheduler.run.echo(input)
const cyclic = () => {
  const list: unknown[] = [1]
  list.push(list)
  return list
}
const detached = () => {
  const buffer = new ArrayBuffer(8)
  structuredClone(buffer, { transfer: [buffer] })
  return buffer
}
class Point {
  x = 1
  get sum() {
    return this.x
  }
}
const throwing = {
  get value() {
    throw new Error('unreadable')
  },
}
const closedProxy = new Proxy({}, { ownKeys: () => expect.fail('unreadable') })

const inputs: Row[] = [
  [
    'a function',
    refuses(
      'DATA_CLONE',
      echo(() => {}),
      'input',
      'a function',
    ),
  ],
  ['a function deep inside', refuses('DATA_CLONE', echo({ a: [0, { b: () => {} }] }), 'input.a[1].b', 'a function')],
  ['a function in a Map', refuses('DATA_CLONE', echo(new Map([['key', () => {}]])), "input.get('key')")],
  ['a symbol', refuses('DATA_CLONE', echo(Symbol('mine')), 'input', 'Symbol(mine)')],
  ['a Promise', refuses('DATA_CLONE', echo({ later: Promise.resolve() }), 'input.later', 'Promise')],
  ['a WeakMap', refuses('DATA_CLONE', echo(new WeakMap()), 'input', 'WeakMap')],
  ['a getter that throws', refuses('DATA_CLONE', echo({ inner: throwing }), 'input')],
  ['a Proxy whose traps throw', refuses('DATA_CLONE', echo(closedProxy), 'input')],
  ['a revoked Proxy', refuses('DATA_CLONE', echo(revoked()), 'input')],
  ['a Proxy of plain data', answers(echo(new Proxy({ a: 1 }, {})), { a: 1 })],
  ['a detached buffer', refuses('DATA_CLONE', (scheduler) => scheduler.run.echo(detached()), 'input')],
  [
    'a view of a detached buffer',
    refuses('DATA_CLONE', (scheduler) => scheduler.run.echo({ view: detachedView() }), 'input.view'),
  ],
  [
    'cyclic',
    async (scheduler) => {
      const list = (await scheduler.run.echo(cyclic())) as unknown[]
      expect(list[1]).toBe(list)
    },
  ],
  [
    'one object twice stays one',
    async (scheduler) => {
      const shared = { a: 1 }
      const [first, second] = (await scheduler.run.echo([shared, shared])) as unknown[]
      expect(first).toBe(second)
    },
  ],
  [
    'nested a thousand deep, in whatever',
    async (scheduler) => {
      // With a window on a buffer in it, it is rebuilt without what the window does not show.
      const cores = ['core', new Uint8Array(new ArrayBuffer(64), 8, 4).fill(7)]
      for (const core of cores)
        for (const wrap of [
          (inner: unknown) => [inner],
          (inner: unknown) => ({ inner }),
          (inner: unknown) => new Map([['inner', inner]]),
          (inner: unknown) => new Set([inner]),
        ]) {
          let nested: unknown = core
          for (let depth = 0; depth < 1_000; depth++) nested = wrap(nested)
          let answer = await scheduler.run.echo(nested)
          for (let depth = 0; depth < 1_000; depth++)
            answer =
              answer instanceof Set || answer instanceof Map
                ? answer.values().next().value
                : Object.values(answer as object)[0]
          expect(answer).toEqual(core)
        }
    },
  ],
  [
    'nested a million deep',
    async (scheduler) => {
      // Firefox can do it.
      const outcome = await scheduler.run.echo(abyss()).then(Array.isArray, ({ code }) => code)
      expect([true, 'DATA_CLONE']).toContain(outcome)
    },
  ],
  ['a class instance arrives as a plain object of its fields', answers(echo(new Point()), { x: 1 })],
  ['BigInt', answers(echo(2n ** 80n), 2n ** 80n)],
  ['Date', answers(echo(new Date(5)), new Date(5))],
  ['an invalid Date', async (scheduler) => expect(Number(await scheduler.run.echo(new Date(Number.NaN)))).toBeNaN()],
  ['RegExp', answers(echo(/a+/giu), /a+/giu)],
  ['Map', answers(echo(new Map([[{ key: 1 }, [2]]])), new Map([[{ key: 1 }, [2]]]))],
  ['Set', answers(echo(new Set([1, 'two'])), new Set([1, 'two']))],
  [
    'typed arrays',
    answers(echo([new Uint8Array([1]), new Float64Array([0.5])]), [new Uint8Array([1]), new Float64Array([0.5])]),
  ],
  [
    'a DataView',
    async (scheduler) =>
      expect(await scheduler.run.echo(new DataView(new ArrayBuffer(3)))).toMatchObject({ byteLength: 3 }),
  ],
  ['undefined', answers(echo(undefined), undefined)],
  ['undefined inside', answers(echo({ a: undefined, b: [undefined] }), { a: undefined, b: [undefined] })],
  ['null', answers(echo(null), null)],
  ['NaN', answers(echo(Number.NaN), Number.NaN)],
  ['−0', answers(echo([-0, { zero: -0 }]), [-0, { zero: -0 }])],
  ['Infinity', answers(echo(Number.NEGATIVE_INFINITY), Number.NEGATIVE_INFINITY)],
  [
    'a sparse array',
    async (scheduler) => {
      const list = (await scheduler.run.echo(Object.assign(Array(3), { 0: 1 }))) as unknown[]
      expect([list.length, 1 in list]).toEqual([3, false])
    },
  ],
  [
    'an array with a field',
    async (scheduler) => {
      expect(await scheduler.run.echo(Object.assign([1], { extra: 2 }))).toMatchObject({ 0: 1, extra: 2 })
    },
  ],
  ['a million characters', answers(echo('x'.repeat(1e6)), 'x'.repeat(1e6))],
  ['lone surrogates', answers(echo('\ud800 and \udfff'), '\ud800 and \udfff')],
  ['a NUL', answers(echo('a\0b'), 'a\0b')],
  [
    'keys named __proto__ are data',
    async (scheduler) => {
      const seen = await scheduler.run.inspect(JSON.parse('{"__proto__": {"polluted": 1}, "constructor": 2}'))
      expect(seen).toEqual({ keys: ['__proto__', 'constructor'], isPlain: true, isPolluted: false })
      expect('polluted' in {}).toBe(false)
    },
  ],
  ['an object without a prototype', answers(echo(Object.assign(Object.create(null), { a: 1 })), { a: 1 })],
  [
    'changed after the call',
    async (scheduler) => {
      const input = { list: [1] }
      const [running, adding] = [scheduler.run.echo(input), scheduler.add.echo(input)]
      input.list.push(2)
      expect(await running).toEqual({ list: [1] })
      const job = await adding
      expect(await job.result()).toEqual({ list: [1] })
      expect(job.input).toEqual({ list: [1] })
    },
  ],
  [
    'keys that are symbols are left out',
    async (scheduler) => {
      const job = await scheduler.add.echo({ n: 1, [Symbol('key')]: 2 })
      expect(job.input).toStrictEqual({ n: 1 })
      expect(await job.result()).toStrictEqual({ n: 1 })
    },
  ],
  [
    'transfer: what cannot be moved',
    refuses('DATA_CLONE', (scheduler) => scheduler.run.echo(1, { transfer: wrong([{}]) }), 'input'),
  ],
  [
    'transfer: the same twice',
    async (scheduler) => {
      const buffer = new ArrayBuffer(8)
      await refuses(
        'DATA_CLONE',
        () => scheduler.run.echo(buffer, { transfer: [buffer, buffer] }),
        'input',
      )(scheduler, never)
      expect(buffer.byteLength).toBe(8)
    },
  ],
]

function revoked() {
  const { proxy, revoke } = Proxy.revocable({}, {})
  revoke()
  return proxy
}

function detachedView() {
  const view = new Uint8Array(8)
  structuredClone(view.buffer, { transfer: [view.buffer] })
  return view
}

function abyss() {
  let nested: unknown
  for (let depth = 0; depth < 1_000_000; depth++) nested = [nested]
  return nested
}

const never = () => expect.unreachable()

// Results.

const result = (kind: string) => (scheduler: Bench) => scheduler.run.result(kind)

const results: Row[] = [
  ['a function', refuses('DATA_CLONE', result('function'), 'result', 'a function')],
  ['a symbol', refuses('DATA_CLONE', result('symbol'), 'result', 'Symbol(mine)')],
  ['a function deep inside', refuses('DATA_CLONE', result('nested'), 'result.list[1].callback')],
  ['a Promise inside', refuses('DATA_CLONE', result('promise'), 'result.promise')],
  ['a getter that throws', refuses('DATA_CLONE', result('getter'), 'result')],
  ['a Proxy whose traps throw', refuses('DATA_CLONE', result('proxy'), 'result')],
  [
    'fails its own job, not those it travels with',
    async (scheduler) => {
      for (let n = 0; n < 20; n++) await scheduler.run.result('function').catch(() => {})
      const bad = scheduler.run.result('function').catch((error: unknown) => error)
      const good = [1, 2, 3].map((value) => scheduler.run.double(value))
      expect(await bad).toMatchObject({ code: 'DATA_CLONE' })
      expect(await Promise.all(good)).toEqual([2, 4, 6])
    },
  ],
  ['a thenable that resolves twice', answers((scheduler) => scheduler.run.thenable('twice'), 'first')],
  ['a thenable that resolves and rejects', answers((scheduler) => scheduler.run.thenable('both'), 'first')],
  ['a `then` that throws', throws((scheduler) => scheduler.run.thenable('throwing'), new RangeError('then'))],
]

// What handlers throw. How whole errors arrive is in failure.test.ts.

const fail = (kind: string) => (scheduler: Bench) => scheduler.run.fail(kind)

const thrown: Row[] = [
  ['undefined', throws(fail('undefined'), undefined)],
  ['null', throws(fail('null'), null)],
  ['a string', throws(fail('string'), 'a string')],
  ['a rejected promise', throws(fail('promise'), new RangeError('later'))],
  ['a symbol arrives as its description', throws(fail('symbol'), 'Symbol(mine)')],
  ['a function arrives as its description', throws(fail('function'), 'a function')],
  [
    'an error with a cyclic cause',
    async (scheduler) => {
      const error = await scheduler.run.fail('cyclic').catch((reason: unknown) => reason as Error)
      expect((error as Error).cause).toBe(error)
    },
  ],
  [
    'an AggregateError that contains itself',
    async (scheduler) => {
      const error = await scheduler.run.fail('aggregate').catch((reason: unknown) => reason as AggregateError)
      expect((error as AggregateError).errors[0]).toBe(error)
    },
  ],
  ['a DOMException', throws(fail('dom'), new DOMException('no such thing', 'NotFoundError'))],
  ['an error whose message cannot be read', throws(fail('unreadable'), new Error('something unreadable'))],
  [
    'an error with a field that cannot be cloned',
    async (scheduler) => {
      const error = await scheduler.run.fail('field').catch((reason: unknown) => reason)
      expect(error).toMatchObject({ message: 'with a field', callback: 'a function', code: 'E_FIELD' })
    },
  ],
  [
    'an error that would pollute prototypes',
    async (scheduler) => {
      const error = await scheduler.run.fail('polluting').catch((reason: unknown) => reason)
      expect(error).toMatchObject({ message: 'polluting' })
      expect(error).toBeInstanceOf(Error)
      expect('polluted' in {}).toBe(false)
    },
  ],
  [
    'onSettled is called once',
    async (scheduler) => {
      const settled = vi.fn()
      await scheduler.run.fail('undefined', { onSettled: settled }).catch(() => {})
      expect(settled.mock.calls).toEqual([[undefined, undefined]])
    },
  ],
]

// What user code does to its thread.

const poisons =
  (call: (scheduler: Bench) => Promise<unknown>, ...words: string[]): Act =>
  async (scheduler) => {
    const error = await call(scheduler).catch((reason: unknown) => reason as Error)
    expect(error).toMatchObject({ code: 'JOB_POISONED', cause: { code: 'WORKER_CRASHED' } })
    for (const word of words) expect(((error as Error).cause as Error).message).toContain(word)
  }

const threads: Row[] = [
  ['ends itself', poisons((scheduler) => scheduler.run.crash(1)), onThreads],
  ['process.exit(0)', poisons((scheduler) => scheduler.run.crash(0), 'exit code 0'), onNode],
  [
    'out of memory',
    async (_scheduler, make) => {
      const limited = make({ workerOptions: { resourceLimits: { maxOldGenerationSizeMb: 16 } } })
      await poisons(() => limited.run.outOfMemory(), 'memory')(limited, make)
      expect(await limited.run.double(1)).toBe(2)
    },
    onNode,
  ],
  [
    'endless loop, cancelled',
    async (_scheduler, make) => {
      const scheduler = make({ graceMs: 20 })
      const begun = heard(scheduler, 'progress')
      const job = await scheduler.add.deafLoop()
      await begun
      await job.cancel()
      await refuses('JOB_CANCELLED', () => job.result(), job.id)(scheduler, make)
      expect(await scheduler.run.double(1)).toBe(2)
    },
    onThreads,
  ],
  [
    'endless loop, out of time',
    async (_scheduler, make) => {
      const scheduler = make({ graceMs: 20 })
      await refuses(
        'JOB_TIMEOUT',
        () => scheduler.run.deafLoop(undefined, { timeoutMs: 20, id: 'loop' }),
        'loop',
      )(scheduler, make)
      expect(await scheduler.run.double(1)).toBe(2)
    },
    onThreads,
  ],
  [
    'stack overflow',
    async (scheduler) => {
      // Firefox calls it InternalError.
      const error = await scheduler.run.stackOverflow().catch((reason: unknown) => reason)
      expect((error as Error).message).toMatch(/call stack|recursion/i)
    },
  ],
  ['unhandled rejection', poisons((scheduler) => scheduler.run.unhandledRejection(), 'nobody caught this'), onThreads],
  ['throws after it has returned', answers((scheduler) => scheduler.run.lateThrow(), 'returned'), onThreads],
  [
    'answers whatever comes to its worker',
    async (scheduler) => {
      await Promise.all(Array.from({ length: 10 }, (_, value) => scheduler.run.double(value)))
      expect(await scheduler.run.overheard()).toBe(0)
    },
    inBrowsers,
  ],
  ['posts garbage and forged results', answers((scheduler) => scheduler.run.forge(), 'genuine'), onThreads],
  [
    'progress a million times',
    async (scheduler) => {
      const seen: number[] = []
      expect(await scheduler.run.flood(1e6, { onProgress: (n) => seen.push(n as number) })).toBe(1e6)
      expect(seen.at(-1)).toBe(1e6)
      expect(seen.length).toBeLessThan(10_000)
    },
  ],
]

// Modules that do not load.

type WorkerMaker = () => (() => Worker) | Promise<() => Worker>

const notLoaded =
  (source: WorkerMaker, ...words: string[]): Act =>
  async () => {
    const clock = manualClock()
    const scheduler = createScheduler<Jobs>(await source(), { workers: 1, startTimeoutMs: 2_000, clock })
    // After each start that fails there is a pause; it passes at once.
    scheduler.on('worker:exit', () => turn().then(() => clock.advance(5_000)))
    await rejectsTwice(scheduler, words)
  }

/** For what shows by nothing but that time passes. */
const notLoadedWithin =
  (startTimeoutMs: number, source: WorkerMaker, ...words: string[]): Act =>
  async () =>
    rejectsTwice(createScheduler<Jobs>(await source(), { workers: 1, startTimeoutMs }), words)

async function rejectsTwice(scheduler: Bench, words: readonly string[]): Promise<void> {
  onTestFinished(() => scheduler.close({ mode: 'now' }))
  await refuses('WORKER_LOAD_FAILED', () => scheduler.run.double(1), ...words)(scheduler, never)
  await refuses('WORKER_LOAD_FAILED', () => scheduler.run.double(2))(scheduler, never)
}

const modules: Row[] = [
  ['404, where the browser does not say so', notLoaded(() => missingWorker, '404'), inBrowsers],
  ['a missing file', notLoaded(() => missingWorker, 'there-is-no-such-worker.mjs'), onServers],
  ['not JavaScript', notLoaded(() => workerOf('<!doctype html><title>Not found</title>'))],
  ['a syntax error', notLoaded(() => workerOf('export const = 1'))],
  ['an import that is not there', notLoaded(() => workerOf(`import 'there-is-no-such-package'`))],
  ['throws while it loads', notLoaded(() => workerOf(`throw new Error('at load')`), 'at load')],
  [
    'fails behind defineJobs, with a job on it',
    notLoaded(() => jobsWorker('late-failing'), 'no database'),
    (place) => onThreads(place) || (isWebKit && 'WebKit tells nobody that a module has failed after an `await`'),
  ],
  ['never calls defineJobs', notLoadedWithin(500, () => workerOf('setInterval(() => {}, 60_000)'), 'defineJobs')],
  ['a Content-Security-Policy that forbids workers', notLoaded(forbiddenWorker), inBrowsers],
  [
    'a factory that throws',
    notLoaded(
      () => () => {
        throw new Error('no worker today')
      },
      'no worker today',
    ),
  ],
  ['a factory that answers no worker', notLoaded(() => () => wrong<Worker>(undefined), 'got undefined')],
  [
    'a factory that answers something else',
    notLoaded(() => () => wrong<Worker>({ postMessage() {} }), 'got an object'),
  ],
  [
    'loads again after it once did not',
    async () => {
      let starts = 0
      const scheduler = createScheduler<Jobs>(() => (starts++ === 0 ? missingWorker() : goodWorker()), { workers: 1 })
      onTestFinished(() => scheduler.close({ mode: 'now' }))
      expect(await scheduler.run.double(1)).toBe(2)
    },
  ],
  [
    'no longer loads, with finished and paused jobs about',
    async () => {
      let isGone = false
      const clock = manualClock()
      const options = { workers: { min: 0, max: 1, idleMs: 1_000 }, startTimeoutMs: 500, clock }
      const scheduler = createScheduler<Jobs>(() => (isGone ? missingWorker() : goodWorker()), options)
      onTestFinished(() => scheduler.close({ mode: 'now' }))
      expect(await scheduler.run.double(1, { id: 'done' })).toBe(2)
      const exit = heard(scheduler, 'worker:exit')
      clock.advance(1_000)
      await exit
      isGone = true
      const settled = scheduler.run.double(2).catch((error: unknown) => error)
      const error = await Promise.race([settled, ticking(clock)])
      expect(error).toMatchObject({ code: 'WORKER_LOAD_FAILED' })
      expect((await scheduler.get('done'))?.snapshot().state).toBe('completed')
    },
  ],
]

/** Lets the time of the back-off between two starts pass. */
async function ticking(clock: ReturnType<typeof manualClock>): Promise<never> {
  for (;;) {
    await turn()
    clock.advance(10)
  }
}

// Names, ids, options.

const unknown = (name: string): Row => [
  `job ${JSON.stringify(name)}`,
  refuses('UNKNOWN_JOB', (scheduler) => runNamed(scheduler, name, 1), `'${name}'`),
]
const badName = (name: string): Row => [
  `job of ${name.length} characters`,
  refuses('INVALID_OPTION', (scheduler) => runNamed(scheduler, name), 'name'),
]

const names: Row[] = [
  ...['__proto__', 'constructor', 'toString', 'hasOwnProperty', '', 'no such job', '💣', 'a\0b'].map(unknown),
  badName('x'.repeat(10_000)),
  [
    '`then` is no job',
    async (scheduler) => {
      expect(await (scheduler.run as unknown)).toBe(scheduler.run)
      expect((scheduler.add as Record<string, unknown>).then).toBeUndefined()
    },
  ],
  [
    'addMany with an unknown job',
    async (scheduler) => {
      const [job] = await scheduler.addMany(wrong([{ name: 'constructor' }]))
      await refuses('UNKNOWN_JOB', () => job!.result(), 'constructor')(scheduler, never)
    },
  ],
  ...[undefined, null, 42, {}, [undefined], [{ name: 42 }], [{}], [null]].map(
    (list): Row => [
      `addMany(${JSON.stringify(list)})`,
      refuses('INVALID_OPTION', (scheduler) => scheduler.addMany(wrong(list)), 'name'),
    ],
  ),
  [
    'addMany with a field that is misspelt',
    async (scheduler) => {
      const id = 'not added'
      const list = [
        { name: 'double', options: { id } },
        { name: 'double', option: { priority: 5 } },
      ]
      await refuses('INVALID_OPTION', () => scheduler.addMany(wrong(list)), '`job.option`')(scheduler, never)
      expect(await scheduler.get(id)).toBeUndefined()
    },
  ],
]

const goodId = (name: string, id: string): Row => [
  `id ${name}`,
  async (scheduler) => {
    const job = await scheduler.add.double(2, { id })
    expect(job.id).toBe(id)
    expect(await job.result()).toBe(4)
    expect((await scheduler.get(id))?.id).toBe(id)
    expect(await scheduler.remove(id)).toBe(1)
    expect(await scheduler.get(id)).toBeUndefined()
  },
]
const badId = (name: string, id: unknown): Row => [
  `id ${name}`,
  async (scheduler) => {
    await refuses('INVALID_OPTION', () => scheduler.run.double(1, { id: wrong(id) }), '`id`')(scheduler, never)
    if (id !== undefined) await refuses('INVALID_OPTION', () => scheduler.get(wrong(id)), '`id`')(scheduler, never)
  },
]

const ids: Row[] = [
  goodId('../../x', '../../x'),
  goodId('with a NUL', 'a\0b'),
  goodId('of emoji', '👩‍👩‍👧'),
  goodId('__proto__', '__proto__'),
  goodId('of a lone surrogate', '\ud800'),
  goodId('of a kilobyte', 'x'.repeat(1_024)),
  badId('of 10 kB', 'x'.repeat(10_240)),
  badId("''", ''),
  badId('42', 42),
  badId('null', null),
  badId('an object', { toString: () => 'id' }),
]

const expectInvalid = (call: () => unknown, ...words: string[]): void => {
  const error = thrownBy(call)
  expect(error).toMatchObject({ name: 'OffstageError', code: 'INVALID_OPTION' })
  for (const word of words) expect((error as Error).message).toContain(word)
}

const badOption = (name: string, value: unknown): Row => [
  `${name}: ${typeof value === 'string' ? `'${value}'` : String(value)}`,
  refuses('INVALID_OPTION', (scheduler) => scheduler.run.double(1, wrong({ [name]: value })), `\`${name}\``),
]
const bads = (name: string, ...values: unknown[]): Row[] => values.map((value) => badOption(name, value))
const notFinite = [Number.NaN, Number.POSITIVE_INFINITY, '2', null, 2n, {}]

const options: Row[] = [
  ...bads('priority', ...notFinite),
  ...bads('delayMs', ...notFinite, -1, 1e300),
  ...bads('attempts', ...notFinite, -1, 0, 1.5),
  ...bads('timeoutMs', ...notFinite, -1, 0),
  ...bads('expiresInMs', ...notFinite, -1),
  ...bads('keepMs', Number.NaN, '2', -1),
  ...bads('runAt', Number.NaN, new Date(Number.NaN), '2030-01-01', 1e300, -1),
  ...bads(
    'backoff',
    100,
    'fixed',
    { type: 'fixed' },
    { delayMs: 1 },
    { type: 'sidekiq', delayMs: 1 },
    [1, -1],
    [Number.NaN],
    ['1'],
    new Array(2),
    new Array(1_001),
  ),
  ...bads('retryForMs', ...notFinite, -1),
  ...bads('keepValues', ...notFinite, -1, 1.5, 100_001),
  ...bads('retryIf', () => true),
  ...bads('queue', '', 42, 'x'.repeat(300), 'a\0b'),
  ...bads('group', '', 42, 'x'.repeat(300)),
  ...bads('tags', 'one', [1], ['']),
  ...bads('ifExists', 'update', true),
  ...bads('signal', {}, 'abort'),
  ...bads('transfer', 'buffer', new ArrayBuffer(1)),
  ...bads('onCompleted', 'callback', {}),
  ...bads('prioritiy', 1),
  ...(
    [
      ['jitter', { type: 'fixed', delayMs: 1, jitter: 2 }],
      ['jitter', { type: 'fixed', delayMs: 1, jitter: 'some' }],
      ['type', { type: 'cubic', delayMs: 1 }],
      ['maxMs', { type: 'sidekiq', maxMs: -1 }],
    ] as const
  ).map(
    ([name, backoff]): Row => [
      `backoff: ${JSON.stringify(backoff)}`,
      refuses('INVALID_OPTION', (scheduler) => scheduler.run.double(1, wrong({ backoff })), `\`backoff.${name}\``),
    ],
  ),
  ...(
    [
      ['olderThanMs', {}],
      ['olderThanMs', { state: 'failed' }],
      ['olderThanMs', { olderThanMs: -1 }],
      ['olderThanMs', { olderThanMs: '5' }],
      ['olderThanMs', { olderThanMs: Number.POSITIVE_INFINITY }],
      ['state', { olderThanMs: 0, state: 'queued' }],
      ['state', { olderThanMs: 0, state: ['failed', 'running'] }],
      ['state', { olderThanMs: 0, state: undefined }],
      ['tag', { olderThanMs: 0, tag: undefined }],
      ['limit', { olderThanMs: 0, limit: 5 }],
      ['options', undefined],
      ['options', 'an id'],
    ] as const
  ).map(
    ([name, filter]): Row => [
      `clean: ${JSON.stringify(filter)}, ${name}`,
      async (scheduler) => {
        const job = await scheduler.add.double(1)
        await job.result()
        await refuses('INVALID_OPTION', () => scheduler.clean(wrong(filter)), `\`${name}\``)(scheduler, never)
        expect(await scheduler.get(job.id)).toBeDefined()
      },
    ],
  ),
  ['null for the options', refuses('INVALID_OPTION', (scheduler) => scheduler.run.double(1, wrong(null)), '`options`')],
  [
    'priority: −1 and 1.5 are fine',
    answers((scheduler) => Promise.all([-1, 1.5].map((priority) => scheduler.run.double(1, { priority }))), [2, 2]),
  ],
  [
    'setPriority: NaN',
    async (scheduler) => {
      const job = await scheduler.add.double(1)
      for (const priority of [Number.NaN, Number.POSITIVE_INFINITY, wrong<number>('2')]) {
        await refuses('INVALID_OPTION', () => scheduler.setPriority(job.id, priority), '`priority`')(scheduler, never)
        await refuses('INVALID_OPTION', () => job.setPriority(priority), '`priority`')(scheduler, never)
      }
    },
  ],
  [
    'restart: no id, no job, no step',
    async (scheduler) => {
      for (const id of [undefined, '', 7, {}, 'none'])
        await refuses('INVALID_OPTION', () => scheduler.restart(wrong(id)), '`id`')(scheduler, never)
      for (const from of [null, '', 7, 'x'.repeat(1_025)])
        await refuses('INVALID_OPTION', () => scheduler.restart('a', { from: wrong(from) }), '`from`')(scheduler, never)
      await refuses('INVALID_OPTION', () => scheduler.restart('a', wrong({ form: 'b' })), '`form`')(scheduler, never)
    },
  ],
  [
    'signal: no id, no name, a value that cannot be copied',
    async (scheduler) => {
      scheduler.pause()
      const job = await scheduler.add.double(1)
      for (const id of [undefined, '', 7, {}])
        await refuses('INVALID_OPTION', () => scheduler.signal(wrong(id), 'go'), '`id`')(scheduler, never)
      for (const name of [undefined, null, '', 7, 'x'.repeat(257)])
        await refuses('INVALID_OPTION', () => scheduler.signal(job.id, wrong(name)), '`name`')(scheduler, never)
      await refuses('DATA_CLONE', () => scheduler.signal(job.id, 'go', { f() {} }), 'value.f')(scheduler, never)
      scheduler.resume()
      await job.result()
    },
  ],
  [
    'a filter that says something else',
    async (scheduler) => {
      for (const state of ['pending', ['pending']]) {
        const names =
          "one of 'scheduled', 'blocked', 'queued', 'running', 'completed', 'failed', 'cancelled', or an array of them"
        await refuses('INVALID_OPTION', () => scheduler.cancel(wrong({ state })), names)(scheduler, never)
      }
      await refuses('INVALID_OPTION', () => scheduler.find(wrong({ jobName: 'x' })), '`jobName`')(scheduler, never)
      for (const nothing of [undefined, null, 42])
        await refuses('INVALID_OPTION', () => scheduler.cancel(wrong(nothing)), '`idOrFilter`')(scheduler, never)
    },
  ],
  [
    'queue: concurrency and rate limit out of range',
    (scheduler) => {
      const queue = scheduler.queue('mails')
      for (const concurrency of [Number.NaN, -1, 0, 1.5, '2', undefined, null])
        expect(() => queue.setConcurrency(wrong(concurrency))).toThrow(/`concurrency`/)
      const right = { limit: 1, intervalMs: 1 }
      const limits = [
        ...[{}, { limit: 0, intervalMs: 1 }, { limit: 1 }, { limit: 1, intervalMs: 2 ** 31 }],
        ...[{ type: 'window' }, { type: 'token-bucket', burst: 0 }, { minGapMs: 0 }, { minGapMs: 2 ** 31 }].map(
          (rest) => ({ ...right, ...rest }),
        ),
        { ...right, burst: 2 },
      ]
      for (const limit of limits) expect(() => queue.setRateLimit(wrong(limit))).toThrow(/`(rateLimit|burst)/)
    },
  ],
  [
    'queue: a size that is none',
    async (scheduler) => {
      for (const limit of [0, -1, 1.5, Number.NaN, '1', undefined])
        await refuses(
          'INVALID_OPTION',
          () => scheduler.queue('mails').onSizeLessThan(wrong(limit)),
          '`limit`',
        )(scheduler, never)
    },
  ],
  [
    'a listener that is none, or of an event that is none',
    async (scheduler) => {
      const job = await scheduler.add.double(1)
      for (const target of [scheduler, job] as Pick<typeof scheduler, 'on' | 'once' | 'off'>[]) {
        for (const method of ['on', 'once', 'off'] as const) {
          const listen = (type: string, listener: unknown) => () =>
            target[method](wrong<'completed'>(type), wrong(listener))
          expectInvalid(listen('completed', 'listener'), '`listener`')
          expectInvalid(
            listen('finished', () => {}),
            '`type`',
            "'completed'",
          )
        }
      }
      expectInvalid(() => scheduler.subscribe(wrong(undefined)), '`listener`')
      expectInvalid(() => job.subscribe(wrong(undefined)), '`listener`')
    },
  ],
  [
    'an event of the scheduler, or of an extension, that no job has',
    async (scheduler) => {
      const job = await scheduler.add.double(1)
      for (const type of ['idle', 'backup:done']) {
        expectInvalid(() => job.on(wrong<'completed'>(type), () => {}), '`type`', `got '${type}'`)
        scheduler.on(wrong<'completed'>(type), () => {})()
      }
    },
  ],
  [
    'a group of a queue that has none, or under a name that is none',
    async (scheduler, make) => {
      expectInvalid(() => scheduler.queue('mails').group('a'), "'mails'", '`grouped`')
      const groups = make({ queues: { mails: grouped() } }).queue('mails')
      for (const name of ['', 42, 'x'.repeat(300)]) expectInvalid(() => groups.group(wrong(name)), '`group`')
    },
  ],
  [
    'limits of a group that are none',
    async (_scheduler, make) => {
      const queues = { mails: grouped(), chains: grouped({ strict: true }) }
      const other = make({ queues })
      const group = other.queue('mails').group('a')
      for (const value of [0, 1.5, Number.NaN, '2'])
        expectInvalid(() => group.setConcurrency(wrong(value)), '`concurrency`', String(value))
      for (const value of [3, {}, { limit: 0, intervalMs: 1 }, { limit: 1, intervalMs: 1, burst: 2 }])
        expectInvalid(() => group.setRateLimit(wrong(value)), 'rateLimit')
      for (const value of [0, 1.5, 1_001, '2', undefined])
        expectInvalid(() => group.setWeight(wrong(value)), '`weight`', String(value))
      const chain = other.queue('chains').group('a')
      expectInvalid(() => chain.setConcurrency(2), '`concurrency`', 'got 2', 'strict')
      await chain.setConcurrency(1)
    },
  ],
  ...[
    ['concurrency', Number.NaN, 0, 1.5, '2'],
    ['rateLimit', {}, 3, { limit: 0, intervalMs: 1 }, { limit: 1, intervalMs: 1, burst: 2 }],
    ['weight', 0, 1.5, 1_001, '2', { a: 0 }, { a: '1' }, [1]],
    ['strict', 1, 'yes'],
    ['sloppy', true],
  ].flatMap(([name, ...values]) =>
    values.map(
      (value): Row => [
        `grouped: ${name}: ${JSON.stringify(value)}`,
        () => expectInvalid(() => grouped(wrong({ [name as string]: value })), name as string),
      ],
    ),
  ),
  [
    'grouped: limits that contradict each other, or of no queue',
    async (_scheduler, make) => {
      expectInvalid(() => grouped({ strict: true, concurrency: 2 }), '`concurrency`', '`strict`')
      expectInvalid(() => grouped({}, wrong(5)), '`queue`')
      expectInvalid(() => grouped({}, wrong(grouped())), '`queue.order`')
      expectInvalid(() => make({ queues: { mails: grouped({}, { concurrency: 0 }) } }), '`queues.mails.concurrency`')
      expectInvalid(() => make({ queues: { mails: wrong({ order: true }) } }), '`queues.mails.order`')
    },
  ],
  ...[
    ['workers', Number.NaN, -1, 0, 1.5, '2', { min: 2, max: 1 }],
    ['concurrency', Number.NaN, Number.POSITIVE_INFINITY, -1, 0, 1.5, '2'],
    ['graceMs', Number.NaN, -1, '2'],
    ['handleSignals', true, 5_000, null, { graceMs: -1 }, { graceMs: '5s' }, { grace: 1 }],
    ['startTimeoutMs', 0, Number.POSITIVE_INFINITY],
    ['maxQueued', 0, 1.5, '2'],
    ['queues', { mails: { concurrency: 0 } }],
    [
      'reserve',
      ...[
        1,
        null,
        {},
        { workers: 1 },
        { minPriority: 1 },
        { workers: 0, minPriority: 1 },
        { workers: 1.5, minPriority: 1 },
      ],
      ...[Number.NaN, Number.POSITIVE_INFINITY, '1'].map((minPriority) => ({ workers: 1, minPriority })),
    ],
    ['defaults', { double: { attempts: 0 } }, { double: { retryIf: true } }, { double: { backoff: [-1] } }],
    ['store', {}, 'memory'],
    ['clock', Date],
    ['retries', 3],
  ].flatMap(([name, ...values]) =>
    values.map(
      (value): Row => [
        `createScheduler: ${name}: ${JSON.stringify(value)}`,
        (_scheduler, make) => {
          const error = thrownBy(() => make(wrong({ [name as string]: value })))
          expect(error).toMatchObject({
            name: 'OffstageError',
            code: 'INVALID_OPTION',
            message: expect.stringContaining(name as string),
          })
        },
      ],
    ),
  ),
  ...[
    ['condition', 'online', true, () => true, { isMet: true, subscribe() {} }, { isMet: () => true }],
    ['condition', { subscribe: () => () => {} }, [null], [{ isMet: () => true }]],
    ['lifo', 1, 'yes', null],
    ['ageing', -1, 0, '2', null, {}, { by: 2 }, { everyMs: 0 }, { everyMs: '1' }, { everyMs: 1, each: 2 }],
    ['ageing', { everyMs: 1, by: 0 }, { everyMs: 1, by: Number.NaN }, { everyMs: 1, by: Number.POSITIVE_INFINITY }],
  ].flatMap(([name, ...values]) =>
    values.map(
      (value): Row => [
        `createScheduler: queues: ${name}: ${JSON.stringify(value)}`,
        (_scheduler, make) => {
          const error = thrownBy(() => make(wrong({ queues: { mails: { [name as string]: value } } })))
          expect(error).toMatchObject({ code: 'INVALID_OPTION', message: expect.stringContaining(`${name}`) })
        },
      ],
    ),
  ),
  ...['', 'x'.repeat(257), 'a\0b'].map(
    (name): Row => [
      `createScheduler: a queue with the name ${JSON.stringify(name.slice(0, 9))}`,
      (_scheduler, make) => expectInvalid(() => make({ queues: { [name]: {} } }), '`name in queues`'),
    ],
  ),
  [
    'createScheduler: a queue with two orders',
    (_scheduler, make) =>
      expectInvalid(
        () => make({ queues: { mails: { lifo: true, ageing: { everyMs: 1, by: 1 } } } }),
        '`queues`',
        'one of order, lifo, ageing',
      ),
  ],
  ...[undefined, null, 42, {}, []].map(
    (source): Row => [
      `createScheduler(${JSON.stringify(source)})`,
      () => expect(() => createScheduler(wrong(source))).toThrow(/new Worker\(new URL/),
    ],
  ),
  [
    'createScheduler with a path, in a browser',
    () => expect(() => createScheduler('./jobs.js')).toThrow(/new Worker\(new URL/),
    inBrowsers,
  ],
  ...[{ double: () => 1 }, undefined, null, 'jobs'].map(
    (jobs): Row => [
      `inline(${JSON.stringify(jobs)}), which defineJobs did not make`,
      () => expect(() => inline(wrong(jobs))).toThrow(/defineJobs/),
    ],
  ),
]

const thrownBy = (call: () => unknown): unknown => {
  try {
    call()
  } catch (error) {
    return error
  }
  return undefined
}

// Times and clocks.

const hourMs = 3_600_000

const clocks: Row[] = [
  [
    'a delay of more than 2³¹−1 ms',
    async (_scheduler, make) => {
      const clock = manualClock()
      const delays: number[] = []
      const startTimer: typeof clock.startTimer = (callback, delayMs, keepsProcessAlive) => {
        delays.push(delayMs)
        return clock.startTimer(callback, delayMs, keepsProcessAlive)
      }
      const scheduler = make({ clock: { ...clock, startTimer } })
      const job = await scheduler.add.double(2, { delayMs: 2 ** 31 + 1_000 })
      clock.advance(2 ** 31)
      expect(job.snapshot().state).toBe('scheduled')
      clock.advance(1_000)
      expect(await job.result()).toBe(4)
      expect(Math.max(...delays)).toBeLessThan(2 ** 31)
    },
  ],
  [
    'a time limit of more than 2³¹−1 ms',
    async (_scheduler, make) => {
      expect(await make().run.double(1, { timeoutMs: 2 ** 32 })).toBe(2)
    },
  ],
  [
    'a clock that goes back an hour',
    async (_scheduler, make) => {
      const clock = manualClock()
      const scheduler = make({ clock })
      const started: string[] = []
      scheduler.on('started', ({ jobId }) => started.push(jobId))
      scheduler.pause()
      await scheduler.add.double(1, { id: 'before' })
      const delayed = await scheduler.add.double(1, { id: 'delayed', delayMs: 1_000 })
      clock.setWall(clock.now() - hourMs)
      await scheduler.add.double(1, { id: 'after' })
      scheduler.resume()
      await scheduler.onIdle()
      expect(started).toEqual(['before', 'after'])
      clock.advance(hourMs + 1_000)
      expect(await delayed.result()).toBe(2)
      expect(scheduler.stats().latencies.wait.p50).toBeGreaterThanOrEqual(0)
    },
  ],
  [
    'a clock that goes ten years ahead',
    async (_scheduler, make) => {
      const clock = manualClock()
      const scheduler = make({ clock })
      const delayed = await scheduler.add.double(1, { delayMs: hourMs })
      scheduler.pause()
      const expiring = await scheduler.add.double(1, { expiresInMs: hourMs, id: 'expiring' })
      clock.setWall(clock.now() + 10 * 365 * 24 * hourMs)
      clock.advance(30_000) // Long sleeps are short ones repeated, so that this is noticed.
      await refuses('JOB_EXPIRED', () => expiring.result(), 'expiring')(scheduler, make)
      scheduler.resume()
      expect(await delayed.result()).toBe(2)
      expect(await scheduler.run.double(2, { timeoutMs: 1_000 })).toBe(4)
    },
  ],
]

// Code of the user's that throws on this side.

const boom = () => {
  throw new Error('boom')
}
const asyncBoom = async () => boom()

/** Everything that the callbacks threw is told on `error`, and nowhere else. */
const reports =
  (times: number, call: (scheduler: Bench) => Promise<unknown>): Act =>
  async (_scheduler, make) => {
    const scheduler = make()
    const errors: unknown[] = []
    scheduler.on('error', ({ error }) => errors.push((error as Error).message))
    await call(scheduler)
    await turn()
    expect(errors).toEqual(Array(times).fill('boom'))
    expect(await scheduler.run.double(1)).toBe(2)
  }
const allCallbacks = (callback: () => unknown) => ({
  onStarted: callback,
  onProgress: callback,
  onCompleted: callback,
  onFailed: callback,
  onSettled: callback,
})

const listeners: Row[] = [
  [
    'a listener',
    reports(1, async (scheduler) => {
      const next = vi.fn()
      const stop = scheduler.on('completed', boom)
      scheduler.on('completed', next)
      expect(await scheduler.run.double(1)).toBe(2)
      expect(next).toHaveBeenCalledOnce()
      stop()
    }),
  ],
  [
    'an async listener',
    reports(4, async (scheduler) => {
      const stop = scheduler.on('completed', asyncBoom)
      scheduler.once('completed', asyncBoom)
      scheduler.pause()
      const job = await scheduler.add.double(1)
      job.on('completed', asyncBoom)
      job.once('completed', asyncBoom)
      scheduler.resume()
      expect(await job.result()).toBe(2)
      stop()
    }),
  ],
  ['callbacks', reports(4, (scheduler) => scheduler.run.flood(1, allCallbacks(boom)))],
  ['async callbacks', reports(4, (scheduler) => scheduler.run.flood(1, allCallbacks(asyncBoom)))],
  [
    'callbacks of a job that fails',
    reports(3, (scheduler) => scheduler.run.stackOverflow(undefined, allCallbacks(asyncBoom)).catch(() => {})),
  ],
  [
    'callbacks of a job that is cancelled',
    reports(1, async (scheduler) => {
      scheduler.pause()
      const job = await scheduler.add.double(1, allCallbacks(asyncBoom))
      await job.cancel()
      scheduler.resume()
    }),
  ],
  [
    'subscribers',
    reports(1, async (scheduler) => {
      const stop = scheduler.subscribe(() => {
        stop()
        boom()
      })
      await scheduler.run.double(1)
    }),
  ],
  [
    'a listener of `error` itself, or nobody listening: the platform is told, once',
    async (_scheduler, make) => {
      const scheduler = make()
      const platform = hush()
      scheduler.once('completed', boom)
      await scheduler.run.double(1)
      scheduler.on('error', boom)
      scheduler.once('completed', boom)
      await scheduler.run.double(1)
      expect(platform()).toEqual(['boom', 'boom'])
    },
  ],
  [
    'a random that answers nonsense',
    async (_scheduler, make) => {
      for (const random of [() => Number.NaN, () => 99]) {
        const scheduler = make({ random })
        const failed = scheduler.run.stackOverflow(undefined, {
          attempts: 2,
          backoff: { type: 'fixed', delayMs: 5, jitter: 1 },
        })
        await expect(failed).rejects.toThrow()
      }
    },
  ],
]

/** Keeps from the console, and from the test runner, what is reported as the last resort. Answers what it was. */
function hush(): () => unknown[] {
  if (!isBrowser) {
    const spy = vi.spyOn(console, 'error').mockImplementation(() => {})
    onTestFinished(() => spy.mockRestore())
    return () => spy.mock.calls.map(([error]) => (error as Error).message)
  }
  const spy = vi.spyOn(globalThis, 'reportError').mockImplementation(() => {})
  onTestFinished(() => spy.mockRestore())
  return () => spy.mock.calls.map(([error]) => (error as Error).message)
}

// Aborting and closing at any time.

const reason = new Error('my reason')
const rejectsWithReason = (promise: Promise<unknown>) => expect(promise).rejects.toBe(reason)

const endings: Row[] = [
  ['abort before', (scheduler) => rejectsWithReason(scheduler.run.double(1, { signal: AbortSignal.abort(reason) }))],
  [
    'abort in the same breath',
    (scheduler) => {
      const controller = new AbortController()
      const running = scheduler.run.double(1, { signal: controller.signal })
      controller.abort(reason)
      return rejectsWithReason(running)
    },
  ],
  [
    'abort while a schema takes its time',
    (_scheduler, make) => {
      const validate = async (value: unknown) => {
        controller.abort(reason)
        return { value }
      }
      const schema = { '~standard': { version: 1, vendor: 'test', validate } } as const
      const controller = new AbortController()
      const scheduler = make({ schemas: { double: schema } as never })
      return rejectsWithReason(scheduler.run.double(1, { signal: controller.signal }))
    },
  ],
  [
    'abort during',
    async (scheduler) => {
      const controller = new AbortController()
      const running = scheduler.run.polite(undefined, {
        signal: controller.signal,
        onProgress: () => controller.abort(reason),
      })
      await rejectsWithReason(running)
    },
  ],
  [
    'abort after',
    async (scheduler) => {
      const controller = new AbortController()
      const job = await scheduler.add.double(1, { signal: controller.signal })
      expect(await job.result()).toBe(2)
      controller.abort(reason)
      expect(await job.result()).toBe(2)
      expect(job.snapshot().state).toBe('completed')
    },
  ],
  [
    'abort with an undefined reason',
    async (scheduler) => {
      const controller = new AbortController()
      const running = scheduler.run.double(1, { signal: controller.signal })
      controller.abort()
      await expect(running).rejects.toMatchObject({ name: 'AbortError' })
    },
  ],
  [
    'one signal for a thousand jobs',
    async (scheduler) => {
      const controller = new AbortController()
      const { signal } = controller
      scheduler.pause()
      const running = Array.from({ length: 1_000 }, (_, n) =>
        scheduler.run.double(n, { signal }).catch((error: unknown) => error),
      )
      controller.abort(reason)
      scheduler.resume()
      expect(new Set(await Promise.all(running))).toEqual(new Set([reason]))
    },
  ],
  [
    'cancel with a reason that cannot be cloned',
    async (scheduler) => {
      const begun = heard(scheduler, 'progress')
      const job = await scheduler.add.polite()
      await begun
      const reason = () => 'why'
      await job.cancel(reason)
      await expect(job.result()).rejects.toMatchObject({ code: 'JOB_CANCELLED', cause: reason })
    },
  ],
  [
    'close twice',
    async (_scheduler, make) => {
      const scheduler = make()
      await Promise.all([scheduler.close(), scheduler.close(), scheduler.close({ mode: 'now' })])
      await scheduler.close({ mode: 'drain' })
    },
  ],
  [
    'close with nonsense',
    async (_scheduler, make) => {
      const scheduler = make()
      await refuses('INVALID_OPTION', () => scheduler.close(wrong({ mode: 'later' })), '`mode`')(scheduler, never)
      await refuses('INVALID_OPTION', () => scheduler.close({ timeoutMs: Number.NaN }), '`timeoutMs`')(scheduler, never)
    },
  ],
  [
    'add after close',
    async (_scheduler, make) => {
      const scheduler = make()
      await scheduler.close()
      await refuses('SCHEDULER_CLOSED', () => scheduler.add.double(1))(scheduler, never)
      await refuses('SCHEDULER_CLOSED', () => scheduler.run.echo(() => {}))(scheduler, never)
    },
  ],
  [
    'add and close inside a listener',
    async (_scheduler, make) => {
      const scheduler = make()
      const added: Promise<unknown>[] = []
      const closing = new Promise<void>((resolve) => {
        scheduler.once('completed', () => {
          added.push(scheduler.run.double(2))
          resolve(scheduler.close({ mode: 'drain' }))
          added.push(scheduler.run.double(3).catch((error: unknown) => error))
        })
      })
      expect(await scheduler.run.double(1)).toBe(2)
      await closing
      expect(await Promise.all(added)).toMatchObject([4, { code: 'SCHEDULER_CLOSED' }])
    },
  ],
  [
    'a hundred thousand waiting jobs, cancelled',
    async (_scheduler, make) => {
      const scheduler = make()
      scheduler.pause()
      const count = isBrowser ? 20_000 : 100_000
      await scheduler.addMany(
        Array.from({ length: count }, (_, n) => ({ name: 'double', input: n, options: { priority: n % 7 } }) as const),
      )
      expect(await scheduler.cancel({ state: 'queued' })).toBe(count)
      scheduler.resume()
      expect(await scheduler.run.double(1)).toBe(2)
    },
  ],
]

// The table.

const groups = { inputs, results, thrown, threads, modules, names, ids, options, clocks, listeners, endings }
/** Modules are loaded by threads alone. */
const placesOf = (group: string) => (group === 'modules' ? (['threads'] as const) : places)

describe.each(Object.entries(groups))('%s', (group, rows) => {
  describe.each(placesOf(group))('on %s', (place) => {
    let bench: Bench
    beforeAll(() => {
      bench = createBench(place)
    })
    afterAll(() => bench.close({ mode: 'now' }))

    for (const [name, act, skipHere] of rows) {
      test(name, async ({ skip }) => {
        const why = skipHere?.(place)
        if (why) skip(why)
        const host = watchHost()
        onTestFinished(() => host.stop())
        await act(bench, (options) => start(place, 'unruly', options))
        expect(await bench.run.double(21), 'the next good job').toBe(42)
        await turn()
        expect(host.uncaught).toEqual([])
      })
    }
  })
})

function createBench(place: Place): Bench {
  return createScheduler<Jobs>(place === 'inline' ? inline(jobs) : goodWorker, { workers: 1 })
}

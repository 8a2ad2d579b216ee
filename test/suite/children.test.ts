// Handlers that run other jobs and wait for them without a thread.
import { describe, expect, test } from 'vitest'
import { kinds, stores } from '../support/stores.ts'
import { heard, places, start } from '../support/testing.ts'

const errorOf = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    (value) => expect.unreachable(`resolved with ${String(value)}`),
    (error: unknown) => error,
  )

describe.each(places)('on %s, with one worker', (place) => {
  test('a child ends, and its parent goes on with its result', async () => {
    const scheduler = start(place, 'families')
    expect(await scheduler.run.one(21)).toEqual([42, 2])
    expect(await scheduler.run.yielding(4)).toBe(8)
  })

  test('the parent waits, and says for what', async () => {
    const scheduler = start(place, 'families')
    const waiting = heard(scheduler, 'waiting')
    const parent = await scheduler.add.waits(undefined, { id: 'p' })
    await waiting
    expect(parent.snapshot()).toMatchObject({ state: 'blocked', parentId: undefined })
    expect(await scheduler.whyWaiting('p')).toMatchObject([{ reason: 'blocked', detail: expect.stringContaining('1') }])
  })

  test('children are known by the id of their parent and a key, in every attempt', async () => {
    const scheduler = start(place, 'families')
    expect(await scheduler.run.two(undefined, { id: 'p' })).toEqual([
      ['p/who', 'p'],
      ['p/who 2', 'p'],
      ['p/mine', 'p'],
    ])
    expect((await scheduler.get('p/who'))?.snapshot()).toMatchObject({ parentId: 'p', state: 'completed' })
    expect((await scheduler.find({ tag: 'second' })).map(({ id }) => id)).toEqual(['p/who 2'])
  })

  test('a tree that is 50 deep ends', async () => {
    const scheduler = start(place, 'families')
    expect(await scheduler.run.deep(50)).toBe(50)
  })

  test('a tree ends that is so deep that ids would become too long', async () => {
    const scheduler = start(place, 'families')
    const parent = await scheduler.add.deep(30, { id: 'p'.repeat(900) })
    expect(await parent.result()).toBe(30)
    const jobs = await scheduler.find({ name: 'deep' })
    expect(jobs).toHaveLength(31)
    const parents = jobs.map((job) => job.snapshot().parentId ?? '')
    expect(parents.sort()).toEqual(['', ...jobs.map(({ id }) => id).slice(0, -1)].sort())
  })

  test('a fan-out of 300: the parent runs twice', async () => {
    const scheduler = start(place, 'families')
    const numbers = Array.from({ length: 300 }, (_, n) => n)
    const parent = await scheduler.add.map(numbers)
    expect(await parent.result()).toEqual(numbers.map((n) => n * 2))
    expect(parent.snapshot().attempt).toBe(2)
  })

  test('recipes: chain, group, chord, chunks', async () => {
    const scheduler = start(place, 'families')
    expect(await scheduler.run.chain(4)).toBe(9)
    expect(await scheduler.run.group()).toEqual([2, 5])
    expect(await scheduler.run.chord([1, 2, 3])).toBe(12)
    expect(await scheduler.run.chunks({ numbers: [1, 2, 3, 4, 5], size: 2 })).toEqual([3, 7, 5])
  })

  test('an error of a child is thrown at its parent, as it was', async () => {
    const scheduler = start(place, 'families')
    expect(await scheduler.run.declined('4000')).toEqual({
      name: 'Error',
      message: 'The card 4000 was declined.',
      which: '4000',
      isError: true,
      attempt: 2,
    })
  })

  test('a job with the id of an earlier one has children of its own', async () => {
    const scheduler = start(place, 'families')
    expect(await scheduler.run.one(21, { id: 'p' })).toEqual([42, 2])
    expect(await scheduler.run.one(4, { id: 'p', ifExists: 'replace' })).toEqual([8, 2])
    await scheduler.remove('p')
    expect(await scheduler.run.one(5, { id: 'p' })).toEqual([10, 2])
    expect((await scheduler.get('p/double'))?.snapshot()).toMatchObject({ parentId: 'p', state: 'completed' })
  })

  test('a parent that ends takes its other children along', async () => {
    const scheduler = start(place, 'families', { workers: 2 })
    expect(await errorOf(scheduler.run.notCaught('4000', { id: 'p' }))).toMatchObject({ card: '4000' })
    expect((await scheduler.get('p/beside'))?.snapshot()).toMatchObject({ state: 'cancelled' })
  })

  test('the next attempt runs a child again that has failed; so does a retry by hand', async () => {
    const scheduler = start(place, 'families')
    expect(await scheduler.run.again(undefined, { attempts: 2 })).toEqual(['attempt 2', 4])
    const parent = await scheduler.add.again(undefined, { id: 'p' })
    await errorOf(parent.result())
    await parent.retry()
    expect(await parent.result()).toEqual(['attempt 2', 4])
  })

  test('cancel goes down the tree', async () => {
    const scheduler = start(place, 'families', { graceMs: 50 })
    const top = await scheduler.add.grandparent(undefined, { id: 't' })
    const error = errorOf(top.result())
    await new Promise<void>((resolve) => {
      scheduler.on('started', ({ jobId }) => jobId === 't/waits/forever' && resolve())
    })
    await top.cancel('enough')
    expect(await error).toMatchObject({ code: 'JOB_CANCELLED' })
    const states = await Promise.all(
      ['t', 't/waits', 't/waits/forever'].map(async (id) => (await scheduler.get(id))?.snapshot().state),
    )
    expect(states).toEqual(['cancelled', 'cancelled', 'cancelled'])
    expect(await scheduler.run.add([1, 1])).toBe(2)
  })

  test('a child and a signal: the first goes on, and the child is cancelled', async () => {
    const scheduler = start(place, 'families', { graceMs: 50, workers: 2 })
    const waiting = heard(scheduler, 'waiting')
    const parent = await scheduler.add.first(undefined, { id: 'p' })
    await waiting
    await scheduler.signal('p', 'enough', 'enough')
    expect(await parent.result()).toBe('enough')
    expect((await scheduler.get('p/forever'))?.snapshot()).toMatchObject({ state: 'cancelled' })
  })

  test.each([
    [{ id: 'x' }, '`id`'],
    [{ ifExists: 'replace' }, '`ifExists`'],
    [{ transfer: [] }, '`transfer`'],
    [{ onProgress: null }, '`onProgress`'],
    [{ priority: 'high' }, '`priority`'],
    [{ nonsense: 1 }, '`nonsense`'],
    [{ key: '' }, '`key`'],
  ])('the options %j are refused at the parent', async (options, named) => {
    const scheduler = start(place, 'families')
    expect(await errorOf(scheduler.run.wrongOption(options))).toMatchObject({
      code: 'INVALID_OPTION',
      message: expect.stringContaining(named),
    })
  })

  test('another type with the key of a child of an earlier attempt: the error names both', async () => {
    const error = await errorOf(start(place, 'families').run.another())
    expect(error).toMatchObject({ code: 'STEP_MISMATCH' })
    expect((error as Error).message).toContain("The key 'k' belongs to children('double') and to children('who').")
  })

  test('an input that cannot be copied, and a type that there is not', async () => {
    const scheduler = start(place, 'families')
    expect(await errorOf(scheduler.run.wrongInput())).toMatchObject({ code: 'DATA_CLONE' })
    expect(await errorOf(scheduler.run.unknown())).toMatchObject({ code: 'UNKNOWN_JOB' })
  })

  test('an id that another job has, and a queue that is full', async () => {
    const scheduler = start(place, 'families', { maxQueued: 1 })
    await scheduler.run.double(1, { id: 'p/double' })
    expect(await errorOf(scheduler.run.one(1, { id: 'p' }))).toMatchObject({ code: 'DUPLICATE_ID' })
    expect(await errorOf(scheduler.run.group(undefined, { id: 'q' }))).toMatchObject({ code: 'QUEUE_FULL' })
  })
})

test.each(kinds.filter((kind) => kind !== 'memory'))('parents and children outlive the process: %s', async (kind) => {
  const place = stores[kind]()
  const open = () => start('inline', 'families', { store: place('families') })
  const first = open()
  const waiting = heard(first, 'waiting')
  await first.add.chord([1, 2, 3], { id: 'p' })
  await waiting
  await first.close({ mode: 'now' })

  const second = open()
  expect(await (await second.get<'chord'>('p'))?.result()).toBe(12)
  expect((await second.get('p/sum'))?.snapshot()).toMatchObject({ parentId: 'p' })
})

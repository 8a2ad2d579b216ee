// What one call means: which jobs, at which moment, and nothing more than that.
import { type Change, createScheduler, inline, type Job, type Store } from 'offstage'
import { describe, expect, onTestFinished, test } from 'vitest'
import { jobs } from '../fixtures/jobs.ts'
import { places, start } from '../support/testing.ts'

/** For what the types refuse. */
const wrong = <T>(value: unknown): T => value as T

/** A store that opens when the test says so. Give it what another has, and it is the same after a restart. */
function slowStore(records = new Map<string, NonNullable<Change['after']>>()) {
  let open = () => {}
  const isOpen = new Promise<void>((resolve) => {
    open = resolve
  })
  const store: Store = {
    isDurable: true,
    check: () => {},
    open: () => isOpen.then(() => ({ records: [...records.values()], rows: [] })),
    commit: async (changes) => {
      for (const { before, after } of changes) {
        if (after) records.set(after.id, after)
        else if (before) records.delete(before.id)
      }
    },
    close: async () => {},
  }
  return { store, open, records }
}

function startOn(store: Store) {
  const scheduler = createScheduler<typeof jobs>(inline(jobs as never), { workers: 1, store })
  onTestFinished(() => scheduler.close({ mode: 'now' }))
  return scheduler
}

const outcome = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    (value) => value,
    (error) => error.code ?? error.message ?? error,
  )

const idsOf = (found: readonly Pick<Job, 'id'>[]): string => found.map(({ id }) => id).join('')

describe.each(places)('on %s', (place) => {
  describe('calls take effect in the order in which they are made', () => {
    test('a filter means the jobs that are there when it is called', async () => {
      const scheduler = start(place, 'jobs')
      scheduler.pause()
      const before = outcome(scheduler.run.double(1))
      const cancelled = scheduler.cancel({ state: 'queued' })
      const after = scheduler.run.double(2)
      expect(await cancelled).toBe(1)
      scheduler.resume()
      expect([await before, await after]).toEqual(['JOB_CANCELLED', 4])

      scheduler.pause()
      const removed = scheduler.remove({ state: 'queued' })
      const kept = scheduler.run.double(3)
      expect(await removed).toBe(0)
      const retried = scheduler.retry({ state: 'cancelled' })
      const ended = scheduler.cancel({ name: 'double', state: 'queued' })
      expect([await retried, await ended, await outcome(kept)]).toEqual([1, 2, 'JOB_CANCELLED'])
    })

    test('`addMany`, too: what is called before it does not mean its jobs, what is called after does', async () => {
      const scheduler = start(place, 'jobs')
      scheduler.pause()
      const many = (tag: string) =>
        Array.from({ length: 1_000 }, () => ({ name: 'double', input: 1, options: { tags: [tag] } }) as const)
      const added = [scheduler.addMany(many('first'))]
      const cancelled = scheduler.cancel({ state: 'queued' })
      added.push(scheduler.addMany(many('second')))
      const removed = scheduler.remove({ tag: 'second' })
      await Promise.all(added)
      expect([await cancelled, await removed]).toEqual([1_000, 1_000])
    })

    test('`setPriority` and `promote` before `resume`', async () => {
      const scheduler = start(place, 'jobs')
      const started: string[] = []
      await scheduler.run.noop() // The thread is there.
      scheduler.on('started', ({ jobId }) => started.push(jobId))
      scheduler.pause()
      const ran = ['a', 'b', 'c'].map((id) => scheduler.run.noop(undefined, { id }))
      ran.push(scheduler.run.noop(undefined, { id: 'd', delayMs: 60_000, priority: 9 }))
      void scheduler.setPriority('c', 5)
      void scheduler.promote('d')
      scheduler.resume()
      await Promise.all(ran)
      expect(started.join('')).toBe('dcab')
    })

    test('`cancel` and an abort: the first one counts', async () => {
      const scheduler = start(place, 'jobs')
      scheduler.pause()
      const [one, two] = [new AbortController(), new AbortController()]
      const first = scheduler.run.noop(undefined, { id: 'a', signal: one.signal }).catch((error: unknown) => error)
      const second = scheduler.run.noop(undefined, { id: 'b', signal: two.signal }).catch((error: unknown) => error)
      const cancelled = scheduler.cancel('a', 'mine')
      one.abort('late')
      two.abort('first')
      const tooLate = scheduler.cancel('b', 'late')
      expect([await cancelled, await tooLate]).toEqual([1, 0])
      expect(await first).toMatchObject({ code: 'JOB_CANCELLED', cause: 'mine' })
      expect(await second).toBe('first')
    })

    test('a look sees all that was called before it, and nothing that was called after', async () => {
      const scheduler = start(place, 'jobs')
      scheduler.pause()
      void scheduler.add.noop(undefined, { id: 'a' })
      const look = [scheduler.find(), scheduler.get('b'), scheduler.counts()] as const
      void scheduler.add.noop(undefined, { id: 'b' })
      const later = [scheduler.find(), scheduler.get('b'), scheduler.counts()] as const
      void scheduler.cancel('b')
      const [found, b, counts] = await Promise.all(look)
      expect([idsOf(found), b, counts.queued]).toEqual(['a', undefined, 1])
      const [foundLater, bLater, countsLater] = await Promise.all(later)
      expect([idsOf(foundLater), bLater?.id, countsLater.queued]).toEqual(['ab', 'b', 2])
      expect(await scheduler.counts()).toMatchObject({ queued: 1, cancelled: 1 })
    })
  })

  describe('a filter that names nothing never means all', () => {
    const filters: [what: string, filter: unknown, named: string][] = [
      ['a tag that is undefined', { tag: undefined }, '`tag`'],
      ['a name that is undefined', { name: undefined }, '`name`'],
      ['a queue that is undefined', { queue: undefined }, '`queue`'],
      ['a state that is undefined', { state: undefined }, '`state`'],
      ['a state that is undefined, in a list', { state: [undefined] }, '`state`'],
      ['one of two that is undefined', { name: 'noop', tag: undefined }, '`tag`'],
      ['null', { tag: null }, '`tag`'],
      ['a number', { tag: 7 }, '`tag`'],
      ['nothing', {}, '`idOrFilter`'],
      ['an empty array', [], '`idOrFilter`'],
      ['ids in an array', ['a'], '`idOrFilter`'],
      ['an object of a class', new Date(), '`idOrFilter`'],
      ['no filter', undefined, '`idOrFilter`'],
      ['a function', () => {}, '`idOrFilter`'],
      ['no id', '', '`id`'],
      ['a field that is not there', { jobName: 'noop' }, '`jobName`'],
      ['a limit', { limit: 1 }, '`limit`'],
      ['`all` that is false', { all: false }, '`all`'],
      ['`all` that is undefined', { all: undefined }, '`all`'],
      ['`all` and a state', { all: true, state: 'failed' }, '`idOrFilter`'],
      ['what a prototype leaves undefined', Object.create({ tag: undefined }), '`tag`'],
    ]
    test.each(filters)('%s', async (_what, filter, named) => {
      const scheduler = start(place, 'jobs')
      scheduler.pause()
      await scheduler.add.noop(undefined, { id: 'a', tags: ['x'] })
      for (const verb of ['cancel', 'retry', 'remove'] as const) {
        const error = await scheduler[verb](wrong(filter)).catch((thrown: unknown) => thrown)
        expect(error).toMatchObject({ code: 'INVALID_OPTION', message: expect.stringContaining(named) })
      }
      expect(await scheduler.counts()).toMatchObject({ queued: 1, cancelled: 0 })
    })

    test('a getter is read once, and what a prototype brings counts', async () => {
      const scheduler = start(place, 'jobs')
      scheduler.pause()
      for (const tag of ['x', 'y']) await scheduler.add.noop(undefined, { id: tag, tags: [tag] })
      let reads = 0
      const fickle = {
        get tag() {
          return reads++ === 0 ? 'x' : wrong<string>(undefined)
        },
      }
      expect(await scheduler.remove(fickle)).toBe(1)
      expect(await scheduler.remove(Object.create({ tag: 'z' }))).toBe(0)
      expect(idsOf(await scheduler.find(Object.create({ tag: 'z' })))).toBe('')
      expect(idsOf(await scheduler.find())).toBe('y')
    })

    test('who means all says so', async () => {
      const scheduler = start(place, 'jobs')
      scheduler.pause()
      for (const id of ['a', 'b']) await scheduler.add.noop(undefined, { id })
      expect(await scheduler.cancel({ all: true })).toBe(2)
      expect(await scheduler.retry({ all: true })).toBe(2)
      expect(await scheduler.remove({ all: true })).toBe(2)
    })

    test('`setPriority` and `promote` take the id of one job', async () => {
      const scheduler = start(place, 'jobs')
      const job = await scheduler.add.noop(undefined, { delayMs: 60_000 })
      for (const id of [undefined, {}, { all: true }, { state: 'scheduled' }]) {
        await expect(scheduler.promote(wrong(id))).rejects.toMatchObject({ code: 'INVALID_OPTION' })
        await expect(scheduler.setPriority(wrong(id), 1)).rejects.toMatchObject({ code: 'INVALID_OPTION' })
      }
      await expect(scheduler.setPriority(job.id, wrong(undefined))).rejects.toMatchObject({ code: 'INVALID_OPTION' })
      expect(job.snapshot()).toMatchObject({ state: 'scheduled', priority: 0 })
    })

    test('for `find` and `events` a field that is undefined is no filter; what can never fit is refused', async () => {
      const scheduler = start(place, 'jobs')
      scheduler.pause()
      await scheduler.add.noop(undefined, { id: 'a' })
      const nothing = { state: undefined, name: undefined, queue: undefined, tag: undefined }
      expect(idsOf(await scheduler.find({ ...nothing, limit: undefined, after: undefined }))).toBe('a')
      const events = scheduler.events({ type: undefined, jobId: undefined, name: undefined, queue: undefined })
      await scheduler.cancel('a')
      expect((await events.next()).value).toMatchObject({ type: 'cancelled', jobId: 'a' })
      for (const filter of [{ tag: 7 }, { name: null }, [], null]) {
        await expect(scheduler.find(wrong(filter))).rejects.toMatchObject({ code: 'INVALID_OPTION' })
      }
      for (const filter of [{ name: 7 }, [], null])
        expect(() => scheduler.events(wrong<never>(filter))).toThrow('Expected')
    })
  })

  describe('`find` goes on behind the place of a job that is gone', () => {
    const ids = ['a', 'b', 'c', 'd']

    test.each([
      ['with ids of yours', ids.map((id) => ({ id }))],
      ['with ids that are made up', ids.map(() => ({}))],
    ])('%s', async (_what, options) => {
      const scheduler = start(place, 'jobs')
      scheduler.pause()
      const added = await scheduler.addMany(options.map((each) => ({ name: 'noop', options: each }) as const))
      const [first, second, third, fourth] = added.map(({ id }) => id) as [string, string, string, string]
      expect(await scheduler.remove(first)).toBe(1)
      expect(await scheduler.remove(third)).toBe(1)
      const behind = async (after: string) => (await scheduler.find({ after })).map(({ id }) => id)
      expect(await behind(first)).toEqual([second, fourth])
      expect(await behind(third)).toEqual([fourth])
      expect(await scheduler.remove({ all: true })).toBe(2)
      const last = await scheduler.add.noop()
      for (const after of [first, second, third, fourth]) expect(await behind(after)).toEqual([last.id])
    })

    test('what `keep` lets go of is gone in the same way', async () => {
      const scheduler = start(place, 'jobs', { keep: { completed: { count: 1 } } })
      for (const id of ids) await scheduler.run.noop(undefined, { id })
      expect(idsOf(await scheduler.find({ after: 'a' }))).toBe('d')
    })

    test('it says so when nothing is known of that job', async () => {
      const scheduler = start(place, 'jobs')
      await scheduler.run.noop(undefined, { id: 'a' })
      const error = await scheduler.find({ after: 'nobody' }).catch((thrown: unknown) => thrown)
      expect(error).toMatchObject({
        code: 'INVALID_OPTION',
        jobId: 'nobody',
        message: expect.stringContaining('after'),
      })
    })
  })

  test('`stats().totals` count all there ever were, whatever is kept of them', async () => {
    const scheduler = start(place, 'jobs', { keep: { completed: { count: 1 } } })
    for (let n = 0; n < 5; n++) await scheduler.run.double(n)
    await outcome(scheduler.run.fail('no'))
    await outcome(scheduler.run.failUntil(2, { attempts: 2 }))
    scheduler.pause()
    const job = await scheduler.add.noop()
    await job.cancel()
    await scheduler.remove({ all: true })
    expect((await scheduler.counts()).completed).toBe(0)
    expect(scheduler.stats().totals).toEqual({ added: 8, completed: 6, failed: 1, cancelled: 1 })
  })
})

describe('while the store is opening', () => {
  test('calls wait, and take effect in the order in which they were made, before any job starts', async () => {
    const first = slowStore()
    first.open()
    const before = startOn(first.store)
    before.pause()
    for (const id of ['a', 'b', 'c']) await before.add.noop(undefined, { id })
    await before.close({ mode: 'now' })

    const { store, open } = slowStore(first.records)
    const scheduler = startOn(store)
    const started: string[] = []
    scheduler.on('started', ({ jobId }) => started.push(jobId))
    const calls = [
      scheduler.counts(),
      scheduler.setPriority('c', 9),
      scheduler.cancel({ state: 'queued', name: 'noop' }),
      scheduler.retry('b'),
      scheduler.find({ state: 'queued' }).then(idsOf),
      scheduler.add.noop(undefined, { id: 'd', priority: 5 }).then(({ id }) => id),
      scheduler.get('e'),
      scheduler.addMany([{ name: 'noop', options: { id: 'e', priority: 7 } }]).then(idsOf),
      scheduler.get('e').then((job) => job?.id),
      scheduler.remove('a'),
      scheduler.find().then(idsOf),
      scheduler.run.noop(undefined, { id: 'f' }),
    ]
    open()
    const [counts, ...rest] = await Promise.all(calls)
    expect(counts).toMatchObject({ queued: 3 })
    expect(rest).toEqual([true, 3, 1, 'b', 'd', undefined, 'e', 'e', 1, 'bcde', undefined])
    expect(started.join('')).toBe('edbf')
  })

  test('an abort has its turn, like a call', async () => {
    const { store, open } = slowStore()
    const scheduler = startOn(store)
    const [one, two] = [new AbortController(), new AbortController()]
    const first = scheduler.run.noop(undefined, { id: 'a', signal: one.signal }).catch((error: unknown) => error)
    void scheduler.cancel('a', 'mine')
    one.abort('late')
    const second = scheduler.run.noop(undefined, { id: 'b', signal: two.signal }).catch((error: unknown) => error)
    two.abort('first')
    void scheduler.cancel('b', 'late')
    open()
    expect(await first).toMatchObject({ code: 'JOB_CANCELLED', cause: 'mine' })
    expect(await second).toBe('first')
  })

  test('what was added before `close` is kept; what is called after is refused', async () => {
    const { store, open, records } = slowStore()
    const scheduler = startOn(store)
    const added = scheduler.add.noop(undefined, { id: 'a' })
    const ran = outcome(scheduler.run.noop(undefined, { id: 'b' }))
    const closing = scheduler.close()
    const late = [scheduler.add.noop(undefined, { id: 'c' }), scheduler.retry('a')].map(outcome)
    open()
    expect((await added).id).toBe('a')
    expect([await ran, ...(await Promise.all(late))]).toEqual(Array(3).fill('SCHEDULER_CLOSED'))
    await closing
    expect([...records.keys()]).toEqual(['a', 'b'])
  })

  test('a bad filter is refused at once', async () => {
    const { store } = slowStore()
    const scheduler = createScheduler<typeof jobs>(inline(jobs as never), { store })
    await expect(scheduler.remove(wrong({ tag: undefined }))).rejects.toMatchObject({ code: 'INVALID_OPTION' })
  })
})

test('after a restart `find` says so rather than end early, when the job has been gone since before', async () => {
  const first = slowStore()
  first.open()
  const before = startOn(first.store)
  before.pause()
  const [gone, kept, own] = [
    await before.add.noop(),
    await before.add.noop(),
    await before.add.noop(undefined, { id: 'x' }),
  ]
  await before.remove(gone.id)
  await before.close({ mode: 'now' })

  const second = slowStore(first.records)
  second.open()
  const scheduler = startOn(second.store)
  scheduler.pause()
  const next = await scheduler.add.noop(undefined, { id: 'y' })
  const found = async (after: string) => (await scheduler.find({ after })).map(({ id }) => id)
  expect(await found(kept.id)).toEqual(['x', 'y'])
  for (const id of [kept.id, own.id]) await scheduler.remove(id)
  expect([await found(kept.id), await found(own.id)]).toEqual([[next.id], [next.id]])
  await expect(found(gone.id)).rejects.toMatchObject({ code: 'INVALID_OPTION', jobId: gone.id })
})

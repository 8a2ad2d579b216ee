// `update` of a job that waits: what it changes, when, and of which jobs.
import { createScheduler, inline, type Store } from 'offstage'
import { manualClock } from 'offstage/testing'
import { describe, expect, onTestFinished, test } from 'vitest'
import { jobs } from '../fixtures/jobs.ts'
import { heard, places, start } from '../support/testing.ts'

describe.each(places)('on %s', (place) => {
  test('the input, the priority and the tags of a queued job', async () => {
    const scheduler = start(place, 'jobs')
    scheduler.pause()
    const job = await scheduler.add.echo({ n: 1 }, { tags: ['old'], priority: 1 })
    const input = { n: 2, at: new Date(5) }
    const updating = scheduler.update<'echo'>(job.id, { input, priority: 7, tags: ['new', 'newer'] })
    input.n = 3
    expect(await updating).toBe(true)
    expect(job.snapshot()).toMatchObject({ priority: 7, tags: ['new', 'newer'], state: 'queued' })
    expect(job.input).toEqual({ n: 2, at: new Date(5) })
    expect(await scheduler.find({ tag: 'old' })).toEqual([])
    scheduler.resume()
    expect(await job.result()).toEqual({ n: 2, at: new Date(5) })
  })

  test('it takes effect in its turn, and moves the job in its line', async () => {
    const scheduler = start(place, 'jobs')
    await scheduler.run.noop()
    const started: string[] = []
    scheduler.on('started', ({ jobId }) => started.push(jobId))
    scheduler.pause()
    const ran = ['a', 'b', 'c'].map((id) => scheduler.run.noop(undefined, { id }))
    void scheduler.update('c', { priority: 1 })
    scheduler.resume()
    await Promise.all(ran)
    expect(started.join('')).toBe('cab')
  })

  test('of a job that runs, has ended, or does not exist, nothing is changed', async () => {
    const scheduler = start(place, 'jobs')
    const running = await scheduler.add.beginAndHang()
    await heard(scheduler, 'progress')
    expect(await scheduler.update(running.id, { priority: 3, tags: ['x'] })).toBe(false)
    expect(running.snapshot()).toMatchObject({ priority: 0, tags: [] })
    await running.cancel()
    expect(await scheduler.update(running.id, { priority: 3 })).toBe(false)
    expect(await scheduler.update('nobody', { priority: 3 })).toBe(false)
  })

  test('what is wrong is refused, and nothing is changed', async () => {
    const scheduler = start(place, 'jobs')
    scheduler.pause()
    const job = await scheduler.add.echo(1)
    const bad: readonly (readonly [object, string])[] = [
      [{ input: () => {} }, 'DATA_CLONE'],
      [{ runAt: Number.NaN }, 'INVALID_OPTION'],
      [{ priority: 'high' }, 'INVALID_OPTION'],
      [{ tags: [7] }, 'INVALID_OPTION'],
      [{ queue: 'other' }, 'INVALID_OPTION'],
    ]
    for (const [changes, code] of bad)
      await expect(scheduler.update(job.id, { priority: 1, ...changes } as never), code).rejects.toMatchObject({ code })
    await expect(scheduler.update(job.id, [] as never)).rejects.toMatchObject({ code: 'INVALID_OPTION' })
    await expect(scheduler.update('', {})).rejects.toMatchObject({ code: 'INVALID_OPTION' })
    expect(job.snapshot()).toMatchObject({ priority: 0, tags: [] })
    expect(job.input).toBe(1)
    expect(await scheduler.update(job.id, {})).toBe(true)
  })

  test('an input that was to be moved is replaced, and copied', async () => {
    const scheduler = start(place, 'jobs')
    scheduler.pause()
    const bytes = new Uint8Array(8)
    const job = await scheduler.add.size(bytes, { transfer: [bytes.buffer] })
    expect(await scheduler.update<'size'>(job.id, { input: new Uint8Array(3) })).toBe(true)
    scheduler.resume()
    expect(await job.result()).toBe(3)
    expect(job.input).toEqual(new Uint8Array(3))
  })
})

/** Times by a clock of the test's own. */
function timed(store?: Store) {
  const clock = manualClock()
  const scheduler = createScheduler<typeof jobs>(inline(jobs as never), { clock, workers: 1, ...(store && { store }) })
  onTestFinished(() => scheduler.close({ mode: 'now' }))
  return { clock, scheduler }
}

describe('the time of a job', () => {
  test('a delayed job can be put off, and starts then', async () => {
    const { clock, scheduler } = timed()
    const job = await scheduler.add.double(1, { delayMs: 1_000 })
    const runAt = clock.now() + 5_000
    expect(await scheduler.update(job.id, { runAt })).toBe(true)
    expect(job.snapshot()).toMatchObject({ state: 'scheduled', runAt })
    clock.advance(4_999)
    expect((await scheduler.counts()).scheduled).toBe(1)
    clock.advance(1)
    expect(await job.result()).toBe(2)
  })

  test('or brought forward, also to now', async () => {
    const { clock, scheduler } = timed()
    const [soon, now] = await Promise.all([
      scheduler.add.double(1, { delayMs: 60_000 }),
      scheduler.add.double(2, { delayMs: 60_000 }),
    ])
    await scheduler.update(soon.id, { runAt: new Date(clock.now() + 100) })
    await scheduler.update(now.id, { runAt: 0 })
    expect(await now.result()).toBe(4)
    expect(soon.snapshot().state).toBe('scheduled')
    clock.advance(100)
    expect(await soon.result()).toBe(2)
  })

  test('a queued job can be made to wait', async () => {
    const { clock, scheduler } = timed()
    scheduler.pause()
    const job = await scheduler.add.double(1)
    await scheduler.update(job.id, { runAt: clock.now() + 10 })
    expect(job.snapshot().state).toBe('scheduled')
    scheduler.resume()
    clock.advance(9)
    expect((await scheduler.counts()).scheduled).toBe(1)
    clock.advance(1)
    expect(await job.result()).toBe(2)
  })

  test('without one it stays as it is', async () => {
    const { clock, scheduler } = timed()
    const job = await scheduler.add.double(1, { delayMs: 1_000 })
    const { runAt } = job.snapshot()
    await scheduler.update(job.id, { priority: 5, input: 3 })
    expect(job.snapshot()).toMatchObject({ state: 'scheduled', runAt, priority: 5 })
    clock.advance(1_000)
    expect(await job.result()).toBe(6)
  })

  test('a job between two attempts goes on with another input, at its old place in line', async () => {
    const { clock, scheduler } = timed()
    const job = await scheduler.add.failUntil(3, { attempts: 5, backoff: { type: 'fixed', delayMs: 1_000 } })
    await heard(scheduler, 'retrying')
    await scheduler.update(job.id, { input: 2, runAt: clock.now() + 50 })
    expect(job.snapshot()).toMatchObject({ state: 'scheduled', attempt: 1 })
    clock.advance(50)
    expect(await job.result()).toBe(2)
  })
})

describe('stored', () => {
  test('it is there after a restart', async () => {
    const records = new Map<string, never>()
    const store = (): Store => ({
      isDurable: true,
      check: () => {},
      open: () => ({ records: [...records.values()], rows: [] }),
      async commit(changes) {
        for (const { before, after } of changes)
          if (after) records.set(after.id, after as never)
          else if (before) records.delete(before.id)
      },
      close: async () => {},
    })
    const first = timed(store()).scheduler
    first.pause()
    await first.add.echo(1, { id: 'a', headers: { trace: 't' } })
    await first.update('a', { input: 2, tags: ['x'], priority: 4 })
    await first.close({ mode: 'now' })
    const second = timed(store()).scheduler
    second.pause()
    const job = await second.get('a')
    expect(job?.snapshot()).toMatchObject({ tags: ['x'], priority: 4, headers: { trace: 't' } })
    expect(job?.input).toBe(2)
    second.resume()
    expect(await job?.result()).toBe(2)
  })

  test('a store that cannot keep the input after all fails the job, and goes on with the rest', async () => {
    const { scheduler } = timed({
      isDurable: true,
      check: () => {},
      open: () => ({ records: [], rows: [] }),
      async commit(changes) {
        const { after } = changes.find(({ after }) => after?.input === 'bad') ?? {}
        if (after) throw Object.assign(await dataClone(), { jobId: after.id })
      },
      close: async () => {},
    })
    scheduler.pause()
    const [queued, delayed] = [await scheduler.add.echo('good'), await scheduler.add.echo('good', { delayMs: 1_000 })]
    const results = [queued, delayed].map((job) => job.result().catch((error) => error.code))
    await Promise.allSettled([queued, delayed].map(({ id }) => scheduler.update(id, { input: 'bad' })))
    expect(await Promise.all(results)).toEqual(['DATA_CLONE', 'DATA_CLONE'])
    scheduler.resume()
    expect(await scheduler.run.echo('fine')).toBe('fine')
  })
})

async function dataClone(): Promise<Error> {
  const { OffstageError } = await import('offstage')
  return new OffstageError('DATA_CLONE', 'It cannot be kept.')
}

test('an input that does not fit the schema of its job is refused', async () => {
  const validate = (value: unknown) =>
    typeof (value as { n: unknown }).n === 'number' ? { value } : { issues: [{ message: 'n is no number' }] }
  const schemas = { echo: { '~standard': { version: 1, vendor: 'test', validate } } }
  const scheduler = createScheduler<typeof jobs>(inline(jobs as never), { workers: 1, schemas: schemas as never })
  onTestFinished(() => scheduler.close({ mode: 'now' }))
  scheduler.pause()
  const job = await scheduler.add.echo({ n: 1 })
  await expect(scheduler.update(job.id, { input: { n: 'x' } })).rejects.toMatchObject({ code: 'INVALID_INPUT' })
  expect(await scheduler.update(job.id, { input: { n: 2 } })).toBe(true)
  expect(job.input).toEqual({ n: 2 })
})

test('once it is closed it rejects', async () => {
  const scheduler = start('inline', 'jobs')
  await scheduler.close()
  await expect(scheduler.update('a', { priority: 1 })).rejects.toMatchObject({ code: 'SCHEDULER_CLOSED' })
})

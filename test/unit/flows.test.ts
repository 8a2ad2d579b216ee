// Flows through the public API, on the manual clock: in memory, and wherever the journal is cut.
import fc from 'fast-check'
import { createScheduler, inline, OffstageError, type Scheduler } from 'offstage'
import { flows, type ListOptions } from 'offstage/flows'
import { manualClock } from 'offstage/testing'
import { defineJobs, type JobContext } from 'offstage/worker'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { defer } from '../../src/shared/deferred.ts'
import type { Stored } from '../../src/store/store.ts'
import { journalOf, storedIn } from '../support/cut-journal.ts'
import { Disk } from '../support/full-store.ts'
import { FakeOrigin } from '../support/tabs.ts'
import { turn } from '../support/testing.ts'

const broken = new Set<number>()
let gate = defer<void>()
const jobs = defineJobs({
  number: (n: number) => n,
  sum: (_: undefined, job: JobContext) =>
    Object.values(job.parents as Record<string, number>).reduce((a, b) => a + b, 0),
  parents: (_: undefined, job: JobContext) => ({ ...job.parents }),
  fail: (n: number) => {
    if (broken.has(n)) throw new RangeError(`no ${n}`)
    return n
  },
  /** Fails at its first attempt, when it is let go. */
  failOnce: async (_: undefined, job: JobContext) => {
    await gate.promise
    if (job.attempt === 1) throw new Error('not yet')
    return { ...job.parents }
  },
  failOddly: () => {
    const error = Object.assign(new Error('odd'), { code: 'ODD', details: { size: 3 } })
    throw Object.assign(error, { name: 'OddError', cause: error })
  },
  tellErrors: (_: undefined, { parents }: JobContext) => {
    const { off, inner } = parents as { off: OffstageError; inner: { odd: OffstageError & { details: object } } }
    const { name, code, details, cause } = inner.odd
    return [off instanceof OffstageError, off.code, name, code, details, cause === inner.odd]
  },
})

function start(options: object = {}) {
  const clock = manualClock()
  const scheduler = createScheduler<typeof jobs>(inline(jobs), { clock, ...options })
  onTestFinished(() => scheduler.close({ mode: 'now' }))
  return { clock, scheduler, plan: flows(scheduler) }
}

describe('a flow', () => {
  test('runs each job when all that it waits for are done, with their results', async () => {
    const { plan, scheduler } = start()
    const order: string[] = []
    scheduler.on('started', ({ jobId }) => order.push(jobId))
    scheduler.pause()
    const flow = await plan.add(
      {
        total: { name: 'sum', after: ['a', 'b'] },
        a: { name: 'number', input: 1 },
        b: { name: 'number', input: 2 },
        again: { name: 'parents', after: ['total', 'a'] },
      },
      { id: 'f' },
    )
    expect(flow.jobs.total.snapshot().state).toBe('blocked')
    scheduler.resume()
    const result = await flow.result()
    expect(result).toEqual({ a: 1, b: 2, total: 3, again: { total: 3, a: 1 } })
    const total: number = result.total
    expect(total).toBe(3)
    expect(order).toEqual(['f/a', 'f/b', 'f/total', 'f/again'])
    expect(flow.snapshot()).toMatchObject({
      id: 'f',
      state: 'completed',
      ended: 4,
      total: 4,
      jobs: { a: { state: 'completed' } },
    })
    expect(flow.snapshot()).toBe(flow.snapshot())
  })

  test('the same id is the same flow', async () => {
    const { plan } = start()
    const one = await plan.add({ a: { name: 'number', input: 1 } }, { id: 'f' })
    const other = await plan.add({ b: { name: 'number', input: 2 } }, { id: 'f' })
    expect([one.disposition, other.disposition]).toEqual(['created', 'existing'])
    expect(Object.keys(other.jobs)).toEqual(['a'])
    expect(Object.keys((await plan.get('f'))?.jobs ?? {})).toEqual(['a'])
    expect(await plan.get('g')).toBeUndefined()
  })

  test('says what becomes of jobs whose parent has failed', async () => {
    const { plan, scheduler } = start()
    broken.add(1)
    const ends: unknown[] = []
    scheduler.on('flow:failed', ({ flowId, key, jobId }) => ends.push([flowId, key, jobId]))
    const flow = await plan.add(
      {
        bad: { name: 'fail', input: 1 },
        failed: { name: 'sum', after: ['bad'] },
        cancelled: { name: 'sum', after: ['failed'], onFailure: 'cancel' },
        anyway: { name: 'parents', after: [{ key: 'bad', onFailure: 'continue' }] },
      },
      { id: 'f' },
    )
    await expect(flow.result()).rejects.toThrow(new RangeError('no 1'))
    await expect(flow.jobs.failed.result()).rejects.toMatchObject({
      code: 'DEPENDENCY_FAILED',
      cause: new RangeError('no 1'),
    })
    await expect(flow.jobs.cancelled.result()).rejects.toMatchObject({ code: 'JOB_CANCELLED' })
    expect(await flow.jobs.anyway.result()).toEqual({ bad: new RangeError('no 1') })
    expect(ends).toEqual([['f', 'bad', 'f/bad']])
    expect(flow.snapshot()).toMatchObject({ state: 'failed', ended: 4 })
  })

  test('gives handlers the errors of parents with all that belongs to them', async () => {
    const { plan } = start()
    const flow = await plan.add({
      off: { name: 'number', input: 1, options: { delayMs: 1_000 } },
      inner: { flow: { odd: { name: 'failOddly' } } },
      told: { name: 'tellErrors', after: ['off', 'inner'], onFailure: 'continue' },
    })
    await flow.jobs.off.cancel()
    expect(await flow.jobs.told.result()).toEqual([true, 'JOB_CANCELLED', 'OddError', 'ODD', { size: 3 }, true])
  })

  test('a parent that is retried takes what fell with it along', async () => {
    const { plan, scheduler } = start()
    broken.add(2)
    const done: unknown[] = []
    const flow = await plan.add({
      bad: { name: 'fail', input: 2 },
      other: { name: 'number', input: 10 },
      sum: { name: 'sum', after: ['bad', 'other'] },
      last: { name: 'sum', after: ['sum'] },
    })
    scheduler.on('flow:completed', ({ flowId }) => done.push(flowId))
    await expect(flow.result()).rejects.toThrow('no 2')
    expect(flow.jobs.last.snapshot().state).toBe('failed')
    broken.delete(2)
    expect(await flow.jobs.bad.retry()).toBe(true)
    expect(await flow.result()).toEqual({ bad: 2, other: 10, sum: 12, last: 12 })
    expect(done).toEqual([flow.id])
  })

  test('what fell because of two comes back when both run again, and not before', async () => {
    const { plan, scheduler } = start()
    broken.add(5).add(6)
    const flow = await plan.add({
      one: { name: 'fail', input: 5 },
      other: { name: 'fail', input: 6 },
      sum: { name: 'sum', after: ['one', 'other'] },
    })
    await flow.result().catch(() => {})
    broken.delete(5)
    await flow.jobs.one.retry()
    await scheduler.onIdle()
    expect([flow.jobs.sum.snapshot().state, flow.snapshot().state]).toEqual(['failed', 'failed'])
    broken.delete(6)
    await flow.jobs.other.retry()
    expect(await flow.result()).toEqual({ one: 5, other: 6, sum: 11 })
  })

  test('waits again when it is retried before its parents have ended', async () => {
    const { plan, clock } = start()
    const flow = await plan.add({
      slow: { name: 'number', input: 1, options: { delayMs: 1_000 } },
      sum: { name: 'sum', after: ['slow'] },
    })
    await flow.jobs.sum.cancel()
    expect(await flow.jobs.sum.retry()).toBe(true)
    expect(flow.jobs.sum.snapshot().state).toBe('blocked')
    clock.advance(1_000)
    expect(await flow.result()).toEqual({ slow: 1, sum: 1 })
  })

  test('waits between two attempts for a parent that was retried meanwhile', async () => {
    gate = defer()
    broken.add(7)
    const { plan, scheduler } = start()
    const flow = await plan.add({
      bad: { name: 'fail', input: 7 },
      anyway: { name: 'failOnce', after: ['bad'], onFailure: 'continue', options: { attempts: 2 } },
    })
    const failed = new Promise((resolve) => scheduler.on('retrying', resolve))
    await new Promise<void>((resolve) => scheduler.on('started', ({ name }) => name === 'failOnce' && resolve()))
    broken.delete(7)
    await scheduler.pause()
    await flow.jobs.bad.retry()
    gate.resolve()
    await failed
    expect(flow.jobs.anyway.snapshot().state).toBe('blocked')
    await scheduler.resume()
    expect(await flow.result()).toEqual({ bad: 7, anyway: { bad: 7 } })
  })

  test('goes on without a parent that was removed after its end, and fails when what has not ended is removed', async () => {
    const { plan, scheduler } = start()
    broken.add(4)
    const told: string[] = []
    for (const type of ['flow:completed', 'flow:failed'] as const)
      scheduler.on(type, ({ flowId }) => told.push(`${type} ${flowId}`))
    const flow = await plan.add(
      { a: { name: 'number', input: 1 }, bad: { name: 'fail', input: 4 }, sum: { name: 'sum', after: ['a', 'bad'] } },
      { id: 'f' },
    )
    await flow.result().catch(() => {})
    await scheduler.remove('f/a')
    broken.delete(4)
    await flow.jobs.bad.retry()
    await expect(flow.jobs.sum.result()).resolves.toBeDefined()
    await scheduler.pause()
    await plan.add({ only: { name: 'number', input: 1 } }, { id: 'g' })
    await scheduler.remove('g/only')
    expect([told, await plan.get('g')]).toEqual([['flow:failed f', 'flow:completed f', 'flow:failed g'], undefined])
  })

  test('is cancelled as a whole', async () => {
    const { plan, scheduler } = start()
    scheduler.pause()
    const flow = await plan.add({ a: { name: 'number', input: 1 }, b: { name: 'sum', after: ['a'] } })
    expect(await flow.cancel('enough')).toBe(2)
    await expect(flow.jobs.b.result()).rejects.toMatchObject({ code: 'JOB_CANCELLED', cause: 'enough' })
    expect(await scheduler.counts()).toMatchObject({ cancelled: 2 })
  })

  test('reports the end of each job once', async () => {
    const { plan, scheduler } = start()
    const ends: string[] = []
    for (const type of ['completed', 'cancelled'] as const)
      scheduler.on(type, ({ jobId }) => void ends.push(`${type} ${jobId}`))
    const members = { a: { name: 'number', input: 1 }, b: { name: 'sum', after: ['a'] } } as const
    await (await plan.add(members, { id: 'f' })).result()
    scheduler.pause()
    await (await plan.add(members, { id: 'g' })).cancel()
    // With the end of a flow its records are let go, which is no second end of its jobs.
    await turn()
    expect(ends).toEqual(['completed f/a', 'completed f/b', 'cancelled g/b', 'cancelled g/a'])
  })

  test('nests', async () => {
    const { plan } = start()
    const flow = await plan.add(
      {
        first: { name: 'number', input: 1 },
        inner: {
          flow: { x: { name: 'sum' }, y: { name: 'sum', after: ['x'] }, z: { name: 'number', input: 5, after: ['x'] } },
          after: ['first'],
        },
        last: { name: 'parents', after: ['inner', 'first'] },
      },
      { id: 'f' },
    )
    expect(flow.jobs.inner.y.id).toBe('f/inner.y')
    expect(await flow.result()).toEqual({
      first: 1,
      inner: { x: 1, y: 1, z: 5 },
      last: { inner: { y: 1, z: 5 }, first: 1 },
    })
  })

  test('keeps the results of parents until all is done, and lets go then', async () => {
    const { plan, scheduler, clock } = start({ keep: { completed: { count: 1, ageMs: 1_000 } } })
    const flow = await plan.add({
      a: { name: 'number', input: 1, options: { keepMs: 0 } },
      b: { name: 'number', input: 2 },
      slow: { name: 'number', input: 3, options: { delayMs: 60_000 } },
      sum: { name: 'sum', after: ['a', 'b', 'slow'] },
    })
    await flow.jobs.b.result()
    clock.advance(60_000)
    expect((await flow.result()).sum).toBe(6)
    expect((await scheduler.find()).length).toBe(1)
    clock.advance(60_000)
    expect(await scheduler.find()).toEqual([])
    expect(await plan.get(flow.id)).toBeUndefined()
  })

  test.each([
    ['there are too many', { count: 2, ageMs: Number.POSITIVE_INFINITY }],
    ['they are too old', { count: 10, ageMs: 1_000 }],
  ])('what it kept goes before what ended later, when %s', async (_, completed) => {
    const { plan, scheduler, clock } = start({ keep: { completed } })
    const spec = {
      a: { name: 'number', input: 1 },
      slow: { name: 'number', input: 2, options: { delayMs: 60_000 } },
    } as const
    const flow = await plan.add(spec, { id: 'f' })
    await flow.jobs.a.result()
    clock.advance(59_500)
    await scheduler.run.number(3, { id: 'other' })
    clock.advance(500)
    await flow.result()
    clock.advance(0)
    expect((await scheduler.find()).map(({ id }) => id)).toEqual(['f/slow', 'other'])
  })

  test.each<[string, unknown, string]>([
    ['no jobs', {}, 'at least one job'],
    ['an unknown key', { a: { name: 'sum', after: ['b'] } }, "got 'b'"],
    ['itself', { a: { name: 'sum', after: ['a'] } }, 'a → a'],
    [
      'a circle',
      { a: { name: 'sum', after: ['b'] }, b: { name: 'sum', after: ['c'] }, c: { name: 'sum', after: ['b'] } },
      'c → b',
    ],
    ['a circle within', { o: { flow: { a: { name: 'sum', after: ['b'] }, b: { name: 'sum', after: ['a'] } } } }, "'o'"],
    ['a key twice', { a: { name: 'number', input: 1 }, b: { name: 'sum', after: ['a', 'a'] } }, "'a' twice"],
    ['no name', { a: { input: 1 } }, "'a'.name"],
    ['a wrong onFailure', { a: { name: 'sum', onFailure: 'stop' } }, 'onFailure'],
    ['an option of a page', { a: { name: 'sum', options: { onProgress() {} } } }, 'onProgress'],
    ['a function as input', { a: { name: 'sum', input: () => {} } }, "input of 'a'"],
    ['a key with a dot', { 'a.b': { name: 'sum' } }, 'a.b'],
    ['an unknown option', { a: { name: 'sum', afters: [] } }, 'afters'],
  ])('is refused with %s', async (_, spec, message) => {
    const { plan, scheduler } = start()
    const error = await plan.add(spec as never).catch((thrown: unknown) => thrown)
    expect(error).toBeInstanceOf(OffstageError)
    expect(String(error)).toContain(message)
    expect(await scheduler.find()).toEqual([])
  })

  test('a job in two flows is refused', async () => {
    const { plan, scheduler } = start()
    await scheduler.pause()
    await plan.add({ a: { name: 'number', input: 1, options: { id: 'one' } } }, { id: 'f' })
    const again = plan.add(
      { x: { name: 'number', input: 1 }, a: { name: 'number', input: 1, options: { id: 'one' } } },
      { id: 'g' },
    )
    await expect(again).rejects.toMatchObject({ code: 'DUPLICATE_ID', message: expect.stringContaining("flow 'f'") })
    expect((await scheduler.find()).map(({ id }) => id)).toEqual(['one'])
  })
})

test('what fell with a parent that is not retried runs at once when it is retried itself, and finds the error', async () => {
  broken.add(7)
  onTestFinished(() => void broken.delete(7))
  const { plan, scheduler } = start()
  const flow = await plan.add({ bad: { name: 'fail', input: 7 }, fell: { name: 'parents', after: ['bad'] } })
  await expect(flow.result()).rejects.toThrow('no 7')
  expect(await scheduler.retry(flow.jobs.fell.id)).toBe(1)
  expect(await flow.jobs.fell.result()).toMatchObject({ bad: { name: 'RangeError', message: 'no 7' } })
  expect(flow.jobs.bad.snapshot().state).toBe('failed')
})

test('a flow that contains itself is refused', async () => {
  const { plan } = start()
  const circle: Record<string, unknown> = { a: { name: 'number', input: 1 } }
  circle.again = { flow: circle }
  await expect(plan.add(circle as never)).rejects.toMatchObject({ code: 'INVALID_OPTION' })
})

test.each([
  [{ a: { name: 'number', options: { priority: Number.NaN } } }, "'a': Expected `priority` to be"],
  [{ a: { name: 'number', options: { priorty: 1 } } }, "'a': There is no option `priorty`"],
  [{ a: { flow: { b: { name: 'number', options: 3 } } } }, "'a.b': Expected `options` to be an object"],
  [{ a: { name: 'number' }, b: { name: 'sum', after: [3] } }, "Expected `'b'.after` to be an object, got 3."],
  [{ ['x'.repeat(300)]: { name: 'number' } }, `Expected \`the key '${'x'.repeat(40)}…' of the flow\` to be`],
])('what is wrong with one of many jobs is said with its key: %o', async (spec, message) => {
  const { plan } = start()
  await expect(plan.add(spec as never)).rejects.toThrow(message)
})

// What a crash leaves.

const ended = new Set(['completed', 'failed', 'cancelled'])
interface Row {
  readonly parents: readonly { readonly jobId: string; readonly onFailure: string }[]
}

/** Rows and jobs agree, whatever the moment: no job waits for nothing, and none has started too early. */
function expectInStep({ records, rows }: Stored): void {
  const byId = new Map(records.map((record) => [record.id, record]))
  const value = (key: string) => rows.find((row) => row.key === key)?.value
  for (const { id, state } of records) {
    const { parents } = value(`job ${id}`) as Row
    const isDone = ({ jobId, onFailure }: Row['parents'][number]) => {
      const parent = byId.get(jobId)?.state ?? ''
      return parent === 'completed' || (ended.has(parent) && onFailure === 'continue')
    }
    const left = parents.filter((parent) => !isDone(parent))
    if (state === 'blocked') {
      expect(left.length, id).toBeGreaterThan(0)
      if (parents.length > 1) expect(value(`left ${id}`), id).toBe(left.length)
    } else if (!ended.has(state) || state === 'completed') expect(left, id).toEqual([])
  }
  const pending = records.filter(({ state }) => !ended.has(state)).length
  if (records.length > 0) expect(value('count f')).toMatchObject({ pending, kept: records.length })
}

const statesOf = async (scheduler: Scheduler<typeof jobs>) =>
  Object.fromEntries((await scheduler.find()).map((job) => [job.id.slice(2), job.snapshot().state]))

test('what waits for a job in whose place another comes falls with it, and the flow still ends', async () => {
  const disk = new Disk()
  const { plan, scheduler } = start({ store: disk.store })
  await scheduler.pause()
  const spec = {
    a: { name: 'number', input: 1 },
    needs: { name: 'sum', after: ['a'] },
    anyway: { name: 'parents', after: ['a'], onFailure: 'continue' },
  } as const
  await plan.add(spec, { id: 'f' })
  const failed = new Promise((resolve) => scheduler.on('flow:failed', resolve))
  await scheduler.add.number(2, { id: 'f/a', ifExists: 'replace' })
  expect(await statesOf(scheduler)).toEqual({ a: 'queued', needs: 'failed', anyway: 'queued' })
  await scheduler.resume()
  expect(await failed).toMatchObject({ flowId: 'f', jobId: 'f/needs' })
  const count = [...disk.rows.values()].find(({ key }) => key === 'count f')
  expect(count?.value).toEqual({ pending: 0, kept: 2, isFailed: true })
})

describe('a flow on a journal', () => {
  const spec = {
    a: { name: 'number', input: 1 },
    b: { name: 'number', input: 2 },
    both: { name: 'sum', after: ['a', 'b'] },
    bad: { name: 'fail', input: 3, after: ['a'] },
    failed: { name: 'sum', after: ['bad'] },
    cancelled: { name: 'sum', after: ['failed'], onFailure: 'cancel' },
    anyway: { name: 'parents', after: ['bad', 'both'], onFailure: 'continue' },
    inner: { flow: { x: { name: 'sum' }, y: { name: 'sum', after: ['x'] } }, after: ['both'] },
    last: { name: 'parents', after: ['inner', 'both'] },
  } as const
  const outcome = { a: 'completed', b: 'completed', both: 'completed', bad: 'failed', failed: 'failed', cancelled: 'cancelled', anyway: 'completed', 'inner.x': 'completed', 'inner.y': 'completed', last: 'completed' } // biome-ignore format: one line.

  test('is in step wherever it is cut, and goes on from there to the same end', async () => {
    broken.add(3)
    const keep = { count: 1_000, ageMs: Number.POSITIVE_INFINITY }
    const open = (frames: readonly Uint8Array[]) => {
      const { generations, journal } = journalOf(frames)
      const world = start({ store: journal, workers: 1, keep: { completed: keep, failed: keep, cancelled: keep } })
      return { ...world, framesNow: () => [...(generations.at(-1) as Uint8Array[])] }
    }
    const first = open([])
    const flow = await first.plan.add(spec, { id: 'f' })
    await first.scheduler.onIdle()
    expect(await statesOf(first.scheduler)).toEqual(outcome)
    expect(await flow.jobs.last.result()).toEqual({ inner: { y: 3 }, both: 3 })
    const frames = first.framesNow()
    await first.scheduler.close()
    expect(frames.length).toBeGreaterThan(40)
    for (let cut = 1; cut <= frames.length; cut++) {
      const found = await storedIn(frames.slice(0, cut))
      expectInStep(found)
      const { scheduler, clock, plan } = open(frames.slice(0, cut))
      const idle = scheduler.onIdle()
      // One that was running when it was cut is on trial first, after a while.
      for (let steps = 0; steps < 10 && found.records.some(({ state }) => state === 'running'); steps++) {
        clock.advance(6_000)
        for (let turns = 0; turns < 5; turns++) await turn()
      }
      await idle
      expect(await statesOf(scheduler), `cut after ${cut}`).toEqual(found.records.length > 0 ? outcome : {})
      const again = await plan.get('f')
      expect(again?.snapshot().state).toBe(found.records.length > 0 ? 'failed' : undefined)
      await scheduler.close()
    }
  })

  test('is right again when jobs of it have ended while nobody looked', async () => {
    const disk = new Disk()
    const first = start({ store: disk.store })
    await first.scheduler.pause()
    await first.plan.add({ a: { name: 'number', input: 1 }, sum: { name: 'sum', after: ['a'] } }, { id: 'f' })
    await first.scheduler.close({ mode: 'now' })
    // Without the extension.
    const second = createScheduler<typeof jobs>(inline(jobs), { clock: manualClock(), store: disk.store })
    second.on('store:error', () => {})
    await (await second.get('f/a'))?.result()
    await second.close()
    const third = start({ store: disk.store })
    const flow = await third.plan.get('f')
    expect(await flow?.result()).toEqual({ a: 1, sum: 1 })
  })

  test('waits for what is left when one of several parents has ended while nobody looked', async () => {
    const disk = new Disk()
    const first = start({ store: disk.store })
    await first.scheduler.pause()
    const [a, b, c] = ['a', 'b', 'c'].map((queue) => ({ name: 'number' as const, input: 1, options: { queue } }))
    await first.plan.add({ a, b, c, sum: { name: 'sum', after: ['a', 'b', 'c'] } } as never, { id: 'f' })
    await first.scheduler.close({ mode: 'now' })
    const second = createScheduler<typeof jobs>(inline(jobs), { clock: manualClock(), store: disk.store })
    second.on('store:error', () => {})
    await Promise.all([second.queue('b').pause(), second.queue('c').pause()])
    await (await second.get('f/a'))?.result()
    await second.close()
    const { scheduler, plan } = start({ store: disk.store })
    const flow = await plan.get('f')
    await scheduler.queue('b').resume()
    await (await scheduler.get('f/b'))?.result()
    expect((await scheduler.get('f/sum'))?.snapshot().state).toBe('blocked')
    await scheduler.queue('c').resume()
    expect(await flow?.result()).toEqual({ a: 1, b: 1, c: 1, sum: 3 })
  })

  test('waits for what is left when a parent falls as the store is opened', async () => {
    broken.add(8)
    const disk = new Disk()
    const first = start({ store: disk.store })
    await first.scheduler.pause()
    const spec = {
      bad: { name: 'fail', input: 8 },
      falls: { name: 'sum', after: ['bad'] },
      slow: { name: 'number', input: 1, options: { delayMs: 1_000 } },
      last: { name: 'parents', after: ['falls', 'slow'], onFailure: 'continue' },
    } as const
    await first.plan.add(spec, { id: 'f' })
    await first.scheduler.close({ mode: 'now' })
    const second = createScheduler<typeof jobs>(inline(jobs), { clock: manualClock(), store: disk.store })
    second.on('store:error', () => {})
    await (await second.get('f/bad'))?.result().catch(() => {})
    await second.close({ mode: 'now' })
    const { scheduler, clock } = start({ store: disk.store })
    const states = { bad: 'failed', falls: 'failed', slow: 'scheduled', last: 'blocked' }
    expect(await statesOf(scheduler)).toEqual(states)
    clock.advance(1_000)
    expect(await (await scheduler.get('f/last'))?.result()).toMatchObject({ slow: 1 })
  })

  test('is as if it had not been added when the store refuses it', async () => {
    const disk = new Disk()
    const { plan, scheduler } = start({ store: disk.store })
    await scheduler.counts()
    disk.isFull = true
    const adding = plan.add({ a: { name: 'number', input: 1 }, sum: { name: 'sum', after: ['a'] } }, { id: 'f' })
    await expect(adding).rejects.toMatchObject({ code: 'STORE_WRITE_FAILED' })
    disk.isFull = false
    expect(await plan.get('f')).toBeUndefined()
    expect([...disk.rows.keys()]).toEqual([])
    const flow = await plan.add({ a: { name: 'number', input: 1 }, sum: { name: 'sum', after: ['a'] } }, { id: 'f' })
    expect(await flow.result()).toEqual({ a: 1, sum: 1 })
  })
})

describe('the list of flows', () => {
  const one = (input: number, more = {}) => ({ a: { name: 'fail' as const, input, ...more } })
  const idsIn = async ({ plan }: ReturnType<typeof start>, options?: ListOptions) =>
    (await plan.list(options)).map(({ id }) => id)

  test('says how far each is, the newest first, and is frozen', async () => {
    broken.add(77)
    const { plan, scheduler } = start()
    expect(await plan.list()).toEqual([])
    for (const [id, input] of [['good', 78], ['bad', 77], ['late', 79]] as const) // biome-ignore format: one line.
      await plan.add(
        { ...one(input), b: { name: 'number', input: 1, options: { delayMs: id === 'late' ? 1e6 : 0 } } },
        { id },
      )
    await scheduler.onIdle()
    const list = await plan.list()
    expect(list).toEqual([
      { id: 'late', state: 'running', ended: 1, total: 2 },
      { id: 'bad', state: 'failed', ended: 2, total: 2 },
      { id: 'good', state: 'completed', ended: 2, total: 2 },
    ])
    for (const { id, ...listed } of list) expect((await plan.get(id))?.snapshot()).toMatchObject(listed)
    expect(list.every(Object.isFrozen)).toBe(true)
    broken.delete(77)
    await scheduler.retry('bad/a')
    await scheduler.onIdle()
    expect((await plan.list({ after: 'late', limit: 1 }))[0]).toMatchObject({ id: 'bad', state: 'completed' })
  })

  test('comes a page at a time, and knows nothing of those that are gone', async () => {
    const world = start()
    for (const id of ['a', 'b', 'c', 'd', 'e']) await world.plan.add(one(70), { id })
    expect(await idsIn(world, { limit: 2 })).toEqual(['e', 'd'])
    expect(await idsIn(world, { limit: 2, after: 'd' })).toEqual(['c', 'b'])
    expect(await idsIn(world, { after: 'a' })).toEqual([])
    for (const id of ['a/a', 'c/a', 'e/a']) await world.scheduler.remove(id)
    expect(await idsIn(world)).toEqual(['d', 'b'])
    await world.plan.add(one(70), { id: 'c' })
    expect(await idsIn(world)).toEqual(['c', 'd', 'b'])
    for (const id of ['b/a', 'c/a', 'd/a']) await world.scheduler.remove(id)
    expect(await idsIn(world)).toEqual([])
  })

  test.each([
    [{ limit: 0 }, '`limit`'],
    [{ limit: '5' }, '`limit`'],
    [{ after: '' }, '`after`'],
    [{ after: 7 }, '`after`'],
    [{ after: 'gone' }, '`after`'],
    [{ before: 'f' }, '`before`'],
    [null, '`options`'],
  ])('refuses %j', async (options, named) => {
    const listing = start().plan.list(options as never)
    await expect(listing).rejects.toMatchObject({ code: 'INVALID_OPTION', message: expect.stringContaining(named) })
  })

  test('costs what its page holds', async () => {
    const reads = async (count: number) => {
      const { plan, scheduler } = start()
      scheduler.pause()
      for (let n = 0; n < count; n++) await plan.add(one(70), { id: `f${n}` })
      const spies = [vi.spyOn(Map.prototype, 'get'), vi.spyOn(Object.getPrototypeOf(new Map().keys()), 'next')]
      expect(await plan.list({ limit: 5, after: `f${count - 2}` })).toHaveLength(5)
      const calls = spies.map(({ mock }) => mock.calls.length)
      vi.restoreAllMocks()
      return calls
    }
    expect(await reads(400)).toEqual(await reads(10))
  })

  test('is the same when the store is opened again, and has nothing that was refused', async () => {
    const disk = new Disk()
    const first = start({ store: disk.store })
    for (const id of ['a', 'b', 'c']) await first.plan.add(one(70), { id })
    await first.scheduler.onIdle()
    disk.isFull = true
    await expect(first.plan.add(one(70), { id: 'd' })).rejects.toMatchObject({ code: 'STORE_WRITE_FAILED' })
    disk.isFull = false
    expect(await idsIn(first)).toEqual(['c', 'b', 'a'])
    await first.scheduler.close()
    const second = start({ store: disk.store })
    await second.plan.add(one(70), { id: 'e' })
    expect(await idsIn(second)).toEqual(['e', 'c', 'b', 'a'])
  })

  test.each([
    ['one', ['place b'], ['b', 'c', 'a']],
    ['the first', ['place '], ['c', 'b', 'a']],
    ['all', ['place ', 'place a', 'place b', 'place c'], ['c', 'b', 'a']],
  ])('has all of them when a salvaged journal has lost the place of %s', async (_what, lost, expected) => {
    const disk = new Disk()
    const first = start({ store: disk.store })
    for (const id of ['a', 'b', 'c']) await first.plan.add(one(70), { id })
    await first.scheduler.close()
    for (const [key, row] of disk.rows) if (lost.includes(row.key)) disk.rows.delete(key)
    const second = start({ store: disk.store })
    expect((await idsIn(second)).sort()).toEqual([...expected].sort())
    await second.scheduler.remove('b/a')
    expect((await idsIn(second)).sort()).toEqual(['a', 'c'])
  })

  test('is there in a tab that follows', async () => {
    const origin = new FakeOrigin()
    const [leader, follower] = [origin.openTab(), origin.openTab()].map(({ store }) => start({ store })) as [
      ReturnType<typeof start>,
      ReturnType<typeof start>,
    ]
    await leader.plan.add(one(70), { id: 'a' })
    await follower.plan.add(one(70), { id: 'b' })
    expect(await idsIn(follower)).toEqual(['b', 'a'])
    expect(await idsIn(follower, { after: 'b' })).toEqual(['a'])
    expect(Object.isFrozen((await follower.plan.list())[0])).toBe(true)
    await expect(follower.plan.list({ after: 'c' })).rejects.toMatchObject({ code: 'INVALID_OPTION' })
    expect(origin.disk.problems).toEqual([])
  })
})

test('a tab that follows adds a flow, and it goes on when the leading tab is gone', async () => {
  const origin = new FakeOrigin()
  const [leading, following] = [origin.openTab(), origin.openTab()]
  const leader = start({ store: leading.store })
  await leader.scheduler.pause()
  const follower = start({ store: following.store })
  const flow = await follower.plan.add({ a: { name: 'number', input: 1 }, sum: { name: 'sum', after: ['a'] } })
  expect(flow.jobs.sum.snapshot().state).toBe('blocked')
  leading.crash()
  await follower.scheduler.resume()
  expect(await flow.result()).toEqual({ a: 1, sum: 1 })
  expect(origin.disk.problems).toEqual([])
})

describe('any flow', () => {
  const policy = fc.constantFrom('fail', 'cancel', 'continue')
  const anyFlow = fc.array(
    fc.record({ isBad: fc.boolean(), onFailure: policy, parents: fc.uniqueArray(fc.nat(), { maxLength: 4 }) }),
    { minLength: 1, maxLength: 14 },
  )

  test('ends as a plain walk through it says', async () => {
    broken.add(-1)
    await fc.assert(
      fc.asyncProperty(anyFlow, async (nodes) => {
        const parentsOf = (index: number) =>
          index === 0 ? [] : [...new Set((nodes[index]?.parents ?? []).map((parent) => parent % index))]
        const spec = Object.fromEntries(
          nodes.map(({ isBad, onFailure }, index) => [
            `n${index}`,
            {
              name: 'fail',
              input: isBad ? -1 : 100,
              after: parentsOf(index).map((parent) => `n${parent}`),
              onFailure,
            },
          ]),
        )
        const expected: string[] = []
        nodes.forEach(({ isBad, onFailure }, index) => {
          const hasLost = parentsOf(index).some((parent) => expected[parent] !== 'completed')
          const falls = hasLost && onFailure !== 'continue'
          expected.push(falls ? (onFailure === 'fail' ? 'failed' : 'cancelled') : isBad ? 'failed' : 'completed')
        })
        const { plan, scheduler } = start()
        const flow = await plan.add(spec as never, { id: 'f' })
        await flow.result().catch(() => {})
        const { jobs: shown } = flow.snapshot()
        expect(nodes.map((_, index) => shown[`n${index}`]?.state)).toEqual(expected)
        await scheduler.close({ mode: 'now' })
      }),
      { numRuns: 100 },
    )
  })
})

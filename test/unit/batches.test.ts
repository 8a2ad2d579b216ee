// Batches through the public API, on the manual clock: in memory, and wherever the journal is cut.
import fc from 'fast-check'
import { createScheduler, inline, OffstageError, type Scheduler } from 'offstage'
import { type BatchCounts, batches } from 'offstage/flows'
import { manualClock } from 'offstage/testing'
import { append, defineJobs, type JobContext } from 'offstage/worker'
import { beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest'
import { EventBus } from '../../src/events/event-bus.ts'
import type { Stored } from '../../src/store/store.ts'
import { journalOf, storedIn } from '../support/cut-journal.ts'
import { Disk } from '../support/full-store.ts'
import { FakeOrigin } from '../support/tabs.ts'
import { turn } from '../support/testing.ts'

const broken = new Set<number>()
const jobs = defineJobs({
  work: (n: number) => {
    if (broken.has(n)) throw new RangeError(`no ${n}`)
    return n
  },
  report: (_: unknown, job: JobContext) => ({ ...(job.parents as { batch: BatchCounts }).batch }),
  tree: async ({ depth, width }: { depth: number; width: number }, job: JobContext) => {
    const input = { depth: depth - 1, width }
    if (depth > 0)
      await append(
        job,
        'below',
        Array.from({ length: width }, () => ({ name: 'tree', input })),
      )
    return job.parents
  },
  twice: async (_: undefined, job: JobContext) => {
    await append(job, 'one', [{ name: 'work', input: 1 }])
    if (job.attempt === 1) throw new Error('again')
  },
  append: async ({ keys, size }: { keys: string[]; size: number }, job: JobContext) => {
    for (const key of keys) await append(job, key, work(...Array(size).keys()))
  },
  wrong: async (_: undefined, job: JobContext) => {
    await append(job, 'wrong', [
      { name: 'work', input: 1 },
      { name: 'work', input: 1, options: { attempts: -1 } },
    ])
  },
})

beforeEach(() => broken.clear())

const counts = (total: number, completed: number, failed = 0, cancelled = 0): BatchCounts => ({
  total,
  completed,
  failed,
  cancelled,
  pending: total - completed - failed - cancelled,
})
const work = (...inputs: number[]) => inputs.map((input) => ({ name: 'work' as const, input }))
const report = { name: 'report' as const }

function start(options: object = {}) {
  const clock = manualClock()
  const scheduler = createScheduler<typeof jobs>(inline(jobs), { clock, ...options })
  onTestFinished(() => scheduler.close({ mode: 'now' }))
  return { clock, scheduler, group: batches(scheduler) }
}

const namesOf = async (scheduler: Scheduler<typeof jobs>) =>
  (await scheduler.find({ name: 'report' })).map(({ id }) => id)

describe('a batch', () => {
  test('costs the events of others nothing, however many handles there are', async () => {
    const listen = vi.spyOn(EventBus.prototype, 'on')
    onTestFinished(() => void vi.restoreAllMocks())
    const { group, scheduler } = start()
    const countListeners = () => listen.mock.calls.filter(([type]) => type === 'batch:changed').length
    await group.add(work(1), { id: 'b' })
    const before = countListeners()
    const all = await Promise.all(['c', 'd', 'e'].map((id) => batches(scheduler).add(work(1), { id })))
    for (const batch of all) batch.subscribe(() => {})
    await Promise.all(all.map((batch) => batch.result()))
    expect(countListeners()).toBe(before)
    expect(before).toBeGreaterThan(0)
  })

  test('counts its jobs, and adds its callbacks when all have ended', async () => {
    const { group, scheduler } = start()
    scheduler.pause()
    const batch = await group.add(work(1, 2, 3), {
      id: 'b',
      onSuccess: report,
      onComplete: { name: 'report', options: { id: 'all' } },
      onDeath: report,
    })
    expect([batch.disposition, batch.snapshot()]).toEqual(['created', counts(3, 0)])
    expect(await namesOf(scheduler)).toEqual([])
    let changes = 0
    const stop = batch.subscribe(() => changes++)
    scheduler.resume()
    expect(await batch.result()).toEqual(counts(3, 3))
    expect(batch.snapshot()).toBe(batch.snapshot())
    expect(changes).toBe(3)
    stop()
    expect(await namesOf(scheduler)).toEqual(['all', 'b/onSuccess'])
    const all = await scheduler.get('all')
    expect(await all?.result()).toEqual({ id: 'b', ...counts(3, 3) })
  })

  test('tells of its first dead letter at once, and of success after a retry by hand', async () => {
    const { group, scheduler } = start()
    broken.add(1).add(2)
    const batch = await group.add(
      [...work(1, 2), { name: 'work', input: 3, options: { delayMs: 60_000, id: 'third' } }],
      { id: 'b', onSuccess: report, onComplete: report, onDeath: report },
    )
    await scheduler.onIdle()
    expect(batch.snapshot()).toEqual(counts(3, 0, 2))
    expect(await namesOf(scheduler)).toEqual(['b/onDeath'])
    await scheduler.promote('third')
    expect(await batch.result()).toEqual(counts(3, 1, 2))
    expect(await namesOf(scheduler)).toEqual(['b/onDeath', 'b/onComplete'])
    broken.clear()
    await scheduler.pause()
    await scheduler.retry({ state: 'failed' })
    expect(batch.snapshot()).toEqual(counts(3, 1))
    scheduler.resume()
    expect(await batch.result()).toEqual(counts(3, 3))
    expect(await namesOf(scheduler)).toEqual(['b/onDeath', 'b/onComplete', 'b/onSuccess'])
  })

  test('is open until it is sealed', async () => {
    const { group, scheduler } = start()
    const batch = await group.add(work(1), { id: 'b', open: true, onComplete: report })
    await scheduler.onIdle()
    expect(batch.snapshot()).toEqual(counts(1, 1))
    await batch.append(work(2, 3))
    await scheduler.onIdle()
    expect([batch.snapshot(), await namesOf(scheduler)]).toEqual([counts(3, 3), []])
    await batch.seal()
    expect(await batch.result()).toEqual(counts(3, 3))
    expect(await namesOf(scheduler)).toEqual(['b/onComplete'])
    const refused = { code: 'BATCH_SEALED', message: expect.stringContaining("'b' is sealed") }
    await expect(batch.append(work(4))).rejects.toMatchObject(refused)
    await batch.seal()
  })

  test('that was never open takes more jobs while some of it have not ended', async () => {
    const { group, scheduler } = start()
    scheduler.pause()
    const batch = await group.add(work(1))
    await batch.append(work(2))
    scheduler.resume()
    expect(await batch.result()).toEqual(counts(2, 2))
    await expect(batch.append(work(4))).rejects.toMatchObject({ code: 'BATCH_SEALED' })
  })

  test('without jobs has ended at once', async () => {
    const { group, scheduler } = start()
    const batch = await group.add([], { id: 'b', onSuccess: report })
    expect(await batch.result()).toEqual(counts(0, 0))
    expect(await namesOf(scheduler)).toEqual(['b/onSuccess'])
    expect((await group.add([])).snapshot()).toEqual(counts(0, 0))
  })

  test('with the same id is the same batch, and is gone with its last record', async () => {
    const { group, scheduler } = start()
    const batch = await group.add(work(1), { id: 'b', onComplete: report })
    const other = await group.add(work(1, 2), { id: 'b' })
    expect([batch.disposition, other.disposition]).toEqual(['created', 'existing'])
    await other.result()
    await scheduler.onIdle()
    await scheduler.remove('b/0')
    expect((await group.get('b'))?.snapshot()).toEqual(counts(1, 1))
    await scheduler.remove('b/onComplete')
    expect(await group.get('b')).toBeUndefined()
    expect([batch.snapshot(), await batch.result()]).toEqual([counts(1, 1), counts(1, 1)])
    expect((await group.add(work(1), { id: 'b' })).disposition).toBe('created')
  })

  test('counts what is cancelled or removed before it ended, and forgets nothing when records go', async () => {
    const { group, scheduler } = start({ keep: { completed: { count: 0, ageMs: 0 } } })
    scheduler.pause()
    const batch = await group.add(work(1, 2, 3, 4), { id: 'b', onComplete: report, onSuccess: report })
    await scheduler.cancel('b/0')
    await scheduler.remove('b/1')
    expect(batch.snapshot()).toEqual(counts(4, 0, 0, 2))
    await scheduler.remove('b/0')
    const done: string[] = []
    scheduler.on('completed', ({ jobId }) => done.push(jobId))
    scheduler.resume()
    expect(await batch.result()).toEqual(counts(4, 2, 0, 2))
    await scheduler.onIdle()
    expect(done).toEqual(['b/2', 'b/3', 'b/onComplete'])
    expect([await scheduler.find(), await group.get('b')]).toEqual([[], undefined])
  })

  test('nests: a batch within counts as one, and has callbacks of its own', async () => {
    const { group, scheduler } = start()
    broken.add(7)
    const batch = await group.add(
      [
        ...work(1),
        { batch: work(2, 7), id: 'inner', onDeath: report, open: true },
        { batch: [{ batch: work(3) }], onSuccess: report },
      ],
      { id: 'b', onComplete: report, onDeath: report },
    )
    await scheduler.onIdle()
    expect(batch.snapshot()).toEqual(counts(3, 2))
    expect(await namesOf(scheduler)).toEqual(['inner/onDeath', 'b/2/onSuccess'])
    const inner = await group.get('inner')
    await inner?.seal()
    expect(await inner?.result()).toEqual(counts(2, 1, 1))
    expect(await batch.result()).toEqual(counts(3, 2, 1))
    expect(await namesOf(scheduler)).toEqual(['inner/onDeath', 'b/2/onSuccess', 'b/onDeath', 'b/onComplete'])
    broken.clear()
    await scheduler.retry('inner/1')
    await scheduler.onIdle()
    expect([inner?.snapshot(), batch.snapshot()]).toEqual([counts(2, 2), counts(3, 3)])
    for (const { id } of await scheduler.find()) await scheduler.remove(id)
    expect(await Promise.all(['b', 'inner', 'b/2', 'b/2/0'].map((id) => group.get(id)))).toEqual(
      Array(4).fill(undefined),
    )
  })

  test('grows from within its jobs, even if it is sealed', async () => {
    const { group } = start()
    const batch = await group.add([{ name: 'tree', input: { depth: 3, width: 3 } }], { id: 'b', open: true })
    await batch.seal()
    expect(await batch.result()).toEqual(counts(40, 40))
  })

  test('gets what a job appends once, over all attempts', async () => {
    const { group } = start()
    const batch = await group.add([{ name: 'twice', options: { attempts: 2 } }])
    expect(await batch.result()).toEqual(counts(2, 2))
  })

  test('a key that appends other jobs in the same attempt fails the job: they would be lost', async () => {
    const { group, scheduler } = start()
    const options = { id: 'loop', attempts: 2 }
    const batch = await group.add([{ name: 'append', input: { keys: ['page', 'page'], size: 2 }, options }])
    expect(await batch.result()).toEqual(counts(3, 2, 1))
    const loop = await scheduler.get('loop')
    expect(loop?.snapshot().attempt).toBe(1)
    await expect(loop?.result()).rejects.toMatchObject({ code: 'STEP_MISMATCH' })
  })

  test.each(['', 3, undefined, 'offstage:page'])('%j is no key for what a job appends', async (key) => {
    const { group, scheduler } = start()
    const input = { keys: [key as string], size: 1 }
    const batch = await group.add([{ name: 'append', input, options: { id: 'a' } }])
    expect(await batch.result()).toEqual(counts(1, 0, 1))
    const message = expect.stringContaining('`key`')
    await expect((await scheduler.get('a'))?.result()).rejects.toMatchObject({ code: 'INVALID_OPTION', message })
  })

  test('a job that appends what cannot be added is cancelled, and one of no batch fails', async () => {
    const { group, scheduler } = start()
    const batch = await group.add([{ name: 'wrong', options: { id: 'w' } }])
    expect(await batch.result()).toEqual(counts(1, 0, 0, 1))
    const cause = { code: 'INVALID_OPTION', message: expect.stringContaining('attempts') }
    await expect((await scheduler.get('w'))?.result()).rejects.toMatchObject({ code: 'JOB_CANCELLED', cause })
    const ended = await group.add([], { onComplete: { name: 'twice', options: { id: 'callback' } } })
    await expect((await scheduler.get('callback'))?.result()).rejects.toMatchObject({ cause: { code: 'BATCH_SEALED' } })
    expect(ended.snapshot()).toEqual(counts(0, 0))
    const message = expect.stringContaining('is of none')
    await expect(scheduler.run.wrong(undefined)).rejects.toMatchObject({ code: 'INVALID_OPTION', message })
  })

  test('adds a callback later when too many jobs wait', async () => {
    const { group, scheduler, clock } = start({ maxQueued: 2 })
    await scheduler.add.work(1, { delayMs: 60_000 })
    scheduler.once('started', () => void scheduler.add.work(2, { delayMs: 60_000 }))
    const batch = await group.add(work(1), { onComplete: { name: 'report', options: { id: 'all' } } })
    expect(await batch.result()).toEqual(counts(1, 1))
    expect(await scheduler.get('all')).toBeUndefined()
    await scheduler.cancel({ state: 'scheduled' })
    clock.advance(1_000)
    await turn()
    expect(await (await scheduler.get('all'))?.result()).toMatchObject(counts(1, 1))
  })

  test('of many jobs says so in one commit, and waits for its end however the scheduler ends', async () => {
    const { group, scheduler } = start()
    const batch = await group.add(work(...Array.from({ length: 3_000 }, (_, n) => 10 + n)))
    expect((await batch.result()).completed).toBe(3_000)
    scheduler.pause()
    const open = await group.add(work(1))
    const waiting = open.result()
    await scheduler.close({ mode: 'now' })
    await expect(waiting).rejects.toMatchObject({ code: 'SCHEDULER_CLOSED' })
  })

  test.each<[string, unknown, unknown, string]>([
    ['no list', 'all', {}, 'jobs'],
    ['no object', [1], {}, 'jobs[0]'],
    ['no name', [{ input: 1 }], {}, '`jobs[0].name`'],
    ['an unknown field', [{ name: 'work', input: 1, after: [] }], {}, 'after'],
    ['an option of a page', [{ name: 'work', input: 1, options: { signal: 1 } }], {}, 'signal'],
    ['a wrong option', [{ name: 'work', input: 1, options: { attempts: 0 } }], {}, 'jobs[0]: Expected `attempts`'],
    ['a function as input', [{ name: 'work', input: () => {} }], {}, 'jobs[0]'],
    ['a wrong `open`', [], { open: 1 }, 'open'],
    ['a wrong id', [], { id: '' }, 'id'],
    ['an id that is too long', [], { id: 'x'.repeat(257) }, '1 to 256 characters'],
    ['a wrong callback', [], { onSuccess: 'report' }, 'onSuccess'],
    ['a callback without a name', [], { onDeath: {} }, 'onDeath'],
    ['an unknown option', [], { onFailure: {} }, 'onFailure'],
    ['a wrong batch within', [{ batch: [{ batch: 1 }] }], {}, 'jobs[0].jobs[0].batch'],
    ['too many jobs', Array(20_001).fill({ name: 'work', input: 1 }), {}, '20,000'],
  ])('is refused with %s', async (_, list, options, message) => {
    const { group, scheduler } = start()
    const error = await group.add(list as never, options as never).catch((thrown: unknown) => thrown)
    expect(error).toBeInstanceOf(OffstageError)
    expect(String(error)).toContain(message)
    expect(await scheduler.find()).toEqual([])
  })

  test('that contains itself, or a job that is there, is refused as a whole', async () => {
    const { group, scheduler } = start()
    const circle: unknown[] = [...work(1)]
    circle.push({ batch: circle })
    await expect(group.add(circle as never)).rejects.toMatchObject({ code: 'INVALID_OPTION' })
    scheduler.pause()
    await scheduler.add.work(1, { id: 'one' })
    const one = { name: 'work', input: 1, options: { id: 'one' } } as const
    const two = { name: 'work', input: 1, options: { id: 'two' } } as const
    for (const list of [[...work(1), one], [two, two], [{ batch: [one] }]])
      await expect(group.add(list, { id: 'b' })).rejects.toMatchObject({ code: 'DUPLICATE_ID' })
    await expect(group.add([], { id: 'b', onDeath: one })).rejects.toMatchObject({ code: 'DUPLICATE_ID' })
    // Two of one call are two, also if their ids say otherwise: one would never end.
    const nested = { batch: [...work(1)], id: 'inner' }
    for (const [list, options] of [
      [[nested, nested], {}],
      [[{ ...nested, id: 'b' }], {}],
      [[two], { onComplete: two }],
      [[...work(1)], { onComplete: two, onSuccess: two }],
    ] as const)
      await expect(group.add(list, { id: 'b', ...options })).rejects.toMatchObject({ code: 'DUPLICATE_ID' })
    const called = await group.add([], { id: 'd', open: true, onComplete: two })
    await expect(called.append([two])).rejects.toMatchObject({ code: 'DUPLICATE_ID' })
    const open = await group.add([], { id: 'c', open: true })
    await expect(open.append([two, one])).rejects.toMatchObject({ code: 'DUPLICATE_ID' })
    expect(open.snapshot()).toEqual(counts(0, 0))
    expect((await scheduler.find()).map(({ id }) => id)).toEqual(['one'])
    expect(await group.get('b')).toBeUndefined()
  })
})

// What a crash leaves.

const ended = ['completed', 'failed', 'cancelled'] as const

/** The counts in the rows are those of the records, and a callback is there if and only if its time has come. */
function expectInStep({ records, rows }: Stored, id: string, nested: readonly string[]): void {
  const value = (key: string) => rows.find((row) => row.key === key)?.value as Record<string, unknown> | undefined
  const row = value(`count ${id}`)
  if (!row) return expect(records.filter((record) => record.id.startsWith(`${id}/`))).toEqual([])
  const members = records.filter((record) => {
    const of = value(`job ${record.id}`)
    return of?.batch === id && !of.isCallback
  })
  const counted = Object.fromEntries(ended.map((end) => [end, members.filter(({ state }) => state === end).length]))
  let pending = members.length + nested.length
  for (const inner of nested) {
    const of = value(`count ${inner}`) as Record<string, number>
    const isPending = of.isOpen || (of.total as number) > ended.reduce((sum, end) => sum + (of[end] as number), 0)
    if (!isPending) counted[of.failed ? 'failed' : of.cancelled ? 'cancelled' : 'completed']!++
  }
  for (const end of ended) pending -= counted[end] as number
  expect(row).toMatchObject({ ...counted, total: members.length + nested.length })
  const has = (name: string) => records.some((record) => record.id === `${id}/${name}`)
  const isOver = pending === 0 && !row.isOpen
  expect(has('onComplete'), `${id}/onComplete`).toBe(isOver)
  expect(has('onDeath'), `${id}/onDeath`).toBe((counted.failed as number) > 0)
  expect(has('onSuccess')).toBe(isOver && !counted.failed && !counted.cancelled)
}

const callbacks = { onSuccess: report, onComplete: report, onDeath: report }
const statesOf = async (scheduler: Scheduler<typeof jobs>) =>
  Object.fromEntries((await scheduler.find()).map((job) => [job.id, job.snapshot().state]))

describe('a batch on a journal', () => {
  test('is in step wherever it is cut, and goes on from there to the same end', async () => {
    broken.add(3)
    const keep = { count: 1_000, ageMs: Number.POSITIVE_INFINITY }
    const open = (frames: readonly Uint8Array[]) => {
      const { generations, journal } = journalOf(frames)
      const world = start({ store: journal, workers: 1, keep: { completed: keep, failed: keep, cancelled: keep } })
      return { ...world, framesNow: () => [...(generations.at(-1) as Uint8Array[])] }
    }
    const inner = { batch: work(3, 4), id: 'i', ...callbacks }
    const first = open([])
    const batch = await first.group.add([...work(1), { name: 'tree', input: { depth: 1, width: 2 } }, inner], {
      id: 'b',
      ...callbacks,
    })
    expect(await batch.result()).toEqual(counts(5, 4, 1))
    await first.scheduler.onIdle()
    const outcome = await statesOf(first.scheduler)
    expect(Object.values(outcome)).toHaveLength(6 + 4)
    const frames = first.framesNow()
    await first.scheduler.close()
    expect(frames.length).toBeGreaterThan(40)
    for (let cut = 1; cut <= frames.length; cut++) {
      const found = await storedIn(frames.slice(0, cut))
      expectInStep(found, 'b', found.records.length > 0 ? ['i'] : [])
      expectInStep(found, 'i', [])
      const { scheduler, clock, group } = open(frames.slice(0, cut))
      const idle = scheduler.onIdle()
      // One that was running when it was cut is on trial first, after a while.
      for (let steps = 0; steps < 10 && found.records.some(({ state }) => state === 'running'); steps++) {
        clock.advance(6_000)
        for (let turns = 0; turns < 5; turns++) await turn()
      }
      await idle
      const states = await statesOf(scheduler)
      expect(Object.values(states).sort(), `cut after ${cut}`).toEqual(
        found.records.length > 0 ? Object.values(outcome).sort() : [],
      )
      const again = await group.get('b')
      expect(again?.snapshot()).toEqual(found.records.length > 0 ? counts(5, 4, 1) : undefined)
      await scheduler.close()
    }
  })

  test('keeps its counts for the callbacks that a batch within it leads to, as its jobs are counted anew', async () => {
    const disk = new Disk()
    const keep = { completed: { count: 0 } }
    const first = start({ store: disk.store })
    await first.scheduler.pause()
    await first.group.add([{ batch: work(1), id: 'i' }], { id: 'b', onComplete: report })
    await first.scheduler.close({ mode: 'now' })
    // Without the extension. Nothing of the jobs is left.
    const second = createScheduler<typeof jobs>(inline(jobs), { clock: manualClock(), store: disk.store, keep })
    second.on('store:error', () => {})
    await second.onIdle()
    await second.close()
    const { scheduler, group } = start({ store: disk.store })
    await group.get('b')
    await scheduler.onIdle()
    expect(await (await scheduler.get('b/onComplete'))?.result()).toEqual({ id: 'b', ...counts(1, 1) })
  })

  test('counts what has ended, or was removed, while nobody looked', async () => {
    const disk = new Disk()
    const first = start({ store: disk.store })
    await first.scheduler.pause()
    await first.group.add([...work(1, 2), { batch: work(3), id: 'i' }], { id: 'b', ...callbacks })
    await first.scheduler.close({ mode: 'now' })
    // Without the extension.
    const second = createScheduler<typeof jobs>(inline(jobs), { clock: manualClock(), store: disk.store })
    second.on('store:error', () => {})
    await second.onIdle()
    await second.remove('b/0')
    await second.close()
    const { scheduler, group } = start({ store: disk.store })
    expect(await (await group.get('b'))?.result()).toEqual(counts(3, 3))
    expect(await namesOf(scheduler)).toEqual(['b/onComplete', 'b/onSuccess'])
    await scheduler.onIdle()
    for (const { id } of await scheduler.find()) await scheduler.remove(id)
    expect(await group.get('b')).toBeUndefined()
    expect([...disk.rows.keys()]).toEqual([])
  })

  test('is as if nothing had been added or appended when the store refuses it', async () => {
    const disk = new Disk()
    const { group, scheduler } = start({ store: disk.store })
    await scheduler.counts()
    disk.isFull = true
    await expect(group.add(work(1), { id: 'b' })).rejects.toMatchObject({ code: 'STORE_WRITE_FAILED' })
    disk.isFull = false
    expect(await group.get('b')).toBeUndefined()
    const batch = await group.add([], { id: 'b', open: true, ...callbacks })
    disk.isFull = true
    await expect(batch.append(work(1))).rejects.toMatchObject({ code: 'STORE_WRITE_FAILED' })
    disk.isFull = false
    expect(batch.snapshot()).toEqual(counts(0, 0))
    await batch.append(work(1, 2))
    await batch.seal()
    expect(await batch.result()).toEqual(counts(2, 2))
  })
})

test('the list of batches says how far each is, the newest first, also of those within others', async () => {
  broken.add(7)
  const { group, scheduler } = start()
  await group.add(work(1, 7), { id: 'bad' })
  await group.add(work(1), { id: 'open', open: true })
  await group.add([{ batch: work(1), id: 'inner' }, ...work(2)], { id: 'outer' })
  const off = await group.add(work(1), { id: 'off' })
  await scheduler.cancel('off/0')
  await off.result()
  await scheduler.onIdle()
  const list = await group.list()
  const rest = { isOpen: false, parentId: undefined }
  expect(list).toEqual([
    { id: 'off', state: 'cancelled', ...rest, ...counts(1, 0, 0, 1) },
    { id: 'inner', state: 'completed', ...rest, parentId: 'outer', ...counts(1, 1) },
    { id: 'outer', state: 'completed', ...rest, ...counts(2, 2) },
    { id: 'open', state: 'running', ...rest, isOpen: true, ...counts(1, 1) },
    { id: 'bad', state: 'failed', ...rest, ...counts(2, 1, 1) },
  ])
  expect(list.every(Object.isFrozen)).toBe(true)
  for (const { id } of list)
    expect(list.find((each) => each.id === id)).toMatchObject((await group.get(id))?.snapshot() ?? {})
  await scheduler.remove('inner/0')
  expect((await group.list({ after: 'off', limit: 2 })).map(({ id }) => id)).toEqual(['outer', 'open'])
  await expect(group.list({ after: 'inner' })).rejects.toMatchObject({ code: 'INVALID_OPTION' })
  await expect(group.list({ limit: 0.5 })).rejects.toMatchObject({ code: 'INVALID_OPTION' })
})

test('a tab that follows adds a batch, sees it grow, and hears of its end when the leading tab is gone', async () => {
  const origin = new FakeOrigin()
  const [leading, following] = [origin.openTab(), origin.openTab()]
  const leader = start({ store: leading.store })
  await leader.scheduler.pause()
  const follower = start({ store: following.store })
  const batch = await follower.group.add(work(1), { id: 'b', open: true, onComplete: report })
  await (await leader.group.get('b'))?.append(work(2))
  await batch.append(work(3))
  expect(batch.snapshot()).toEqual(counts(3, 0))
  const result = batch.result()
  leading.crash()
  await follower.scheduler.resume()
  await batch.seal()
  expect(await result).toEqual(counts(3, 3))
  await follower.scheduler.onIdle()
  expect(await (await follower.scheduler.get('b/onComplete'))?.result()).toEqual({ id: 'b', ...counts(3, 3) })
  expect(origin.disk.problems).toEqual([])
})

describe('any batch', () => {
  type Act = 'append' | 'inner' | 'cancel' | 'remove' | 'retry' | 'run' | 'reopen'
  const acts = fc.array(
    fc.record({
      act: fc.constantFrom<Act>('append', 'append', 'inner', 'cancel', 'remove', 'retry', 'run', 'reopen'),
      pick: fc.nat(),
      isBad: fc.boolean(),
    }),
    { maxLength: 25 },
  )

  test('counts as a plain list does', async () => {
    await fc.assert(
      fc.asyncProperty(acts, async (script) => {
        const disk = new Disk()
        let { scheduler, group } = start({ store: disk.store })
        scheduler.pause()
        let batch = await group.add([], { id: 'b', open: true, ...callbacks })
        const model = new Map<string, 'pending' | 'completed' | 'failed' | 'cancelled' | 'gone'>()
        const lost = { completed: 0, failed: 0, cancelled: 0 }
        let hasDied = false
        let serial = 0
        broken.clear()
        const numberOf = (id: string) => -Number(id.slice('own '.length))
        const now = () => {
          const all = [...model.values()]
          const of = (end: 'completed' | 'failed' | 'cancelled') =>
            lost[end] + all.filter((each) => each === end).length
          return counts(model.size, of('completed'), of('failed'), of('cancelled'))
        }
        for (const { act, pick, isBad } of script) {
          const ids = [...model.keys()]
          const id = ids[pick % Math.max(ids.length, 1)] as string
          const state = model.get(id)
          if (act === 'append' || act === 'inner') {
            const own = `own ${++serial}`
            // A nested batch of one job counts as that job does.
            const job = { name: 'work', input: -serial, options: { id: own } } as const
            await batch.append([act === 'inner' ? { batch: [job], id: `inner ${serial}` } : job])
            model.set(own, 'pending')
            if (isBad) broken.add(-serial)
          } else if (act === 'cancel' && state === 'pending') {
            await scheduler.cancel(id)
            model.set(id, 'cancelled')
          } else if (act === 'remove' && state && state !== 'gone') {
            await scheduler.remove(id)
            lost[state === 'pending' ? 'cancelled' : state]++
            model.set(id, 'gone')
          } else if (act === 'retry' && (state === 'failed' || state === 'cancelled')) {
            await scheduler.retry(id)
            model.set(id, 'pending')
            broken.delete(numberOf(id))
          } else if (act === 'run') {
            for (const [each, is] of model) hasDied ||= is === 'pending' && broken.has(numberOf(each))
            scheduler.resume()
            await scheduler.onIdle()
            scheduler.pause()
            for (const [each, is] of model)
              if (is === 'pending') model.set(each, broken.has(numberOf(each)) ? 'failed' : 'completed')
          } else if (act === 'reopen') {
            await scheduler.close()
            ;({ scheduler, group } = start({ store: disk.store }))
            scheduler.pause()
            batch = (await group.get('b')) as typeof batch
          }
          expect(batch.snapshot()).toEqual(now())
          expect(await scheduler.get('b/onDeath'), 'onDeath').toEqual(hasDied ? expect.anything() : undefined)
        }
        await batch.seal()
        const isOver = now().pending === 0
        const isGood = isOver && now().completed === now().total
        const found = (name: string) => scheduler.get(`b/${name}`)
        expect([Boolean(await found('onComplete')), Boolean(await found('onSuccess'))]).toEqual([isOver, isGood])
        await scheduler.close({ mode: 'now' })
      }),
      { numRuns: 60 },
    )
  })
})

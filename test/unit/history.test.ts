// The history through the public API, on the manual clock: in memory, wherever the journal is cut, and from a tab that follows.
import { createScheduler, inline, type SchedulerOptions } from 'offstage'
import { type HistoryEntry, type HistorySettings, history } from 'offstage/history'
import { manualClock } from 'offstage/testing'
import { defineJobs, type JobContext, NonRetryableError } from 'offstage/worker'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { journalOf, storedIn } from '../support/cut-journal.ts'
import { Disk } from '../support/full-store.ts'
import { FakeOrigin } from '../support/tabs.ts'
import { turn } from '../support/testing.ts'

const jobs = defineJobs({
  double: (n: number) => 2 * n,
  fail: (message: string): void => {
    throw new RangeError(message)
  },
  odd: (): void => {
    throw { code: 7 }
  },
  never: () => {
    throw new NonRetryableError('never')
  },
  steps: async (_: undefined, job: JobContext) => {
    await job.step('one', () => 1)
    await job.checkpoint(2)
  },
})

function start(options: SchedulerOptions<never> = {}, settings: HistorySettings = {}) {
  const clock = manualClock()
  const scheduler = createScheduler<typeof jobs>(inline(jobs), { clock, ...options } as never)
  onTestFinished(() => scheduler.close({ mode: 'now' }))
  return { clock, scheduler, log: history(scheduler, settings) }
}

const movesOf = (entries: readonly HistoryEntry[]) => entries.map(({ move, from, to }) => `${move} ${from} ${to}`)

/** How many jobs are in each state, by the history. */
const byState = (counts: Readonly<Record<string, number>>, { from, to }: HistoryEntry) => {
  const next = { ...counts }
  if (from) next[from] = (next[from] ?? 0) - 1
  if (to) next[to] = (next[to] ?? 0) + 1
  return next
}
const withoutZeros = (counts: object) => Object.fromEntries(Object.entries(counts).filter(([, count]) => count !== 0))

describe('the history', () => {
  test('has each move of each job, in order, with what has failed', async () => {
    const { scheduler, log, clock } = start()
    const one = await scheduler.add.double(1, { id: 'one' })
    await one.result()
    clock.advance(5)
    const two = await scheduler.add.fail('no', { id: 'two', attempts: 2 })
    await two.result().catch(() => {})
    await scheduler.remove('one')
    const all = await log.since(0)
    expect(all.map(({ seq }) => seq)).toEqual(all.map((_, index) => index + 1))
    expect(movesOf(await log.of('one'))).toEqual([
      'insert undefined queued',
      'start queued running',
      'complete running completed',
      'removed completed undefined',
    ])
    const failed = await log.of('two')
    expect(movesOf(failed)).toEqual([
      'insert undefined queued',
      'start queued running',
      'fail running queued',
      'start queued running',
      'fail running failed',
    ])
    expect(failed.at(-1)).toMatchObject({
      attempt: 2,
      name: 'fail',
      queue: 'default',
      at: clock.now(),
      error: { name: 'RangeError', message: 'no' },
    })
    expect(await log.since(all[3]?.seq as number, { limit: 2 })).toEqual(all.slice(3, 5))
  })

  test('has steps and checkpoints too, and whatever was thrown', async () => {
    const { scheduler, log } = start()
    await (await scheduler.add.steps(undefined, { id: 'a' })).result()
    expect((await log.of('a')).map(({ move }) => move)).toEqual(['insert', 'start', 'step', 'checkpoint', 'complete'])
    const odd = await scheduler.add.odd(undefined)
    await odd.result().catch(() => {})
    expect((await log.of(odd.id)).at(-1)?.error).toEqual({ name: 'Error', message: 'an object (Object)' })
  })

  test('has inputs and results where they are asked for', async () => {
    const { scheduler, log } = start({}, { data: true })
    await (await scheduler.add.double(4, { id: 'a' })).result()
    const [added, , completed] = await log.of('a')
    expect([added?.input, completed?.result]).toEqual([4, 8])
    expect(Object.keys(completed ?? {})).not.toContain('input')
  })

  test('drops the oldest: of too many, and what is too old', async () => {
    const { scheduler, log, clock } = start({}, { keep: { count: 20, ageMs: 60_000 } })
    for (let n = 0; n < 50; n++) await scheduler.run.double(n)
    const all = await log.since(0)
    expect(all.length).toBeGreaterThanOrEqual(20)
    expect(all.length).toBeLessThanOrEqual(23)
    expect(all.at(-1)?.move).toBe('complete')
    clock.advance(60_001)
    expect(await log.since(0)).toEqual([])
    await scheduler.run.double(1)
    expect((await log.since(0)).map(({ move }) => move).slice(-3)).toEqual(['insert', 'start', 'complete'])
    expect((await log.since(0))[0]?.seq).toBeGreaterThan(all.at(-1)?.seq as number)
  })

  test('goes on after a restart, and finds what has happened meanwhile', async () => {
    const disk = new Disk()
    const first = start({ store: disk.store })
    await first.scheduler.pause()
    await first.scheduler.add.double(1, { id: 'a' })
    await first.scheduler.add.double(1, { id: 'b' })
    await first.scheduler.close({ mode: 'now' })
    // Without the extension.
    const second = createScheduler<typeof jobs>(inline(jobs), { clock: manualClock(), store: disk.store })
    second.on('store:error', () => {})
    await (await second.get('a'))?.result()
    await second.remove('b')
    await second.close()
    const third = start({ store: disk.store })
    expect(movesOf(await third.log.since(0))).toEqual([
      'insert undefined queued',
      'insert undefined queued',
      'found queued completed',
      'found queued undefined',
    ])
    await third.scheduler.run.double(1)
    expect((await third.log.since(0)).map(({ seq }) => seq)).toEqual([1, 2, 3, 4, 5, 6, 7])
  })

  test('has nothing of what the store has refused', async () => {
    const disk = new Disk()
    const { scheduler, log } = start({ store: disk.store })
    await scheduler.run.double(1)
    disk.isFull = true
    await expect(scheduler.add.double(2)).rejects.toMatchObject({ code: 'STORE_WRITE_FAILED' })
    disk.isFull = false
    await scheduler.run.double(3)
    const all = await log.since(0)
    expect(all.map(({ move }) => move)).toEqual(['insert', 'start', 'complete', 'insert', 'start', 'complete'])
    expect(all.every(({ seq }, index) => index === 0 || seq > (all[index - 1]?.seq as number))).toBe(true)
  })

  test('is the same in a tab that follows', async () => {
    const origin = new FakeOrigin()
    const [leading, following] = [origin.openTab(), origin.openTab()]
    const leader = start({ store: leading.store })
    await leader.scheduler.counts()
    const follower = start({ store: following.store })
    const counts = follower.log.project(byState, {})
    await follower.scheduler.run.double(1)
    const all = await follower.log.since(0)
    expect(all).toHaveLength(3)
    expect(await leader.log.since(0)).toEqual(all)
    await expect.poll(() => withoutZeros(counts.snapshot())).toEqual({ completed: 1 })
    leading.crash()
    await follower.scheduler.run.double(1)
    await expect.poll(() => withoutZeros(counts.snapshot())).toEqual({ completed: 2 })
    expect(origin.disk.problems).toEqual([])
  })
})

describe('a projection', () => {
  test('folds what is there and what comes, and tells its subscribers', async () => {
    const { scheduler, log } = start()
    await scheduler.run.double(1)
    const counts = log.project(byState, {})
    await counts.ready
    expect(withoutZeros(counts.snapshot())).toEqual({ completed: 1 })
    let calls = 0
    const stop = counts.subscribe(() => calls++)
    await scheduler.run.double(1)
    await expect.poll(() => withoutZeros(counts.snapshot())).toEqual({ completed: 2 })
    expect(calls).toBeGreaterThan(0)
    expect(counts.seq).toBe(6)
    const before = calls
    stop()
    await scheduler.run.double(1)
    await expect.poll(() => counts.seq).toBe(9)
    expect(calls).toBe(before)
    counts.close()
    await scheduler.run.double(1)
    expect(counts.seq).toBe(9)
  })

  test('that is stored goes on after a restart, although the entries are gone', async () => {
    const disk = new Disk()
    const settings = { keep: { count: 10, ageMs: 1_000 } }
    const first = start({ store: disk.store }, settings)
    const total = (sum: number, { to }: HistoryEntry) => sum + (to === 'completed' ? 1 : 0)
    const one = first.log.project(total, 0, { id: 'total' })
    for (let n = 0; n < 40; n++) await first.scheduler.run.double(n)
    await expect.poll(() => one.snapshot()).toBe(40)
    await first.scheduler.close()
    const second = start({ store: disk.store }, settings)
    second.clock.advance(1e9)
    const other = second.log.project(total, 0, { id: 'total' })
    await other.ready
    expect([other.snapshot(), other.isWhole]).toEqual([40, true])
    const fresh = second.log.project(total, 0)
    await fresh.ready
    expect(fresh.isWhole).toBe(false)
    expect(fresh.snapshot()).toBeLessThan(40)
  })

  test('holds entries back that it has not stored, but not for ever', async () => {
    const disk = new Disk()
    const settings = { keep: { count: 50 } }
    const first = start({ store: disk.store }, settings)
    const sum = first.log.project((n: number) => n + 1, 0, { id: 'a' })
    await sum.ready
    sum.close()
    for (let n = 0; n < 100; n++) await first.scheduler.run.double(n)
    expect((await first.log.since(0)).length).toBe(300)
    await first.scheduler.addMany(Array.from({ length: 3_400 }, (_, input) => ({ name: 'double' as const, input })))
    await first.scheduler.onIdle()
    await expect.poll(async () => (await first.log.since(0)).length).toBeLessThanOrEqual(10_050)
  })

  test('shows nothing of the middle of a commit, however large that is', async () => {
    const { scheduler, log } = start()
    scheduler.pause()
    const many = (length: number) => Array.from({ length }, (_, input) => ({ name: 'double' as const, input }))
    await scheduler.addMany(many(2_500))
    const counts = log.project((count: number, { move }) => count + (move === 'insert' ? 1 : 0), 0)
    const shown: number[] = []
    counts.subscribe(() => shown.push(counts.snapshot()))
    const adding = [scheduler.addMany(many(1_700)), scheduler.addMany(many(1_300))]
    await counts.ready
    await Promise.all(adding)
    await expect.poll(() => counts.snapshot()).toBe(5_500)
    // Of two large calls, the one whose jobs are prepared first is first.
    const whole = [2_500, 2_500 + 1_300, 2_500 + 1_700, 5_500]
    expect(shown.filter((count) => !whole.includes(count))).toEqual([])
    expect(counts.isWhole).toBe(true)
  })

  test.each<[string, () => unknown, object, string]>([
    ['a promise', async () => 1, {}, 'INVALID_OPTION'],
    ['what cannot be stored', () => ({ of: () => 1 }), { id: 'functions' }, 'DATA_CLONE'],
  ])('whose reducer returns %s ends, and says so', async (_, reducer, options, code) => {
    const reported: unknown[] = []
    vi.spyOn(console, 'error').mockImplementation((error) => void reported.push(error))
    onTestFinished(() => void vi.restoreAllMocks())
    const { scheduler, log } = start()
    for (let n = 0; n < 40; n++) await scheduler.run.double(n)
    log.project(reducer, 0, options)
    await expect.poll(() => reported).toMatchObject([{ code }])
  })

  test('whose reducer throws ends, and says so', async () => {
    const { scheduler, log } = start()
    await scheduler.run.double(1)
    const broken = log.project(() => {
      throw new RangeError('no')
    }, 0)
    await expect(broken.ready).rejects.toThrow('no')
    expect(broken.snapshot()).toBe(0)
  })
})

describe('however the journal is cut', () => {
  test('the history says of each job what its record says', async () => {
    const { generations, journal } = journalOf([])
    const { scheduler } = start({ store: journal })
    await Promise.all([
      scheduler.run.double(1),
      scheduler.run.steps(undefined),
      scheduler.run.fail('x', { attempts: 2 }).catch(() => {}),
      scheduler.add.double(1, { delayMs: 1_000 }),
    ])
    await turn()
    const frames = [...(generations.at(-1) as Uint8Array[])]
    expect(frames.length).toBeGreaterThan(10)
    for (let length = 1; length <= frames.length; length++) {
      const { records, rows } = await storedIn(frames.slice(0, length))
      const last = new Map<string, HistoryEntry>()
      const entries = rows.filter(({ table }) => table === 'history').map(({ value }) => value as HistoryEntry)
      for (const entry of entries.sort((a, b) => a.seq - b.seq)) {
        expect(entry.from).toBe(last.get(entry.jobId)?.to)
        last.set(entry.jobId, entry)
      }
      expect(last.size).toBe(records.length)
      for (const { id, state } of records) expect(last.get(id)?.to).toBe(state)
    }
  })
})

test.each([
  ['`keep.count`', (scheduler: never) => history(scheduler, { keep: { count: 0 } })],
  ['`keep.ageMs`', (scheduler: never) => history(scheduler, { keep: { ageMs: -1 } })],
  ['`data`', (scheduler: never) => history(scheduler, { data: 1 as never })],
  ['`seq`', (scheduler: never) => history(scheduler).since(-1)],
  ['`options.limt`', (scheduler: never) => history(scheduler).since(1, { limt: 1 } as never)],
  ['`options.limit`', (scheduler: never) => history(scheduler).since(1, { limit: 0.5 })],
  ['`jobId`', (scheduler: never) => history(scheduler).of('')],
  ['`reducer`', (scheduler: never) => history(scheduler).project(1 as never, 0)],
  ['`options.id`', (scheduler: never) => history(scheduler).project(() => 0, 0, { id: '' })],
])('%s that makes no sense is refused', async (name, call) => {
  const { scheduler } = start()
  await expect((async () => call(scheduler as never))()).rejects.toThrow(name)
})

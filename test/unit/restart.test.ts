// `restart`: a finished job runs again as a new one, with what the old one had recorded before a step; what becomes of waits,
// signals and children among that, and what of a process or a tab that ends meanwhile.
import { createScheduler, inline, type Scheduler } from 'offstage'
import { flows } from 'offstage/flows'
import { manualClock } from 'offstage/testing'
import { children, defineJobs, type JobContext, versioned } from 'offstage/worker'
import { beforeEach, describe, expect, onTestFinished, test } from 'vitest'
import { keysOf, recordedBefore } from '../../src/job/restart.ts'
import { Disk } from '../support/full-store.ts'
import { serve } from '../support/remote.ts'
import { FakeOrigin, type FakeTab } from '../support/tabs.ts'
import { heard, turn } from '../support/testing.ts'

/** What has run, in order. */
let ran: string[] = []
/** Steps that fail. */
const failing = new Set<string>()
beforeEach(() => {
  ran = []
  failing.clear()
})

function run<Result>(what: string, result: Result): Result {
  ran.push(what)
  if (failing.has(what)) throw new TypeError(`no ${what}`)
  return result
}

const leaves = defineJobs({ leaf: (n: number) => run(`leaf ${n}`, n * 10) })
const jobs = defineJobs({
  ...leaves,
  order: versioned(2, { 1: (item) => item }, async (item: string, job: JobContext) => {
    const number = await job.step('number', () => run('number', ran.length))
    const receipt = await job.step('charge', () => run('charge', `${item} ${number}`))
    await job.checkpoint('charged')
    return job.step('ship', () => run('ship', `${receipt}, shipped by attempt ${job.attempt}, ${job.checkpointed}`))
  }),
  /** A sleep, signals and children, with steps between. */
  async trip(_: undefined, job: JobContext) {
    await job.sleep(1_000)
    await job.step('pack', () => run('pack', 0))
    const first = await job.waitFor('go')
    await job.step('drive', () => run('drive', 0))
    const { run: runs } = children<typeof leaves>(job)
    const both = await Promise.all([runs.leaf(1), runs.leaf(2)])
    await job.step('rest', () => run('rest', 0))
    const second = await job.waitFor('go')
    return [first, both, second]
  },
  parents: (_: undefined, job: JobContext) => [job.parentId, Object.keys(job.parents), job.headers],
})
type Jobs = typeof jobs

const settle = async () => {
  for (let n = 0; n < 12; n++) await turn()
}

function start(disk = new Disk()) {
  const clock = manualClock()
  const open = () => {
    const scheduler = createScheduler<Jobs>(inline(jobs), { store: disk.store, workers: 1, clock })
    onTestFinished(() => scheduler.close({ mode: 'now' }))
    return scheduler
  }
  return { clock, disk, open, scheduler: open() }
}

describe('what was recorded before a step', () => {
  const steps = new Map<string, unknown>([
    ['a', 1],
    ['offstage:waiting 1', []],
    ['offstage:done nap', ['sleep']],
    ['offstage:woken 1', true],
    ['offstage:signal x', ['x', 'go', 1]],
    ['offstage:children', true],
    ['offstage:fell 1 c', []],
    ['offstage:again 1', true],
    ['offstage:heard x', 'x'],
    ['b', 2],
    ['offstage:signal y', ['y', 'go', 2]],
    ['offstage:signal z', ['z', 'go', 3]],
    ['offstage:done go', ['signal', 'y']],
  ])
  test('is in its order, without what is of one attempt', () => {
    expect([...(recordedBefore('b', steps)?.keys() ?? [])]).toEqual([
      'a',
      'offstage:done nap',
      'offstage:signal x',
      'offstage:heard x',
    ])
    expect(recordedBefore('a', steps)).toEqual(new Map())
    expect([...(recordedBefore('nap', steps)?.keys() ?? [])]).toEqual(['a'])
    expect(keysOf(steps)).toEqual(['a', 'nap', 'b', 'go'])
  })

  test('has the signals that had come, but for the one that the wait itself has received', () => {
    expect([...(recordedBefore('go', steps)?.keys() ?? [])].slice(-2)).toEqual(['b', 'offstage:signal z'])
  })

  test.each(['c', '', 'offstage:signal x', 'offstage:done nap'])('there is nothing under %j', (key) => {
    expect(recordedBefore(key, steps)).toBeUndefined()
    expect(recordedBefore(key, undefined)).toBeUndefined()
  })
})

test.each(['completed', 'failed', 'cancelled'] as const)(
  'a job that is %s runs again from a step, over a restart',
  async (state) => {
    const { scheduler, open } = start()
    if (state !== 'completed') failing.add('ship')
    const job = await scheduler.add.order('lamp', { id: 'o', attempts: state === 'cancelled' ? 2 : 1, backoff: [1e6] })
    await settle()
    if (state === 'cancelled') await job.cancel()
    await job.result().catch(() => {})
    expect(job.snapshot().state).toBe(state)
    await scheduler.close()
    failing.clear()
    const next = open()
    ran = []
    const again = await next.restart<'order'>('o', { from: 'charge' })
    expect(again).toMatchObject({ name: 'order', input: 'lamp', disposition: 'created' })
    expect(again.id).not.toBe('o')
    expect(await again.result()).toBe('lamp 0, shipped by attempt 1, undefined')
    expect(ran).toEqual(['charge', 'ship'])
    ran = []
    const anew = await next.restart<'order'>('o')
    expect(await anew.result()).toBe('lamp 0, shipped by attempt 1, undefined')
    expect(ran).toEqual(['number', 'charge', 'ship'])
    expect((await next.get('o'))?.snapshot().state).toBe(state)
    // A job that was restarted can be restarted itself.
    ran = []
    await next.restart<'order'>(again.id, { from: 'ship' }).then((third) => third.result())
    expect(ran).toEqual(['ship'])
  },
)

test('the new job has the options of the old one', async () => {
  const { scheduler, clock } = start()
  const options = {
    queue: 'q',
    group: 'g',
    priority: 3,
    tags: ['t'],
    headers: { tenant: 'a' },
    attempts: 4,
    backoff: { type: 'fixed', delayMs: 5 },
    timeoutMs: 1e5,
    retryForMs: 1e6,
    keepMs: 1e7,
    keepValues: 7,
    expiresInMs: 9_000,
  } as const
  const old = await scheduler.add.order('lamp', { ...options, id: 'old' })
  await old.result()
  clock.advance(500)
  await scheduler.pause()
  const again = await scheduler.restart('old')
  expect(again.snapshot()).toMatchObject({
    queue: 'q',
    group: 'g',
    priority: 3,
    tags: ['t'],
    headers: { tenant: 'a' },
    attempt: 0,
  })
  expect(await scheduler.whyWaiting(again.id)).toMatchObject([{ reason: 'paused' }])
})

test('and exactly those are stored', async () => {
  const { scheduler, disk, clock } = start()
  const old = await scheduler.add.order('lamp', {
    id: 'old',
    attempts: 4,
    retryForMs: 10,
    keepValues: 7,
    expiresInMs: 9_000,
    group: 'g',
    version: 2,
  })
  await old.result()
  clock.advance(500)
  scheduler.pause()
  const again = await scheduler.restart('old', { from: 'ship' })
  const [before, after] = ['old', again.id].map((id) => [...disk.records.values()].find((record) => record.id === id))
  expect(after).toEqual({
    ...before,
    id: again.id,
    seq: expect.any(Number),
    state: 'queued',
    attempt: 0,
    addedAt: clock.now(),
    dueAt: clock.now(),
    expiresAt: clock.now() + 9_000,
    startMs: undefined,
    finishMs: undefined,
    result: undefined,
    steps: new Map<string, unknown>([
      ['number', 0],
      ['charge', 'lamp 0'],
    ]),
  })
})

describe('waits, signals and children', () => {
  /** A trip that has ended. */
  async function trip() {
    const world = start()
    const job = await world.scheduler.add.trip(undefined, { id: 't' })
    await settle()
    world.clock.advance(1_000)
    await settle()
    await world.scheduler.signal('t', 'go', 'first')
    await settle()
    await world.scheduler.signal('t', 'go', 'second')
    expect(await job.result()).toEqual(['first', [10, 20], 'second'])
    expect(ran).toEqual(['pack', 'drive', 'leaf 1', 'leaf 2', 'rest'])
    ran = []
    return world
  }

  test('that were over by then are not waited for again', async () => {
    const { scheduler } = await trip()
    const again = await scheduler.restart<'trip'>('t', { from: 'rest' })
    await settle()
    expect(ran).toEqual(['rest'])
    expect(again.snapshot().state).toBe('blocked')
    await scheduler.signal(again.id, 'go', 'another')
    expect(await again.result()).toEqual(['first', [10, 20], 'another'])
  })

  test('that come after it are waited for anew, and children run as jobs of the new one', async () => {
    const { scheduler, clock } = await trip()
    const again = await scheduler.restart<'trip'>('t', { from: 'drive' })
    await settle()
    expect(ran).toEqual(['drive', 'leaf 1', 'leaf 2', 'rest'])
    expect((await scheduler.get(`${again.id}/leaf`))?.snapshot()).toMatchObject({
      parentId: again.id,
      state: 'completed',
    })
    await again.cancel()
    const whole = await scheduler.restart<'trip'>('t')
    await settle()
    expect(whole.snapshot().state).toBe('scheduled')
    clock.advance(1_000)
    await settle()
    expect(whole.snapshot().state).toBe('blocked')
  })

  test('a wait is a place to start from, too; signals that came after it are not there', async () => {
    const { scheduler } = await trip()
    const again = await scheduler.restart<'trip'>('t', { from: 'go' })
    await settle()
    expect(again.snapshot().state).toBe('blocked')
    await scheduler.signal(again.id, 'go', 1)
    await scheduler.signal(again.id, 'go', 2)
    expect(await again.result()).toEqual([1, [10, 20], 2])
    expect(ran).toEqual(['drive', 'leaf 1', 'leaf 2', 'rest'])
  })

  test('a job that failed between two attempts waits for its back-off, and for nothing that the old one waited for', async () => {
    const { scheduler, clock } = start()
    failing.add('drive')
    const job = await scheduler.add.trip(undefined, { id: 't', attempts: 2, backoff: [5_000] })
    await settle()
    clock.advance(1_000)
    await settle()
    await scheduler.signal('t', 'go', 'first')
    await settle()
    clock.advance(5_000)
    await expect(job.result()).rejects.toThrow('no drive')
    const again = await scheduler.restart<'trip'>('t', { from: 'go' })
    await scheduler.signal(again.id, 'go', 'now')
    await settle()
    expect(await scheduler.whyWaiting(again.id)).toMatchObject([{ reason: 'backing-off' }])
    failing.clear()
    clock.advance(5_000)
    await scheduler.signal(again.id, 'go', 'then')
    expect(await again.result()).toEqual(['now', [10, 20], 'then'])
  })

  test('a child that is restarted has no parent, and tells the old one nothing', async () => {
    const { scheduler } = await trip()
    const again = await scheduler.restart('t/leaf')
    expect(await again.result()).toBe(10)
    expect(again.snapshot().parentId).toBeUndefined()
    expect((await scheduler.get('t'))?.snapshot().state).toBe('completed')
  })

  test('a job of a flow is restarted outside of the flow', async () => {
    const { scheduler } = start()
    const flow = await flows(scheduler).add({
      first: { name: 'leaf', input: 1 },
      second: { name: 'parents', after: ['first'] },
    })
    expect(await flow.jobs.second.result()).toEqual([undefined, ['first'], {}])
    const again = await scheduler.restart<'parents'>(flow.jobs.second.id)
    expect(await again.result()).toEqual([undefined, [], {}])
  })
})

test('wherever the process ends, there is a whole new job or none, and the old one is as it was', async () => {
  for (let batches = 0; batches < 6; batches++) {
    const { disk, scheduler, clock } = start()
    await scheduler.add.order('lamp', { id: 'o' }).then((job) => job.result())
    await scheduler.close()
    let left = batches
    const dying = {
      ...disk.store,
      commit: (changes: never) => (left-- > 0 ? disk.store.commit(changes) : new Promise<void>(() => {})),
    }
    const second = createScheduler<Jobs>(inline(jobs), { store: dying, workers: 1, clock })
    const restarting = second.restart('o', { from: 'ship' })
    const isTold = await Promise.race([restarting.then(() => true), settle().then(() => false)])
    const there = [...disk.records.values()]
    expect(there.map(({ name }) => name)).toEqual(batches === 0 ? ['order'] : ['order', 'order'])
    expect(isTold).toBe(batches > 0)
    expect(there[0]).toMatchObject({ id: 'o', state: 'completed' })
    if (there[1]?.state === 'running')
      expect([...(there[1].steps?.keys() ?? [])].slice(0, 2)).toEqual(['number', 'charge'])
  }
})

test('asked once more, it is the same job, whatever has become of the old one', async () => {
  const { engine, scheduler } = serve()
  await scheduler.add.double(4, { id: 'old' }).then((job) => job.result())
  const first = await engine.restart('old', undefined, 'new')
  await scheduler.remove('old')
  expect(await engine.restart('old', undefined, 'new')).toBe(first)
})

test('a store that takes nothing refuses the call, and nothing is left of it', async () => {
  const { scheduler, disk } = start()
  await scheduler.add.order('lamp', { id: 'o' }).then((job) => job.result())
  disk.isFull = true
  await expect(scheduler.restart('o')).rejects.toMatchObject({ code: 'STORE_WRITE_FAILED' })
  disk.isFull = false
  expect(await scheduler.find()).toHaveLength(1)
})

describe('in tabs', () => {
  function startIn(tab: FakeTab): Scheduler<Jobs> {
    const scheduler = createScheduler<Jobs>(inline(jobs), { workers: 1, store: tab.store } as never)
    onTestFinished(() => (tab.isDead ? undefined : scheduler.close({ mode: 'now' })))
    return scheduler
  }

  test.each(['the leader', 'a follower'] as const)('%s restarts a job once, whoever leads by then', async (who) => {
    const origin = new FakeOrigin()
    const tabs = [origin.openTab(), origin.openTab()] as const
    const [leader, follower] = [startIn(tabs[0]), startIn(tabs[1])]
    await leader.counts()
    await leader.add.order('lamp', { id: 'o' }).then((job) => job.result())
    await follower.counts()
    ran = []
    const leads = heard(follower, 'leader')
    const restarting = (who === 'the leader' ? leader : follower).restart<'order'>('o', { from: 'ship' })
    if (who === 'the leader') tabs[0].sleep()
    else tabs[0].leave()
    await leads
    if (who === 'the leader') tabs[0].wake()
    const again = await restarting
    expect(await again.result()).toBe('lamp 0, shipped by attempt 1, undefined')
    expect(await follower.find({ name: 'order' })).toHaveLength(2)
    expect(ran).toEqual(['ship'])
    expect(origin.disk.problems).toEqual([])
  })
})

// Tabs that come, crash, close, sleep and steal at any moment: every promise settles once, nothing that was acknowledged
// is lost, nothing is completed twice, and nothing is left behind.
import fc from 'fast-check'
import { createScheduler, inline, type Job, OffstageError, type Scheduler } from 'offstage'
import { defineJobs } from 'offstage/worker'
import { expect, test } from 'vitest'
import { FakeOrigin, type FakeTab, type Speech } from '../support/tabs.ts'

const runs = Number(process.env.OFFSTAGE_TABS_RUNS ?? 300)
const tabsMax = 4
const turn = () => new Promise<void>((resolve) => setImmediate(resolve))

const jobs = defineJobs({
  async work(turns: number) {
    for (let n = 0; n < turns; n++) await turn()
    return turns
  },
})
type Jobs = typeof jobs

const keepAll = { count: Number.POSITIVE_INFINITY, ageMs: Number.POSITIVE_INFINITY }

/** A promise that somebody waits for. */
interface Awaited {
  readonly what: string
  readonly page: Page
  readonly isJob: boolean
  readonly settlements: unknown[]
}

class Page {
  readonly tab: FakeTab
  readonly scheduler: Scheduler<Jobs>
  /** Whether its promises still count: it has not crashed, nor was it closed. */
  isLive = true
  readonly completed: string[] = []

  constructor(tab: FakeTab) {
    this.tab = tab
    const keep = { completed: keepAll, failed: keepAll, cancelled: keepAll }
    this.scheduler = createScheduler<Jobs>(inline(jobs), { workers: 1, store: tab.store, keep })
    this.scheduler.on('completed', ({ jobId }) => this.completed.push(jobId))
    // That there is a tab of another version.
    this.scheduler.on('store:error', () => {})
  }
}

class World {
  readonly origin = new FakeOrigin((callback) => void setImmediate(callback))
  readonly pages: Page[] = []
  readonly awaited: Awaited[] = []
  readonly acknowledged = new Map<string, Job>()
  readonly wasCancelled = new Set<string>()
  readonly called = new Map<string, number>()
  #lastId = 0

  get live(): Page[] {
    return this.pages.filter(({ isLive }) => isLive)
  }

  pick(at: number): Page | undefined {
    return this.live[at % Math.max(this.live.length, 1)]
  }

  open(speech?: Speech): void {
    if (this.live.length < tabsMax) this.pages.push(new Page(this.origin.openTab(speech)))
  }

  /** Tabs of other versions go; until then others may wait for them. */
  reloadOthers(): void {
    for (const page of this.live) {
      if (page.tab.speaks === 'this version') continue
      page.isLive = false
      page.tab.crash()
    }
  }

  expect(what: string, page: Page, isJob: boolean, promise: Promise<unknown>): void {
    const settlements: unknown[] = []
    this.awaited.push({ what, page, isJob, settlements })
    promise.then(
      (value) => settlements.push(value),
      (error) => settlements.push(error),
    )
  }

  add(page: Page, turns: number, hasId: boolean, isRun: boolean): void {
    const id = hasId ? `job${++this.#lastId}` : undefined
    const key = id ?? `anonymous${++this.#lastId}`
    const onCompleted = () => void this.called.set(key, (this.called.get(key) ?? 0) + 1)
    // Asked again of the next leader, it must not be taken for a second job of that id.
    const options = { ...(id && { id, ifExists: 'reject' as const }), onCompleted }
    if (isRun) return this.expect(`run ${key}`, page, true, page.scheduler.run.work(turns, options))
    const adding = page.scheduler.add.work(turns, options).then((job) => {
      this.acknowledged.set(job.id, job)
      this.expect(`result of ${job.id}`, page, true, job.result())
      return job.id
    })
    this.expect(`add ${key}`, page, false, adding)
  }

  async end(): Promise<void> {
    this.reloadOthers()
    for (const { tab } of this.live) tab.wake()
    if (this.live.length === 0) this.open()
    const idle = Promise.all(this.live.map(({ scheduler }) => scheduler.onIdle()))
    await inTime(idle, 'onIdle')
    const isPending = () => this.awaited.some(({ page, settlements }) => page.isLive && settlements.length === 0)
    for (let n = 0; n < 500 && isPending(); n++) await turn()
    for (let n = 0; n < 5; n++) await turn()
  }
}

const inTime = (promise: Promise<unknown>, what: string) =>
  Promise.race([
    promise,
    new Promise((_, reject) => {
      setTimeout(() => reject(new Error(`${what} hangs`)), 5_000).unref()
    }),
  ])

interface Command {
  readonly name: string
  readonly run: (world: World) => void | Promise<void>
}

const nat = fc.nat({ max: 20 })
const on = (name: string, act: (world: World, page: Page) => void) =>
  nat.map((at) => ({
    name: `${name} ${at}`,
    run: (world: World) => {
      const page = world.pick(at)
      if (page) act(world, page)
    },
  }))

const command: fc.Arbitrary<Command> = fc.oneof(
  { weight: 3, arbitrary: fc.constant({ name: 'open', run: (world: World) => world.open() }) },
  fc
    .constantFrom<Speech>('the first version', 'the next version')
    .map((speech) => ({ name: `open ${speech}`, run: (world: World) => world.open(speech) })),
  {
    weight: 8,
    arbitrary: fc.tuple(nat, fc.nat({ max: 8 }), fc.boolean(), fc.boolean()).map(([at, turns, hasId, isRun]) => ({
      name: `${isRun ? 'run' : 'add'} ${at} ${turns} ${hasId}`,
      run: (world: World) => {
        const page = world.pick(at)
        if (page) world.add(page, turns, hasId, isRun)
      },
    })),
  },
  {
    weight: 8,
    arbitrary: fc.integer({ min: 1, max: 12 }).map((turns) => ({
      name: `turn ${turns}`,
      run: async () => {
        for (let n = 0; n < turns; n++) await turn()
      },
    })),
  },
  on('crash', (_world, page) => {
    page.isLive = false
    page.tab.crash()
  }),
  on('reload', (world, page) => {
    page.isLive = false
    page.tab.leave()
    world.open()
  }),
  on('close', (_world, page) => {
    page.isLive = false
    void page.scheduler.close({ mode: 'now' })
  }),
  on('leave', (_world, page) => {
    page.isLive = false
    void page.scheduler.close()
  }),
  { weight: 2, arbitrary: on('sleep', (_world, page) => page.tab.sleep()) },
  { weight: 2, arbitrary: on('wake', (_world, page) => page.tab.wake()) },
  fc.constant({ name: 'steal', run: (world: World) => world.origin.steal('offstage:test') }),
  fc.constant({ name: 'deafen', run: (world: World) => void world.pick(0)?.scheduler.snapshot() }),
  on('find', (world, page) => world.expect('find', page, false, page.scheduler.find())),
  on('cancel', (world, page) => {
    const ids = [...world.acknowledged.keys()]
    const id = ids[ids.length - 1]
    if (id === undefined) return
    world.wasCancelled.add(id)
    world.expect(`cancel ${id}`, page, false, page.scheduler.cancel(id))
  }),
)

test('whatever happens to the tabs', { timeout: 10 * 60_000 }, async () => {
  const courses = fc.asyncProperty(fc.array(command, { maxLength: 40 }), async (commands) => {
    const world = new World()
    world.open()
    for (const { run } of commands) await run(world)
    await world.end()
    expect(world.origin.disk.problems).toEqual([])
    for (const { what, page, isJob, settlements } of world.awaited) {
      if (page.isLive) expect(settlements.length, `${what} settles`).toBe(1)
      const [outcome] = settlements
      if (!(outcome instanceof Error)) continue
      const { code } = outcome as OffstageError
      expect(outcome, what).toBeInstanceOf(OffstageError)
      if (page.isLive) expect(isJob ? code : undefined, `${what}: ${outcome.message}`).toBe('JOB_CANCELLED')
    }
    for (const id of world.acknowledged.keys()) {
      const state = world.origin.disk.records.get(id)?.state
      if (world.wasCancelled.has(id)) expect(['completed', 'cancelled'], id).toContain(state)
      else expect(state, id).toBe('completed')
    }
    for (const [key, times] of world.called) expect(times, `onCompleted of ${key}`).toBe(1)
    for (const { completed } of world.pages) expect(new Set(completed).size).toBe(completed.length)
    await inTime(Promise.all(world.live.map(({ scheduler }) => scheduler.close())), 'close')
    for (let n = 0; n < 50 && world.origin.inUse > 0; n++) await turn()
    expect(world.origin.inUse).toBe(0)
    for (const { tab, isLive } of world.pages) if (isLive) expect(tab.listeners).toBe(0)
  })
  await fc.assert(courses, { numRuns: runs, endOnFailure: Boolean(process.env.OFFSTAGE_TABS_FAST) })
})

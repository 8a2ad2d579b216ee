// The two hardest guests of the seam, as prototypes: flows, whose jobs wait for each other, and schedules, whose ticks add jobs.
// Each is cut after every append to its journal: rows and jobs agree, and it goes on from there to the same end.
import { createScheduler, inline } from 'offstage'
import { type Extension, type ExtensionHost, extend, type JobRecord, type Move, type Turn } from 'offstage/extension'
import { type ManualClock, manualClock } from 'offstage/testing'
import { defineJobs } from 'offstage/worker'
import { describe, expect, onTestFinished, test } from 'vitest'
import { seededRandom } from '../../src/shared/seeded-random.ts'
import { Journal } from '../../src/store/journal.ts'
import type { Stored } from '../../src/store/store.ts'
import { MemoryMedium } from '../support/memory-medium.ts'
import { turn as turnOfLoop } from '../support/testing.ts'

const jobs = defineJobs({
  add: (numbers: readonly number[]) => numbers.reduce((sum, n) => sum + n, 0),
  fail: () => {
    throw new RangeError('no')
  },
})

const ended = ({ state }: JobRecord) => state === 'completed' || state === 'failed' || state === 'cancelled'
const ends: Move[] = ['complete', 'fail', 'expire', 'cancel', 'interrupt', 'crash', 'removed', 'replaced', 'retention']

// Flows.

interface Node {
  readonly name: 'add' | 'fail'
  readonly input?: unknown
  readonly after?: readonly string[]
  readonly onFailure?: 'fail' | 'cancel' | 'continue'
}

/** Of a job of a flow that has not ended. */
interface NodeRow {
  readonly waits: readonly string[]
  readonly children: readonly string[]
  readonly onFailure: Node['onFailure']
}

const flows: Extension<{ add(flow: string, nodes: Readonly<Record<string, Node>>): Promise<number> }> = {
  name: 'flows',
  scope: 'marked',
  moves: new Set(ends),
  moved(turn, before, after) {
    if (after && !ended(after)) return
    const { id } = before as JobRecord
    const row = turn.rows.get(id) as NodeRow | undefined
    turn.put(id, undefined)
    for (const child of row?.children ?? []) release(turn, child, id, after?.state === 'completed')
  },
  open(host) {
    // Jobs that ran when their process ended may have been failed for good.
    void host.turn((turn) => {
      for (const id of [...turn.rows.keys()]) {
        const record = turn.job(id)
        if (!record || ended(record)) this.moved?.(turn, record ?? ({ id } as JobRecord), record, 'crash')
      }
    })
    return {
      add: (flow, nodes) =>
        host.turn(
          (turn) => {
            const idOf = (key: string) => `${flow}/${key}`
            for (const [key, { name, input, after = [], onFailure }] of Object.entries(nodes)) {
              const children = Object.keys(nodes).filter((other) => nodes[other]?.after?.includes(key))
              turn.put(idOf(key), { waits: after.map(idOf), children: children.map(idOf), onFailure })
              turn.insert({ name, input, options: { id: idOf(key) }, isBlocked: after.length > 0, isMarked: true })
            }
            return Object.keys(nodes).length
          },
          { isRefusable: true },
        ),
    }
  },
}

function release(turn: Turn, child: string, parent: string, isWell: boolean): void {
  const row = turn.rows.get(child) as NodeRow | undefined
  if (!row) return
  const waits = row.waits.filter((id) => id !== parent)
  if (isWell || row.onFailure === 'continue') {
    turn.put(child, { ...row, waits })
    if (waits.length === 0) turn.move(child, { type: 'unblock' })
  } else if (row.onFailure === 'fail') turn.move(child, { type: 'fail', error: new Error(`${parent} has failed`) })
  else turn.move(child, { type: 'cancel', reason: `${parent} has failed` })
}

function expectFlowsInStep({ records, rows }: Stored): void {
  const jobs = new Map(records.map((record) => [record.id, record]))
  for (const { key, value } of rows) {
    const { waits } = value as NodeRow
    const record = jobs.get(key) as JobRecord
    expect(record, key).toBeDefined()
    expect([key, ended(record)]).toEqual([key, false])
    expect([key, record.state === 'blocked']).toEqual([key, waits.length > 0])
    for (const parent of waits) expect(rows.map((row) => row.key)).toContain(parent)
  }
  for (const { id, state } of records) if (state === 'blocked') expect(rows.map(({ key }) => key)).toContain(id)
}

// Schedules.

interface ScheduleRow {
  readonly everyMs: number
  readonly nextAt: number
  readonly ticks: number
  readonly skipped: number
  readonly last?: string
}

const schedules: Extension<{ set(id: string, everyMs: number): Promise<void> }> = {
  name: 'schedules',
  moves: new Set(),
  events: ['schedule:skipped'],
  open(host) {
    for (const id of host.rows.keys()) arm(host, id)
    return {
      async set(id, everyMs) {
        const nextAt = host.clock.now() + everyMs
        await host.turn((turn) => turn.put(id, { everyMs, nextAt, ticks: 0, skipped: 0 }))
        arm(host, id)
      },
    }
  },
}

function arm(host: ExtensionHost, id: string): void {
  const { nextAt } = host.rows.get(id) as ScheduleRow
  host.at(nextAt, () => {
    host
      .turn((turn) => tick(turn, id))
      .then(
        () => arm(host, id),
        () => {},
      )
  })
}

/** The next time and the job that is due come in one commit, or neither. */
function tick(turn: Turn, id: string): void {
  const row = turn.rows.get(id) as ScheduleRow
  const { everyMs, nextAt, ticks, skipped, last } = row
  const before = last === undefined ? undefined : turn.job(last)
  const next = { ...row, nextAt: nextAt + everyMs, ticks: ticks + 1 }
  if (before && !ended(before)) {
    turn.put(id, { ...next, skipped: skipped + 1 })
    return turn.tell({ type: 'schedule:skipped', id, nextAt })
  }
  const { job } = turn.insert({ name: 'add', input: [ticks], options: { id: `${id} at ${nextAt}` } })
  turn.put(id, { ...next, last: job.id })
}

function expectSchedulesInStep({ records, rows }: Stored): void {
  for (const { key, value } of rows) {
    const { ticks, skipped } = value as ScheduleRow
    expect(records.filter(({ id }) => id.startsWith(`${key} at `)).length).toBe(ticks - skipped)
  }
}

// Both.

const host = () => ({ clock: manualClock(), random: seededRandom(1), errors: [], report() {}, stopped() {} })
const journalOf = (frames: readonly Uint8Array[]) => {
  const generations = [frames.map((frame) => frame.slice())]
  // So small that a batch has several frames, and is cut in its middle as well.
  return { generations, journal: new Journal(new MemoryMedium(generations), { valueBytesMax: 1e6, frameBytes: 60, compactBytesMin: 1e9 }) } // biome-ignore format: one line.
}

async function stored(frames: readonly Uint8Array[]): Promise<Stored> {
  const { journal } = journalOf(frames)
  const found = await journal.open(host())
  await journal.close()
  return found
}

function start(frames: readonly Uint8Array[], options = {}) {
  const { generations, journal } = journalOf(frames)
  const keep = { count: 1_000, ageMs: Number.POSITIVE_INFINITY }
  const keeps = { completed: keep, failed: keep, cancelled: keep }
  const scheduler = createScheduler<typeof jobs>(inline(jobs), { store: journal, workers: 1, keep: keeps, ...options })
  onTestFinished(() => scheduler.close({ mode: 'now' }))
  return { scheduler, framesNow: () => [...(generations.at(-1) as Uint8Array[])] }
}

/** In ten steps, and all that comes of each. */
async function passTime(clock: ManualClock, stepMs: number): Promise<void> {
  for (let step = 0; step < 10; step++) {
    clock.advance(stepMs)
    for (let turns = 0; turns < 5; turns++) await turnOfLoop()
  }
}

describe('a flow of blocked jobs', () => {
  const nodes: Record<string, Node> = {
    a: { name: 'add', input: [1] },
    b: { name: 'add', input: [2] },
    both: { name: 'add', input: [3], after: ['a', 'b'] },
    bad: { name: 'fail', after: ['a'] },
    failed: { name: 'add', input: [4], after: ['bad'], onFailure: 'fail' },
    cancelled: { name: 'add', input: [5], after: ['failed'], onFailure: 'cancel' },
    anyway: { name: 'add', input: [6], after: ['bad', 'both'], onFailure: 'continue' },
    last: { name: 'add', input: [7], after: ['anyway', 'both'] },
  }
  const outcome = { a: 'completed', anyway: 'completed', b: 'completed', bad: 'failed', both: 'completed', cancelled: 'cancelled', failed: 'failed', last: 'completed' } // biome-ignore format: one line.
  const statesOf = async (scheduler: ReturnType<typeof start>['scheduler']) =>
    Object.fromEntries((await scheduler.find()).map((job) => [job.id.slice(2), job.snapshot().state]).sort())

  test('ends as it says, and is the same wherever it was cut', async () => {
    const first = start([])
    expect(await extend(first.scheduler, flows).add('f', nodes)).toBe(8)
    await first.scheduler.onIdle()
    expect(await statesOf(first.scheduler)).toEqual(outcome)
    const frames = first.framesNow()
    expect(frames.length).toBeGreaterThan(20)
    await first.scheduler.close()
    for (let cut = 1; cut <= frames.length; cut++) {
      const kept = frames.slice(0, cut)
      const found = await stored(kept)
      expectFlowsInStep(found)
      const clock = manualClock()
      const { scheduler } = start(kept, { clock })
      extend(scheduler, flows)
      await scheduler.counts()
      const idle = scheduler.onIdle()
      // One that was running when it was cut is on trial first, after a while.
      await passTime(clock, found.records.some(({ state }) => state === 'running') ? 6_000 : 0)
      await idle
      expect(await statesOf(scheduler), `cut after ${cut}`).toEqual(found.records.length > 0 ? outcome : {})
      await scheduler.close()
    }
  })

  test('a step outside of the turn is out of step at some cut', async () => {
    const late: typeof flows = {
      ...flows,
      moved(turn, before, after, move) {
        if (after && !ended(after)) return
        // As it would be without the seam.
        void Promise.resolve().then(() => hosts.get(late)?.turn((own) => flows.moved?.(own, before, after, move)))
        void turn
      },
      open(given) {
        hosts.set(late, given)
        return flows.open.call(late, given)
      },
    }
    const hosts = new Map<unknown, ExtensionHost>()
    const { scheduler, framesNow } = start([])
    await extend(scheduler, late).add('f', nodes)
    await scheduler.onIdle()
    for (let turns = 0; turns < 50; turns++) await turnOfLoop()
    const frames = framesNow()
    let outOfStep = 0
    for (let cut = 1; cut <= frames.length; cut++) {
      const found = await stored(frames.slice(0, cut))
      try {
        expectFlowsInStep(found)
      } catch {
        outOfStep++
      }
    }
    expect(outOfStep).toBeGreaterThan(0)
  })
})

describe('a schedule', () => {
  test('adds the job of a tick in one commit with the next time, and skips while the last one waits', async () => {
    const clock = manualClock()
    const first = start([], { clock })
    const skipped: unknown[] = []
    first.scheduler.on('schedule:skipped' as never, (event) => skipped.push(event))
    await extend(first.scheduler, schedules).set('nightly', 1_000)
    for (let ticks = 0; ticks < 5; ticks++) {
      if (ticks === 2) first.scheduler.pause()
      if (ticks === 4) first.scheduler.resume()
      if (ticks === 4) await first.scheduler.onIdle()
      clock.advance(1_000)
      for (let turns = 0; turns < 10; turns++) await turnOfLoop()
    }
    expect(skipped).toHaveLength(1)
    expect((await first.scheduler.find()).map(({ input }) => input)).toEqual([[0], [1], [2], [4]])
    const frames = first.framesNow()
    await first.scheduler.close()
    for (let cut = 1; cut <= frames.length; cut++) {
      const kept = frames.slice(0, cut)
      const found = await stored(kept)
      expectSchedulesInStep(found)
      const later = manualClock(clock.now() + 500)
      const { scheduler, framesNow } = start(kept, { clock: later })
      extend(scheduler, schedules)
      await scheduler.counts()
      await passTime(later, 1_000)
      const now = await stored(framesNow())
      // What was missed is caught up with, and never twice.
      for (const { value } of now.rows) expect((value as ScheduleRow).nextAt).toBeGreaterThan(clock.now())
      expectSchedulesInStep(now)
      await scheduler.close({ mode: 'now' })
    }
  })
})

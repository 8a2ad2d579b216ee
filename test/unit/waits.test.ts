// Waits over restarts and crashes: a process ends behind each of its batches, and whoever waits goes on in the next. A signal that
// was acknowledged is received exactly once.
import { createScheduler, inline, type Scheduler, type SchedulerOptions } from 'offstage'
import { extend } from 'offstage/extension'
import { type ManualClock, manualClock } from 'offstage/testing'
import { children, defineJobs, type JobContext } from 'offstage/worker'
import { beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest'
import { type ExtensionPoint, extensionPoint } from '../../src/extension-point.ts'
import { createRecord, resolveDefaults } from '../../src/job/job-options.ts'
import type { JobRecord } from '../../src/job/record.ts'
import { transition } from '../../src/job/transition.ts'
import { type ChildEnd, signalsAwaited, unread, type Wait, waitsOf } from '../../src/job/waits.ts'
import { thrownToWire } from '../../src/shared/error-wire.ts'
import { Disk } from '../support/full-store.ts'
import { heard, turn } from '../support/testing.ts'

const day = 24 * 60 * 60 * 1_000
/** How often each step has run. */
const ran = new Map<string, number>()
beforeEach(() => ran.clear())

const count = (key: string) => ran.set(key, (ran.get(key) ?? 0) + 1)

const leaves = defineJobs({
  leaf(n: number) {
    count(`leaf ${n}`)
    return n * 2
  },
})

const jobs = defineJobs({
  ...leaves,
  async tree(depth: number, job: JobContext): Promise<number> {
    const { run } = children<typeof leaves & { tree: (depth: number) => number }>(job)
    const both = await Promise.all([run.leaf(depth), depth > 0 ? run.tree(depth - 1) : 0])
    return both[0] + both[1]
  },
  async order(_: undefined, job: JobContext) {
    await job.step('reserve', () => void count('reserve'))
    await job.sleep(day)
    const answer = await job.waitFor('approved')
    const late = await job.waitFor('paid', { timeoutMs: day })
    await job.step('ship', () => void count('ship'))
    return [answer, late]
  },
  async collect(times: number, job: JobContext) {
    const values: unknown[] = []
    while (values.length < times) values.push(await job.waitFor('value'))
    return values
  },
})
type Jobs = typeof jobs

/** Processes one after the other, on one disk. Each ends behind so many batches, as the power would end it. */
function machine(options: SchedulerOptions<never> = {}) {
  const disk = new Disk()
  let clock = manualClock()
  let left = Number.POSITIVE_INFINITY
  let scheduler: Scheduler<Jobs>
  let kill = () => {}
  const boot = () => {
    kill()
    const { store } = disk
    let isDead = false
    kill = () => {
      isDead = true
    }
    const commit = (changes: never) => {
      if (isDead || left-- <= 0) {
        isDead = true
        return new Promise<void>(() => {})
      }
      return store.commit(changes)
    }
    scheduler = createScheduler<Jobs>(inline(jobs), {
      store: { ...store, commit },
      workers: 1,
      clock,
      ...options,
    } as never)
    const opened = scheduler
    onTestFinished(() => (isDead ? undefined : opened.close({ mode: 'now' })))
  }
  boot()
  return {
    disk,
    get clock(): ManualClock {
      return clock
    },
    get scheduler() {
      return scheduler
    },
    get isDead() {
      return left <= 0
    },
    /** It dies behind so many more batches. */
    dieAfter(batches: number) {
      left = batches
    },
    restart(laterMs = 0) {
      left = Number.POSITIVE_INFINITY
      clock = manualClock(clock.now() + laterMs)
      boot()
    },
  }
}

const settle = async () => {
  for (let n = 0; n < 12; n++) await turn()
}

test('an order goes on after days and restarts, in which each step has run once', async () => {
  const box = machine()
  await box.scheduler.add.order(undefined, { id: 'o' })
  await settle()
  expect((await box.scheduler.get('o'))?.snapshot()).toMatchObject({ state: 'scheduled' })
  box.restart()
  await settle()
  box.clock.advance(day)
  await settle()
  expect(await box.scheduler.whyWaiting('o')).toMatchObject([{ reason: 'blocked' }])
  box.restart()
  expect(await box.scheduler.signal('o', 'approved', 'Ann')).toBe(true)
  await settle()
  box.restart()
  await settle()
  expect((await box.scheduler.get('o'))?.snapshot()).toMatchObject({ state: 'scheduled', error: undefined })
  box.clock.advance(day)
  expect(await (await box.scheduler.get('o'))?.result()).toEqual(['Ann', undefined])
  expect(Object.fromEntries(ran)).toEqual({ reserve: 1, ship: 1 })
})

test('a time that passes while no process runs is over at the next start', async () => {
  const box = machine()
  await box.scheduler.add.order(undefined, { id: 'o' })
  await settle()
  box.restart(9 * day)
  box.clock.advance(1)
  await settle()
  expect(await box.scheduler.whyWaiting('o')).toMatchObject([{ reason: 'blocked' }])
})

test('wherever the process ends, each signal that was acknowledged is received once, in order', async () => {
  for (let batches = 1; batches < 14; batches++) {
    ran.clear()
    const box = machine()
    await box.scheduler.add.collect(4, { id: 'c' })
    const acknowledged: number[] = []
    const send = async (from: number) => {
      for (let n = from; n <= 4; n++) {
        const sending = box.scheduler.signal('c', 'value', n).then(() => acknowledged.push(n))
        await Promise.race([sending, settle()])
        if (box.isDead) break
      }
    }
    box.dieAfter(batches)
    await send(1)
    await settle()
    if (box.isDead) box.restart()
    const job = await box.scheduler.get('c')
    const [record] = box.disk.records.values()
    const known =
      record?.state === 'completed'
        ? (record.result as number[])
        : [...(record?.steps ?? [])].flatMap(([key, value]) =>
            key.startsWith('offstage:signal ') ? (value as number[])[2] : [],
          )
    expect(known.slice(0, acknowledged.length), `after ${batches} batches`).toEqual(acknowledged)
    await send(known.length + 1)
    // What ran when the process ended runs on trial.
    for (let n = 0; n < 8; n++) {
      box.clock.advance(1_000)
      await settle()
    }
    expect(await job?.result(), `after ${batches} batches`).toEqual([1, 2, 3, 4])
  }
})

test('wherever the process ends, a tree of jobs ends, with one record of each', async () => {
  for (let batches = 1; batches < 30; batches += 1) {
    const box = machine()
    box.dieAfter(batches)
    const adding = box.scheduler.add.tree(2, { id: 't' }).catch(() => {})
    await settle()
    if (box.isDead) box.restart()
    for (let n = 0; n < 12; n++) {
      box.clock.advance(1_000)
      await settle()
    }
    await adding
    const found = await box.scheduler.find()
    expect(found.map((job) => [job.id, job.snapshot().state]).sort(), `after ${batches} batches`).toEqual(
      ['t', 't/leaf', 't/tree', 't/tree/leaf', 't/tree/tree', 't/tree/tree/leaf'].map((id) => [id, 'completed']),
    )
    expect(await (await box.scheduler.get('t'))?.result()).toBe(6)
    if (!box.isDead && batches > 20) break
  }
}, 60_000)

test('a signal is kept although its batch was refused', async () => {
  const box = machine()
  const job = await box.scheduler.add.collect(1, { id: 'c' })
  await settle()
  box.disk.isFull = true
  const refused = box.scheduler.signal('c', 'value', 1).catch(({ code }) => code)
  expect(await refused).toBe('STORE_WRITE_FAILED')
  box.disk.isFull = false
  box.clock.advance(1_000)
  expect(await job.result()).toEqual([1])
})

test('a signal is sent again if it falls with what an extension did in the same batch', async () => {
  const box = machine()
  const follow = extend(box.scheduler, {
    name: 'follow',
    moves: new Set(['signal'] as const),
    open: (host) => ({
      add: () =>
        host.turn((turn) => void turn.insert({ name: 'collect', input: 0, options: { id: 'new' } }), {
          isRefusable: true,
        }),
    }),
    moved: (turn, _before, after) => turn.put('last', after?.id),
  })
  const job = await box.scheduler.add.collect(1, { id: 'c' })
  await settle()
  box.disk.isFull = true
  const adding = follow.add().catch(({ code }) => code)
  const sending = box.scheduler.signal('c', 'value', 'kept').catch(({ code }) => code)
  expect(await adding).toBe('STORE_WRITE_FAILED')
  box.disk.isFull = false
  box.clock.advance(1_000)
  expect(await job.result()).toEqual(['kept'])
  await sending
})

test('a job that has recorded too much is sent no more signals', async () => {
  const box = machine()
  const record = {
    ...createRecord({ id: 'c', name: 'collect', input: 1, seq: 1, lineTime: 0 }, {}, resolveDefaults({}), 0),
  }
  const steps = new Map(Array.from({ length: 49_999 }, (_, n) => [`step ${n}`, n]))
  box.disk.records.set(1, { ...record, steps, state: 'scheduled', runAt: 1e15 })
  box.restart()
  expect(await box.scheduler.signal('c', 'value', 1)).toBe(true)
  await expect(box.scheduler.signal('c', 'value', 2)).rejects.toMatchObject({ code: 'QUEUE_FULL', jobId: 'c' })
})

test('the same signal, sent again by a call that had no answer, is kept once', async () => {
  const box = machine()
  const { engine } = (box.scheduler as unknown as Record<symbol, ExtensionPoint>)[extensionPoint] as ExtensionPoint
  const job = await box.scheduler.add.collect(2, { id: 'c' })
  expect([
    await engine.act('signal', 'c', ['x', 'value', 1]),
    await engine.act('signal', 'c', ['x', 'value', 1]),
  ]).toEqual([1, 1])
  await box.scheduler.signal('c', 'value', 2)
  expect(await job.result()).toEqual([1, 2])
})

test('a signal that the attempt has not seen when it ends wakes the job', async () => {
  const box = machine()
  const job = await box.scheduler.add.collect(2, { id: 'c' })
  const started = heard(box.scheduler, 'started')
  await started
  // While the attempt is on its way to its thread, and while it reports that it waits.
  const sent = [box.scheduler.signal('c', 'value', 1), box.scheduler.signal('c', 'value', 2)]
  expect(await job.result()).toEqual([1, 2])
  await Promise.all(sent)
})

describe('what becomes of a record', () => {
  const now = 1_000
  const base = createRecord(
    { id: 'a', name: 'job', input: 1, seq: 1, lineTime: now },
    { attempts: 2 },
    resolveDefaults({}),
    now,
  )
  const running = transition(base, { type: 'start' }, now)
  const waits = (...list: Wait[]): JobRecord => transition(running, { type: 'wait', waits: list }, now)
  const signal = (record: JobRecord, name: string, number = 1) =>
    transition(record, { type: 'signal', signal: [`id ${number}`, name, number] }, now)
  const done = (record: JobRecord) => [...(record.steps?.keys() ?? [])].filter((key) => key.startsWith('offstage:done'))

  test('it is blocked, or scheduled for the first of its times; no attempt is used', () => {
    const blocked = waits(['signal', 'go', 'go', undefined])
    expect(blocked).toMatchObject({ state: 'blocked', runAt: undefined, attempt: 1, failures: 0 })
    expect(signalsAwaited(blocked)).toEqual(['go'])
    const scheduled = waits(['sleep', 'sleep', '', now + 50], ['signal', 'go', 'go', now + 20])
    expect(scheduled).toMatchObject({ state: 'scheduled', runAt: now + 20 })
    expect(waits(['sleep', 'sleep', '', now])).toMatchObject({ state: 'queued', runAt: undefined })
  })

  test('a signal of that name wakes it, and no other', () => {
    const blocked = waits(['signal', 'go', 'go', now + 50])
    expect(signal(blocked, 'other')).toMatchObject({ state: 'scheduled', runAt: now + 50 })
    const woken = signal(blocked, 'go')
    expect(woken).toMatchObject({ state: 'queued', runAt: undefined })
    expect(done(woken)).toEqual([])
  })

  test('a signal that came before the attempt had ended wakes it at once, unless it was received', () => {
    const there = signal(signal(running, 'other', 1), 'go', 2)
    const wait = (record: JobRecord) =>
      transition(record, { type: 'wait', waits: [['signal', 'go 2', 'go', undefined]] }, now)
    expect(wait(there).state).toBe('queued')
    expect(unread(there.steps)).toEqual([
      ['id 1', 'other', 1],
      ['id 2', 'go', 2],
    ])
    const waited = transition(there, { type: 'step', key: 'offstage:done go', value: ['signal', 'id 2'] }, now)
    const listened = transition(there, { type: 'step', key: 'offstage:heard id 2', value: 'id 2' }, now)
    for (const received of [waited, listened]) {
      expect(wait(received).state).toBe('blocked')
      expect(unread(received.steps)).toEqual([['id 1', 'other', 1]])
    }
  })

  test('when it is due, each time up to then is over', () => {
    const sleeping = waits(
      ['sleep', 'a', '', now + 10],
      ['signal', 'b', 'b', now + 20],
      ['sleep', 'c', '', now + 30],
      ['signal', 'd', 'd', undefined],
    )
    const due = (at: number) => done(transition(sleeping, { type: 'due' }, at))
    expect(due(now + 10)).toEqual(['offstage:done a'])
    expect(due(now + 25)).toEqual(['offstage:done a', 'offstage:done b'])
    // Promoted, or by the monotonic clock.
    expect(due(now)).toEqual(['offstage:done a'])
  })

  test('a job that was woken and is put off waits for nothing', () => {
    const woken = signal(waits(['signal', 'go', 'go', now + 50]), 'go')
    const later = transition(woken, { type: 'update', changes: { runAt: now + 90 } }, now)
    expect(later.state).toBe('scheduled')
    expect(waitsOf(later)).toBeUndefined()
    expect(done(transition(later, { type: 'due' }, now + 90))).toEqual([])
  })

  const child = (record: JobRecord, key: string, end: ChildEnd = { result: key }) =>
    transition(record, { type: 'child', key, end }, now)
  const fell: ChildEnd = { error: thrownToWire('no') }

  test('the end of a child looks at no others, however many there are', () => {
    const keys = Array.from({ length: 1_000 }, (_, index) => `child ${index}`)
    let record = waits(...keys.map((key): Wait => ['child', key, 'work', undefined]))
    const looks = vi.spyOn(Map.prototype, 'get')
    onTestFinished(() => void vi.restoreAllMocks())
    for (const key of keys.slice(0, -1)) record = child(record, key)
    expect(looks.mock.calls.length).toBeLessThan(10 * keys.length)
    expect(record.state).toBe('blocked')
    expect(child(record, keys.at(-1) as string).state).toBe('queued')
  })

  test('it runs again when all of its children have ended, or one has fallen', () => {
    const blocked = waits(['child', 'a', 'leaf', undefined], ['child', 'b', 'leaf', undefined])
    expect(child(blocked, 'b')).toMatchObject({ state: 'blocked' })
    expect(child(child(blocked, 'b'), 'a')).toMatchObject({ state: 'queued' })
    expect(child(blocked, 'b', fell)).toMatchObject({ state: 'queued' })
  })

  test('a child that ended while the attempt ran counts when it ends', () => {
    const list: Wait[] = [['child', 'a', 'leaf', undefined], ['child', 'b', 'leaf', undefined]] // biome-ignore format: one line.
    const wait = (record: JobRecord) => transition(record, { type: 'wait', waits: list }, now).state
    expect([child(running, 'a'), child(child(running, 'a'), 'b'), child(running, 'a', fell)].map(wait)).toEqual([
      'blocked',
      'queued',
      'queued',
    ])
  })

  test('a failure, and a retry by hand, forget which children fell', () => {
    const woken = child(waits(['child', 'a', 'leaf', undefined]), 'a', fell)
    const again = transition(woken, { type: 'start' }, now)
    const failed = transition(again, { type: 'fail', error: 1, retryMs: undefined, random: 0 }, now)
    const last = (record: JobRecord) => [...(record.steps?.keys() ?? [])].at(-1)
    expect([last(woken), last(failed)]).toEqual(['offstage:woken 1', 'offstage:again 2'])
    const ended = transition(again, { type: 'cancel', error: 1 }, now)
    expect(last(transition(ended, { type: 'retry' }, now))).toBe('offstage:again 2')
    expect(transition(running, { type: 'fail', error: 1, retryMs: undefined, random: 0 }, now).steps).toBeUndefined()
  })

  test('a signal does not cut a delay or a back-off short', () => {
    const delayed = createRecord(
      { id: 'a', name: 'job', input: 1, seq: 1, lineTime: now },
      { delayMs: 50 },
      resolveDefaults({}),
      now,
    )
    expect(signal(delayed, 'go')).toMatchObject({ state: 'scheduled', runAt: now + 50 })
    const again = transition(signal(waits(['signal', 'go', 'go', undefined]), 'go'), { type: 'start' }, now)
    const failed = transition(again, { type: 'fail', error: 1, retryMs: 70, random: 0 }, now)
    expect(signal(failed, 'go', 2)).toMatchObject({ state: 'scheduled', runAt: now + 70 })
  })
})

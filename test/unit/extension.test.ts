// The seam for extensions: rows and moves of their own, in one commit with the move that they follow from; what happens when
// they throw, when the store refuses, and that who has no extension pays for none.
import { createScheduler, type EventMap, inline, type SchedulerOptions } from 'offstage'
import { type Extension, type ExtensionHost, extend, type JobRecord, type Move, type Turn } from 'offstage/extension'
import { manualClock } from 'offstage/testing'
import { defineJobs } from 'offstage/worker'
import { describe, expect, onTestFinished, test } from 'vitest'
import { defer } from '../../src/shared/deferred.ts'
import { memoryStore } from '../../src/store/memory-store.ts'
import type { Change } from '../../src/store/store.ts'
import { Disk } from '../support/full-store.ts'
import { heard as heardOf, turn as turnOfLoop } from '../support/testing.ts'

/** Of a job of type `hold`: it has begun; it may end. */
let begun = defer<void>()
let release = () => {}
const jobs = defineJobs({
  hold: () =>
    new Promise<void>((resolve) => {
      release = resolve
      begun.resolve()
    }),
  double: (n: number) => n * 2,
  wait: (_: unknown, { signal }) => new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve())),
})

function start(options: SchedulerOptions<never> = {}) {
  const scheduler = createScheduler<typeof jobs>(inline(jobs), { concurrency: 4, ...options })
  onTestFinished(() => scheduler.close({ mode: 'now' }))
  return scheduler
}

const allMoves = ['insert', 'start', 'complete', 'fail', 'cancel', 'removed', 'replaced', 'retry', 'unblock', 'expire', 'retention'] as const // biome-ignore format: one line.

/** Hears of everything and keeps the state of each job, unless the test says otherwise. */
function probe(more: Partial<Extension> = {}) {
  const heard: string[] = []
  let given: ExtensionHost | undefined
  const extension: Extension = {
    name: 'probe',
    moves: new Set<Move>(allMoves),
    moved(turn, before, after, move) {
      const { id } = after ?? (before as JobRecord)
      heard.push(`${move} ${id}`)
      turn.put(id, after?.state)
    },
    open(host) {
      given = host
      return {}
    },
    ...more,
  }
  const host = () => given as ExtensionHost
  return { extension, heard, host, rows: () => Object.fromEntries(host().rows) }
}

async function attached(scheduler: ReturnType<typeof start>, made: ReturnType<typeof probe>) {
  extend(scheduler, made.extension)
  await scheduler.counts()
  return made
}

const storedIn = (disk: Disk) => Object.fromEntries([...disk.rows.values()].map(({ key, value }) => [key, value]))

/** A disk that remembers its batches. */
class Recorder extends Disk {
  readonly batches: (readonly Change[])[] = []

  override get store() {
    const { store } = { store: super.store }
    return {
      ...store,
      commit: (changes: readonly Change[]) => {
        this.batches.push([...changes])
        return store.commit(changes)
      },
    }
  }
}

describe('what an extension writes', () => {
  test.each(['memory', 'disk'])('is committed with the move that it follows from (%s)', async (kind) => {
    const disk = new Recorder()
    const scheduler = start(kind === 'disk' ? { store: disk.store } : {})
    const { heard, rows } = await attached(scheduler, probe())
    expect(await scheduler.run.double(4, { id: 'a' })).toBe(8)
    expect(heard).toEqual(['insert a', 'start a', 'complete a'])
    expect(rows()).toEqual({ a: 'completed' })
    if (kind === 'memory') return
    expect(storedIn(disk)).toEqual({ a: 'completed' })
    for (const batch of disk.batches) {
      const states = batch.flatMap(({ after }) => (after ? [after.state] : []))
      expect(batch.flatMap(({ rows = [] }) => rows.map(({ value }) => value))).toEqual(states)
    }
  })

  test('and tells is emitted when that is committed', async () => {
    const disk = new Recorder()
    const scheduler = start({ store: disk.store })
    const moved: Extension['moved'] = (turn, _before, after) =>
      turn.tell({ type: 'probe:done', id: after?.id, batches: disk.batches.length })
    extend(scheduler, probe({ events: ['probe:done'], moves: new Set(['complete']), moved }).extension)
    const told = new Promise<{ id: string; batches: number }>((resolve) =>
      scheduler.once('probe:done' as keyof EventMap, (event) => resolve(event as never)),
    )
    await scheduler.run.double(1, { id: 'a' })
    expect(await told).toMatchObject({ type: 'probe:done', id: 'a' })
    expect(disk.batches.length).toBeGreaterThan((await told).batches)
  })

  test('of one move is followed in the same commit, however long the chain', async () => {
    const disk = new Recorder()
    const scheduler = start({ store: disk.store })
    const { extension, host } = probe({
      scope: 'marked',
      moves: new Set(['cancel']),
      moved: (turn, before) => void turn.move(`${Number(before?.id) + 1}`, { type: 'cancel' }),
    })
    extend(scheduler, extension)
    await scheduler.counts()
    const length = 5_000
    await host().turn((turn) => {
      for (let n = 0; n < length; n++)
        turn.insert({ name: 'double', options: { id: `${n}` }, isBlocked: true, isMarked: true })
    })
    const before = disk.batches.length
    await scheduler.cancel('0')
    expect((await scheduler.counts()).cancelled).toBe(length)
    expect(disk.batches.length).toBe(before + 1)
  })
})

test('all of them follow the moves of a job in their order, also those that one of them makes', async () => {
  const scheduler = start()
  const stops = probe({
    name: 'stops',
    moves: new Set(['start']),
    moved: (turn, _before, after) => void turn.move((after as JobRecord).id, { type: 'cancel' }),
  })
  await attached(scheduler, stops)
  const { heard } = await attached(scheduler, probe())
  const job = await scheduler.add.double(1, { id: 'a' })
  await expect(job.result()).rejects.toMatchObject({ code: 'JOB_CANCELLED' })
  expect(heard).toEqual(['insert a', 'start a', 'cancel a'])
})

describe('who pays', () => {
  /** How many moves are written down. */
  async function stepsOf(extension: Extension | undefined, act: (scheduler: ReturnType<typeof start>) => unknown) {
    let steps = 0
    const store = {
      ...memoryStore(),
      commit(changes: readonly Change[]) {
        steps += changes.length
      },
    }
    const scheduler = start({ store })
    if (extension) extend(scheduler, extension)
    await act(scheduler)
    await scheduler.onIdle()
    return steps
  }
  const runs = async (scheduler: ReturnType<typeof start>) => {
    await Promise.all([1, 2, 3].map((n) => scheduler.run.double(n)))
  }

  test('jobs that no extension follows make no step', async () => {
    expect(await stepsOf(undefined, runs)).toBe(0)
    expect(await stepsOf(probe({ scope: 'marked' }).extension, runs)).toBe(0)
    expect(await stepsOf(probe({ moves: new Set(['cancel']) }).extension, runs)).toBe(0)
    expect(await stepsOf(probe({ moves: new Set(['complete']) }).extension, runs)).toBeGreaterThan(0)
  })

  test('and of marked jobs only those that are marked do', async () => {
    const { extension, heard, host } = probe({ scope: 'marked' })
    const steps = await stepsOf(extension, async (scheduler) => {
      await runs(scheduler)
      await host().turn((turn) => turn.insert({ name: 'double', input: 1, options: { id: 'm' }, isMarked: true }))
      await runs(scheduler)
    })
    expect(heard).toEqual(['insert m', 'start m', 'complete m'])
    // Its three moves, a turn with each, and the turn that has added it.
    expect(steps).toBe(7)
  })
})

describe('an extension that throws', () => {
  const failing = (on: Move, of = 'bad') =>
    probe({
      moved(turn, before, after, move) {
        const { id } = after ?? (before as JobRecord)
        turn.put(id, after?.state)
        if (move === on && id === of) throw new RangeError('no idea')
      },
    })

  test.each(['memory', 'disk'])('when a job is added or replaced: none of the call is done (%s)', async (kind) => {
    const scheduler = start(kind === 'disk' ? { store: new Disk().store } : {})
    const { rows } = await attached(scheduler, failing('insert'))
    const first = await scheduler.add.double(1, { id: 'a', delayMs: 1e6 })
    const error = {
      code: 'EXTENSION_FAILED',
      message: expect.stringMatching(/'probe' failed on 'insert' .*'bad': no idea/),
    }
    await expect(scheduler.run.double(1, { id: 'bad' })).rejects.toMatchObject(error)
    const many = ['x', 'a', 'bad'].map((id) => ({ name: 'double' as const, input: 1, options: { id, ifExists: 'replace' as const } })) // biome-ignore format: one line.
    await expect(scheduler.addMany(many)).rejects.toMatchObject(error)
    expect((await scheduler.find()).map(({ id }) => id)).toEqual(['a'])
    expect(first.snapshot().state).toBe('scheduled')
    expect(rows()).toEqual({ a: 'scheduled' })
    expect(await scheduler.counts()).toMatchObject({ scheduled: 1, queued: 0, cancelled: 0 })
    expect(await scheduler.run.double(2)).toBe(4)
  })

  test('on what a call does to several jobs: it is done to none, and what runs goes on', async () => {
    const scheduler = start({ store: new Disk().store })
    const { rows } = await attached(scheduler, failing('cancel'))
    const started = heardOf(scheduler, 'started')
    const running = await scheduler.add.wait(1, { id: 'running' })
    await started
    await scheduler.add.double(1, { id: 'bad', delayMs: 1e6 })
    await expect(scheduler.cancel({ all: true })).rejects.toMatchObject({ code: 'EXTENSION_FAILED' })
    await expect(scheduler.remove({ all: true })).rejects.toMatchObject({ code: 'EXTENSION_FAILED' })
    expect(rows()).toEqual({ running: 'running', bad: 'scheduled' })
    expect(running.snapshot().state).toBe('running')
    expect(await scheduler.cancel('running')).toBe(1)
    await expect(running.result()).rejects.toMatchObject({ code: 'JOB_CANCELLED' })
    expect(await scheduler.run.double(2)).toBe(4)
  })

  test('on what has happened: that stays, its turn does not, and it is reported', async () => {
    const disk = new Disk()
    const scheduler = start({ store: disk.store })
    const errors: unknown[] = []
    scheduler.on('error', ({ error }) => errors.push(error))
    const { rows } = await attached(scheduler, failing('complete'))
    expect(await scheduler.run.double(1, { id: 'bad' })).toBe(2)
    expect(await scheduler.run.double(2, { id: 'good' })).toBe(4)
    expect(errors).toMatchObject([{ code: 'EXTENSION_FAILED', jobId: 'bad', cause: { name: 'RangeError' } }])
    expect(rows()).toEqual({ bad: 'running', good: 'completed' })
    expect(storedIn(disk)).toEqual(rows())
  })

  test('when it is opened: its commands reject, and it follows no move', async () => {
    const scheduler = start()
    const errors: unknown[] = []
    scheduler.on('error', ({ error }) => errors.push(error))
    const { extension, heard } = probe({
      open() {
        throw new RangeError('not today')
      },
    })
    const commands = extend(scheduler, extension)
    await expect(commands.anything?.()).rejects.toMatchObject({ code: 'EXTENSION_FAILED', message: expect.stringContaining('not today') }) // biome-ignore format: one line.
    expect(await scheduler.run.double(1)).toBe(2)
    expect([errors.length, heard]).toEqual([1, []])
  })

  test('two that answer each other for ever are stopped, and nothing of it is done', async () => {
    const scheduler = start({ store: new Disk().store })
    const { extension, host } = probe({
      moves: new Set(['prioritize']),
      moved: (turn, _before, after) =>
        void turn.move((after as JobRecord).id, { type: 'prioritize', priority: (after as JobRecord).priority + 1 }),
    })
    extend(scheduler, extension)
    const job = await scheduler.add.double(1, { id: 'a', delayMs: 1e6 })
    await expect(scheduler.setPriority('a', 1)).rejects.toMatchObject({
      code: 'EXTENSION_FAILED',
      message: expect.stringContaining('100,000'),
    })
    expect([job.snapshot().priority, host().job('a')?.priority]).toEqual([0, 0])
  })
})

describe('a turn', () => {
  test('is over when its function returns, and waits for nothing', async () => {
    const scheduler = start()
    const { host } = await attached(scheduler, probe())
    let kept: Turn | undefined
    await host().turn((turn) => {
      kept = turn
    })
    expect(() => kept?.put('a', 1)).toThrow('a turn is over')
    await expect(host().turn(async (turn) => turn.put('a', 1))).rejects.toThrow('must not wait')
    expect([...host().rows]).toEqual([])
  })

  test('refuses what it cannot keep, and options that belong to a caller', async () => {
    const scheduler = start()
    const { host } = await attached(scheduler, probe())
    const turn = (act: (turn: Turn) => unknown) => host().turn(act)
    await expect(turn((to) => to.put('x'.repeat(1_025), 1))).rejects.toMatchObject({ code: 'INVALID_OPTION' })
    await expect(turn((to) => to.put('a', () => {}))).rejects.toMatchObject({ code: 'DATA_CLONE' })
    await expect(turn((to) => to.tell({ type: 'other:event' }))).rejects.toMatchObject({ code: 'INVALID_OPTION' })
    const options = { onCompleted: () => {} }
    await expect(turn((to) => to.insert({ name: 'double', options }))).rejects.toMatchObject({ code: 'INVALID_OPTION' })
    const value = { list: [1] }
    await turn((to) => to.put('a', value))
    value.list.push(2)
    expect(host().rows.get('a')).toEqual({ list: [1] })
  })

  test('cancels a job that runs, which is aborted once that is certain', async () => {
    const scheduler = start({ store: new Disk().store })
    const { host } = await attached(scheduler, probe())
    const started = heardOf(scheduler, 'started')
    const job = await scheduler.add.wait(1, { id: 'a' })
    await started
    const stop = (turn: Turn) => turn.move('a', { type: 'cancel', reason: 'enough' })
    await expect(host().turn((turn) => stop(turn) && turn.put('a', () => {}))).rejects.toMatchObject({ code: 'DATA_CLONE' }) // biome-ignore format: one line.
    expect(job.snapshot().state).toBe('running')
    expect(await host().turn(stop)).toBe(true)
    await expect(job.result()).rejects.toMatchObject({ code: 'JOB_CANCELLED', cause: 'enough' })
    expect(await scheduler.run.double(1)).toBe(2)
  })

  test('marks a job that has ended, and changes for how long it is kept, which is no second end', async () => {
    const clock = manualClock()
    const scheduler = start({ clock })
    const made = await attached(scheduler, probe())
    const kept = await scheduler.add.double(1)
    await kept.result()
    await made.host().turn((turn) => turn.mark(kept.id))
    await made.host().turn((turn) => turn.move(kept.id, { type: 'keep', keepMs: Number.POSITIVE_INFINITY }))
    expect(scheduler.stats().totals.completed).toBe(1)
    clock.advance(1e9)
    expect((await scheduler.find()).map(({ id }) => id)).toEqual([kept.id])
    await made.host().turn((turn) => turn.move(kept.id, { type: 'keep', keepMs: 1e9 + 1 }))
    expect((await scheduler.find()).length).toBe(1)
    clock.advance(1)
    expect(await scheduler.find()).toEqual([])
  })

  test('calls back at a time', async () => {
    const clock = manualClock()
    const { host } = await attached(start({ clock }), probe())
    const called: number[] = []
    host().at(clock.now() + 5_000, () => called.push(1))
    const callOff = host().at(clock.now() + 5_000, () => called.push(2))
    callOff()
    clock.advance(4_999)
    expect(called).toEqual([])
    clock.advance(1)
    expect(called).toEqual([1])
  })

  test('calls back after a time, whatever becomes of the wall clock', async () => {
    const clock = manualClock()
    const { host } = await attached(start({ clock }), probe())
    const called: number[] = []
    host().after(5_000, () => called.push(1))
    const callOff = host().after(5_000, () => called.push(2))
    callOff()
    clock.setWall(0)
    clock.advance(4_999)
    expect(called).toEqual([])
    clock.advance(1)
    expect(called).toEqual([1])
  })
})

describe('when the store refuses', () => {
  const counting = () =>
    probe({
      moves: new Set(['insert', 'complete']),
      moved(turn, _before, _after, move) {
        turn.put(move, ((turn.rows.get(move) as number) ?? 0) + 1)
      },
    })

  test('an add falls with all that it led to, and what was built upon that is done anew', async () => {
    const disk = new Disk()
    const clock = manualClock()
    const scheduler = start({ store: disk.store, clock })
    const { rows } = await attached(scheduler, counting())
    await scheduler.run.double(1)
    await scheduler.pause()
    const waiting = await scheduler.add.double(2, { id: 'waiting' })
    disk.isFull = true
    const refused = scheduler.add.double(3, { id: 'refused' })
    scheduler.resume()
    await expect(refused).rejects.toMatchObject({ code: 'STORE_WRITE_FAILED' })
    expect(rows()).toEqual({ insert: 2, complete: 1 })
    disk.isFull = false
    clock.advance(1_000)
    expect(await waiting.result()).toBe(4)
    expect(rows()).toEqual({ insert: 2, complete: 2 })
    expect(storedIn(disk)).toEqual(rows())
  })

  test('a turn of its own is tried again, unless it may be refused', async () => {
    const disk = new Disk()
    const clock = manualClock()
    const scheduler = start({ store: disk.store, clock })
    const { host, rows } = await attached(scheduler, probe())
    disk.isFull = true
    const bump = (key: string, isRefusable: boolean) =>
      host().turn(
        (turn) => {
          turn.put('count', ((turn.rows.get('count') as number) ?? 0) + 1)
          turn.put(key, true)
        },
        { isRefusable },
      )
    const [refusable, stays] = await Promise.allSettled([bump('refusable', true), bump('stays', false)])
    expect(refusable).toMatchObject({ reason: { code: 'STORE_WRITE_FAILED' } })
    expect(stays).toMatchObject({ reason: { message: expect.stringContaining('is tried again') } })
    // It was built upon the other.
    expect(rows()).toEqual({ count: 1, stays: true })
    disk.isFull = false
    clock.advance(1_000)
    await turnOfLoop()
    expect(storedIn(disk)).toEqual({ count: 1, stays: true })
  })

  test('what a caller did to a job meanwhile is done anew, too', async () => {
    const disk = new Disk()
    const clock = manualClock()
    const scheduler = start({ store: disk.store, clock })
    const { host } = await attached(scheduler, probe({ moves: new Set() }))
    const unblocking = await host().turn((turn) =>
      turn.insert({ name: 'double', input: 1, options: { id: 'b', delayMs: 1e6 }, isBlocked: true }),
    )
    expect(unblocking.job.state).toBe('blocked')
    disk.isFull = true
    const refused = host().turn((turn) => turn.move('b', { type: 'unblock' }), { isRefusable: true })
    const prioritized = scheduler.setPriority('b', 7)
    await expect(refused).rejects.toMatchObject({ code: 'STORE_WRITE_FAILED' })
    await expect(prioritized).rejects.toMatchObject({ message: expect.stringContaining('is tried again') })
    disk.isFull = false
    clock.advance(1_000)
    expect(await scheduler.cancel('nobody')).toBe(0)
    expect(host().job('b')).toMatchObject({ state: 'blocked', priority: 7 })
  })

  test('what was done to one job is taken back in order, the last first', async () => {
    const disk = new Disk()
    const clock = manualClock()
    const scheduler = start({ store: disk.store, clock })
    const { host } = await attached(scheduler, probe({ moves: new Set() }))
    scheduler.pause()
    await host().turn((turn) =>
      turn.insert({ name: 'double', input: 1, options: { id: 'b' }, isBlocked: true, isMarked: true }),
    )
    disk.isFull = true
    const calls = [
      // The second is built upon the first, and falls with it, before what the third has done to the same job.
      host().turn((turn) => turn.put('x', 1), { isRefusable: true }),
      host().turn((turn) => {
        turn.put('y', turn.rows.get('x') ?? 'none')
        turn.move('b', { type: 'unblock' })
      }),
      scheduler.add.double(2, { id: 'b', ifExists: 'replace' }),
    ]
    for (const { status } of await Promise.allSettled(calls)) expect(status).toBe('rejected')
    disk.isFull = false
    clock.advance(1_000)
    expect(await scheduler.cancel('nobody')).toBe(0)
    expect(storedIn(disk)).toEqual({ y: 'none' })
    expect([...disk.records.values()]).toMatchObject([{ id: 'b', input: 1, state: 'queued' }])
  })

  test('so are `promote` and `retry`', async () => {
    const disk = new Disk()
    const clock = manualClock()
    const scheduler = start({ store: disk.store, clock })
    const { host } = await attached(scheduler, probe({ moves: new Set() }))
    scheduler.pause()
    await scheduler.add.double(1, { id: 'later', delayMs: 1e6 })
    await scheduler.add.double(1, { id: 'again' })
    await scheduler.cancel('again')
    disk.isFull = true
    const calls = [
      host().turn(
        (turn) => {
          turn.move('later', { type: 'prioritize', priority: 1 })
          turn.move('again', { type: 'retry' })
        },
        { isRefusable: true },
      ),
      scheduler.cancel('again'),
      scheduler.promote('later'),
      scheduler.retry('again'),
    ]
    for (const { status } of await Promise.allSettled(calls)) expect(status).toBe('rejected')
    disk.isFull = false
    clock.advance(1_000)
    expect(await scheduler.cancel('nobody')).toBe(0)
    expect(await scheduler.counts()).toMatchObject({ queued: 2, scheduled: 0, cancelled: 0 })
  })

  test('an update that falls with a refused turn is done again, with the version of its input', async () => {
    const disk = new Disk()
    const clock = manualClock()
    const scheduler = start({ store: disk.store, clock })
    const { host } = await attached(scheduler, probe({ moves: new Set() }))
    await scheduler.add.double(1, { id: 'later', delayMs: 1e6 })
    disk.isFull = true
    const calls = [
      host().turn((turn) => turn.move('later', { type: 'prioritize', priority: 1 }), { isRefusable: true }),
      scheduler.update('later', { input: 3, version: 2 }),
    ]
    for (const { status } of await Promise.allSettled(calls)) expect(status).toBe('rejected')
    disk.isFull = false
    clock.advance(1_000)
    expect(await scheduler.cancel('nobody')).toBe(0)
    expect(host().job('later')).toMatchObject({ input: 3, rules: { headers: { 'offstage:version': '2' } } })
  })

  test('a running job that a refused turn has cancelled runs again', async () => {
    const disk = new Disk()
    const clock = manualClock()
    const scheduler = start({ store: disk.store, clock })
    const { host } = await attached(scheduler, probe({ moves: new Set() }))
    const [first, second] = [defer<void>(), defer<void>()]
    const onStarted = (attempt: number) => (attempt === 1 ? first : second).resolve()
    const job = await scheduler.add.wait(undefined, { id: 'a', onStarted })
    await first.promise
    disk.isFull = true
    const refused = host().turn((turn) => turn.move('a', { type: 'cancel' }), { isRefusable: true })
    await expect(refused).rejects.toMatchObject({ code: 'STORE_WRITE_FAILED' })
    // The interruption is refused as well, and is tried again.
    await turnOfLoop()
    disk.isFull = false
    clock.advance(1_000)
    await second.promise
    expect(job.snapshot()).toMatchObject({ state: 'running', attempt: 2 })
  })

  test('a job that a turn has found falls with the call that adds it, and the turn adds it itself', async () => {
    const disk = new Disk()
    const clock = manualClock()
    const scheduler = start({ store: disk.store, clock })
    const { host, rows } = await attached(scheduler, probe({ moves: new Set() }))
    disk.isFull = true
    const refused = scheduler.add.double(1, { id: 'a', delayMs: 1e6 })
    const turn = host().turn((to) => {
      const { disposition } = to.insert({ name: 'double', input: 2, options: { id: 'a', delayMs: 1e6 } })
      to.put('a', disposition)
    })
    const [first, second] = await Promise.allSettled([refused, turn])
    expect([first.status, second.status]).toEqual(['rejected', 'rejected'])
    disk.isFull = false
    clock.advance(1_000)
    expect(await scheduler.cancel('nobody')).toBe(0)
    expect([rows(), host().job('a')?.input]).toEqual([{ a: 'created' }, 2])
  })
})

describe('when the store refuses, what is carried out anew', () => {
  const refusing = async (moves: readonly Move[] = allMoves) => {
    const disk = new Disk()
    const clock = manualClock()
    const scheduler = start({ store: disk.store, clock })
    const made = await attached(scheduler, probe({ moves: new Set(moves) }))
    const again = async () => {
      disk.isFull = false
      clock.advance(1_000)
      await scheduler.cancel('nobody')
    }
    return { disk, clock, scheduler, again, ...made }
  }
  const refusal = { code: 'STORE_WRITE_FAILED' }

  test('comes behind what follows from moves that stay', async () => {
    const { disk, scheduler, host, again } = await refusing()
    // From now on a thread is ready.
    await scheduler.run.double(1)
    scheduler.pause()
    await scheduler.add.wait(undefined, { id: 'a' })
    disk.isFull = true
    const refused = host().turn((turn) => turn.put('x', 1), { isRefusable: true })
    // Built upon it; at first the job does not run yet.
    const stays = host().turn((turn) => turn.job('a')?.state === 'running' && turn.move('a', { type: 'cancel' }))
    scheduler.resume()
    await expect(refused).rejects.toMatchObject(refusal)
    await expect(stays).rejects.toMatchObject(refusal)
    await again()
    expect(storedIn(disk).a).toBe('cancelled')
  })

  test('is what follows a move that stays, although the call in which it was made is refused', async () => {
    const { disk, scheduler, again } = await refusing()
    scheduler.pause()
    const signals = [new AbortController(), new AbortController()] as const
    await scheduler.add.double(1, { id: 'a', signal: signals[0].signal })
    disk.isFull = true
    // As the call adds its job it listens to this signal; whoever hands it out may abort another one.
    const { signal } = signals[1]
    const listen = signal.addEventListener.bind(signal)
    signal.addEventListener = (...args: Parameters<typeof listen>) => {
      signals[0].abort('another one comes')
      listen(...args)
    }
    const refused = scheduler.add.double(2, { id: 'b', signal })
    await expect(refused).rejects.toMatchObject(refusal)
    await again()
    expect(storedIn(disk)).toEqual({ a: 'cancelled' })
  })

  test('comes behind what the refusal itself has led to', async () => {
    const { disk, scheduler, host, again } = await refusing([...allMoves, 'interrupt'])
    const started = defer<void>()
    await scheduler.add.wait(undefined, { id: 'a', onStarted: () => started.resolve() })
    await started.promise
    disk.isFull = true
    const refused = host().turn((turn) => turn.move('a', { type: 'cancel' }), { isRefusable: true })
    const stays = host().turn((turn) => turn.job('a')?.state === 'queued' && turn.move('a', { type: 'cancel' }))
    await expect(refused).rejects.toMatchObject(refusal)
    await expect(stays).rejects.toMatchObject(refusal)
    await again()
    expect(storedIn(disk)).toEqual({ a: 'cancelled' })
  })

  test('is not a job that was due by a time that was refused', async () => {
    const { disk, clock, scheduler, host, again } = await refusing([])
    const job = await scheduler.add.double(1, { id: 'a', delayMs: 10_000 })
    const gate = defer<void>()
    disk.gate = gate.promise
    disk.isFull = true
    const sooner = clock.now() + 100
    const refused = host().turn((turn) => turn.move('a', { type: 'update', runAt: sooner }), { isRefusable: true })
    await turnOfLoop()
    clock.advance(100)
    expect(host().job('a')?.state).not.toBe('scheduled')
    gate.resolve()
    await expect(refused).rejects.toMatchObject(refusal)
    await again()
    expect(job.snapshot().state).toBe('scheduled')
    clock.advance(10_000)
    expect(await job.result()).toBe(2)
  })
})

describe('rows of an extension that is not there', () => {
  test('are kept, and named once', async () => {
    const disk = new Disk()
    disk.rows.set('old', { table: 'flows', key: 'a', value: 1 })
    disk.rows.set('ours', { table: 'probe', key: 'b', value: 2 })
    const clock = manualClock()
    const scheduler = start({ store: disk.store, clock })
    const errors: unknown[] = []
    scheduler.on('store:error', ({ error }) => errors.push(error))
    const { rows } = await attached(scheduler, probe())
    expect(rows()).toEqual({ b: 2 })
    for (let second = 0; second < 5; second++) clock.advance(1_000)
    expect(errors).toMatchObject([{ code: 'EXTENSION_MISSING', message: expect.stringContaining("'flows'") }])
    await scheduler.run.double(1)
    expect(disk.rows.size).toBe(3)
  })
})

test('a running job whose removal an extension refuses leaves nothing behind for the next of its id', async () => {
  const scheduler = start()
  let isForbidden = true
  await attached(
    scheduler,
    probe({
      moves: new Set(['removed']),
      moved() {
        if (isForbidden) throw new Error('not now')
      },
    }),
  )
  begun = defer()
  const first = await scheduler.add.hold(undefined, { id: 'a' })
  await begun.promise
  await expect(scheduler.remove('a')).rejects.toMatchObject({ code: 'EXTENSION_FAILED' })
  release()
  await first.result()
  isForbidden = false
  await scheduler.remove('a')
  expect(await scheduler.run.double(2, { id: 'a' })).toBe(4)
})

test('while it closes, what follows from a job that ends is still written, and nothing new is begun', async () => {
  const disk = new Disk()
  const scheduler = start({ store: disk.store })
  const { host } = await attached(
    scheduler,
    probe({
      moves: new Set(['complete']),
      moved: (turn) => void turn.insert({ name: 'double', input: 1, options: { id: 'next' } }),
    }),
  )
  begun = defer()
  await scheduler.add.hold(undefined, { id: 'first' })
  await begun.promise
  const closing = scheduler.close()
  await expect(host().turn((turn) => turn.insert({ name: 'double' }))).rejects.toMatchObject({ code: 'SCHEDULER_CLOSED' }) // biome-ignore format: one line.
  release()
  await closing
  expect([...disk.records.values()].map(({ id, state }) => [id, state])).toEqual([
    ['first', 'completed'],
    ['next', 'queued'],
  ])
  await expect(host().turn(() => {})).rejects.toMatchObject({ code: 'SCHEDULER_CLOSED' })
})

test('what is no extension is refused at the door', () => {
  const scheduler = start()
  const { extension } = probe()
  for (const wrong of [{ name: '' }, { name: 5 }, { moves: ['insert'] }, { scope: 'some' }, { open: 1 }, { events: ['done'] }, { events: ['worker:done'] }]) // biome-ignore format: one line.
    expect(() => extend(scheduler, { ...extension, ...wrong } as never)).toThrow(/extension\.\w+/)
  expect(() => extend({} as never, extension)).toThrow('createScheduler()')
})

describe('what an extension says of a new job', () => {
  /** Writes a row, and names the job that is there. */
  const meeting = () =>
    probe({
      moves: new Set(),
      admit(turn, { options }) {
        const existing = (options?.extensions as { probe?: string } | undefined)?.probe
        if (existing === undefined) return undefined
        turn.put('met', existing)
        return { existing }
      },
    })
  const met = { extensions: { probe: 'a' } }

  test.each(['add', 'run', 'addMany'] as const)(
    'with `%s`: who meets a job hears of it when the row is committed',
    async (how) => {
      const disk = new Disk()
      const scheduler = start({ store: disk.store, clock: manualClock() })
      const { rows } = await attached(scheduler, meeting())
      await scheduler.run.double(1, { id: 'a' })
      const meet = () => {
        if (how !== 'addMany') return scheduler[how].double(2, met)
        return scheduler.addMany([{ name: 'double', input: 2, options: met }])
      }
      disk.isFull = true
      await expect(meet()).rejects.toMatchObject({ code: 'STORE_WRITE_FAILED' })
      expect([rows(), storedIn(disk)]).toEqual([{}, {}])
      disk.isFull = false
      await meet()
      expect(storedIn(disk)).toEqual({ met: 'a' })
    },
  )

  test('and another says as well: both follow it, and it waits if one of them wants it to', async () => {
    const scheduler = start()
    const follow = (name: string, isBlocked: boolean) =>
      probe({ name, scope: 'marked', admit: () => ({ isMarked: true, isBlocked }) })
    const [first, second] = [follow('first', true), follow('second', false)]
    await attached(scheduler, first)
    await attached(scheduler, second)
    const job = await scheduler.add.double(2, { id: 'a' })
    expect(job.snapshot().state).toBe('blocked')
    await first.host().turn((turn) => turn.move('a', { type: 'unblock' }))
    expect(await job.result()).toBe(4)
    for (const { heard } of [first, second]) expect(heard).toEqual(['insert a', 'unblock a', 'start a', 'complete a'])
  })

  test('a callback of a call that is refused is not called', async () => {
    const disk = new Disk()
    const scheduler = start({ store: disk.store, clock: manualClock() })
    await attached(scheduler, meeting())
    const job = await scheduler.add.double(1, { id: 'a', delayMs: 1e6 })
    disk.isFull = true
    const called: string[] = []
    await expect(scheduler.add.double(2, { ...met, onSettled: () => called.push('refused') })).rejects.toThrow()
    disk.isFull = false
    await scheduler.add.double(2, { ...met, onSettled: () => called.push('met') })
    await job.cancel()
    expect(called).toEqual(['met'])
  })

  test('is asked for in vain where it is not attached, or could not be opened', async () => {
    const scheduler = start()
    const missing = { code: 'EXTENSION_MISSING', message: expect.stringContaining("'probe'") }
    await expect(scheduler.add.double(1, met)).rejects.toMatchObject(missing)
    await expect(scheduler.addMany([{ name: 'double', input: 1, options: met }])).rejects.toMatchObject(missing)
    scheduler.on('error', () => {})
    await attached(scheduler, probe({ moves: new Set(), open: () => { throw new Error('broken') } })) // biome-ignore format: one line.
    await expect(scheduler.add.double(1, met)).rejects.toMatchObject({ code: 'EXTENSION_FAILED' })
    expect((await scheduler.counts()).completed).toBe(0)
  })

  test('what is said to it is copied within the call, and can be cloned', async () => {
    const scheduler = start()
    await attached(scheduler, meeting())
    await scheduler.add.double(1, { id: 'a' })
    await scheduler.add.double(1, { id: 'b' })
    const options = { extensions: { probe: 'a' } }
    const adding = scheduler.add.double(2, options)
    options.extensions.probe = 'b'
    expect((await adding).id).toBe('a')
    const refused = scheduler.add.double(2, { extensions: { probe: () => {} } })
    await expect(refused).rejects.toMatchObject({
      code: 'DATA_CLONE',
      message: expect.stringContaining('extensions.probe'),
    })
  })
})

test.each(['turn', 'moved', 'admit', 'open'])(
  'an async `%s` is refused, and what comes of it later harms nobody',
  async (which) => {
    const scheduler = start()
    const errors: unknown[] = []
    scheduler.on('error', ({ error }) => errors.push(error))
    const later = async (turn?: Turn) => {
      await undefined
      turn?.put('late', true)
      throw new Error('late')
    }
    const { host, rows } = await attached(
      scheduler,
      probe({ moves: new Set(['insert']), moved: undefined as never, ...{ [which]: later } }),
    )
    const saying =
      which === 'turn' ? host().turn(later) : which === 'open' ? Promise.reject(errors[0]) : scheduler.add.double(1)
    await expect(saying).rejects.toThrow('must not wait')
    await turnOfLoop()
    if (which !== 'open') expect(rows()).toEqual({})
  },
)

test('names of extensions, commands and rows may be those of every object', async () => {
  const disk = new Disk()
  const names = ['__proto__', 'constructor', 'toString']
  for (const name of names) {
    const scheduler = start({ store: disk.store })
    const extension: Extension = {
      name,
      moves: new Set(),
      open: (host) =>
        ({
          toString: async (key: string) => host.rows.get(key),
          constructor: (key: string) => host.turn((turn) => turn.put(key, name)),
        }) as never,
    }
    const commands = extend(scheduler, extension) as never as { [name: string]: (key: string) => Promise<unknown> }
    for (const key of names) {
      await (commands.constructor as never as (key: string) => unknown)(key)
      expect(await (commands.toString as never as (key: string) => unknown)(key)).toBe(name)
    }
    await expect(commands.valueOf?.()).rejects.toMatchObject({ code: 'EXTENSION_MISSING' })
    expect(await commands).toBe(commands)
    await scheduler.close()
  }
  expect(disk.rows.size).toBe(9)
})

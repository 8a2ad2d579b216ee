// A client and its session over wires that are cut, break and come back: what was asked is answered once, what is watched is told,
// and nothing is sent that nobody asked for.
import { createScheduler, inline, type Scheduler, type SchedulerOptions } from 'offstage'
import { manualClock } from 'offstage/testing'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { defer } from '../../src/shared/deferred.ts'
import { memoryStore } from '../../src/store/memory-store.ts'
import { jobs } from '../fixtures/jobs.ts'
import { read } from '../support/engine-cases.ts'
import { fromSession, rightOf } from '../support/messages.ts'
import { serve, startClient, Wire } from '../support/remote.ts'
import { FakeOrigin } from '../support/tabs.ts'
import { heard, turn } from '../support/testing.ts'

const turns = async (count: number) => {
  for (let n = 0; n < count; n++) await turn()
}

/** A scheduler that runs jobs, one that reaches it, and the wire between them; connected. */
async function start(options: SchedulerOptions<never> = {}) {
  const host = serve(options)
  const { scheduler: client, engine } = startClient('clock' in options ? { clock: options.clock } : {})
  const wire = new Wire(host, engine)
  wire.connect()
  onTestFinished(() => expect(wire.problems).toEqual([]))
  await client.counts()
  wire.said.length = 0
  return { host: host.scheduler, client, wire }
}

type Started = Awaited<ReturnType<typeof start>>

const typesFrom = ({ wire }: Started, from: 'client' | 'session') =>
  wire.said.flatMap(([by, [type]]) => (by === from ? [type] : []))

/** Cuts the wire when the first message of this type is under way: it was sent, and does not arrive. */
function cutAt({ wire }: Started, from: 'client' | 'session', type: string): Promise<void> {
  return new Promise((resolve) => {
    wire.onPost = (by, [said]) => {
      if (by !== from || said !== type) return
      wire.onPost = () => {}
      wire.cut()
      resolve()
    }
  })
}

describe('a cut', () => {
  const moments = [
    ['before a question arrives', 'client', 'ask'],
    ['before its answer arrives', 'session', 'answer'],
  ] as const

  test.each(moments)('%s: it is asked again, and done once', async (_when, from, type) => {
    const world = await start()
    const { host, client, wire } = world
    const isCut = cutAt(world, from, type)
    const onCompleted = vi.fn()
    const completed = vi.fn()
    client.on('completed', completed)
    const adding = client.add.double(21, { id: 'a', ifExists: 'reject', onCompleted })
    await isCut
    await turns(3)
    wire.connect()
    const job = await adding
    expect(job.disposition).toBe('created')
    expect(await job.result()).toBe(42)
    await client.counts()
    expect(onCompleted.mock.calls).toEqual([[42]])
    expect(completed).toHaveBeenCalledTimes(1)
    expect(await host.counts()).toMatchObject({ completed: 1, queued: 0 })
  })

  test.each(moments)('%s: `addMany` is one call, and its jobs are there once', async (_when, from, type) => {
    const world = await start()
    const { host, client, wire } = world
    host.pause()
    const isCut = cutAt(world, from, type)
    const adding = client.addMany([1, 2, 3].map((input) => ({ name: 'double', input }) as const))
    await isCut
    wire.connect()
    const added = await adding
    expect(added.map(({ disposition }) => disposition)).toEqual(['created', 'created', 'created'])
    expect(await host.counts()).toMatchObject({ queued: 3 })
    host.resume()
    expect(await Promise.all(added.map((job) => job.result()))).toEqual([2, 4, 6])
  })

  test.each(moments)('%s: jobs are moved once, and the call returns how many', async (_when, from, type) => {
    const world = await start()
    const { host, client, wire } = world
    const failed = await client.add.fail('no', { id: 'a' })
    await failed.result().catch(() => {})
    await client.counts()
    const started: string[] = []
    host.on('started', ({ jobId }) => started.push(jobId))
    const isCut = cutAt(world, from, type)
    const retried = client.retry('a')
    await isCut
    await host.onIdle()
    await turns(3)
    wire.connect()
    expect(await retried).toBe(1)
    await host.onIdle()
    expect(started).toEqual(['a'])
    host.pause()
    await client.add.double(1, { id: 'b' })
    const isCutAgain = cutAt(world, from, type)
    const cancelled = client.cancel('b')
    await isCutAgain
    await turns(3)
    wire.connect()
    expect(await cancelled).toBe(1)
    // Once the client has the answer, the other side keeps it no longer.
    await client.counts()
    expect(wire.answered.size).toBe(0)
  })

  test('an end that is heard before the answer is told once', async () => {
    const { scheduler, engine } = startClient()
    const completed = heard(scheduler, 'completed')
    const again = vi.fn()
    engine.connect(() => {})
    engine.receive([['welcome', false, []]])
    const adding = scheduler.add.double(1, { id: 'a' })
    const [, event, change] = rightOf(fromSession, 'event') as [string, object, object]
    // The session watches the job only when it is added again, and this takes a while if there are thousands.
    engine.receive([['event', event, undefined]])
    await completed
    scheduler.on('completed', again)
    engine.receive([['answer', 1, [[{ ...change, state: 'completed', finishMs: 5 }, 'created']]]])
    expect((await adding).snapshot().state).toBe('completed')
    expect(again).not.toHaveBeenCalled()
  })

  test('calls that were made meanwhile take effect in their order, pauses among them', async () => {
    const { host, client, wire } = await start()
    const started: string[] = []
    client.on('started', ({ jobId }) => started.push(jobId))
    wire.cut()
    client.pause()
    expect([client.isPaused, host.isPaused]).toEqual([true, false])
    const ran = ['a', 'b'].map((id) => client.run.noop(undefined, { id }))
    void client.setPriority('b', 9)
    client.resume()
    wire.connect()
    await Promise.all(ran)
    expect(started).toEqual(['b', 'a'])
    expect([client.isPaused, host.isPaused]).toEqual([false, false])
  })

  test('what happened meanwhile is told once it is over: an end, and a removal', async () => {
    const { host, client, wire } = await start()
    host.pause()
    const [ending, going] = [await client.add.double(21), await client.add.double(1, { id: 'gone' })]
    const events = ending.events()
    const gone = going.result().catch((error: unknown) => error)
    wire.cut()
    expect(await host.remove('gone')).toBe(1)
    host.resume()
    await host.onIdle()
    wire.connect()
    expect(await ending.result()).toBe(42)
    expect((await read(events)).map(({ type }) => type)).toEqual(['completed'])
    expect(await gone).toMatchObject({ code: 'JOB_CANCELLED', jobId: 'gone' })
  })

  test('values: no more are on their way than the reader has room for, none comes twice, and the rest comes after it', async () => {
    const { host, client, wire } = await start()
    host.pause()
    const job = await client.add.send(100)
    const values = job.values()
    host.resume()
    await turns(20)
    const sent = () => wire.said.filter(([, [type]]) => type === 'value').length
    expect(sent()).toBe(16)
    const first = (await values.next()).value
    wire.cut()
    wire.connect()
    const rest = (await read(values)) as number[]
    expect(first).toBe(1)
    expect(new Set(rest).size).toBe(rest.length)
    expect(rest).toEqual([...rest].sort((a, b) => a - b))
    expect(rest.at(-1)).toBe(100)
    expect(await job.result()).toBe(100)
  })

  test('a job that was replaced, or removed and added anew meanwhile, is told from the one that has its id', async () => {
    const { host, client, wire } = await start()
    host.pause()
    const old = [await client.add.double(1, { id: 'replaced' }), await client.add.double(1, { id: 'added anew' })]
    const settled = old.map((job) => job.result().catch((error: unknown) => error))
    const values = read(old[0]?.values() as AsyncIterable<unknown>)
    wire.cut()
    await host.add.double(2, { id: 'replaced', ifExists: 'replace' })
    await host.remove('added anew')
    await host.add.double(2, { id: 'added anew' })
    wire.connect()
    await client.counts()
    host.resume()
    await host.onIdle()
    await turns(3)
    for (const error of await Promise.all(settled)) expect(error).toMatchObject({ code: 'JOB_CANCELLED' })
    expect(await values).toEqual([])
    expect(old.map((job) => job.snapshot().state)).toEqual(['queued', 'queued'])
    expect(await (await client.get('replaced'))?.result()).toBe(4)
  })

  test('a replacement that was done, but whose answer was lost: the old job is gone, the new one is returned', async () => {
    const world = await start()
    const { host, client, wire } = world
    host.pause()
    const old = await client.add.double(1, { id: 'a' })
    const settled = old.result().catch((error: unknown) => error)
    const isCut = cutAt(world, 'session', 'event')
    const adding = client.add.double(2, { id: 'a', ifExists: 'replace' })
    await isCut
    await turns(3)
    wire.connect()
    const job = await adding
    host.resume()
    expect(await settled).toMatchObject({ code: 'JOB_CANCELLED' })
    expect(job.input).toBe(2)
    expect(await job.result()).toBe(4)
  })

  test('values: cut again and again, no more wait here than the reader has room for', async () => {
    const { host, client, wire } = await start()
    host.pause()
    const job = await client.add.send(200)
    const values = job.values()
    host.resume()
    for (let n = 0; n < 5; n++) {
      await turns(10)
      wire.cut()
      wire.connect()
    }
    await turns(10)
    const sent = wire.said.filter(([, [type]]) => type === 'value').length
    expect(sent).toBeLessThanOrEqual(17)
    // None was under way as the wire was cut, so none is lost.
    expect(await read(values)).toEqual(Array.from({ length: 200 }, (_, n) => n + 1))
  })

  test('of jobs that have ended, only what is new is sent again: that one was removed, that another was retried', async () => {
    const { host, client, wire } = await start()
    const jobs = [await client.add.double(1), await client.add.double(2), await client.add.fail('no')]
    for (const job of jobs) await job.result().catch(() => {})
    const removed: string[] = []
    client.on('removed', ({ jobId }) => removed.push(jobId))
    await client.counts()
    wire.cut()
    wire.said.length = 0
    await host.remove(jobs[0]?.id as string)
    host.pause()
    await host.retry(jobs[2]?.id as string)
    wire.connect()
    await client.counts()
    expect(removed).toEqual([jobs[0]?.id])
    expect(jobs.map((job) => job.snapshot().state)).toEqual(['completed', 'completed', 'queued'])
    const changed = wire.said.flatMap(([, [type, change]]) =>
      type === 'change' ? [(change as { id: string }).id] : [],
    )
    expect(changed).toEqual([jobs[2]?.id])
  })

  test('before a job is found, or stored: the session that is over watches no job', async () => {
    const opened = defer<void>()
    const { scheduler, engine, openSession } = serve({
      store: { ...memoryStore(), open: () => opened.promise.then(() => ({ records: [], rows: [] })) },
    })
    const ask = (...question: unknown[]) => {
      const session = openSession(() => {})
      session.receive([['ask', ...question]])
      session.close()
    }
    scheduler.pause()
    const watchers = () => engine.job('a')?.observers?.watchers.size ?? 0
    ask(1, 'insert', [[{ name: 'noop', input: undefined, options: { id: 'a' }, isAttended: true }], 0, false])
    opened.resolve()
    expect((await scheduler.get('a'))?.id).toBe('a')
    await turns(1)
    expect(watchers()).toBe(0)
    ask(2, 'find', [{}])
    await scheduler.counts()
    await turns(1)
    expect(watchers()).toBe(0)
  })

  test('a close meanwhile settles all that waits, and the jobs go on without it', async () => {
    const { host, client, wire } = await start()
    host.pause()
    const job = await client.add.double(21, { id: 'a' })
    wire.cut()
    const waiting = [job.result(), client.counts(), client.run.double(1)].map((call) => call.catch(({ code }) => code))
    await client.close()
    expect(await Promise.all(waiting)).toEqual(['SCHEDULER_CLOSED', 'SCHEDULER_CLOSED', 'SCHEDULER_CLOSED'])
    await expect(client.counts()).rejects.toMatchObject({ code: 'SCHEDULER_CLOSED' })
    expect(() => client.pause()).toThrow('closed')
    host.resume()
    expect(await (await host.get('a'))?.result()).toBe(42)
  })

  test('again and again, at whatever message: everything is done once', { timeout: 60_000 }, async () => {
    for (let at = 1; at <= 24; at++) {
      const { host, client, wire } = await start()
      let said = 0
      wire.onPost = () => {
        if (++said % at !== 0 || said > 200) return
        queueMicrotask(() => {
          wire.cut()
          wire.connect()
        })
      }
      const completed: string[] = []
      client.on('completed', ({ jobId }) => completed.push(jobId))
      const added = await Promise.all([1, 2, 3].map((n) => client.add.double(n, { id: `${n}`, ifExists: 'reject' })))
      const results = await Promise.all([
        ...added.map((job) => job.result()),
        client.run.later(1),
        client.run.double(9),
      ])
      expect(results, `a cut after each ${at}`).toEqual([2, 4, 6, 'later', 18])
      await client.counts()
      expect(new Set(completed).size).toBe(completed.length)
      expect(await host.counts()).toMatchObject({ completed: 5, failed: 0, queued: 0, running: 0 })
    }
  })
})

describe('what is shown', () => {
  test('a snapshot shows the progress that was reported before anybody here looked, over a cut as well', async () => {
    const { host, client, wire } = await start()
    const reported = heard(host, 'progress')
    await client.add.beginAndHang(undefined, { id: 'a' })
    await reported
    const job = await client.get('a')
    expect(job?.snapshot().state).toBe('running')
    await client.counts()
    expect(job?.snapshot().progress).toBe('begun')
    const other = await host.add.beginAndHang(undefined, { id: 'b' })
    const seen = await client.get('b')
    expect(seen?.snapshot().progress).toBeUndefined()
    wire.cut()
    await host.cancel('a')
    await heard(host, 'progress')
    wire.connect()
    await client.counts()
    expect(seen?.snapshot()).toMatchObject({ state: 'running', progress: 'begun' })
    await other.cancel()
  })

  test('a pause is seen at once, and a board from before does not undo it', async () => {
    const { client } = await start()
    const seen: boolean[] = []
    client.stats()
    // The board is asked for, and the pause is not.
    for (let n = 0; n < 5; n++) await Promise.resolve()
    client.pause()
    for (let n = 0; n < 10; n++) {
      seen.push(client.snapshot().isPaused)
      await turn()
    }
    expect(seen).toEqual(seen.map(() => true))
    client.resume()
    expect(client.snapshot().isPaused).toBe(false)
  })

  test('a job that is removed while it is looked up: another that takes its id is told from it', async () => {
    const { host, client } = await start()
    const removed: string[] = []
    client.on('removed', ({ jobId }) => removed.push(jobId))
    await host.run.double(1, { id: 'a' })
    const [got, [found]] = await Promise.all([client.get('a'), client.find({ name: 'double' }), client.remove('a')])
    const onCompleted = vi.fn()
    for (const job of [got, found]) job?.on('completed', onCompleted)
    const completed = heard(client, 'completed')
    await client.counts()
    await host.run.double(2, { id: 'a' })
    expect(await completed).toMatchObject({ jobId: 'a', result: 4 })
    expect(await got?.result()).toBe(2)
    expect(onCompleted).not.toHaveBeenCalled()
    expect(removed).toEqual(['a'])
  })

  test('events of a job that is replaced from here are heard, though nothing was known of it', async () => {
    const { host, client } = await start()
    host.pause()
    await host.add.double(1, { id: 'a' })
    const events: unknown[] = []
    for (const type of ['added', 'cancelled', 'removed'] as const)
      client.on(type, ({ jobId }) => events.push([type, jobId]))
    await client.add.double(2, { id: 'a', ifExists: 'replace' })
    expect(events).toEqual([
      ['cancelled', 'a'],
      ['removed', 'a'],
      ['added', 'a'],
    ])
  })
})

describe('a client that is closed', () => {
  test('ends the values of jobs that have ended, of which some are at the other end', async () => {
    const { host, client, wire } = await start()
    host.pause()
    const jobs = [await client.add.send(20), await client.add.send(20, { keepMs: 0 })]
    const values = jobs.map((job) => job.values())
    const removed = heard(client, 'removed')
    host.resume()
    await Promise.all([...jobs.map((job) => job.result()), removed])
    wire.cut()
    await client.close()
    // No more than 16 are ahead of their reader; Bun has brought none of them by now.
    for (const each of values) expect((await read(each)).length).toBeLessThanOrEqual(16)
  })

  test('is not connected again', async () => {
    const { client, wire } = await start()
    wire.cut()
    await client.close()
    wire.said.length = 0
    wire.connect()
    await turns(3)
    expect(wire.said.filter(([by]) => by === 'client')).toEqual([])
  })
})

describe('a wire that breaks', () => {
  test.each(['client', 'session'] as const)(
    'as the %s sends: nothing is lost, and the call is no bad input',
    async (from) => {
      const { client, wire } = await start()
      const broken = new Promise<void>((resolve) => {
        wire.onPost = (by) => {
          if (by !== from) return
          wire.onPost = () => {}
          resolve()
          throw new Error('the socket is gone')
        }
      })
      const result = client.run.double(21)
      await broken
      await turns(3)
      wire.connect()
      expect(await result).toBe(42)
    },
  )

  test('an input that cannot be cloned fails its own call alone', async () => {
    const { client } = await start()
    const { port1, port2 } = new MessageChannel()
    const bad = client.run.echo({ port1 }, { transfer: [port1] })
    const good = client.run.double(21)
    await expect(bad).rejects.toMatchObject({ code: 'DATA_CLONE' })
    expect(await good).toBe(42)
    port2.close()
  })
})

describe('nothing for nothing', () => {
  test('the board is sent when somebody looks, and with nothing else', async () => {
    const world = await start()
    const { client, wire } = world
    for (let n = 0; n < 20; n++) await client.run.double(n)
    await client.add.double(1)
    expect(typesFrom(world, 'session')).not.toContain('board')
    client.stats()
    client.snapshot()
    await client.counts()
    expect(typesFrom(world, 'session').filter((type) => type === 'board')).toHaveLength(1)
    expect(client.snapshot().counts.completed).toBeGreaterThan(19)
    wire.said.length = 0
    await client.run.double(1)
    await client.run.double(1)
    // That of the second look.
    expect(typesFrom(world, 'session').filter((type) => type === 'board')).toHaveLength(1)
  })

  test('who observes is told of changes, no more often than every 50 ms, and of none any more when it leaves', async () => {
    const clock = manualClock()
    const world = await start({ clock })
    const { client, wire } = world
    const boards = () => typesFrom(world, 'session').filter((type) => type === 'board').length
    const observer = vi.fn()
    const stop = client.subscribe(observer)
    await client.counts()
    wire.said.length = 0
    for (let n = 0; n < 20; n++) await client.run.double(n)
    expect(boards()).toBe(0)
    clock.advance(50)
    await turns(3)
    expect(boards()).toBe(1)
    expect(client.snapshot().counts.completed).toBe(20)
    expect(observer).toHaveBeenCalled()
    stop()
    await client.counts()
    wire.said.length = 0
    await client.run.double(1)
    clock.advance(1_000)
    await turns(3)
    expect(boards()).toBe(0)
  })

  test('an observer that looks at what has changed asks for nothing, but for queues that are new to it', async () => {
    const clock = manualClock()
    const world = await start({ clock })
    const { client, wire } = world
    const queues = ['mails', 'files'].map((name) => client.queue(name))
    const observer = vi.fn(() => [client.snapshot(), client.stats(), ...queues.map(({ size }) => size)])
    client.subscribe(observer)
    await client.counts()
    const pass = async () => {
      clock.advance(50)
      await turns(3)
    }
    const paused = [1, 2].map((n) => client.add.double(n, { delayMs: 1e6, queue: 'mails' }))
    await Promise.all(paused)
    for (let n = 0; n < 4; n++) {
      await client.run.double(n)
      await pass()
    }
    wire.said.length = 0
    for (let n = 0; n < 20; n++) await client.run.double(n)
    await pass()
    expect(observer.mock.calls.length).toBeGreaterThan(4)
    expect(typesFrom(world, 'client')).not.toContain('look')
    expect(typesFrom(world, 'session').filter((type) => type === 'board')).toHaveLength(1)
    expect(client.snapshot().counts.completed).toBe(24)
  })

  test('who listens `once` is sent no more than it hears', async () => {
    const world = await start()
    const { host, client, wire } = world
    const completed = heard(client, 'completed')
    await client.counts()
    await host.run.double(1)
    await completed
    await client.counts()
    wire.said.length = 0
    for (let n = 0; n < 5; n++) await host.run.double(1)
    await turns(3)
    expect(typesFrom(world, 'session')).toEqual([])
  })

  test('events are sent of the types that somebody listens to', async () => {
    const world = await start()
    const { host, client, wire } = world
    await host.run.double(1)
    await turns(3)
    expect(typesFrom(world, 'session')).toEqual([])
    const completed = heard(client, 'completed')
    await client.counts()
    wire.said.length = 0
    await host.run.double(1)
    await completed
    expect(typesFrom(world, 'session')).toEqual(['event'])
  })
})

describe('`createScheduler(null)`', () => {
  test('needs something that runs the jobs', () => {
    expect(() => createScheduler(null)).toThrow(TypeError)
    expect(() => createScheduler(null)).toThrow('null beside a `store` whose jobs another tab runs')
    expect(() => createScheduler(null, { store: undefined })).toThrow(TypeError)
  })

  test('an engine keeps the jobs itself: a store beside it is refused, and so is what is no engine', () => {
    const engine = { makeEngine: () => ({}) }
    const store = new FakeOrigin().openTab().store
    const refused = (text: string) =>
      expect.objectContaining({ code: 'INVALID_OPTION', message: expect.stringContaining(text) })
    const make = (options: object) => () => createScheduler(null, options as never)
    expect(make({ engine, store })).toThrow(refused('`store`'))
    for (const wrong of [null, {}, 'x', () => {}]) expect(make({ engine: wrong })).toThrow(refused('`engine`'))
  })

  test('on a store that tabs share it adds and never leads', async () => {
    const origin = new FakeOrigin()
    const open = (source: Parameters<typeof createScheduler>[0]): Scheduler<typeof jobs> => {
      const scheduler = createScheduler<typeof jobs>(source, { store: origin.openTab().store })
      onTestFinished(() => scheduler.close({ mode: 'now' }))
      return scheduler
    }
    const adds = open(null)
    const result = adds.run.double(21)
    await turns(10)
    expect(origin.disk.owners).toBe(0)
    const leader = open(inline(jobs))
    expect(await result).toBe(42)
    const second = adds.run.double(1)
    await leader.close()
    await turns(10)
    expect(origin.disk.owners).toBe(1)
    const third = adds.run.double(2)
    open(inline(jobs))
    expect([await second, await third]).toEqual([2, 4])
    expect(origin.disk.problems).toEqual([])
  })
})

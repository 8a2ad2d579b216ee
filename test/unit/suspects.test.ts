// A stored job that ends its process is found by its third start, and nobody else is taken for it. What was running when
// the process ended runs on trial: alone, after the others, for five seconds at most.
import { createScheduler, inline, type SchedulerOptions } from 'offstage'
import { manualClock } from 'offstage/testing'
import { defineJobs } from 'offstage/worker'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { Disk } from '../support/full-store.ts'
import { turn } from '../support/testing.ts'

const started: string[] = []
const ends = new Map<string, () => void>()

/** Each runs until the test ends it. */
const jobs = defineJobs({
  hold: (_input: undefined, { id, signal }: { id: string; signal: AbortSignal }) =>
    new Promise<void>((resolve, reject) => {
      started.push(id)
      ends.set(id, resolve)
      signal.addEventListener('abort', () => reject(signal.reason))
    }),
})

/** Processes one after the other, on one disk. */
function machine(options: SchedulerOptions<never> = {}) {
  const disk = new Disk()
  let clock = manualClock()
  const boot = () => {
    let isDead = false
    const { store } = disk
    const commit = (changes: never) => (isDead ? new Promise<void>(() => {}) : store.commit(changes))
    const scheduler = createScheduler<typeof jobs>(inline(jobs), {
      store: { ...store, commit } as never,
      workers: 4,
      clock,
      ...options,
    } as never)
    onTestFinished(() => (isDead ? undefined : scheduler.close({ mode: 'now' })))
    const kill = () => {
      isDead = true
    }
    return { scheduler, kill }
  }
  let life = boot()
  const settle = async () => {
    for (let n = 0; n < 6; n++) await turn()
  }
  return {
    get scheduler() {
      return life.scheduler
    },
    settle,
    async add(...ids: string[]) {
      await life.scheduler.addMany(ids.map((id) => ({ name: 'hold', options: { id } }) as const))
      await settle()
    },
    /** As the power would. */
    async kill() {
      life.kill()
      clock = manualClock(clock.now())
      started.length = 0
      life = boot()
      await settle()
    },
    async close() {
      await life.scheduler.close({ mode: 'now' })
      started.length = 0
      life = boot()
      await settle()
    },
    async pass(ms: number) {
      for (let left = ms; left > 0; left -= 500) {
        clock.advance(Math.min(left, 500))
        await settle()
      }
    },
    async end(...ids: string[]) {
      for (const id of ids) ends.get(id)?.()
      await settle()
    },
    async state(id: string) {
      const job = await life.scheduler.get(id)
      return job?.snapshot().state
    },
    crashes: () => Object.fromEntries([...disk.records.values()].map(({ id, crashes }) => [id, crashes])),
  }
}

describe('a job that ends its process', () => {
  test('fails at its third start, and not those that ran beside it', async () => {
    const host = machine()
    const others = ['a', 'b', 'c']
    await host.add('killer', ...others)
    await host.kill()
    expect(host.crashes()).toEqual({ killer: 1, a: 1, b: 1, c: 1 })
    await host.pass(1_000)
    expect(started).toEqual(['killer'])
    await host.kill()
    await host.pass(1_000)
    expect(started).toEqual(['killer'])
    await host.kill()
    const job = await host.scheduler.get('killer')
    await expect(job?.result()).rejects.toMatchObject({ code: 'JOB_POISONED', attempt: 3, jobId: 'killer' })
    await host.pass(1_000)
    for (const id of others) await host.end(id)
    expect(started).toEqual(others)
    expect(host.crashes()).toEqual({ killer: 3, a: 0, b: 0, c: 0 })
  })

  test('is found behind neighbours that run for long', async () => {
    const host = machine()
    await host.add('a', 'b', 'killer')
    const live = async () => {
      await host.kill()
      await host.pass(12_000)
    }
    await live()
    expect(started).toEqual(['a', 'b', 'killer'])
    expect(host.crashes()).toEqual({ a: 0, b: 0, killer: 1 })
    await live()
    await live()
    expect(host.crashes()).toEqual({ a: 0, b: 0, killer: 3 })
    expect(started).toEqual(['a', 'b'])
    expect(await host.state('killer')).toBe('failed')
  })

  test('is tried again when it is retried by hand, and its crashes are forgotten', async () => {
    const host = machine()
    await host.add('killer')
    for (let n = 0; n < 3; n++) {
      await host.kill()
      await host.pass(1_000)
    }
    expect(await host.scheduler.retry('killer')).toBe(1)
    await host.settle()
    expect(started).toEqual(['killer'])
    expect(host.crashes()).toEqual({ killer: 0 })
  })
})

describe('nothing is held against a job', () => {
  test('that ran when the scheduler was closed', async () => {
    const host = machine()
    await host.add('a')
    for (let n = 0; n < 4; n++) await host.close()
    expect(started).toEqual(['a'])
    expect(host.crashes()).toEqual({ a: 0 })
  })

  test('that had run for five seconds on trial, however often its process is killed', async () => {
    const host = machine()
    await host.add('a', 'b')
    for (let n = 0; n < 5; n++) {
      await host.kill()
      expect(host.crashes()).toEqual({ a: 1, b: 1 })
      await host.pass(11_000)
      expect(started).toEqual(['a', 'b'])
    }
  })

  test('that waited when its process ended, or when it ended within a second', async () => {
    const host = machine({ workers: 1 } as never)
    await host.add('a', 'waits')
    await host.kill()
    for (let n = 0; n < 5; n++) {
      await host.end('waits')
      await host.pass(900)
      await host.kill()
    }
    expect(host.crashes()).toMatchObject({ a: 1 })
  })
})

describe('a trial', () => {
  test('begins when nothing else can start, and what runs has ended or has run for five seconds', async () => {
    const host = machine()
    await host.add('suspect')
    await host.kill()
    await host.add('long', 'short')
    await host.pass(3_000)
    await host.end('short')
    await host.pass(1_500)
    expect(started).toEqual(['long', 'short'])
    await host.pass(500)
    expect(started).toEqual(['long', 'short', 'suspect'])
  })

  test('begins at once when all else has ended', async () => {
    const host = machine()
    await host.add('suspect')
    await host.kill()
    await host.add('short')
    await host.pass(2_000)
    await host.end('short')
    expect(started).toEqual(['short', 'suspect'])
  })

  test('holds back all else for five seconds, and no longer', async () => {
    const host = machine()
    await host.add('suspect', 'second')
    await host.kill()
    await host.pass(1_000)
    await host.add('other')
    await host.pass(4_500)
    expect(started).toEqual(['suspect'])
    await host.pass(500)
    expect(started).toEqual(['suspect', 'other'])
  })

  test('or until the job ends, or is cancelled and has left its thread', async () => {
    const host = machine()
    await host.add('ends', 'fails')
    await host.kill()
    await host.pass(1_000)
    await host.end('ends')
    expect(started).toEqual(['ends', 'fails'])
    await host.add('other')
    await host.scheduler.cancel('fails')
    await host.settle()
    expect(started).toEqual(['ends', 'fails', 'other'])
  })

  test('comes within ten seconds, although there is always something else to do', async () => {
    const host = machine({ workers: 1 } as never)
    await host.add('suspect')
    await host.kill()
    const seconds = Array.from({ length: 30 }, (_, second) => `other ${second}`)
    await host.add(...seconds)
    for (const id of seconds.slice(0, 9)) {
      await host.pass(1_000)
      await host.end(id)
    }
    expect(started).not.toContain('suspect')
    await host.pass(1_000)
    await host.end('other 9')
    expect(started.at(-1)).toBe('suspect')
    await host.end('suspect')
    expect(started.at(-1)).toBe('other 10')
  })

  test('takes turns with all else', async () => {
    const host = machine({ workers: 6 } as never)
    const suspects = ['a', 'b', 'c', 'd']
    await host.add(...suspects)
    await host.kill()
    for (let n = 0; n < 80; n++) {
      await host.add(`other ${n}`)
      await host.pass(500)
      await host.end(...started.filter((id) => id.startsWith('other')))
    }
    const beginnings = suspects.map((id) => started.indexOf(id))
    expect(beginnings.every((at) => at >= 0)).toBe(true)
    expect(beginnings.some((at) => at > 20)).toBe(true)
    expect(started.length).toBeGreaterThan(60)
  })

  test('is of the most urgent suspect', async () => {
    const host = machine()
    await host.add('a', 'b', 'c')
    await host.kill()
    await host.scheduler.setPriority('c', 1)
    await host.pass(1_000)
    await host.scheduler.cancel('a')
    await host.end('c')
    expect(started).toEqual(['c', 'b'])
  })

  test('runs before a drain is over', async () => {
    const host = machine()
    await host.add('a')
    await host.kill()
    const closing = host.scheduler.close({ mode: 'drain' })
    await host.pass(1_000)
    expect(started).toEqual(['a'])
    await host.end('a')
    await closing
  })
})

describe('a suspect that cannot start holds back no other job', () => {
  test.each([
    ['its queue is paused', {}],
    ['its queue has no room', { queues: { own: { concurrency: 1 } } }],
    ['its queue has started enough', { queues: { own: { rateLimit: { limit: 1, intervalMs: 60_000 } } } }],
  ])('%s', async (why, options) => {
    const host = machine(options as never)
    const inQueue = (id: string) => host.scheduler.add.hold(undefined, { id, queue: 'own' })
    await inQueue('suspect')
    await host.settle()
    await host.kill()
    const queue = host.scheduler.queue('own')
    if (why.includes('paused')) queue.pause()
    else await inQueue('first')
    await host.pass(11_000)
    expect(started).not.toContain('suspect')
    await host.add('other')
    expect(started).toContain('other')
    await host.add('more')
    expect(started).toContain('more')
    if (why.includes('paused')) queue.resume()
    else if (why.includes('room')) await host.end('first')
    else await host.pass(60_000)
    await host.end('other', 'more')
    expect(started).toContain('suspect')
  })

  test('nor another suspect', async () => {
    const host = machine()
    await host.scheduler.add.hold(undefined, { id: 'stuck', queue: 'own', priority: 1 })
    await host.add('free')
    await host.kill()
    host.scheduler.queue('own').pause()
    await host.pass(1_000)
    expect(started).toEqual(['free'])
  })
})

test('a job that ended with its process is reported as interrupted, and as failed the third time', async () => {
  const host = machine()
  await host.add('killer')
  const onInterrupted = vi.fn()
  const onFailed = vi.fn()
  for (let n = 0; n < 3; n++) {
    const killing = host.kill()
    host.scheduler.on('interrupted', onInterrupted)
    host.scheduler.on('failed', onFailed)
    await killing
    await host.pass(1_000)
  }
  expect(onInterrupted).toHaveBeenCalledTimes(2)
  expect(onFailed.mock.calls).toMatchObject([[{ jobId: 'killer', error: { code: 'JOB_POISONED' } }]])
})

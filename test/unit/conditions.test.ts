// Queues that start jobs only while a condition is met: any object with `isMet` and `subscribe`, and those of offstage/conditions.
import { createScheduler, inline, type Scheduler, type SchedulerOptions } from 'offstage'
import { batteryOk, type Condition, hidden, online, onSync, registerSync, visible } from 'offstage/conditions'
import { grouped } from 'offstage/groups'
import { manualClock } from 'offstage/testing'
import { afterEach, describe, expect, onTestFinished, test, vi } from 'vitest'
import { jobs } from '../fixtures/jobs.ts'
import { start, turn, watchHost } from '../support/testing.ts'

/** A condition that a test switches. */
class Switch implements Condition {
  readonly name: string | undefined
  /** A class with private members, to see that it is not copied. */
  readonly #listeners = new Set<() => void>()
  #isOn: boolean
  asked = 0

  constructor(isOn: boolean, name?: string) {
    this.#isOn = isOn
    this.name = name
  }

  isMet(): boolean {
    this.asked++
    return this.#isOn
  }

  subscribe(onChange: () => void): () => void {
    this.#listeners.add(onChange)
    return () => this.#listeners.delete(onChange)
  }

  get listeners(): number {
    return this.#listeners.size
  }

  /** Says nothing of it. */
  put(isOn: boolean): void {
    this.#isOn = isOn
  }

  set(isOn: boolean): void {
    this.put(isOn)
    for (const listener of this.#listeners) listener()
  }
}

const reasonsOf = async (scheduler: Pick<Scheduler, 'whyWaiting'>, id: string) =>
  (await scheduler.whyWaiting(id)).flatMap(({ reason, detail }) =>
    // Nobody needs one.
    reason === 'no-worker' ? [] : `${reason}: ${detail}`,
  )

function gated(condition: Condition | readonly Condition[], options: SchedulerOptions<never> = {}) {
  const clock = manualClock()
  const scheduler = start('inline', 'jobs', { clock, ...options, queues: { upload: { condition } } })
  const errors: unknown[] = []
  scheduler.on('error', ({ error }) => errors.push(error))
  return { scheduler, clock, errors }
}

describe('a queue with a condition', () => {
  test('starts jobs only while it is met; what runs runs on, and other queues do not care', async () => {
    const wifi = new Switch(false, 'wifi')
    const { scheduler } = gated(wifi)
    const waiting = await scheduler.add.double(1, { queue: 'upload', priority: 9 })
    expect(await scheduler.run.double(2)).toBe(4)
    expect(waiting.snapshot().state).toBe('queued')
    expect(await reasonsOf(scheduler, waiting.id)).toEqual([
      "condition: The queue 'upload' waits for a condition: 'wifi'.",
    ])
    wifi.set(true)
    expect(await waiting.result()).toBe(2)

    const running = await scheduler.add.hang(undefined, { queue: 'upload' })
    await vi.waitFor(() => expect(running.snapshot().state).toBe('running'))
    wifi.set(false)
    await turn()
    expect(running.snapshot().state).toBe('running')
  })

  test('asks before each batch of starts, so a change that is not announced counts too', async () => {
    const quiet = new Switch(true)
    const { scheduler, clock } = gated(quiet)
    expect(await scheduler.run.double(1, { queue: 'upload' })).toBe(2)
    quiet.put(false)
    const waiting = await scheduler.add.double(2, { queue: 'upload' })
    await turn()
    expect(waiting.snapshot().state).toBe('queued')
    expect(await reasonsOf(scheduler, waiting.id)).toEqual(["condition: The queue 'upload' waits for a condition."])
    quiet.put(true)
    clock.advance(29_999)
    await turn()
    expect(waiting.snapshot().state).toBe('queued')
    clock.advance(1)
    expect(await waiting.result()).toBe(4)
    expect(clock.timers).toBeLessThanOrEqual(1)
  })

  test('of several, all have to be met', async () => {
    const [one, other] = [new Switch(false, 'one'), new Switch(false, 'other')]
    const { scheduler } = gated([one, other])
    const job = await scheduler.add.double(1, { queue: 'upload' })
    expect(await reasonsOf(scheduler, job.id)).toHaveLength(2)
    one.set(true)
    expect(await reasonsOf(scheduler, job.id)).toEqual([
      "condition: The queue 'upload' waits for a condition: 'other'.",
    ])
    other.set(true)
    expect(await job.result()).toBe(2)
  })

  test('is subscribed to while jobs wait, and no longer', async () => {
    const wifi = new Switch(false)
    const { scheduler, clock } = gated(wifi)
    await scheduler.counts()
    expect([wifi.listeners, wifi.asked]).toEqual([0, 0])
    const job = await scheduler.add.double(1, { queue: 'upload' })
    expect(wifi.listeners).toBe(1)
    await job.cancel()
    expect(wifi.listeners).toBe(0)
    await scheduler.add.double(1, { queue: 'upload' })
    expect(wifi.listeners).toBe(1)
    await scheduler.close()
    expect([wifi.listeners, clock.timers]).toEqual([0, 0])
  })

  test('holds up nothing of a closing scheduler but a drain, which waits for it as for a rate limit', async () => {
    const wifi = new Switch(false)
    const { scheduler } = gated(wifi)
    const result = scheduler.run.double(1, { queue: 'upload' })
    const closed = scheduler.close({ mode: 'drain' })
    await turn()
    wifi.set(true)
    expect(await result).toBe(2)
    await closed
  })

  test('keeps its concurrency, rate limit and pause', async () => {
    const wifi = new Switch(true)
    const scheduler = start('inline', 'jobs', { queues: { upload: { concurrency: 1, condition: wifi } } })
    scheduler.queue('upload').pause()
    const job = await scheduler.add.double(1, { queue: 'upload' })
    expect(await reasonsOf(scheduler, job.id)).toEqual(["queue-paused: The queue 'upload' is paused."])
    wifi.set(false)
    scheduler.queue('upload').resume()
    expect(await reasonsOf(scheduler, job.id)).toEqual(["condition: The queue 'upload' waits for a condition."])
    wifi.set(true)
    expect(await job.result()).toBe(2)
  })

  test('may be grouped', async () => {
    const wifi = new Switch(false, 'wifi')
    const scheduler = start('inline', 'jobs', { queues: { upload: grouped({ concurrency: 1 }, { condition: wifi }) } })
    const jobs = await Promise.all(['a', 'b'].map((group) => scheduler.add.double(1, { queue: 'upload', group })))
    expect(await reasonsOf(scheduler, jobs[0]?.id as string)).toContain(
      "condition: The queue 'upload' waits for a condition: 'wifi'.",
    )
    wifi.set(true)
    expect(await Promise.all(jobs.map((job) => job.result()))).toEqual([2, 2])
    expect(wifi.listeners).toBe(0)
  })

  test('does not let its jobs fail while no worker can be started', async () => {
    const clock = manualClock()
    const scheduler = createScheduler<typeof jobs>((() => Promise.reject(new Error('no thread today'))) as never, {
      clock,
      startTimeoutMs: 1_000,
      queues: { upload: { condition: new Switch(false) } },
    })
    onTestFinished(() => scheduler.close({ mode: 'now' }))
    scheduler.on('worker:exit', () => {})
    const held = await scheduler.add.double(1, { queue: 'upload' })
    const failing = scheduler.run.double(1).catch((error) => error.code)
    for (let n = 0; n < 30; n++) {
      await turn()
      clock.advance(1_000)
    }
    expect(await failing).toBe('WORKER_LOAD_FAILED')
    expect(held.snapshot().state).toBe('queued')
  })
})

describe('a condition that misbehaves harms nobody', () => {
  const never = () => () => {}
  const misbehaving: Record<string, Condition> = {
    'isMet throws': {
      isMet() {
        throw new Error('isMet')
      },
      subscribe: never,
    },
    'isMet returns a promise': { isMet: (async () => true) as never, subscribe: never },
    'isMet returns a promise that is rejected': {
      isMet: (async () => {
        throw new Error('async')
      }) as never,
      subscribe: never,
    },
    'isMet returns something truthy': { isMet: (() => 'yes') as never, subscribe: never },
  }
  test.each(Object.entries(misbehaving))('%s: it is not met, and the error is reported once', async (_, condition) => {
    const host = watchHost()
    const { scheduler, clock, errors } = gated(condition)
    const job = await scheduler.add.double(1, { queue: 'upload' })
    for (let n = 0; n < 3; n++) {
      expect(await scheduler.run.double(n)).toBe(2 * n)
      clock.advance(30_000)
    }
    await turn()
    host.stop()
    expect(job.snapshot().state).toBe('queued')
    expect(errors).toHaveLength(1)
    expect(host.uncaught).toEqual([])
    await scheduler.close()
  })

  test('subscribe or its end throws, or there is no end: the jobs run while it is met', async () => {
    for (const subscribe of [
      () => {
        throw new Error('subscribe')
      },
      () => () => {
        throw new Error('end')
      },
      () => 'no function' as never,
    ]) {
      const { scheduler, errors } = gated({ isMet: () => true, subscribe })
      for (let n = 0; n < 3; n++) expect(await scheduler.run.double(n, { queue: 'upload' })).toBe(2 * n)
      expect(errors).toHaveLength(1)
      await scheduler.close()
    }
  })

  test('subscribe returns nothing that ends it: that is reported by its name', async () => {
    const { scheduler, errors } = gated({ isMet: () => true, subscribe: () => undefined as never })
    await scheduler.run.double(1, { queue: 'upload' })
    expect(errors).toMatchObject([
      { code: 'INVALID_OPTION', message: expect.stringContaining('`subscribe()` to be a function') },
    ])
  })

  test('it calls back at once, from within isMet, for ever, or after the end', async () => {
    const calls = new Set<() => void>()
    const condition: Condition = {
      isMet() {
        for (const call of calls) call()
        return true
      },
      subscribe(onChange) {
        calls.add(onChange)
        onChange()
        return () => onChange()
      },
    }
    const { scheduler, errors } = gated(condition)
    for (let n = 0; n < 10; n++) expect(await scheduler.run.double(n, { queue: 'upload' })).toBe(2 * n)
    await scheduler.close()
    for (const call of calls) call()
    expect(errors).toEqual([])
  })

  test('it steers the scheduler while it is asked', async () => {
    let isDone = false
    const condition: Condition = {
      isMet() {
        if (isDone) return true
        isDone = true
        scheduler.queue('other').resume()
        scheduler.queue('upload').setConcurrency(1)
        void scheduler.cancel('first')
        void scheduler.add.double(7, { queue: 'upload', id: 'second', priority: 1 })
        return true
      },
      subscribe: never,
    }
    const { scheduler } = gated(condition)
    scheduler.queue('other').pause()
    const other = scheduler.run.double(3, { queue: 'other' })
    const first = scheduler.run.double(1, { queue: 'upload', id: 'first' }).catch(({ code }) => code)
    expect(await other).toBe(6)
    expect(['JOB_CANCELLED', 2]).toContain(await first)
    await scheduler.onIdle()
    expect(await (await scheduler.get('second'))?.result()).toBe(14)
  })
})

describe('offstage/conditions', () => {
  afterEach(() => void vi.unstubAllGlobals())

  test('where nobody says anything, as on a server, everything is met', async () => {
    const conditions = [online(), visible(), hidden(), batteryOk()]
    expect(conditions.map((condition) => condition.isMet())).toEqual([true, true, true, true])
    const { scheduler } = gated(conditions)
    expect(await scheduler.run.double(1, { queue: 'upload' })).toBe(2)
    expect(registerSync(scheduler)).toEqual(expect.any(Function))
  })

  test('online() follows the browser', async () => {
    const target = new EventTarget()
    const navigator = { onLine: false }
    vi.stubGlobal('navigator', navigator)
    vi.stubGlobal('addEventListener', target.addEventListener.bind(target))
    vi.stubGlobal('removeEventListener', target.removeEventListener.bind(target))
    const { scheduler } = gated(online())
    const job = await scheduler.add.double(1, { queue: 'upload' })
    expect(await reasonsOf(scheduler, job.id)).toEqual([
      "condition: The queue 'upload' waits for a condition: 'online'.",
    ])
    navigator.onLine = true
    target.dispatchEvent(new Event('online'))
    expect(await job.result()).toBe(2)
  })

  test('batteryOk() waits until it knows, then for the charger or a fuller battery', async () => {
    const battery = Object.assign(new EventTarget(), { level: 0.1, charging: false })
    vi.stubGlobal('navigator', { getBattery: async () => battery })
    const { scheduler } = gated(batteryOk({ minLevel: 0.5 }))
    const job = await scheduler.add.double(1, { queue: 'upload' })
    await turn()
    expect(job.snapshot().state).toBe('queued')
    battery.level = 0.5
    battery.dispatchEvent(new Event('levelchange'))
    expect(await job.result()).toBe(2)
    battery.level = 0.2
    const other = await scheduler.add.double(2, { queue: 'upload' })
    await turn()
    expect(other.snapshot().state).toBe('queued')
    battery.charging = true
    battery.dispatchEvent(new Event('chargingchange'))
    expect(await other.result()).toBe(4)
  })

  test('batteryOk() is met where the page may not know', async () => {
    vi.stubGlobal('navigator', { getBattery: () => Promise.reject(new DOMException('no', 'NotAllowedError')) })
    const { scheduler } = gated(batteryOk())
    expect(await scheduler.run.double(1, { queue: 'upload' })).toBe(2)
  })

  test('options out of range are refused', () => {
    const wrong = (value: unknown) => value as never
    for (const minLevel of [-0.1, 1.1, Number.NaN, '1', null])
      expect(() => batteryOk({ minLevel: wrong(minLevel) })).toThrow(/`minLevel`/)
    for (const of of ['tab', 1, null]) expect(() => visible({ of: wrong(of) })).toThrow(/`of`/)
    expect(() => hidden(wrong({ page: true }))).toThrow(/`page`/)
    expect(() => hidden(wrong(null))).toThrow(expect.objectContaining({ code: 'INVALID_OPTION' }))
    const { scheduler } = gated(online())
    expect(() => registerSync(scheduler, { queue: wrong(1) })).toThrow(/`queue`/)
    expect(() => registerSync(wrong({}))).toThrow(/`scheduler`/)
  })
})

describe('Background Sync', () => {
  afterEach(() => void vi.unstubAllGlobals())

  test('is registered when the device goes offline; then the service worker wakes the queue', async () => {
    const [page, container] = [new EventTarget(), new EventTarget()]
    const register = vi.fn(async () => {})
    const ready = Promise.resolve({ sync: { register } })
    vi.stubGlobal('navigator', { onLine: true, serviceWorker: Object.assign(container, { ready }) })
    vi.stubGlobal('addEventListener', page.addEventListener.bind(page))
    vi.stubGlobal('removeEventListener', page.removeEventListener.bind(page))
    const postMessage = (data: unknown, ports: MessagePort[]) =>
      container.dispatchEvent(Object.assign(new Event('message'), { data, ports }))
    // One page has no offstage, and never replies.
    const matchAll = async () => [{ postMessage() {} }, { postMessage }]
    vi.stubGlobal('clients', { matchAll })

    const { scheduler } = gated(online())
    const stop = registerSync(scheduler, { queue: 'upload' })
    await turn()
    expect(register).not.toHaveBeenCalled()
    page.dispatchEvent(new Event('offline'))
    await turn()
    expect(register).toHaveBeenCalledWith('offstage:upload')

    const options = { queue: 'upload', attempts: 3, backoff: [3_600_000] }
    const failing = await scheduler.add.failUntil(2, options)
    const later = await scheduler.add.double(1, { queue: 'upload', delayMs: 3_600_000 })
    await vi.waitFor(() => expect(failing.snapshot().error).toBeDefined())
    const waits: Promise<unknown>[] = []
    onSync({ tag: 'another', waitUntil: (promise: Promise<unknown>) => waits.push(promise) })
    expect(waits).toEqual([])
    onSync({ tag: 'offstage:upload', waitUntil: (promise: Promise<unknown>) => waits.push(promise) })
    expect(waits).toHaveLength(1)
    await waits[0]
    expect(await failing.result()).toBe(2)
    // It waits for its time, not for the network.
    expect(later.snapshot().state).toBe('scheduled')

    stop()
    page.dispatchEvent(new Event('offline'))
    await turn()
    expect(register).toHaveBeenCalledTimes(1)
  })

  test('nobody is there: the service worker may sleep again', async () => {
    vi.stubGlobal('clients', { matchAll: async () => [] })
    const waits: Promise<unknown>[] = []
    onSync({ tag: 'offstage:default', waitUntil: (promise: Promise<unknown>) => waits.push(promise) })
    await waits[0]
    expect(waits).toHaveLength(1)
  })
})

test('a scheduler whose queues have conditions is made without asking them', () => {
  const isMet = vi.fn(() => true)
  const subscribe = vi.fn(() => () => {})
  const scheduler = createScheduler(inline(jobs), { queues: { a: { condition: { isMet, subscribe } } } })
  onTestFinished(() => scheduler.close())
  expect([isMet.mock.calls, subscribe.mock.calls]).toEqual([[], []])
})

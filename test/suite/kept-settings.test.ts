// What is set of a queue at run time is kept with the store: it holds after a restart, in place of the options, until it is set back.
import type { RateLimit, SchedulerOptions } from 'offstage'
import { describe, expect, test } from 'vitest'
import { kinds, stores } from '../support/stores.ts'
import { heard, start } from '../support/testing.ts'

const unlimited = { isPaused: false, size: 0, running: 0, concurrency: Number.POSITIVE_INFINITY, rateLimit: undefined }
const twice: RateLimit = { limit: 2, intervalMs: 3_600_000 }
const once: RateLimit = { type: 'token-bucket', limit: 1, intervalMs: 3_600_000, burst: 3 }

describe.each(kinds.filter((kind) => kind !== 'memory'))('in a %s store', (kind) => {
  const open = stores[kind]()

  /** A life of the same store, and what `queues()` says in it. */
  const live = (place: string, queues: SchedulerOptions['queues'] = {}) => {
    const scheduler = start('inline', 'jobs', { store: open(place), queues })
    const state = async (name: string) => (await scheduler.queues()).find((each) => each.name === name)
    return { scheduler, state }
  }

  test('pause, concurrency and rate limit hold after a restart, each in place of its option', async () => {
    const options = { mail: { concurrency: 2, rateLimit: twice }, other: { concurrency: 5 } }
    const first = live('hold', options)
    await first.scheduler.queue('mail').pause()
    await first.scheduler.queue('mail').setConcurrency(7)
    await first.scheduler.queue('other').setRateLimit(once)
    await first.scheduler.queue('empty').pause()
    await first.scheduler.close()

    const second = live('hold', options)
    expect(await second.scheduler.queues()).toEqual([
      { ...unlimited, name: 'default' },
      { ...unlimited, name: 'empty', isPaused: true },
      { ...unlimited, name: 'mail', isPaused: true, concurrency: 7, rateLimit: twice },
      { ...unlimited, name: 'other', concurrency: 5, rateLimit: once },
    ])
    expect(second.scheduler.queue('mail').isPaused).toBe(true)
    const job = await second.scheduler.add.double(21, { queue: 'mail' })
    const other = await second.scheduler.run.double(1, { queue: 'other' })
    expect([other, job.snapshot().state]).toEqual([2, 'queued'])
    await second.scheduler.queue('mail').resume()
    expect(await job.result()).toBe(42)
  })

  test('no limit is a setting, too; `close` waits for what nobody has waited for', async () => {
    const options = { mail: { concurrency: 2, rateLimit: twice } }
    const first = live('none', options)
    await first.scheduler.counts()
    void first.scheduler.queue('mail').setConcurrency(Number.POSITIVE_INFINITY)
    void first.scheduler.queue('mail').setRateLimit(undefined)
    await first.scheduler.close()
    expect(await live('none', options).state('mail')).toEqual({ ...unlimited, name: 'mail' })
  })

  test('`reset` goes back to the options, and resumes', async () => {
    const options = { mail: { concurrency: 2, rateLimit: twice } }
    const first = live('reset', options)
    await first.scheduler.queue('mail').pause()
    await first.scheduler.queue('mail').setConcurrency(7)
    await first.scheduler.queue('mail').setRateLimit(null)
    await first.scheduler.close()

    const second = live('reset', options)
    const resumed = heard(second.scheduler, 'resumed')
    await second.scheduler.queue('mail').reset()
    expect((await resumed).queue).toBe('mail')
    const asInOptions = { ...unlimited, name: 'mail', ...options.mail }
    expect(await second.state('mail')).toEqual(asInOptions)
    await second.scheduler.close()

    const third = live('reset', { mail: { concurrency: 3 } })
    expect(await third.state('mail')).toEqual({ ...unlimited, name: 'mail', concurrency: 3 })
  })

  test('what is as in the options is no setting: other options hold next time', async () => {
    const first = live('same', { mail: { concurrency: 2, rateLimit: twice } })
    await first.scheduler.queue('mail').setConcurrency(9)
    await first.scheduler.queue('mail').setRateLimit(once)
    await first.scheduler.queue('mail').setConcurrency(2)
    await first.scheduler.queue('mail').setRateLimit({ ...twice })
    await first.scheduler.close()
    const second = live('same', { mail: { concurrency: 4 } })
    expect(await second.state('mail')).toEqual({ ...unlimited, name: 'mail', concurrency: 4 })
  })

  test('what is set before the store is open goes on top of what it has', async () => {
    const first = live('early')
    await first.scheduler.queue('mail').pause()
    await first.scheduler.queue('mail').setConcurrency(7)
    await first.scheduler.queue('other').pause()
    await first.scheduler.close()

    const second = live('early')
    const events: unknown[] = []
    for (const type of ['paused', 'resumed'] as const)
      second.scheduler.on(type, ({ queue }) => events.push([type, queue]))
    void second.scheduler.queue('mail').resume()
    void second.scheduler.queue('other').pause()
    await second.scheduler.queue('third').pause()
    expect(second.scheduler.queue('third').isPaused).toBe(true)
    expect(await second.scheduler.run.double(1, { queue: 'mail' })).toBe(2)
    expect(await second.state('mail')).toEqual({ ...unlimited, name: 'mail', concurrency: 7 })
    expect(events).toEqual([
      ['resumed', 'mail'],
      ['paused', 'third'],
    ])
  })

  test('a pause of the whole scheduler is not kept', async () => {
    const first = live('all')
    await first.scheduler.pause()
    await first.scheduler.add.double(21, { id: 'a' })
    await first.scheduler.close()
    const second = live('all')
    const job = await second.scheduler.get('a')
    expect(await job?.result()).toBe(42)
  })

  test('the limit is copied: what becomes of the object later does not matter', async () => {
    const first = live('copy')
    const limit = { limit: 5, intervalMs: 1_000 }
    const done = first.scheduler.queue('mail').setRateLimit(limit)
    limit.limit = 0
    await done
    await first.scheduler.close()
    expect((await live('copy').state('mail'))?.rateLimit).toEqual({ limit: 5, intervalMs: 1_000 })
  })
})

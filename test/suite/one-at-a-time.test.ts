// Two handlers of one id never run at a time, whoever is the second: the same job again, or another that has got the id.
import { describe, expect, test } from 'vitest'
import { heard, places, start } from '../support/testing.ts'

describe.each(places)('on %s', (place) => {
  /** Two threads that are there. */
  async function startTwo() {
    const scheduler = start(place, 'jobs', { workers: { min: 2, max: 2 }, graceMs: 50 })
    let online = 0
    const areThere = new Promise<void>((resolve) => {
      scheduler.on('worker:online', () => {
        if (++online === 2) resolve()
      })
    })
    await Promise.all([scheduler.run.later(1), scheduler.run.later(1)])
    await areThere
    return scheduler
  }

  /** A job that hears nothing runs on one of them. */
  async function setUp() {
    const scheduler = await startTwo()
    const order: string[] = []
    scheduler.on('worker:exit', () => order.push('left'))
    scheduler.on('started', ({ name }) => order.push(name))
    const begun = heard(scheduler, 'progress')
    const job = await scheduler.add.beginAndHang(undefined, { id: 'x' })
    await begun
    job.result().catch(() => {})
    return { scheduler, order }
  }

  test('one that replaces a cancelled job waits until that has left its thread', async () => {
    const { scheduler, order } = await setUp()
    await scheduler.cancel('x')
    const job = await scheduler.add.double(21, { id: 'x', ifExists: 'replace' })
    expect(job.disposition).toBe('replaced')
    await scheduler.run.noop() // Nobody else waits for it.
    expect(await job.result()).toBe(42)
    expect(order.filter((name) => name !== 'noop')).toEqual(['beginAndHang', 'left', 'double'])
  })

  test('one that is added after a job was removed waits as well, in whatever queue', async () => {
    const { scheduler, order } = await setUp()
    await scheduler.remove('x')
    expect(await scheduler.run.double(21, { id: 'x', queue: 'other' })).toBe(42)
    expect(order).toEqual(['beginAndHang', 'left', 'double'])
    expect([scheduler.queue('default').running, scheduler.queue('other').running]).toEqual([0, 0])
  })

  test('and so does one that comes after another that never started', async () => {
    const { scheduler, order } = await setUp()
    await scheduler.remove('x')
    await scheduler.add.double(1, { id: 'x' })
    await scheduler.remove('x')
    const job = await scheduler.add.double(2, { id: 'x', delayMs: 1 })
    const last = await scheduler.add.double(3, { id: 'x', ifExists: 'replace' })
    expect(await last.result()).toBe(6)
    expect(order).toEqual(['beginAndHang', 'left', 'double'])
    await expect(job.result()).rejects.toMatchObject({ code: 'JOB_CANCELLED' })
  })

  test('one that replaces a job whose time was over waits, too', async () => {
    const scheduler = await startTwo()
    const order: string[] = []
    scheduler.on('worker:exit', () => order.push('left'))
    scheduler.on('started', ({ name }) => order.push(name))
    const timed = { id: 'x', timeoutMs: 20, keepMs: 0 }
    await expect(scheduler.run.beginAndHang(undefined, timed)).rejects.toMatchObject({ code: 'JOB_TIMEOUT' })
    expect(await scheduler.run.double(21, { id: 'x', ifExists: 'replace' })).toBe(42)
    expect(order).toEqual(['beginAndHang', 'left', 'double'])
  })

  test('a scheduler that is drained waits for it', async () => {
    const { scheduler, order } = await setUp()
    await scheduler.remove('x')
    const job = await scheduler.add.double(21, { id: 'x' })
    const result = job.result()
    await scheduler.close({ mode: 'drain' })
    expect(await result).toBe(42)
    expect(order.slice(0, 3)).toEqual(['beginAndHang', 'left', 'double'])
  })
})

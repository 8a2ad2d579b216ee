// What a dev server's plugin does to the schedulers of a page, without the dev server.
import { createScheduler } from 'offstage'
import { hotModule, renewWorkers } from 'offstage/hot'
import { describe, expect, onTestFinished, test } from 'vitest'
import type { jobs } from '../fixtures/jobs.ts'
import { heard, turn } from '../support/testing.ts'
import { jobsWorker } from '../support/workers.ts'

function hot() {
  const module = hotModule(createScheduler<typeof jobs>)
  const made: Worker[] = []
  const makeWorker = () => {
    const worker = jobsWorker()()
    made.push(worker)
    return worker
  }
  const make = () => {
    const scheduler = module.createScheduler(makeWorker, { workers: 1 })
    onTestFinished(() => scheduler.close({ mode: 'now' }))
    return scheduler
  }
  return { ...module, make, made }
}

describe('when the module of the workers has changed', () => {
  test('the next job runs on a new thread', async () => {
    const { make, renewWorkers } = hot()
    const scheduler = make()
    expect([await scheduler.run.turn(), await scheduler.run.turn()]).toEqual([1, 2])
    renewWorkers()
    expect(await scheduler.run.turn()).toBe(1)
    expect(scheduler.stats().workers.online).toBe(1)
  })

  test('a job that runs is interrupted and runs again, however often', async () => {
    const { make, renewWorkers } = hot()
    const scheduler = make()
    let started = heard(scheduler, 'started')
    const job = await scheduler.add.beginAndHang()
    for (let edit = 1; edit <= 5; edit++) {
      await started
      started = heard(scheduler, 'started')
      const interrupted = heard(scheduler, 'interrupted')
      await heard(scheduler, 'progress')
      renewWorkers()
      await interrupted
    }
    await started
    expect(job.snapshot().state).toBe('running')
  })

  test('a thread that was starting at that time is replaced, too', async () => {
    const { make, renewWorkers, made } = hot()
    const scheduler = make()
    const first = scheduler.run.turn()
    while (made.length === 0) await turn()
    expect(scheduler.stats().workers).toMatchObject({ starting: 1, online: 0 })
    renewWorkers()
    expect(await first).toBe(1)
    expect(made).toHaveLength(2)
  })

  test('nothing happens to a scheduler that is closed', async () => {
    const { make, renewWorkers } = hot()
    const scheduler = make()
    await scheduler.run.turn()
    await scheduler.close()
    renewWorkers()
    expect(scheduler.stats().workers.online).toBe(0)
  })
})

describe('without a plugin', () => {
  test('one scheduler gets new workers', async () => {
    const make = () => {
      const scheduler = createScheduler<typeof jobs>(jobsWorker(), { workers: 1 })
      onTestFinished(() => scheduler.close({ mode: 'now' }))
      return scheduler
    }
    const [renewed, other] = [make(), make()]
    expect([await renewed.run.turn(), await other.run.turn()]).toEqual([1, 1])
    renewWorkers(renewed)
    expect([await renewed.run.turn(), await other.run.turn()]).toEqual([1, 2])
  })

  test('what is no scheduler is refused', () => {
    for (const none of [undefined, {}, null])
      expect(() => renewWorkers(none as never)).toThrow(expect.objectContaining({ code: 'INVALID_OPTION' }))
  })
})

describe('when a module is replaced', () => {
  test('what it made while it was executed is closed, and what its functions made later is not', async () => {
    const { begin, end, make } = hot()
    begin()
    const ofModule = make()
    end()
    const ofComponent = make()
    expect([await ofModule.run.double(1), await ofComponent.run.double(1)]).toEqual([2, 2])
    begin()
    end()
    await expect(ofModule.run.double(1)).rejects.toMatchObject({ code: 'SCHEDULER_CLOSED' })
    expect(await ofComponent.run.double(2)).toBe(4)
  })
})

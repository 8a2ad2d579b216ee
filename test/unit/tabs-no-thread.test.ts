// Several tabs on one store, and no thread can be started in the one that leads: those that follow wait on it, and hear.
import { createScheduler, type Scheduler } from 'offstage'
import { manualClock } from 'offstage/testing'
import { expect, onTestFinished, test } from 'vitest'
import type { jobs } from '../fixtures/jobs.ts'
import { FakeOrigin } from '../support/tabs.ts'
import { turn } from '../support/testing.ts'

type Jobs = typeof jobs

/** A leader and a follower on one clock; time passes until something has settled. */
async function pair() {
  const origin = new FakeOrigin()
  const clock = manualClock()
  const refuse = (): never => {
    throw new Error('no worker today')
  }
  const open = async (): Promise<Scheduler<Jobs>> => {
    const scheduler = createScheduler<Jobs>(refuse, { store: origin.openTab().store, workers: 1, clock })
    scheduler.on('worker:exit', () => {})
    onTestFinished(() => scheduler.close({ mode: 'now' }))
    await scheduler.counts()
    return scheduler
  }
  const passUntil = async <Value>(settled: Promise<Value>): Promise<Value> => {
    let isOver = false
    void settled.then(() => {
      isOver = true
    })
    while (!isOver) {
      await turn()
      clock.advance(500)
    }
    return settled
  }
  return { leader: await open(), follower: await open(), passUntil }
}

test('whoever waits for a result in a tab that follows is told, and the job stays', async () => {
  const { leader, follower, passUntil } = await pair()
  const error = await passUntil(follower.run.double(1, { id: 'ours' }).catch((thrown) => thrown))
  expect(error).toMatchObject({ code: 'WORKER_LOAD_FAILED', message: expect.stringContaining('no worker today') })
  expect((await leader.get('ours'))?.snapshot()).toMatchObject({ state: 'queued', attempt: 0 })
  const again = (await follower.get('ours'))?.result().catch((thrown) => thrown)
  expect(await passUntil(again as Promise<unknown>)).toMatchObject({ code: 'WORKER_LOAD_FAILED' })
})

test.each(['leader', 'follower'] as const)('a drain in the %s does not wait for ever', async (who) => {
  const tabs = await pair()
  await tabs.leader.add.double(1)
  await tabs.passUntil(tabs[who].close({ mode: 'drain' }))
  expect(await tabs[who === 'leader' ? 'follower' : 'leader'].counts()).toMatchObject({ queued: 1 })
})

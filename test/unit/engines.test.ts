// One suite for every engine: what a scheduler does must not depend on where its jobs run.
import { createScheduler, inline, type Scheduler, type SchedulerOptions } from 'offstage'
import { expect, onTestFinished } from 'vitest'
import { jobs } from '../fixtures/jobs.ts'
import { engineCases, type Jobs } from '../support/engine-cases.ts'
import { serveOverChannel } from '../support/remote.ts'
import { FakeOrigin } from '../support/tabs.ts'
import { start } from '../support/testing.ts'

engineCases('an engine of its own', async (options) => start('inline', 'jobs', options) as Scheduler<Jobs>)

for (const role of ['leader', 'follower'] as const) {
  engineCases(`in a tab, the ${role}`, async (options) => {
    const origin = new FakeOrigin()
    const open = async (): Promise<Scheduler<Jobs>> => {
      const store = origin.openTab().store
      const scheduler = createScheduler<Jobs>(inline(jobs), {
        workers: 1,
        ...options,
        store,
      } as SchedulerOptions<never>)
      onTestFinished(() => scheduler.close({ mode: 'now' }))
      await scheduler.counts()
      return scheduler
    }
    const tabs = { leader: await open(), follower: await open() }
    onTestFinished(() => expect(origin.disk.problems).toEqual([]))
    return tabs[role]
  })
}

engineCases('in a client over a message channel', async (options) => serveOverChannel(options).client)

// What `AsyncLocalStorage` holds where a job is added, or a listener is put on, it holds when these are called.
import { AsyncLocalStorage } from 'node:async_hooks'
import { createScheduler, inline, type Scheduler } from 'offstage'
import { describe, expect, onTestFinished, test } from 'vitest'
import { jobs } from '../fixtures/jobs.ts'
import { FakeOrigin } from '../support/tabs.ts'
import { turn } from '../support/testing.ts'
import { jobsWorker } from '../support/workers.ts'

const storage = new AsyncLocalStorage<string>()
type Jobs = Scheduler<typeof jobs>

const started: Readonly<Record<string, () => Promise<Jobs>>> = {
  'on threads': async () => createScheduler<typeof jobs>(jobsWorker('jobs'), { workers: 1 }),
  'on this thread': async () => createScheduler<typeof jobs>(inline(jobs as never), { workers: 1 }),
  'in a tab that follows': async () => {
    const origin = new FakeOrigin()
    const [leader, follower] = [origin.openTab(), origin.openTab()].map(({ store }) =>
      createScheduler<typeof jobs>(inline(jobs as never), { workers: 1, store }),
    ) as [Jobs, Jobs]
    onTestFinished(() => leader.close({ mode: 'now' }))
    await leader.counts()
    await follower.counts()
    return follower
  },
}

describe.each(Object.keys(started))('%s', (name) => {
  test('callbacks have the context of the call that added the job', async () => {
    const scheduler = await (started[name] as () => Promise<Jobs>)()
    onTestFinished(() => scheduler.close({ mode: 'now' }))
    const heard: string[] = []
    const hear = (what: string) => () => void heard.push(`${what} ${storage.getStore()}`)
    const run = (context: string) =>
      storage.run(context, () =>
        scheduler.run.report([1], {
          onStarted: hear('started'),
          onProgress: hear('progress'),
          onCompleted: hear('completed'),
          onSettled: hear('settled'),
        }),
      )
    await Promise.all([run('one'), run('two')])
    const of = (context: string) => heard.filter((each) => each.endsWith(context)).map((each) => each.split(' ')[0])
    expect(of('one')).toEqual(['started', 'progress', 'completed', 'settled'])
    expect(of('two')).toEqual(['started', 'progress', 'completed', 'settled'])
    expect(of('undefined')).toEqual([])
  })

  test('listeners and observers of a job have that in which they were put on', async () => {
    const scheduler = await (started[name] as () => Promise<Jobs>)()
    onTestFinished(() => scheduler.close({ mode: 'now' }))
    scheduler.pause()
    const heard = new Set<string>()
    const job = await scheduler.add.noop()
    const listener = () => void heard.add(`taken off: ${storage.getStore()}`)
    storage.run('mine', () => {
      job.on('completed', () => void heard.add(`on: ${storage.getStore()}`))
      job.once('started', () => void heard.add(`once: ${storage.getStore()}`))
      job.subscribe(() => void heard.add(`subscribe: ${storage.getStore()}`))
      job.on('completed', listener)
    })
    job.off('completed', listener)
    scheduler.resume()
    await job.result()
    await turn()
    expect([...heard].sort()).toEqual(['on: mine', 'once: mine', 'subscribe: mine'])
  })
})

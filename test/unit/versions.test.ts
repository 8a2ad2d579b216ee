// Deploys and rollbacks: processes and tabs whose code knows different versions of an input.
import { createScheduler, inline, type SchedulerOptions } from 'offstage'
import { batches, flows } from 'offstage/flows'
import { renewWorkers } from 'offstage/hot'
import { manualClock } from 'offstage/testing'
import { defineJobs, versioned } from 'offstage/worker'
import { expect, onTestFinished, test } from 'vitest'
import { Disk } from '../support/full-store.ts'
import { FakeOrigin } from '../support/tabs.ts'
import { heard } from '../support/testing.ts'

interface Mail {
  readonly to: string
  readonly isUrgent: boolean
}
type Jobs = { readonly mail: (input: Mail | string) => string }

/** What was deployed, one after the other. The first knew nothing of versions. */
const deploys = {
  1: defineJobs({ mail: (to: string) => `1: ${to}` }),
  2: defineJobs({
    mail: versioned(
      2,
      { 1: (to: string) => ({ to, isUrgent: false }) },
      ({ to, isUrgent }: Mail) => `2: ${to} ${isUrgent}`,
    ),
  }),
}
type Deploy = keyof typeof deploys

/** The code of one deploy: it adds jobs of its version, and runs what it knows. */
function deploy(version: Deploy, options: SchedulerOptions<never>) {
  const scheduler = createScheduler<Jobs>(inline(deploys[version] as never), {
    workers: 1,
    defaults: { mail: { version } },
    ...options,
  } as never)
  onTestFinished(() => scheduler.close({ mode: 'now' }))
  return scheduler
}

test('a new deploy brings up what the old one has stored', async () => {
  const { store } = new Disk()
  const old = deploy(1, { store })
  old.pause()
  await old.add.mail('ann', { id: 'a' })
  await old.close({ mode: 'now' })
  const next = deploy(2, { store })
  await next.add.mail({ to: 'bob', isUrgent: true }, { id: 'b' })
  expect(await (await next.get('a'))?.result()).toBe('2: ann false')
  expect(await (await next.get('b'))?.result()).toBe('2: bob true')
})

test('after a rollback the newer jobs wait, over restarts, until the newer code is back', async () => {
  const { store } = new Disk()
  const first = deploy(2, { store })
  first.pause()
  await first.add.mail({ to: 'ann', isUrgent: true }, { id: 'a', attempts: 1 })
  await first.close({ mode: 'now' })
  for (let restart = 0; restart < 3; restart++) {
    const rolledBack = deploy(1, { store })
    const waiting = heard(rolledBack, 'waiting')
    expect(await rolledBack.run.mail('bob')).toBe('1: bob')
    await waiting
    const job = await rolledBack.get('a')
    expect(job?.snapshot()).toMatchObject({ state: 'blocked', error: undefined })
    expect(await rolledBack.whyWaiting('a')).toMatchObject([
      { detail: expect.stringMatching(/newer code.*version 2.*'mail' up to version 1/) },
    ])
    await rolledBack.close()
  }
  const again = deploy(2, { store })
  expect(await (await again.get('a'))?.result()).toBe('2: ann true')
})

test('it can be cancelled while it waits', async () => {
  const scheduler = deploy(1, {})
  const waiting = heard(scheduler, 'waiting')
  const job = await scheduler.add.mail('ann', { version: 2 })
  await waiting
  await job.cancel()
  expect(job.snapshot().state).toBe('cancelled')
})

test('two tabs of two deploys: the old one runs what it knows, the new one the rest once it leads', async () => {
  const origin = new FakeOrigin()
  const [oldTab, newTab] = [origin.openTab(), origin.openTab()]
  const old = deploy(1, { store: oldTab.store })
  await old.counts()
  const next = deploy(2, { store: newTab.store })
  await next.counts()
  const waiting = heard(next, 'waiting')
  const newer = await next.add.mail({ to: 'ann', isUrgent: true }, { id: 'newer' })
  await waiting
  expect(await old.run.mail('bob')).toBe('1: bob')
  expect(await next.whyWaiting('newer')).toMatchObject([
    { reason: 'blocked', detail: expect.stringContaining('newer') },
  ])
  await old.close()
  expect(await newer.result()).toBe('2: ann true')
  expect(await next.run.mail('old form', { version: 1 })).toBe('2: old form false')
  expect(origin.disk.problems).toEqual([])
})

test('a client of an older deploy adds what the newer leader brings up', async () => {
  const origin = new FakeOrigin()
  const leader = deploy(2, { store: origin.openTab().store })
  await leader.counts()
  const old = deploy(1, { store: origin.openTab().store })
  await old.counts()
  expect(await old.run.mail('ann')).toBe('2: ann false')
})

test('what a tab of an older deploy adds in a flow or a batch has its versions, where the newer one leads', async () => {
  const origin = new FakeOrigin()
  const leader = deploy(2, { store: origin.openTab().store })
  flows(leader)
  batches(leader)
  await leader.counts()
  const old = deploy(1, { store: origin.openTab().store })
  const letter = (input: string) => ({ name: 'mail' as const, input })
  const flow = await flows(old).add({
    first: letter('ann'),
    inner: { flow: { next: letter('bob') }, after: ['first'] },
  })
  expect(await flow.result()).toEqual({ first: '2: ann false', inner: { next: '2: bob false' } })
  const onSuccess = letter('dan')
  const batch = await batches(old).add([letter('cid')], { id: 'b', open: true, onSuccess })
  await batch.append([letter('eve'), { batch: [letter('fay')], id: 'inner' }])
  await batch.seal()
  expect(await batch.result()).toMatchObject({ total: 3, completed: 3 })
  await leader.onIdle()
  const results = (await leader.find({ state: 'completed' })).map((job) => job.result())
  expect((await Promise.all(results)).sort()).toEqual(
    ['ann', 'bob', 'cid', 'dan', 'eve', 'fay'].map((to) => `2: ${to} false`),
  )
  expect(await (await flows(old).add({ now: { ...letter('gus'), options: { version: 1 } } })).result()).toEqual({
    now: '2: gus false',
  })
})

test('renewed workers try it again: their module may be newer', async () => {
  const handlers = { mail: (input: unknown) => input as string }
  const clock = manualClock()
  const scheduler = createScheduler<Jobs>(inline(defineJobs(handlers)), { workers: 1, clock })
  onTestFinished(() => scheduler.close({ mode: 'now' }))
  let waiting = heard(scheduler, 'waiting')
  const job = await scheduler.add.mail('ann', { version: 2 })
  await waiting
  waiting = heard(scheduler, 'waiting')
  renewWorkers(scheduler)
  await waiting
  handlers.mail = versioned(2, { 1: String }, (input: unknown) => `newer: ${input}`)
  renewWorkers(scheduler)
  expect(await job.result()).toBe('newer: ann')
})

// Flows and batches over IndexedDB in a real browser: added in the following tab, carried on by it when the leader goes.
import { batches, flows } from 'offstage/flows'
import { idbStore } from 'offstage/idb'
import { expect, test } from 'vitest'
import { start } from '../support/testing.ts'

test('a flow and a batch go through two tabs, and end in the one that is left', async () => {
  const name = `flows-${performance.timeOrigin}`
  const open = () => {
    const scheduler = start('threads', 'jobs', { store: idbStore(name) })
    return { scheduler, plan: flows(scheduler), group: batches(scheduler) }
  }
  const leader = open()
  await leader.plan.get('none')
  await leader.scheduler.queue('later').pause()
  const follower = open()
  const double = (input: number, options = {}) => ({ name: 'double' as const, input, options })
  const flow = await follower.plan.add(
    { a: double(1), b: double(2, { queue: 'later' }), last: { ...double(3), after: ['a', 'b'] } },
    { id: 'f' },
  )
  const batch = await follower.group.add([double(4), double(5, { queue: 'later' })], {
    id: 'b',
    open: true,
    onComplete: double(6, { id: 'all' }),
  })
  const result = batch.result()
  await flow.jobs.a.result()
  await (await leader.group.get('b'))?.append([double(7)])
  expect(await follower.plan.list()).toMatchObject([{ id: 'f', state: 'running', ended: 1, total: 3 }])
  expect(await follower.group.list({ limit: 5 })).toMatchObject([{ id: 'b', state: 'running', isOpen: true, total: 3 }])
  await expect(follower.group.list({ after: 'f' })).rejects.toMatchObject({ code: 'INVALID_OPTION' })
  await leader.scheduler.close({ mode: 'now' })
  await batch.append([double(8)])
  await batch.seal()
  expect(flow.jobs.last.snapshot().state).toBe('blocked')
  await follower.scheduler.queue('later').resume()
  expect(await flow.result()).toEqual({ a: 2, b: 4, last: 6 })
  expect(await result).toEqual({ total: 4, completed: 4, failed: 0, cancelled: 0, pending: 0 })
  expect(batch.snapshot()).toEqual(await result)
  await follower.scheduler.onIdle()
  expect(await (await follower.scheduler.get('all'))?.result()).toBe(12)
  expect((await follower.scheduler.find()).length).toBe(8)
  expect(await follower.plan.list()).toEqual([{ id: 'f', state: 'completed', ended: 3, total: 3 }])
  expect(await follower.group.list()).toMatchObject([{ id: 'b', state: 'completed', isOpen: false, completed: 4 }])
})

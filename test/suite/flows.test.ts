// Flows on real threads: what a handler finds of the jobs that it has waited for. And the lists of flows and batches on every store.
import { batches, flows } from 'offstage/flows'
import { describe, expect, test } from 'vitest'
import { kinds, stores } from '../support/stores.ts'
import { places, start } from '../support/testing.ts'

describe.each(places)('on %s', (place) => {
  test('the results of parents are on the context, by key, also of a nested flow', async () => {
    const flow = await flows(start(place, 'jobs')).add({
      one: { name: 'headersOf', input: 0, options: { headers: { n: '1' } } },
      inner: { flow: { two: { name: 'headersOf', input: 0, after: [], options: { headers: { n: '2' } } } } },
      all: { name: 'parentsOf', after: ['one', 'inner'] },
      none: { name: 'parentsOf' },
    })
    const { all, none } = await flow.result()
    expect(all).toEqual({ one: { n: '1' }, inner: { two: { n: '2' } } })
    expect(none).toEqual({})
  })

  test('an error of a parent without which the job goes on is there as it was thrown', async () => {
    const flow = await flows(start(place, 'jobs')).add({
      bad: { name: 'headersOf', input: 9 },
      anyway: { name: 'parentsOf', after: ['bad'], onFailure: 'continue' },
    })
    const { anyway } = await flow.result()
    expect((anyway as { bad: unknown }).bad).toBeInstanceOf(Error)
  })
})

describe.each(kinds)('on a %s store', (kind) => {
  const makeStore = stores[kind]()
  const open = (place: string) => {
    const scheduler = start('inline', 'jobs', { store: makeStore(place) })
    return { scheduler, plan: flows(scheduler), group: batches(scheduler) }
  }
  const noop = { name: 'noop' } as const

  test('flows and batches are listed a page at a time, and are so after the store is opened again', async () => {
    const first = open('listed')
    for (const id of ['a', 'b', 'c']) {
      await first.plan.add({ one: noop, two: { ...noop, after: ['one'] } }, { id: `flow-${id}` })
      await first.group.add([noop, noop], { id: `batch-${id}` })
    }
    await first.scheduler.onIdle()
    const expectLists = async ({ plan, group }: ReturnType<typeof open>) => {
      const flow = { state: 'completed', ended: 2, total: 2 }
      expect(await plan.list({ limit: 2 })).toEqual(['flow-c', 'flow-b'].map((id) => ({ id, ...flow })))
      expect(await plan.list({ limit: 2, after: 'flow-b' })).toEqual([{ id: 'flow-a', ...flow }])
      const batch = { state: 'completed', isOpen: false, parentId: undefined, total: 2, completed: 2, failed: 0, cancelled: 0, pending: 0 } // biome-ignore format: one line.
      expect(await group.list({ limit: 1, after: 'batch-c' })).toEqual([{ id: 'batch-b', ...batch }])
    }
    await expectLists(first)
    await first.scheduler.close()
    if (kind !== 'memory') await expectLists(open('listed'))
  })
})

// Topics and the history on real threads and real stores.
import { type HistoryEntry, history } from 'offstage/history'
import { topics } from 'offstage/topics'
import { describe, expect, test } from 'vitest'
import { places, start } from '../support/testing.ts'

describe.each(places)('on %s', (place) => {
  test('an event adds its jobs, whose handlers know the topic, and the history has their moves', async () => {
    const scheduler = start(place, 'jobs')
    const log = history(scheduler)
    const ended = log.project(
      (ids: readonly string[], { jobId, to }: HistoryEntry) => (to === 'completed' ? [...ids, jobId] : ids),
      [],
    )
    const { subscribe, publish } = topics(scheduler)
    await subscribe('a', 'order.*', { name: 'headersOf', options: { priority: 1 } })
    const [job] = await publish('order.paid', 0, { id: 'e' })
    expect(await job?.result()).toEqual({ topic: 'order.paid', eventId: 'e' })
    expect(await publish('order.paid', 0, { id: 'e' })).toHaveLength(1)
    const moves = (await log.of('a@e')).map(({ move }) => move)
    expect(moves).toEqual(['insert', 'start', 'complete'])
    await expect.poll(() => ended.snapshot()).toEqual(['a@e'])
  })
})

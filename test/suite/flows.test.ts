// Flows on real threads: what a handler finds of the jobs that it has waited for.
import { flows } from 'offstage/flows'
import { describe, expect, test } from 'vitest'
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

// What is a handler, and what is a generator.
import { defineJobs } from 'offstage/worker'
import { describe, expect, test } from 'vitest'
import { places, start } from '../support/testing.ts'

describe.each(places)('on %s', (place) => {
  test('an iterator is no generator: it is refused as a result, what a generator is made of is not', async () => {
    const scheduler = start(place, 'values')
    await expect(scheduler.run.iterator()).rejects.toMatchObject({ code: 'DATA_CLONE' })
    expect(await scheduler.run.iterable()).toEqual(new Set([1, 2]))
    const progress: unknown[] = []
    expect(await scheduler.run.delegated(undefined, { onProgress: (value) => progress.push(value) })).toBe(3)
    expect(progress.at(-1)).toBe(3)
  })
})

test('inherited handlers are no jobs, and the error says so', () => {
  class Service {
    resize() {}
  }
  for (const table of [new Service(), Object.create({ resize() {} }), new Map(), [() => {}], undefined])
    expect(() => defineJobs(table as never)).toThrow(expect.objectContaining({ code: 'INVALID_OPTION' }))
  expect(defineJobs(Object.assign(Object.create(null), { resize() {} })).resize).toBeTypeOf('function')
})

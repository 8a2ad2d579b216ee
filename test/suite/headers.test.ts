// Headers: texts that go with a job, from whoever adds it to whoever handles it or looks at it.
import { describe, expect, test } from 'vitest'
import { places, start } from '../support/testing.ts'

const headers = { trace: '00-4bf9', tenant: 'ümlaut', '': 'no name' }

describe.each(places)('on %s', (place) => {
  test('are on the context, over all attempts, on the handle and in the snapshot', async () => {
    const scheduler = start(place, 'jobs')
    const job = await scheduler.add.headersOf(2, { headers, attempts: 3 })
    expect(await job.result()).toEqual(headers)
    expect([job.headers, job.snapshot().headers, (await scheduler.get(job.id))?.headers]).toEqual([
      headers,
      headers,
      headers,
    ])
  })

  test('are copied when the job is added, and frozen', async () => {
    const scheduler = start(place, 'jobs')
    const mine = { trace: 'before' }
    const adding = scheduler.add.headersOf(0, { headers: mine })
    mine.trace = 'after'
    const job = await adding
    expect(await job.result()).toEqual({ trace: 'before' })
    const { headers, tags } = job.snapshot()
    expect([job.headers, headers, tags].every(Object.isFrozen)).toBe(true)
  })

  test('without any there is an empty object', async () => {
    const scheduler = start(place, 'jobs')
    const job = await scheduler.add.headersOf(0)
    expect([await job.result(), job.headers, job.snapshot().headers]).toEqual([{}, {}, {}])
  })

  test('a name may be any text', async () => {
    const scheduler = start(place, 'jobs')
    const strange = JSON.parse('{ "__proto__": "x", "constructor": "y" }') as Record<string, string>
    const result = await scheduler.run.headersOf(0, { headers: strange })
    expect(Object.entries(result)).toEqual([
      ['__proto__', 'x'],
      ['constructor', 'y'],
    ])
  })
})

const many = (count: number, value: string) =>
  Object.fromEntries(Array.from({ length: count }, (_, n) => [`${n}`, value]))

test.each([
  ['a list', []],
  ['a text', 'trace'],
  ['a Map', new Map([['trace', 'x']])],
  ['headers of a request', new Headers({ trace: 'x' })],
  ['a number as value', { trace: 7 }],
  ['nothing as value', { trace: undefined }],
  ['more than 64', many(65, 'x')],
  ['more than 8,192 bytes', { long: 'x'.repeat(8_189) }],
  ['more than 8,192 bytes of longer characters', { long: 'ü'.repeat(4_095) }],
])('%s is refused at the door', async (_what, given) => {
  const scheduler = start('inline', 'jobs')
  await expect(scheduler.add.headersOf(0, { headers: given as never })).rejects.toMatchObject({
    code: 'INVALID_OPTION',
    message: expect.stringContaining('`headers`'),
  })
  expect((await scheduler.counts()).queued).toBe(0)
})

test('64 headers and 8,192 bytes are taken', async () => {
  const scheduler = start('inline', 'jobs')
  expect(await scheduler.run.headersOf(0, { headers: many(64, 'x') })).toEqual(many(64, 'x'))
  const long = { long: 'x'.repeat(8_188) }
  expect(await scheduler.run.headersOf(0, { headers: long })).toEqual(long)
})

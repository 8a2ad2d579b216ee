// Where another class of promises is in place (zone.js, bluebird), async functions still return the engine's own.
import { createScheduler, inline } from 'offstage'
import { defineJobs, schema } from 'offstage/worker'
import { beforeEach, expect, onTestFinished, test, vi } from 'vitest'
import { memoryStore } from '../../src/store/memory-store.ts'
import { heard } from '../support/testing.ts'

beforeEach(() => {
  class OtherPromise<Value> extends Promise<Value> {}
  vi.stubGlobal('Promise', OtherPromise)
  onTestFinished(() => void vi.unstubAllGlobals())
  expect((async () => {})()).not.toBeInstanceOf(Promise)
})

const isNumber = {
  '~standard': {
    version: 1,
    vendor: 'test',
    validate: async (value: unknown) =>
      typeof value === 'number' ? { value: value + 0.5 } : { issues: [{ message: 'no number' }] },
  },
} as const

const jobs = defineJobs({
  echo: (value: number) => value,
  checked: schema(isNumber, (value: unknown) => value),
  async *count() {
    yield 1
    return 'done'
  },
})

function start(options: object = {}) {
  const scheduler = createScheduler<typeof jobs>(inline(jobs), options)
  onTestFinished(() => scheduler.close({ mode: 'now' }))
  return scheduler
}

test('an async check of `schemas` is waited for, for one job and for many', async () => {
  const scheduler = start({ schemas: { echo: isNumber } })
  await expect(scheduler.run.echo('text' as never)).rejects.toMatchObject({ code: 'INVALID_INPUT' })
  await expect(scheduler.addMany([{ name: 'echo', input: 'text' as never }])).rejects.toMatchObject({
    code: 'INVALID_INPUT',
  })
  const added = await scheduler.addMany([{ name: 'echo', input: 1 }])
  expect(await Promise.all(added.map((job) => job.result()))).toEqual([1])
})

test('an async `schema` is waited for', async () => {
  expect(await start().run.checked(1)).toBe(1.5)
})

test('an async generator runs to its end', async () => {
  expect(await start().run.count()).toBe('done')
})

test('a store whose `open` is an async function is waited for', async () => {
  const scheduler = start({ store: { ...memoryStore(), open: async () => ({ records: [], rows: [] }) } })
  expect(await scheduler.run.echo(1)).toBe(1)
  expect(await scheduler.cancel({ name: 'echo' })).toBe(0)
})

test('the failure of an async listener is not lost', async () => {
  const scheduler = start()
  const failure = heard(scheduler, 'error')
  scheduler.on('completed', async () => {
    throw new Error('in a listener')
  })
  await scheduler.run.echo(1)
  expect(await failure).toMatchObject({ error: { message: 'in a listener' } })
})

test('a value with a field `then` that is no function is a value', async () => {
  // biome-ignore lint/suspicious/noThenProperty: that is the case.
  expect(await start().run.echo({ then: 'a word' } as never)).toEqual({ then: 'a word' })
})

// Values that a job keeps (`keepValues`): they are there after a restart or a reload, for whoever goes on behind the one that it read
// last.
import { fileStore } from 'offstage/file'
import { idbStore } from 'offstage/idb'
import { describe, expect, test } from 'vitest'
import { isBrowser, places, start, temporaryFolder } from '../support/testing.ts'

const folder = isBrowser ? '' : temporaryFolder()
const run = Math.random().toString(36).slice(2)
let stores = 0

/** A place for a store, which is opened again and again. */
function somewhere() {
  const name = `kept-values-${run}-${stores++}`
  return () => (isBrowser ? idbStore(name) : fileStore(`${folder}/${name}`))
}

async function read(values: AsyncIterable<unknown> | undefined): Promise<unknown[]> {
  const all: unknown[] = []
  for await (const value of values ?? []) all.push(value)
  return all
}

describe.each(places)('on %s', (place) => {
  test('after a restart a reader goes on behind the value that it read last', async () => {
    const store = somewhere()
    const first = start(place, 'jobs', { store: store() })
    const job = await first.add.send(50, { id: 'a', keepValues: 30 })
    await job.result()
    await first.close()
    const second = start(place, 'jobs', { store: store() })
    const again = await second.get('a')
    expect(await read(again?.values({ after: 47 }))).toEqual([48, 49, 50])
    expect(await read(again?.values())).toEqual(Array.from({ length: 30 }, (_, n) => n + 21))
    await expect(read(again?.values({ after: 5 }))).rejects.toMatchObject({ code: 'VALUES_GONE', jobId: 'a' })
  })

  test('what an interrupted attempt has sent stays, and the next goes on with the numbers', async () => {
    const store = somewhere()
    const first = start(place, 'jobs', { store: store() })
    const job = await first.add.sendTwice(100, { id: 'a', keepValues: 500 })
    const values = job.values()
    for (let n = 0; n < 20; n++) await values.next()
    await first.close({ mode: 'now' })
    const after = values.after as number
    expect(after).toBe(20)
    const second = start(place, 'jobs', { store: store() })
    const rest = await read((await second.get('a'))?.values({ after }))
    expect(rest.slice(-100)).toEqual(Array.from({ length: 100 }, (_, n) => `2: ${n + 1}`))
    expect(rest.slice(0, -100)).toEqual(Array.from({ length: rest.length - 100 }, (_, n) => `1: ${n + 21}`))
  })

  test('a value may be anything that can be stored, with blobs in it, or nothing', async () => {
    const store = somewhere()
    const first = start(place, 'values', { store: store() })
    const [blobs, nothing] = [
      await first.add.sendBack(
        { blob: new Blob(['hello']), map: new Map([[1, undefined]]) },
        { id: 'a', keepValues: 1 },
      ),
      await first.add.sendBack(undefined, { id: 'b', keepValues: 1 }),
    ]
    await Promise.all([blobs.result(), nothing.result()])
    await first.close()
    const second = start(place, 'values', { store: store() })
    const [value] = (await read((await second.get('a'))?.values())) as [{ blob: Blob; map: Map<number, undefined> }]
    expect(await value.blob.text()).toBe('hello')
    expect(value.map).toEqual(new Map([[1, undefined]]))
    expect(await read((await second.get('b'))?.values())).toEqual([undefined])
  })

  test('a value that cannot be stored fails its job, which says why', async () => {
    const scheduler = start(place, 'values', { store: somewhere()() })
    const job = await scheduler.add.send('deepest', { keepValues: 1 })
    await expect(job.result()).rejects.toMatchObject({ code: 'DATA_CLONE' })
    expect(await scheduler.run.echo('next')).toBe('next')
  })
})

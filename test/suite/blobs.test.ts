// Blobs and files as the values of durable jobs: input, checkpoint, step and result, over a reload, and not longer than they
// are needed.
import { createScheduler, type Scheduler } from 'offstage'
import { describe, expect, onTestFinished, test } from 'vitest'
import type { jobs } from '../fixtures/blobs.ts'
import { kinds, stores } from '../support/stores.ts'
import { heard, isBrowser } from '../support/testing.ts'
import { jobsWorker } from '../support/workers.ts'

type Bench = Scheduler<typeof jobs>

/** Node 20 and 22 make a Blob of a File that is copied, and so lose its name. */
const { name: copiedName } = structuredClone(new File([], 'ü.txt'))

const text = (value: unknown): Promise<string> => (value as Blob).text()

async function inputOf<Input>(scheduler: Bench, id: string): Promise<Input> {
  const job = await scheduler.get(id)
  return job?.input as Input
}

describe.each(kinds.filter((kind) => kind !== 'memory'))('in the store %s', (kind) => {
  const makeStore = stores[kind]()
  let places = 0

  /** Returns a function that opens a scheduler on one and the same store. */
  function place(): () => Bench {
    const name = `blobs-${++places}`
    return () => {
      const store = makeStore(name)
      const scheduler = createScheduler<typeof jobs>(jobsWorker('blobs'), { store, workers: 1 })
      onTestFinished(() => scheduler.close({ mode: 'now' }))
      return scheduler
    }
  }

  test('a file of 5 MB is there after a reload, and its job reads it', async () => {
    const open = place()
    const first = open()
    first.pause()
    const bytes = new Uint8Array(5_000_000).fill(46)
    const file = new File([bytes, 'end.'], 'ü.txt', { type: 'text/plain', lastModified: 1_000 })
    await first.add.look({ files: [file, file] }, { id: 'upload' })
    await first.close({ mode: 'now' })
    const next = open()
    const [found, again] = (await inputOf<{ files: File[] }>(next, 'upload')).files
    // WebKit's structured clone makes two files of one.
    const [one, two] = structuredClone([file, file])
    expect([found?.name, found === again]).toEqual([copiedName, one === two])
    const job = await next.get('upload')
    const seen = [5_000_004, expect.stringMatching(/^text\/plain/), copiedName, '.end.']
    expect(await job?.result()).toEqual([seen, seen])
  })

  test('checkpoint, step and result are, too', async () => {
    const open = place()
    const first = open()
    const kept = heard(first, 'progress')
    await first.add.develop({ photo: new Blob(['left right']) }, { id: 'photo' })
    await kept
    await first.close({ mode: 'now' })
    const next = open()
    const job = await next.get('photo')
    const result = (await job?.result()) as { print: Blob }
    expect([await text(result.print), result.print.type]).toEqual([
      'leftstampight',
      expect.stringMatching(/^text\/plain/),
    ])
    await next.close()
    const last = open()
    const again = (await (await last.get('photo'))?.result()) as { print: Blob }
    expect(await text(again.print)).toBe('leftstampight')
  })

  test('a value with many blobs at any depth, and jobs that come and go', async () => {
    const open = place()
    const first = open()
    const files = Array.from({ length: 20 }, (_, index) => new Blob([`text ${index}`]))
    const add = (id: string) => first.add.look({ files }, { id })
    await Promise.all(['a', 'b', 'c'].map(add))
    await first.remove('b')
    await first.onIdle()
    await first.close()
    const next = open()
    expect((await next.find()).map(({ id }) => id)).toEqual(['a', 'c'])
    const found = (await inputOf<{ files: Blob[] }>(next, 'a')).files
    expect(await Promise.all(found.map(text))).toEqual(files.map((_, index) => `text ${index}`))
  })

  test.skipIf(!isBrowser)(`a list of files${isBrowser ? '' : ' (there is none outside of browsers)'}`, async () => {
    const open = place()
    const first = open()
    first.pause()
    const transfer = new DataTransfer()
    for (const name of ['a.txt', 'b.txt'])
      transfer.items.add(new File([`text of ${name}`], name, { type: 'text/plain' }))
    await first.add.look({ files: transfer.files }, { id: 'list' })
    await first.close({ mode: 'now' })
    const next = open()
    expect((await inputOf<{ files: FileList }>(next, 'list')).files).toBeInstanceOf(FileList)
    const job = await next.get('list')
    const seen = (name: string) => [13, 'text/plain', name, name]
    expect(await job?.result()).toEqual([seen('a.txt'), seen('b.txt')])
  })
})

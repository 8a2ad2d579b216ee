// Files in IndexedDB, as browsers have them: through a following tab, gone from the database with their jobs, and changed on
// the disk before they were stored.
import { createScheduler, type Scheduler } from 'offstage'
import { idbStore } from 'offstage/idb'
import { expect, onTestFinished, test, vi } from 'vitest'
import type { jobs } from '../fixtures/blobs.ts'
import { heard } from '../support/testing.ts'
import { jobsWorker } from '../support/workers.ts'

type Bench = Scheduler<typeof jobs>

let lastName = 0
const newName = () => `blobs-${performance.timeOrigin}-${++lastName}`

function open(name: string): Bench {
  const scheduler = createScheduler<typeof jobs>(jobsWorker('blobs'), { store: idbStore(name), workers: 1 })
  onTestFinished(() => scheduler.close({ mode: 'now' }))
  return scheduler
}

/** What the database has under keys that are numbers: the attachments. */
async function attachmentsIn(name: string): Promise<unknown[]> {
  const database = await new Promise<IDBDatabase>((resolve, reject) => {
    const request = indexedDB.open(name)
    request.onsuccess = () => resolve(request.result)
    request.onerror = () => reject(request.error)
  })
  try {
    const numbers = IDBKeyRange.bound(0, Number.POSITIVE_INFINITY)
    const request = database.transaction('offstage').objectStore('offstage').getAll(numbers)
    return await new Promise((resolve, reject) => {
      request.onsuccess = () => resolve(request.result)
      request.onerror = () => reject(request.error)
    })
  } finally {
    database.close()
  }
}

test('a file that a following tab adds is stored by the leader, and its result comes back', async () => {
  const name = newName()
  const leader = open(name)
  await leader.counts()
  const follower = open(name)
  await follower.counts()
  const file = new File([new Uint8Array(5_000_000), 'tail.'], 'large.bin', { type: 'a/b' })
  const job = await follower.add.look({ files: [file] })
  expect(await job.result()).toEqual([[5_000_005, 'a/b', 'large.bin', 'tail.']])
  expect(await attachmentsIn(name)).toEqual([expect.any(File)])
  const kept = heard(follower, 'progress')
  const photo = await follower.add.develop({ photo: file })
  await kept
  const leads = heard(follower, 'leader')
  await leader.close({ mode: 'now' })
  await leads
  const { print } = (await photo.result()) as { print: Blob }
  expect([print.size, await print.slice(4).text()]).toEqual([4 + 5 + 4, 'stampail.'])
})

test('a removed job takes its file out of the database, and no other', async () => {
  const name = newName()
  const scheduler = open(name)
  const files = ['a', 'b'].map((text) => new File([text], `${text}.txt`))
  const [gone] = await Promise.all(files.map((file) => scheduler.add.look({ files: [file] })))
  await scheduler.onIdle()
  expect(await attachmentsIn(name)).toHaveLength(2)
  await gone?.result()
  await scheduler.remove(gone?.id as string)
  await vi.waitFor(async () => expect(await attachmentsIn(name)).toHaveLength(1), { timeout: 10_000 })
  const [left] = (await attachmentsIn(name)) as [File]
  expect(left.name).toBe('b.txt')
})

test('a file that was changed after it was chosen is refused, and nothing else', async (context) => {
  const folder = await navigator.storage.getDirectory()
  const handle = await folder.getFileHandle('chosen.txt', { create: true })
  if (!('createWritable' in handle)) context.skip('a page cannot change a file here')
  const write = async (text: string) => {
    const stream = await handle.createWritable()
    await stream.write(text)
    await stream.close()
  }
  await write('first')
  const file = await handle.getFile()
  await write('something longer')
  const isUnreadable = await file.text().then(
    () => false,
    () => true,
  )
  const scheduler = open(newName())
  const [bad, good] = await Promise.allSettled([
    scheduler.add.look({ files: [file] }),
    scheduler.add.look({ files: [new File(['good.'], 'good.txt')] }),
  ])
  // An engine that has copied the file when it was chosen can still read it.
  if (isUnreadable) expect(bad).toMatchObject({ status: 'rejected', reason: { code: 'DATA_CLONE' } })
  else expect(bad).toMatchObject({ status: 'fulfilled' })
  expect(await (good as PromiseFulfilledResult<{ result(): unknown }>).value.result()).toEqual([
    [5, '', 'good.txt', 'good.'],
  ])
})

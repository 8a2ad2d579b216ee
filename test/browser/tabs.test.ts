// Several tabs on one IndexedDB store, over real Web Locks and channels: two schedulers in this page, and one in a frame
// that can be torn away like a tab.
import { createScheduler, type Scheduler, type SchedulerOptions } from 'offstage'
import { idbStore } from 'offstage/idb'
import { expect, onTestFinished, test, vi } from 'vitest'
import { engineCases, type Jobs } from '../support/engine-cases.ts'
import { serveOverChannel } from '../support/remote.ts'
import { heard, start } from '../support/testing.ts'

let lastName = 0
const newName = () => `tabs-${performance.timeOrigin}-${++lastName}`

function startIn(name: string, options: SchedulerOptions<never> = {}): Scheduler<Jobs> {
  return start('threads', 'jobs', { store: idbStore(name), ...options }) as Scheduler<Jobs>
}

async function pair(options?: SchedulerOptions<never>) {
  const name = newName()
  const leader = startIn(name, options)
  await leader.counts()
  const follower = startIn(name, options)
  await follower.counts()
  return { name, leader, follower }
}

for (const role of ['leader', 'follower'] as const)
  engineCases(`in a tab, the ${role}`, async (options) => (await pair(options))[role])

engineCases('in a client over a message channel', async (options) => serveOverChannel(options).client)

test('a close hands over; what the follower has queued goes on there', async () => {
  const { leader, follower } = await pair()
  leader.pause()
  const result = (await follower.add.double(21)).result()
  const leads = heard(follower, 'leader')
  await leader.close()
  expect(await leads).toMatchObject({ isLeader: true })
  follower.resume()
  expect(await result).toBe(42)
})

test('a stolen lock: the old leader follows, and every promise settles', async () => {
  const { name, leader, follower } = await pair()
  const results = [leader.run.later(50), follower.run.later(50)]
  await heard(leader, 'started')
  const lost = heard(leader, 'leader')
  void navigator.locks.request(`offstage:${name}`, { steal: true }, () => {})
  expect(await lost).toMatchObject({ isLeader: false })
  expect(await Promise.all(results)).toEqual(['later', 'later'])
  expect(await leader.run.double(1)).toBe(2)
})

test('no lock is left behind', async () => {
  const { name, leader, follower } = await pair()
  await follower.run.double(1)
  await Promise.all([leader.close(), follower.close()])
  const ours = async () => {
    const { held = [], pending = [] } = await navigator.locks.query()
    return [...held, ...pending].filter((lock) => lock.name?.includes(name)).length
  }
  await vi.waitFor(async () => expect(await ours()).toBe(0))
})

test('put aside and shown again: promises live through it', async () => {
  const { leader, follower } = await pair()
  const results = [leader.run.later(50), follower.run.later(50)]
  await heard(follower, 'started')
  // Both are in this page, and so asleep at once.
  dispatchEvent(new PageTransitionEvent('pagehide', { persisted: true }))
  const asked = follower.run.double(21)
  dispatchEvent(new PageTransitionEvent('pageshow', { persisted: true }))
  expect(await Promise.all([...results, asked])).toEqual(['later', 'later', 42])
})

test('frozen and thawed', async () => {
  const { leader, follower } = await pair()
  const result = follower.run.later(50)
  await heard(leader, 'started')
  document.dispatchEvent(new Event('freeze'))
  document.dispatchEvent(new Event('resume'))
  expect(await result).toBe('later')
})

test('a page that is left says so to the next leader, and to none behind it', async () => {
  const { name, leader, follower } = await pair()
  const mark = () => localStorage.getItem(`offstage:${name}`)
  dispatchEvent(new PageTransitionEvent('pagehide'))
  expect(mark()).not.toBe(null)
  const leads = heard(follower, 'leader')
  await leader.close()
  await leads
  expect(mark()).toBe(null)
})

test('plain http has no Web Locks: every call says so', async () => {
  const locks = vi.spyOn(navigator, 'locks', 'get').mockReturnValue(undefined as never)
  onTestFinished(() => locks.mockRestore())
  const scheduler = createScheduler(() => new Worker('none'), { store: idbStore(newName()) })
  await expect(scheduler.counts()).rejects.toMatchObject({
    code: 'STORE_LOCKED',
    message: expect.stringContaining('secure context'),
  })
  await scheduler.close()
})

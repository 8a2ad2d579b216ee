// The conditions of offstage/conditions in real browsers: pages that see whether another one is visible, and a service worker that
// wakes a queue.
import { hidden, online, registerSync, visible } from 'offstage/conditions'
import { afterEach, describe, expect, onTestFinished, test, vi } from 'vitest'
import { start } from '../support/testing.ts'

/** Of this page, which the browser takes for visible. */
function pretend(state: 'visible' | 'hidden'): void {
  Object.defineProperty(document, 'visibilityState', { value: state, configurable: true })
  document.dispatchEvent(new Event('visibilitychange'))
}
afterEach(() => {
  Reflect.deleteProperty(document, 'visibilityState')
})

async function openPage() {
  const frame = document.createElement('iframe')
  const url = new URL('../fixtures/visibility-page.ts', import.meta.url)
  frame.srcdoc = `<script type="module" src="${url}"></script>`
  const isReady = new Promise((resolve) => addEventListener('message', resolve, { once: true }))
  document.body.append(frame)
  onTestFinished(() => frame.remove())
  await isReady
  return {
    become: (state: 'visible' | 'hidden') => frame.contentWindow?.postMessage(state, '*'),
    close: () => frame.remove(),
  }
}

describe('visible() and hidden()', () => {
  test('see other pages of the application, and that they are gone', async () => {
    pretend('hidden')
    const queues = { shown: { condition: visible() }, unseen: { condition: hidden() } }
    const scheduler = start('inline', 'jobs', { queues })
    const other = await openPage()
    expect(await scheduler.run.double(1, { queue: 'unseen' })).toBe(2)
    const shown = await scheduler.add.double(2, { queue: 'shown' })
    expect(shown.snapshot().state).toBe('queued')
    other.become('visible')
    expect(await shown.result()).toBe(4)
    const unseen = await scheduler.add.double(3, { queue: 'unseen' })
    expect((await scheduler.whyWaiting(unseen.id)).map(({ reason }) => reason)).toContain('condition')
    other.become('hidden')
    expect(await unseen.result()).toBe(6)

    const last = await scheduler.add.double(4, { queue: 'shown' })
    other.become('visible')
    expect(await last.result()).toBe(8)
    const after = await scheduler.add.double(5, { queue: 'unseen' })
    expect(after.snapshot().state).toBe('queued')
    // Without a word.
    other.close()
    expect(await after.result()).toBe(10)
  })

  test('wait once for a page that stays visible, however often another one shows itself', async () => {
    pretend('hidden')
    const scheduler = start('inline', 'jobs', { queues: { unseen: { condition: hidden() } } })
    const [stays, comes] = [await openPage(), await openPage()]
    const visiblePages = async (count: number) => {
      const ours = (lock: LockInfo) => lock.name?.startsWith('offstage:visible:')
      const { held, pending } = await navigator.locks.query()
      expect(held?.filter(ours)).toHaveLength(count)
      return pending?.filter(ours)
    }
    stays.become('visible')
    await vi.waitFor(() => visiblePages(1))
    const unseen = await scheduler.add.double(1, { queue: 'unseen' })
    for (let times = 0; times < 5; times++) {
      comes.become('visible')
      await vi.waitFor(() => visiblePages(2))
      comes.become('hidden')
      await vi.waitFor(() => visiblePages(1))
    }
    expect(await visiblePages(1)).toHaveLength(1)
    stays.become('hidden')
    expect(await unseen.result()).toBe(2)
  })

  test("of: 'page' look at nothing but this page", async () => {
    pretend('hidden')
    const queues = { shown: { condition: visible({ of: 'page' }) }, unseen: { condition: hidden({ of: 'page' }) } }
    const scheduler = start('inline', 'jobs', { queues })
    const other = await openPage()
    other.become('visible')
    const shown = await scheduler.add.double(1, { queue: 'shown' })
    expect(await scheduler.run.double(2, { queue: 'unseen' })).toBe(4)
    expect(shown.snapshot().state).toBe('queued')
    pretend('visible')
    expect(await shown.result()).toBe(2)
  })
})

test.skipIf(!('SyncManager' in globalThis))(
  'a real sync event reaches the queue through a service worker',
  async () => {
    const url = new URL('../fixtures/sync-worker.ts', import.meta.url)
    const registration = await navigator.serviceWorker.register(url, { type: 'module' })
    onTestFinished(() => registration.unregister().then(() => {}))
    await vi.waitFor(() => expect(registration.active?.state).toBe('activated'))
    // This page is not in its scope.
    vi.spyOn(navigator.serviceWorker, 'ready', 'get').mockResolvedValue(registration)
    const isOnline = vi.spyOn(navigator, 'onLine', 'get').mockReturnValue(false)
    const scheduler = start('inline', 'jobs', { queues: { upload: { condition: online() } } })
    const waiting = await scheduler.add.double(21, { queue: 'upload' })
    expect((await scheduler.whyWaiting(waiting.id)).map(({ reason }) => reason)).toContain('condition')
    // The page sees no `online` event: it hears of it from its service worker. (The browser is online, so it sends one at once.)
    isOnline.mockReturnValueOnce(false).mockReturnValue(true)
    onTestFinished(registerSync(scheduler, { queue: 'upload' }))
    expect(await waiting.result()).toBe(42)
  },
)

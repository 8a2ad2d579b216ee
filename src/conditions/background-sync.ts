/**
 * Background Sync: the browser wakes a service worker when the device is online again, even if timers and events of the page
 * are held back. The service worker wakes the pages, because no jobs can run in it: there are no workers in service workers.
 *
 *   page ── sync.register(tag) when offline ──▶ browser ── `sync` event when online ──▶ service worker
 *    ▲                                                                                        │
 *    └────────────────────────── the tag, and a port for the reply ───────────────────────────┘
 */
import { extensionPointOf } from '../extension-point.ts'
import { device } from '../platform/device.ts'
import { listenTo } from '../platform/listening.ts'
import * as check from '../shared/check.ts'
import type { JobTable } from '../thread/job-types.ts'
import type { Scheduler } from '../typed-scheduler.ts'

/** What `registerSync` wakes. */
export interface SyncOptions {
  /** The queue whose jobs wait for the network. Default `'default'`. */
  readonly queue?: string | undefined
}

const prefix = 'offstage:'

interface SyncRegistration {
  readonly sync?: { register(tag: string): Promise<void> }
}

/**
 * Has the service worker of this page wake a queue when the device is online again: jobs that back off are tried at once. The
 * service worker needs `onSync`. Does nothing where there is no Background Sync (it is in Chromium only) or no service worker;
 * then the queue goes on when the page notices itself. Returns a function that ends it. Throws `INVALID_OPTION`.
 *
 * @example
 * ```ts
 * const scheduler = createScheduler<typeof jobs>(source, { queues: { upload: { condition: online() } } })
 * registerSync(scheduler, { queue: 'upload' })
 * ```
 */
export function registerSync<Table extends JobTable>(
  scheduler: Scheduler<Table>,
  options: SyncOptions = {},
): () => void {
  extensionPointOf(scheduler)
  const { queue = 'default' } = check.copyOptions(options, { queue: check.string(256) })
  const { serviceWorker: container } = device()
  if (!container) return () => {}
  const tag = prefix + queue
  const register = async () => {
    const { sync } = (await container.ready) as SyncRegistration
    await sync?.register(tag)
  }
  // The user may have forbidden it.
  const onOffline = () => void register().catch(() => {})
  const onMessage = ({ data, ports }: MessageEvent) => {
    if (data !== tag) return
    // The scheduler may be closed. Then nothing is left to do here either.
    const wakes = wake(scheduler, queue).catch(() => {})
    void wakes.then(() => ports[0]?.postMessage(tag))
  }
  if (!device().onLine) onOffline()
  return listenTo(false, [
    [globalThis, 'offline', onOffline],
    [container, 'message', onMessage],
  ])
}

/** Resolves when none of the queue's jobs waits to be started. To wait for that has its conditions asked again. */
async function wake<Table extends JobTable>(scheduler: Scheduler<Table>, queue: string): Promise<void> {
  const scheduled = await scheduler.find({ queue, state: 'scheduled', limit: Number.POSITIVE_INFINITY })
  const backingOff = scheduled.filter((job) => job.snapshot().error !== undefined)
  await Promise.all(backingOff.map(({ id }) => scheduler.promote(id)))
  await scheduler.queue(queue).onEmpty()
}

/** As service workers have them. */
interface SyncEvent {
  readonly tag: string
  waitUntil(promise: Promise<unknown>): void
}
interface Page {
  postMessage(message: unknown, transfer: readonly unknown[]): void
}
interface ServiceWorkerScope {
  readonly clients: { matchAll(options: object): Promise<readonly Page[]> }
}

/**
 * For the service worker: wakes the queue of the pages that are open. The browser keeps the service worker alive until no job of
 * the queue waits any more, as long as its own limit allows. If no page is open, nothing can run; stored jobs go on when one is.
 *
 * @example
 * ```ts
 * import { onSync } from 'offstage/conditions'
 *
 * addEventListener('sync', onSync)
 * ```
 */
export function onSync(event: object): void {
  const { tag } = event as SyncEvent
  if (tag.startsWith(prefix)) (event as SyncEvent).waitUntil(wakePages(tag))
}

async function wakePages(tag: string): Promise<void> {
  const { clients } = globalThis as unknown as ServiceWorkerScope
  const pages = await clients.matchAll({ type: 'window', includeUncontrolled: true })
  const replies = pages.map(
    (page) =>
      new Promise<void>((resolve) => {
        const { port1, port2 } = new MessageChannel()
        port1.onmessage = () => resolve()
        page.postMessage(tag, [port2])
      }),
  )
  // Pages of other applications may be among them, which do not reply.
  if (replies.length > 0) await Promise.race(replies)
}

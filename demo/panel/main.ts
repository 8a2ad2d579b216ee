/**
 * A page to look at the panel. `?jobs=100000` adds so many jobs, most of which wait; `?store=name` keeps them, so that a second tab
 * with the same name follows the first; `?fill=0` adds none.
 */
import { createScheduler, type Scheduler } from 'offstage'
import { batches, flows } from 'offstage/flows'
import { history } from 'offstage/history'
import { idbStore } from 'offstage/idb'
import { mountPanel } from 'offstage/panel'
import { schedules } from 'offstage/schedules'
import type { jobs } from './jobs.ts'

const asked = new URLSearchParams(location.search)
const storeName = asked.get('store')
const count = Number(asked.get('jobs') ?? 0)

const scheduler = createScheduler<typeof jobs>(
  () => new Worker(new URL('./jobs.ts', import.meta.url), { type: 'module' }),
  {
    ...(storeName && { store: idbStore(storeName) }),
    workers: 2,
    concurrency: 2,
    maxQueued: 1_000_000,
    queues: { video: { concurrency: 2 }, mail: { rateLimit: { limit: 5, intervalMs: 1_000 } } },
    defaults: {
      encodeVideo: { queue: 'video' },
      sendMail: { queue: 'mail', attempts: 2, backoff: { type: 'exponential', delayMs: 500 } },
    },
  },
)

const extensions = {
  history: count > 0 ? undefined : history(scheduler),
  schedules: schedules(scheduler),
  flows: flows(scheduler),
  batches: batches(scheduler),
}

mountPanel(scheduler, { target: document.querySelector('#panel') as HTMLElement, ...extensions })
if (asked.get('fill') !== '0') void fill(scheduler)

async function fill(scheduler: Scheduler<typeof jobs>): Promise<void> {
  if (count > 0) {
    await scheduler.queue('bulk').pause()
    const request = (n: number) => ({
      name: 'resize' as const,
      input: { image: `photo-${n}.jpg`, width: n % 2_000 },
      options: { id: `photo-${n}`, queue: 'bulk', tags: [`album-${n % 10}`] },
    })
    for (let n = 0; n < count; n += 5_000)
      await scheduler.addMany(Array.from({ length: Math.min(5_000, count - n) }, (_, index) => request(n + index)))
  }
  await schedules(scheduler).set('nightly report', { cron: '0 3 * * *', timeZone: 'UTC' }, { name: 'report' })
  await schedules(scheduler).set('heartbeat', { everyMs: 5_000 }, { name: 'noop' })
  await flows(scheduler).add(
    {
      fetch: { name: 'report' },
      thumbnails: {
        flow: {
          small: { name: 'resize', input: { image: 'a.jpg', width: 64 } },
          large: { name: 'resize', input: { image: 'a.jpg', width: 640 } },
        },
      },
      encode: { name: 'encodeVideo', input: { file: 'trailer.mov', frames: 400 }, after: ['fetch', 'thumbnails'] },
      mail: { name: 'sendMail', input: { to: 'ann@example.org', subject: 'Published' }, after: ['encode'] },
    },
    { id: 'publish:trailer' },
  )
  await batches(scheduler).add(
    Array.from({ length: 40 }, (_, n) => ({ name: 'resize' as const, input: { image: `import-${n}.jpg`, width: n } })),
    { id: 'import:today' },
  )
  const people = ['ann', 'bob', 'chris', 'dana', 'eve', 'finn', 'gus', 'hal']
  await scheduler.addMany([
    ...people.map((name, n) => ({
      name: 'sendMail' as const,
      input: { to: `${name}@example.${n % 3 === 0 ? 'invalid' : 'org'}`, subject: 'Your invoice' },
      options: { tags: ['invoices', name], headers: { tenant: 'acme' } },
    })),
    ...[300, 500, 800].map((frames, n) => ({
      name: 'encodeVideo' as const,
      input: { file: `clip-${n}.mov`, frames },
      options: { priority: n, attempts: 3 },
    })),
    { name: 'report' as const, options: { delayMs: 3_600_000, tags: ['later'] } },
  ])
  await scheduler.cancel((await scheduler.find({ name: 'encodeVideo', limit: 9 })).at(-1)?.id as string, 'not needed')
}

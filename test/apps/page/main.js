import { createScheduler } from 'offstage'
import { idbStore } from 'offstage/idb'
import { openPage } from './page.js'

/** @type {import('./page.js').JobScheduler} */
const scheduler = createScheduler(() => new Worker(new URL('./jobs.js', import.meta.url), { type: 'module' }), {
  store: idbStore('job-page'),
})

openPage(scheduler)

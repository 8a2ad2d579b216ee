import { createScheduler } from 'offstage'
import { renewWorkers } from 'offstage/hot'
import { idbStore } from 'offstage/idb'
import { openPage } from './page.js'

/** @type {import('./page.js').JobScheduler} */
const scheduler = createScheduler(() => new Worker(new URL('./jobs.js', import.meta.url), { type: 'module' }), {
  store: idbStore('job-page'),
})

openPage(scheduler)

if (process.env.NODE_ENV !== 'production' && import.meta.webpackHot) {
  // The page itself never uses it. But the bundler reports the edits of what the page has loaded, and of nothing else.
  void import(/* webpackMode: "eager" */ './jobs.js')
  import.meta.webpackHot.accept('./jobs.js', () => renewWorkers(scheduler))
  import.meta.webpackHot.dispose(() => scheduler.close({ mode: 'now' }))
}

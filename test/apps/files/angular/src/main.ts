import { Component } from '@angular/core'
import { bootstrapApplication } from '@angular/platform-browser'
import { createScheduler } from 'offstage'
import { idbStore } from 'offstage/idb'
import type { jobs } from './page/jobs.js'
import { openPage } from './page/page.js'

@Component({ selector: 'job-page', template: '<h1>Job page</h1>' })
class JobPage {}

await bootstrapApplication(JobPage)

// Angular looks for workers in TypeScript only.
openPage(
  createScheduler<typeof jobs>(() => new Worker(new URL('./page/jobs.js', import.meta.url), { type: 'module' }), {
    store: idbStore('job-page'),
  }),
)

import { createScheduler } from 'offstage'

// A path, because Nuxt does not build workers for the server; Node loads the file as it is.
const scheduler = createScheduler(`${process.cwd()}/app/page/jobs.js`)

export default defineEventHandler(() => scheduler.run.work(10))

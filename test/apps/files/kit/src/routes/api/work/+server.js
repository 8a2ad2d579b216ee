import { createScheduler } from 'offstage'

// A path, because Kit does not build workers for the server; Node loads the file as it is.
const scheduler = createScheduler(`${process.cwd()}/src/lib/page/jobs.js`)

export const GET = async () => new Response(await scheduler.run.work(10))

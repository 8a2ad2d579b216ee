import { createScheduler } from 'offstage'

export const dynamic = 'force-dynamic'

// A path, because Next does not build workers for the server; Node loads the file as it is.
const scheduler = createScheduler(`${process.cwd()}/jobs.js`)

export async function GET() {
  return new Response(await scheduler.run.work(10))
}

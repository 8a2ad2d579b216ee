// Schedules over IndexedDB in a real browser: set in the following tab, carried on by it when the leader goes, and by the next
// page that opens the store.
import { idbStore } from 'offstage/idb'
import { type Schedule, schedules } from 'offstage/schedules'
import { expect, test } from 'vitest'
import { start } from '../support/testing.ts'

test('each occurrence adds one job, through two tabs and a restart', async () => {
  const name = `schedules-${performance.timeOrigin}`
  const open = () => {
    const scheduler = start('threads', 'jobs', { store: idbStore(name) })
    return { scheduler, plan: schedules(scheduler) }
  }
  const fired: string[] = []
  /** Resolves when so many occurrences are over, whoever has fired them. */
  const reached = ({ scheduler, plan }: ReturnType<typeof open>, count: number) =>
    new Promise<Schedule>((resolve) => {
      // It may be closed meanwhile.
      const look = () =>
        plan.get('a').then(
          (found) => found && found.count >= count && resolve(found),
          () => {},
        )
      scheduler.on('schedule:fired', ({ jobId }) => {
        fired.push(jobId)
        void look()
      })
      void look()
    })
  const leader = open()
  await leader.plan.list()
  const follower = open()
  const two = reached(leader, 2)
  const spec = { everyMs: 100, limit: 8, missed: 'all', overlap: 'queue' } as const
  await follower.plan.set('a', spec, { name: 'double', input: 21 })
  await two
  // From here on the other one fires, with what it has not heard of the first.
  await leader.scheduler.close()
  await reached(follower, 4)
  await follower.scheduler.close()
  const last = open()
  expect(await reached(last, spec.limit)).toMatchObject({ count: 8, nextAt: undefined })
  const jobs = await last.scheduler.find({ name: 'double' })
  expect(await Promise.all(jobs.map((job) => job.result()))).toEqual(Array.from({ length: 8 }, () => 42))
  const ids = jobs.map(({ id }) => id)
  expect(new Set(ids).size).toBe(8)
  for (const id of fired) expect(ids).toContain(id)
})

import { useJob, useJobs, useScheduler } from 'offstage/svelte'
import { flushSync, mount, unmount } from 'svelte'
import { fromStore, writable } from 'svelte/store'
import { expect, test } from 'vitest'
import { adapterCases, type Framework, frame, place, stage } from '../support/adapter-cases.ts'
import { jobsText, jobText, schedulerText } from '../support/adapter-texts.ts'
import Text from '../support/Text.svelte'

/** Mounts a component that runs `setup` in its script, and renders the text that it returns. */
function mountText(target: Element, setup: () => () => string) {
  const mounted = mount(Text, { target, props: { setup } })
  flushSync()
  return { unmount: () => void unmount(mounted) }
}

const svelte: Framework = {
  mountJob(target, scheduler, given) {
    // What `$state` is in a file that is compiled.
    const store = writable(given)
    const options = fromStore(store)
    let job = {} as ReturnType<typeof use>
    const use = () => useJob(scheduler, 'work', () => options.current)
    const mounted = mountText(target, () => {
      job = use()
      return () => jobText(job)
    })
    const { start, cancel, retry } = job
    return { ...mounted, start, cancel, retry, read: () => job, update: store.set }
  },
  mountJobs(target, scheduler, given) {
    const store = writable(given)
    const filter = fromStore(store)
    let jobs = {} as ReturnType<typeof use>
    const use = () => useJobs(scheduler, () => filter.current)
    const mounted = mountText(target, () => {
      jobs = use()
      return () => jobsText(jobs.current)
    })
    return { ...mounted, read: () => jobs.current, update: store.set }
  },
  mountScheduler(target, scheduler) {
    return mountText(target, () => {
      const state = useScheduler(scheduler)
      return () => schedulerText(state.current)
    })
  },
}

adapterCases('Svelte', svelte)

test('a component keeps its job while nothing in its template reads it', async () => {
  const { scheduler } = stage()
  let job = {} as ReturnType<typeof use>
  const use = () => useJob(scheduler, 'work')
  const mounted = mountText(place(), () => {
    job = use()
    return () => ''
  })
  const started = await job.start(1)
  await frame()
  expect(started?.snapshot().state).toBe('running')
  mounted.unmount()
  await expect(started?.result()).rejects.toMatchObject({ code: 'JOB_CANCELLED' })
})

import { createScheduler, inline } from 'offstage'
import { useJob, useJobs, useScheduler } from 'offstage/vue'
import { defineJobs } from 'offstage/worker'
import { expect, onTestFinished, test } from 'vitest'
import { createApp, defineComponent, reactive, shallowRef } from 'vue'
import { adapterCases, type Framework, place } from '../support/adapter-cases.ts'
import { jobsText, jobText, schedulerText } from '../support/adapter-texts.ts'

/** Mounts a component that runs `setup`, and renders the text that it returns. */
function mount(target: Element, setup: () => () => string) {
  const app = createApp(defineComponent({ setup: () => setup() }))
  app.mount(target)
  return { unmount: () => app.unmount() }
}

const set = <Value>(ref: { value: Value }, value: Value) => {
  ref.value = value
}

const vue: Framework = {
  mountJob(target, scheduler, given) {
    const options = shallowRef(given)
    let job = {} as ReturnType<typeof use>
    const use = () => useJob(scheduler, 'work', options)
    const read = () =>
      ({
        state: job.state.value,
        progress: job.progress.value,
        result: job.result.value,
        error: job.error.value,
      }) as never
    const mounted = mount(target, () => {
      job = use()
      return () => jobText(read())
    })
    const { start, cancel, retry } = job
    return { ...mounted, start, cancel, retry, read, update: (given) => set(options, given) }
  },
  mountJobs(target, scheduler, given) {
    const filter = shallowRef(given)
    let jobs = {} as ReturnType<typeof use>
    const use = () => useJobs(scheduler, () => filter.value)
    const mounted = mount(target, () => {
      jobs = use()
      return () => jobsText(jobs.value)
    })
    return { ...mounted, read: () => jobs.value, update: (given) => set(filter, given) }
  },
  mountScheduler(target, scheduler) {
    return mount(target, () => {
      const state = useScheduler(scheduler)
      return () => schedulerText(state.value)
    })
  },
}

adapterCases('Vue', vue)

test('an input may be reactive', async () => {
  const scheduler = createScheduler<typeof jobs>(inline(jobs))
  onTestFinished(() => scheduler.close({ mode: 'now' }))
  let start = {} as ReturnType<typeof use>['start']
  const use = () => useJob(scheduler, 'year')
  const { unmount } = mount(place(), () => {
    start = use().start
    return () => ''
  })
  onTestFinished(unmount)
  const started = await start(reactive({ at: new Date(0), files: [new Blob()] }))
  expect(await started?.result()).toBe(1970)
})

const jobs = defineJobs({ year: ({ at }: { at: Date; files: Blob[] }) => at.getUTCFullYear() })

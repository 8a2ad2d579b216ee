import { useJob, useJobs, useScheduler } from 'offstage/solid'
import { createSignal } from 'solid-js'
import { insert, render } from 'solid-js/web'
import { adapterCases, type Framework } from '../support/adapter-cases.ts'
import { jobsText, jobText, schedulerText } from '../support/adapter-texts.ts'

/** Mounts a component that runs `setup`, and renders the text that it returns. */
function mount(target: Element, setup: () => () => string) {
  const component = () => {
    const paragraph = document.createElement('p')
    insert(paragraph, setup())
    return paragraph
  }
  return { unmount: render(component, target) }
}

const solid: Framework = {
  mountJob(target, scheduler, given) {
    const [options, update] = createSignal(given)
    let job = {} as ReturnType<typeof use>
    const use = () => useJob(scheduler, 'work', options)
    const read = () =>
      ({ state: job.state(), progress: job.progress(), result: job.result(), error: job.error() }) as never
    const mounted = mount(target, () => {
      job = use()
      return () => jobText(read())
    })
    const { start, cancel, retry } = job
    return { ...mounted, start, cancel, retry, read, update }
  },
  mountJobs(target, scheduler, given) {
    const [filter, update] = createSignal(given)
    let jobs = (() => []) as ReturnType<typeof use>
    const use = () => useJobs(scheduler, filter)
    const mounted = mount(target, () => {
      jobs = use()
      return () => jobsText(jobs())
    })
    return { ...mounted, read: () => jobs(), update }
  },
  mountScheduler(target, scheduler) {
    return mount(target, () => {
      const state = useScheduler(scheduler)
      return () => schedulerText(state())
    })
  },
}

adapterCases('Solid', solid)

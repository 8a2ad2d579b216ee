import { useJob, useJobs, useScheduler } from 'offstage/preact'
import { createElement, type FunctionComponent, render } from 'preact'
import { adapterCases, type Framework } from '../support/adapter-cases.ts'
import { jobsText, jobText, schedulerText } from '../support/adapter-texts.ts'

/** Renders the component, and again with other props. */
function mount<Props extends object>(target: Element, component: FunctionComponent<Props>, props: Props) {
  const update = (props: Props) => render(createElement(component, props), target)
  update(props)
  return { update, unmount: () => render(null, target) }
}

const preact: Framework = {
  mountJob(target, scheduler, options) {
    let job = {} as ReturnType<typeof use>
    const use = (options: object) => useJob(scheduler, 'work', options)
    const Component = ({ options }: { options: object }) => {
      job = use(options)
      return jobText(job)
    }
    const { update, unmount } = mount(target, Component, { options })
    return {
      read: () => job,
      start: (...args) => job.start(...args),
      cancel: () => job.cancel(),
      retry: () => job.retry(),
      update: (options) => update({ options }),
      unmount,
    }
  },
  mountJobs(target, scheduler, filter) {
    let jobs: ReturnType<typeof use> = []
    const use = (filter: object) => useJobs(scheduler, filter)
    const Component = ({ filter }: { filter: object }) => {
      jobs = use(filter)
      return jobsText(jobs)
    }
    const { update, unmount } = mount(target, Component, { filter })
    return { read: () => jobs, update: (filter) => update({ filter }), unmount }
  },
  mountScheduler(target, scheduler) {
    return mount(target, () => schedulerText(useScheduler(scheduler)), {})
  },
}

adapterCases('Preact', preact)

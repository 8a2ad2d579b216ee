// Compiled here, in the browser: Angular's packages come half compiled, and its own build is no part of these tests.
import '@angular/compiler'
import { Component, createComponent, provideZonelessChangeDetection, signal } from '@angular/core'
import { createApplication } from '@angular/platform-browser'
import { useJob, useJobs, useScheduler } from 'offstage/angular'
import { adapterCases, type Framework } from '../support/adapter-cases.ts'
import { jobsText, jobText, schedulerText } from '../support/adapter-texts.ts'

const application = await createApplication({ providers: [provideZonelessChangeDetection()] })

/** Mounts a component that runs `setup` where its fields are made, and renders the text that it returns. */
function mount(target: Element, setup: () => () => string) {
  class Text {
    readonly text = setup()
  }
  const component = Component({ selector: 'test-text', template: '{{ text() }}' })(Text) ?? Text
  const hostElement = target.appendChild(document.createElement('test-text'))
  const mounted = createComponent(component, { environmentInjector: application.injector, hostElement })
  application.attachView(mounted.hostView)
  application.tick()
  return { unmount: () => mounted.destroy() }
}

const angular: Framework = {
  mountJob(target, scheduler, given) {
    const options = signal(given)
    let job = {} as ReturnType<typeof use>
    const use = () => useJob(scheduler, 'work', options)
    const read = () =>
      ({ state: job.state(), progress: job.progress(), result: job.result(), error: job.error() }) as never
    const mounted = mount(target, () => {
      job = use()
      return () => jobText(read())
    })
    const { start, cancel, retry } = job
    return { ...mounted, start, cancel, retry, read, update: (given) => options.set(given) }
  },
  mountJobs(target, scheduler, given) {
    const filter = signal(given)
    let jobs = (() => []) as unknown as ReturnType<typeof use>
    const use = () => useJobs(scheduler, () => filter())
    const mounted = mount(target, () => {
      jobs = use()
      return () => jobsText(jobs())
    })
    return { ...mounted, read: () => jobs(), update: (given) => filter.set(given) }
  },
  mountScheduler(target, scheduler) {
    return mount(target, () => {
      const state = useScheduler(scheduler)
      return () => schedulerText(state())
    })
  },
}

adapterCases('Angular', angular)

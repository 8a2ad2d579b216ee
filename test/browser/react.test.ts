import { useJob, useJobs, useScheduler } from 'offstage/react'
import { Component, createElement, type FunctionComponent, StrictMode, Suspense, useEffect } from 'react'
import { flushSync } from 'react-dom'
import { createRoot, hydrateRoot } from 'react-dom/client'
import { renderToString } from 'react-dom/server'
import { expect, onTestFinished, test, vi } from 'vitest'
import { adapterCases, type Framework, frame, place, shows, stage } from '../support/adapter-cases.ts'
import { jobsText, jobText, schedulerText } from '../support/adapter-texts.ts'

/** Renders the component, and again with other props. */
function render<Props extends object>(
  target: Element,
  component: FunctionComponent<Props>,
  props: Props,
  isStrict: boolean,
) {
  const root = createRoot(target)
  const update = (props: Props) =>
    flushSync(() =>
      root.render(
        isStrict ? createElement(StrictMode, null, createElement(component, props)) : createElement(component, props),
      ),
    )
  update(props)
  return { update, unmount: () => root.unmount() }
}

const react = (isStrict: boolean): Framework => ({
  mountJob(target, scheduler, options) {
    let job = {} as ReturnType<typeof useIt>
    const useIt = (options: object) => useJob(scheduler, 'work', options)
    const Component = ({ options }: { options: object }) => {
      job = useIt(options)
      return jobText(job)
    }
    const { update, unmount } = render(target, Component, { options }, isStrict)
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
    let jobs: ReturnType<typeof useIt> = []
    const useIt = (filter: object) => useJobs(scheduler, filter)
    const Component = ({ filter }: { filter: object }) => {
      jobs = useIt(filter)
      return jobsText(jobs)
    }
    const { update, unmount } = render(target, Component, { filter }, isStrict)
    return { read: () => jobs, update: (filter) => update({ filter }), unmount }
  },
  mountScheduler(target, scheduler) {
    return render(target, () => schedulerText(useScheduler(scheduler)), {}, isStrict)
  },
})

adapterCases('React', react(false))
adapterCases('React in StrictMode', react(true))

test('what is given to children stays the same while nothing changes', async () => {
  const { scheduler } = stage()
  const seen: unknown[] = []
  const Component = ({ at }: { at: number }) => {
    const job = useJob(scheduler, 'work', { id: 'a' })
    seen.push(job)
    return `${at}`
  }
  const { update, unmount } = render(place(), Component, { at: 0 }, false)
  onTestFinished(unmount)
  await frame()
  update({ at: 1 })
  expect(new Set(seen).size).toBe(1)
})

test('a component is rendered once when it is mounted', () => {
  const { scheduler } = stage()
  let renders = 0
  const Component = () => {
    renders++
    return jobText(useJob(scheduler, 'work'))
  }
  onTestFinished(render(place(), Component, {}, false).unmount)
  expect(renders).toBe(1)
})

test.each([undefined, 'a'])('in StrictMode a job that an effect starts is left once (id: %s)', async (id) => {
  const { scheduler, open, runs } = stage()
  const element = place()
  const Component = () => {
    const { start, ...job } = useJob(scheduler, 'work', { id })
    useEffect(() => void start(1), [start])
    return jobText(job)
  }
  const { unmount } = render(element, Component, {}, true)
  onTestFinished(unmount)
  await shows(element, 'running 0.01 - -')
  expect(await scheduler.counts()).toMatchObject({ running: 1, cancelled: id ? 0 : 1 })
  open()
  await shows(element, 'completed 0.01 2 -')
  if (id) expect(runs).toEqual([1])
})

test('a component that is hidden while another one suspends keeps its job', async () => {
  const { scheduler, open } = stage()
  const element = place()
  let text: string | undefined
  let arrive = () => {}
  const arriving = new Promise<void>((resolve) => {
    arrive = resolve
  })
  let start = (_value: number): unknown => undefined
  const Job = () => {
    const job = useJob(scheduler, 'work')
    start = job.start
    return jobText(job)
  }
  const Late = ({ isAsked }: { isAsked: boolean }) => {
    // As React 18 knows it, too.
    if (isAsked && text === undefined) throw arriving
    return isAsked ? `, ${text}` : ''
  }
  const Component = ({ isAsked }: { isAsked: boolean }) =>
    createElement(Suspense, { fallback: 'not yet' }, createElement(Job), createElement(Late, { isAsked }))
  const { update, unmount } = render(element, Component, { isAsked: false }, false)
  onTestFinished(unmount)
  await start(1)
  await shows(element, 'running 0.01 - -')
  update({ isAsked: true })
  await shows(element, /not yet$/)
  open()
  text = 'there'
  arrive()
  await shows(element, 'completed 0.01 2 -, there')
})

test('a page from a server is taken over as it is, and then shows what there is', async () => {
  const { scheduler } = stage()
  const element = place()
  const Component = () => {
    const job = useJob(scheduler, 'work', { id: 'a' })
    const jobs = useJobs(scheduler)
    return [jobText(job), jobsText(jobs), schedulerText(useScheduler(scheduler))].join(' | ')
  }
  element.innerHTML = renderToString(createElement(Component))
  expect(element.textContent).toBe('idle - - - |  | 0 running, 0 completed, idle')
  await scheduler.add.work(1, { id: 'a' })
  const onRecoverableError = vi.fn()
  const root = hydrateRoot(element, createElement(Component), { onRecoverableError })
  onTestFinished(() => root.unmount())
  await shows(element, 'running 0.01 - - | a:running:0.01 | 1 running, 0 completed')
  expect(onRecoverableError).not.toHaveBeenCalled()
})

test('a filter that is refused goes to the error boundary', async () => {
  const { scheduler } = stage()
  class Boundary extends Component<{ children: unknown }> {
    static getDerivedStateFromError = (error: { code: string }) => ({ code: error.code })
    override state = { code: '' }
    override render = () => this.state.code || (this.props.children as string)
  }
  const List = () => jobsText(useJobs(scheduler, { limit: -1 }))
  const element = place()
  const { unmount } = render(element, Boundary as never, { children: createElement(List) }, false)
  onTestFinished(unmount)
  await shows(element, 'INVALID_OPTION')
})

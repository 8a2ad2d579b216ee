// What the adapters render on a server: the state before anything has happened. No thread is started, and nothing is looked up.
// biome-ignore-all lint/correctness/useHookAtTopLevel: the rule is React's; the hooks of other frameworks have others.
import '@angular/compiler'
import { Component, provideZonelessChangeDetection } from '@angular/core'
import { bootstrapApplication } from '@angular/platform-browser'
import { provideServerRendering, renderApplication } from '@angular/platform-server'
import { createScheduler, type JobSnapshot, type Scheduler } from 'offstage'
import * as angular from 'offstage/angular'
import * as preact from 'offstage/preact'
import * as react from 'offstage/react'
import * as solid from 'offstage/solid'
import * as svelte from 'offstage/svelte'
import * as vue from 'offstage/vue'
import { createElement as createPreactElement } from 'preact'
import { renderToString as renderPreact } from 'preact-render-to-string'
import { createElement } from 'react'
import { renderToString as renderReact } from 'react-dom/server'
import { createComponent, renderToString as renderSolid } from 'solid-js/web'
import { render as renderSvelte } from 'svelte/server'
import { expect, onTestFinished, test, vi } from 'vitest'
import { createSSRApp } from 'vue'
import { renderToString as renderVue } from 'vue/server-renderer'
import type { jobs } from '../fixtures/jobs.ts'
import { jobsText, jobText, schedulerText } from '../support/adapter-texts.ts'
import Text from '../support/Text.svelte'

type Table = Scheduler<typeof jobs>
type State = Parameters<typeof jobText>[0]

const textOf = (job: State, list: readonly JobSnapshot[], state: ReturnType<Scheduler['snapshot']>) =>
  [jobText(job), jobsText(list), schedulerText(state)].join(' | ')

/** A component that uses every hook, rendered. */
const servers: Record<string, (scheduler: Table) => string | Promise<string>> = {
  React: (scheduler) =>
    renderReact(
      createElement(() =>
        textOf(react.useJob(scheduler, 'double', { id: 'a' }), react.useJobs(scheduler), react.useScheduler(scheduler)),
      ),
    ),
  Preact: (scheduler) =>
    renderPreact(
      createPreactElement(
        () =>
          textOf(
            preact.useJob(scheduler, 'double', { id: 'a' }),
            preact.useJobs(scheduler),
            preact.useScheduler(scheduler),
          ),
        null,
      ),
    ),
  Vue: (scheduler) =>
    renderVue(
      createSSRApp({
        setup() {
          const job = vue.useJob(scheduler, 'double', { id: 'a' })
          const list = vue.useJobs(scheduler)
          const state = vue.useScheduler(scheduler)
          const { state: jobState, progress, result, error } = job
          const shown = () => ({
            state: jobState.value,
            progress: progress.value,
            result: result.value,
            error: error.value,
          })
          return () => textOf(shown() as State, list.value, state.value)
        },
      }),
    ),
  Solid: (scheduler) =>
    renderSolid(() =>
      createComponent(() => {
        const job = solid.useJob(scheduler, 'double', { id: 'a' })
        const list = solid.useJobs(scheduler)
        const state = solid.useScheduler(scheduler)
        const shown = { state: job.state(), progress: job.progress(), result: job.result(), error: job.error() }
        return textOf(shown as State, list(), state())
      }, {}),
    ),
  Svelte: (scheduler) =>
    renderSvelte(Text, {
      props: {
        setup() {
          const job = svelte.useJob(scheduler, 'double', { id: 'a' })
          const list = svelte.useJobs(scheduler)
          const state = svelte.useScheduler(scheduler)
          return () => textOf(job, list.current, state.current)
        },
      },
    }).body,
}

servers.Angular = async (scheduler) => {
  class Text {
    readonly job = angular.useJob(scheduler, 'double', { id: 'a' })
    readonly list = angular.useJobs(scheduler)
    readonly state = angular.useScheduler(scheduler)
    text() {
      const { state, progress, result, error } = this.job
      const shown = { state: state(), progress: progress(), result: result(), error: error() }
      return textOf(shown as State, this.list(), this.state())
    }
  }
  const component = Component({ selector: 'test-text', template: '{{ text() }}' })(Text) ?? Text
  const providers = [provideServerRendering(), provideZonelessChangeDetection()]
  const html = await renderApplication((context) => bootstrapApplication(component, { providers }, context), {
    document: '<test-text></test-text>',
  })
  return html.slice(html.indexOf('<test-text'))
}

test.each(Object.entries(servers))('%s', async (_name, render) => {
  const startThread = vi.fn()
  const scheduler = createScheduler<typeof jobs>(startThread)
  onTestFinished(() => scheduler.close({ mode: 'now' }))
  const calls = (['get', 'watch', 'on', 'subscribe'] as const).map((name) => vi.spyOn(scheduler, name))
  const html = await render(scheduler)
  expect(html.replace(/<[^>]*>/g, '').trim()).toBe('idle - - - |  | 0 running, 0 completed, idle')
  expect(calls.flatMap(({ mock }) => mock.calls)).toEqual([])
  expect(startThread).not.toHaveBeenCalled()
})

// The panel takes any scheduler, and what the extensions of one return.
import type { Scheduler } from 'offstage'
import { batches, flows } from 'offstage/flows'
import { history } from 'offstage/history'
import { definePanel, mountPanel, type OffstagePanel } from 'offstage/panel'
import { schedules } from 'offstage/schedules'
import type { jobs } from './jobs.ts'

declare const scheduler: Scheduler<typeof jobs>
declare const panel: OffstagePanel
const unmount: () => void = mountPanel(scheduler)
unmount()
mountPanel(scheduler, {
  target: document.body,
  theme: 'dark',
  hash: false,
  history: history(scheduler),
  schedules: schedules(scheduler),
  flows: flows(scheduler),
  batches: batches(scheduler),
})
definePanel()
panel.scheduler = scheduler
panel.flows = flows(scheduler)
// @ts-expect-error: there is no such theme.
mountPanel(scheduler, { theme: 'red' })
// @ts-expect-error: a selector is no element.
mountPanel(scheduler, { target: '#panel' })

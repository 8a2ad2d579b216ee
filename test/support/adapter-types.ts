// What the adapters know from the job table. Only the compiler reads this.
// biome-ignore-all lint/correctness/useHookAtTopLevel: nothing here is ever called.
import type { JobSnapshot, Scheduler } from 'offstage'
import * as angular from 'offstage/angular'
import * as preact from 'offstage/preact'
import * as react from 'offstage/react'
import * as solid from 'offstage/solid'
import * as svelte from 'offstage/svelte'
import * as vue from 'offstage/vue'
import type { jobs } from '../fixtures/jobs.ts'
import { expectType } from '../types/expect-type.ts'

declare const scheduler: Scheduler<typeof jobs>

// Values: React, Preact, and properties in Svelte.
for (const { useJob } of [react, preact, svelte]) {
  const job = useJob(scheduler, 'count', { id: 'a', keep: true })
  expectType<number | undefined>()(job.result)
  expectType<number | undefined>()(job.progress)
  if (job.state === 'completed') expectType<number>()(job.result)
  const started = await job.start({ upTo: 1 }, { priority: 1 })
  expectType<number | undefined>()(await started?.result())
  expectType<boolean>()(await job.cancel())
  // @ts-expect-error: the input of `count` is an object
  job.start('1')
  // @ts-expect-error: it has to be given
  job.start()
  // @ts-expect-error: there is no such type
  useJob(scheduler, 'cuont')
  void useJob(scheduler, 'noop').start()
}
for (const { useJobs } of [react, preact]) {
  expectType<readonly JobSnapshot<number>[]>()(useJobs(scheduler, { name: 'count' }))
  // @ts-expect-error: there is no such type
  useJobs(scheduler, { name: 'cuont' })
}
expectType<readonly JobSnapshot<number>[]>()(svelte.useJobs(scheduler, { name: 'count' }).current)
expectType<boolean>()(svelte.useScheduler(scheduler).current.isIdle)

// Refs.
const ref = vue.useJob(scheduler, 'count', () => ({ id: 'a' }))
expectType<number | undefined>()(ref.result.value)
expectType<readonly JobSnapshot<number>[]>()(vue.useJobs(scheduler, { name: 'count' }).value)

// Functions: accessors and signals.
for (const { useJob } of [solid, angular]) {
  const job = useJob(scheduler, 'count', () => ({ id: 'a' }))
  expectType<number | undefined>()(job.result())
  expectType<number | undefined>()(job.progress())
}
for (const { useJobs, useScheduler } of [solid, angular]) {
  expectType<readonly JobSnapshot<number>[]>()(useJobs(scheduler, { name: 'count' })())
  expectType<number>()(useScheduler(scheduler)().counts.queued)
}

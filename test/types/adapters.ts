// What the adapters know from the job table.
// biome-ignore-all lint/correctness/useHookAtTopLevel: nothing here is ever called.
import { signal } from '@angular/core'
import type { JobSnapshot, Scheduler } from 'offstage'
import * as angular from 'offstage/angular'
import * as preact from 'offstage/preact'
import * as react from 'offstage/react'
import * as solid from 'offstage/solid'
import * as svelte from 'offstage/svelte'
import * as vue from 'offstage/vue'
import { createSignal } from 'solid-js'
import { computed, ref } from 'vue'
import { expectType } from './expect-type.ts'
import type { jobs } from './jobs.ts'

declare const scheduler: Scheduler<typeof jobs>

// Values: React, Preact, and properties in Svelte.
for (const { useJob } of [react, preact, svelte]) {
  const job = useJob(scheduler, 'countPrimes', { id: 'a', keep: true })
  expectType<number[] | undefined>()(job.result)
  expectType<number | undefined>()(job.progress)
  if (job.state === 'completed') expectType<number[]>()(job.result)
  const started = await job.start({ upTo: 1 }, { priority: 1 })
  expectType<number[] | undefined>()(await started?.result())
  expectType<boolean>()(await job.cancel())
  // @ts-expect-error: the input of `countPrimes` is an object
  job.start('1')
  // @ts-expect-error: it has to be given
  job.start()
  // @ts-expect-error: there is no such type
  useJob(scheduler, 'countPrime')
  void useJob(scheduler, 'noop').start()
}
for (const { useJobs } of [react, preact]) {
  expectType<readonly JobSnapshot<number>[]>()(useJobs(scheduler, { name: 'countPrimes' }))
  // @ts-expect-error: there is no such type
  useJobs(scheduler, { name: 'countPrime' })
}
expectType<readonly JobSnapshot<number>[]>()(svelte.useJobs(scheduler, { name: 'countPrimes' }).current)
expectType<boolean>()(svelte.useScheduler(scheduler).current.isIdle)

// A filter that changes: whatever function or ref the framework has.
const counting = { name: 'countPrimes', state: 'running' } as const
expectType<readonly JobSnapshot<number>[]>()(svelte.useJobs(scheduler, () => ({ name: 'countPrimes' })).current)
expectType<readonly JobSnapshot<number>[]>()(vue.useJobs(scheduler, () => ({ name: 'countPrimes' })).value)
expectType<readonly JobSnapshot<number>[]>()(vue.useJobs(scheduler, ref(counting)).value)
expectType<readonly JobSnapshot<number>[]>()(
  vue.useJobs(
    scheduler,
    computed(() => counting),
  ).value,
)
type OfAllJobs = ReturnType<ReturnType<typeof scheduler.watch>['snapshot']>
for (const { useJobs } of [solid, angular]) {
  expectType<readonly JobSnapshot<number>[]>()(useJobs(scheduler, () => ({ name: 'countPrimes', state: 'running' }))())
  expectType<OfAllJobs>()(useJobs(scheduler, () => ({ state: ['queued', 'running'] }))())
  expectType<OfAllJobs>()(useJobs(scheduler)())
  // @ts-expect-error: there is no such type
  useJobs(scheduler, () => ({ name: 'countPrime' }))
}
expectType<readonly JobSnapshot<number>[]>()(solid.useJobs(scheduler, createSignal(counting)[0])())
expectType<readonly JobSnapshot<number>[]>()(angular.useJobs(scheduler, signal(counting))())

// Refs.
const refs = vue.useJob(scheduler, 'countPrimes', () => ({ id: 'a' }))
expectType<number[] | undefined>()(refs.result.value)
expectType<readonly JobSnapshot<number>[]>()(vue.useJobs(scheduler, { name: 'countPrimes' }).value)

// Functions: accessors and signals.
for (const { useJob } of [solid, angular]) {
  const job = useJob(scheduler, 'countPrimes', () => ({ id: 'a' }))
  expectType<number[] | undefined>()(job.result())
  expectType<number | undefined>()(job.progress())
}
for (const { useJobs, useScheduler } of [solid, angular]) {
  expectType<readonly JobSnapshot<number>[]>()(useJobs(scheduler, { name: 'countPrimes' })())
  expectType<number>()(useScheduler(scheduler)().counts.queued)
}

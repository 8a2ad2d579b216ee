// What most tests of schedulers need.
import { createScheduler, type EventMap, type EventType, inline, type Scheduler, type SchedulerOptions } from 'offstage'
import type { JobTable } from 'offstage/worker'
import { afterAll, onTestFinished } from 'vitest'
import { jobs as around } from '../fixtures/around.ts'
import { jobs as blobs } from '../fixtures/blobs.ts'
import { jobs as composed } from '../fixtures/composed.ts'
import { jobs as families } from '../fixtures/families.ts'
import { jobs } from '../fixtures/jobs.ts'
import { jobs as many } from '../fixtures/many.ts'
import { jobs as unruly } from '../fixtures/unruly.ts'
import { values } from '../fixtures/values.ts'
import { jobs as versions } from '../fixtures/versions.ts'
import { jobs as waits } from '../fixtures/waits.ts'
import { type FixtureName, jobsWorker } from './workers.ts'

const tables = { jobs, around, blobs, composed, many, unruly, values, versions, waits, families }
export type TableName = keyof typeof tables
type TableOf<Name extends TableName> = (typeof tables)[Name]

/** Where jobs run: the same engine, with threads of their own or on this one. */
export const places = ['threads', 'inline'] as const
export type Place = (typeof places)[number]

/** What runs these tests. */
export const isBrowser = typeof document === 'object'
export const isNode = !isBrowser && !('Bun' in globalThis) && !('Deno' in globalThis)

/** One worker unless the test says otherwise: then the order is exact. Closed when the test is over. */
export function start<Name extends TableName>(
  place: Place,
  name: Name,
  options: SchedulerOptions<never> = {},
): Scheduler<TableOf<Name>> {
  const source = place === 'inline' ? inline(tables[name] as JobTable) : jobsWorker(name as FixtureName)
  const scheduler = createScheduler<TableOf<Name>>(source, { workers: 1, ...options } as never)
  onTestFinished(() => scheduler.close({ mode: 'now' }))
  return scheduler
}

/** The next event of a type: the signal to wait for, instead of sleeping. */
export function heard<Type extends EventType>(
  scheduler: Pick<Scheduler<never>, 'once'>,
  type: Type,
): Promise<EventMap[Type]> {
  return new Promise((resolve) => scheduler.once(type, resolve as (event: unknown) => void))
}

/** One turn of the event loop: what was thrown and caught by nobody has been told by then. */
export const turn = (): Promise<void> => new Promise((resolve) => setTimeout(resolve))

/** Collects what the host hears of that nobody caught. */
export function watchHost(): { readonly uncaught: unknown[]; stop(): void } {
  const uncaught: unknown[] = []
  if (isBrowser) {
    const onError = (event: ErrorEvent) => uncaught.push(event.error ?? event.message)
    const onRejection = (event: PromiseRejectionEvent) => uncaught.push(event.reason)
    addEventListener('error', onError)
    addEventListener('unhandledrejection', onRejection)
    return {
      uncaught,
      stop() {
        removeEventListener('error', onError)
        removeEventListener('unhandledrejection', onRejection)
      },
    }
  }
  const onUncaught = (error: unknown) => uncaught.push(error)
  process.on('uncaughtException', onUncaught).on('unhandledRejection', onUncaught)
  return {
    uncaught,
    stop: () => void process.off('uncaughtException', onUncaught).off('unhandledRejection', onUncaught),
  }
}

/** A new folder, gone when the file's tests are over; on servers. */
export function temporaryFolder(): string {
  const { mkdtempSync, rmSync } = process.getBuiltinModule('node:fs')
  const folder = mkdtempSync(`${process.getBuiltinModule('node:os').tmpdir()}/offstage-`)
  afterAll(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

// What traces: of any scheduler, with any tracer; and what goes around handlers.
import type { Context, Meter, Tracer } from '@opentelemetry/api'
import type { Scheduler } from 'offstage'
import { type DevToolsOptions, traceToDevTools } from 'offstage/devtools'
import { type DiagnosticsMessage, publishDiagnostics } from 'offstage/diagnostics'
import { contextOf, type InstrumentOptions, instrument, traced } from 'offstage/otel'
import { defineJobs, type JobContext } from 'offstage/worker'
import { expectType } from './expect-type.ts'
import type { jobs } from './jobs.ts'

declare const scheduler: Scheduler<typeof jobs>
declare const tracer: Tracer
declare const meter: Meter
declare const job: JobContext

const stops: readonly (() => void)[] = [
  traceToDevTools(scheduler, { group: 'mine', waits: false } satisfies DevToolsOptions),
  publishDiagnostics(scheduler),
  instrument(scheduler, { tracer, meter } satisfies InstrumentOptions),
  instrument(scheduler),
]
for (const stop of stops) expectType<void>()(stop())
expectType<Context>()(contextOf(job))
defineJobs({ double: (n: number) => n * 2 }, { around: [traced()] })

declare const message: DiagnosticsMessage
if (message.event.type === 'started') expectType<number>()(message.event.workerId)

// @ts-expect-error: a tracer is no text.
instrument(scheduler, { tracer: 'mine' })
// @ts-expect-error: there is no such option.
traceToDevTools(scheduler, { colour: 'red' })

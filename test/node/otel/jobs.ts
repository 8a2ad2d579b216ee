// The worker module of an application that traces: with an SDK of its own, as each thread needs one.
import { setImmediate as nextTurn } from 'node:timers/promises'
import { trace } from '@opentelemetry/api'
import { InMemorySpanExporter, NodeTracerProvider, SimpleSpanProcessor } from '@opentelemetry/sdk-trace-node'
import { contextOf, traced } from 'offstage/otel'
import { children, defineJobs, type JobContext } from 'offstage/worker'

const exporter = new InMemorySpanExporter()
new NodeTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] }).register()
const tracer = trace.getTracer('jobs')

export const jobs = defineJobs(
  {
    /** Fails before the attempt of this number. */
    async work(succeedsAt: number, job: JobContext) {
      return tracer.startActiveSpan('work', async (span) => {
        await nextTurn()
        tracer.startSpan('after an await').end()
        span.end()
        if (job.attempt < succeedsAt) throw Object.assign(new RangeError('not yet'), { code: 'ETOOSOON' })
        return job.headers.traceparent
      })
    },
    *steps(count: number) {
      for (let n = 1; n <= count; n++) {
        yield n / count
        const until = performance.now() + 10
        while (performance.now() < until);
      }
      tracer.startSpan('after steps').end()
    },
    manual(_: unknown, job: JobContext) {
      tracer.startSpan('manual', {}, contextOf(job)).end()
    },
    async parent(_: unknown, job: JobContext) {
      return children<{ work: (succeedsAt: number) => Promise<unknown> }>(job).run.work(1)
    },
    hang: async (_: unknown, job: JobContext) => {
      job.progress(1)
      await new Promise((_resolve, reject) => job.signal.addEventListener('abort', reject))
    },
    /** What its thread has traced. */
    spans: () =>
      exporter.getFinishedSpans().map((span) => ({
        name: span.name,
        traceId: span.spanContext().traceId,
        parent: span.parentSpanContext?.spanId,
      })),
  },
  { around: [traced()] },
)

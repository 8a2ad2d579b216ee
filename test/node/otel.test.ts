// `offstage/otel` with the real SDK: one trace from the caller into the thread, over retries and restarts; nothing stays open; figures.
import { fileURLToPath } from 'node:url'
import { context, metrics, SpanKind, trace } from '@opentelemetry/api'
import {
  AggregationTemporality,
  type DataPoint,
  type Histogram,
  InMemoryMetricExporter,
  MeterProvider,
  PeriodicExportingMetricReader,
} from '@opentelemetry/sdk-metrics'
import {
  InMemorySpanExporter,
  NodeTracerProvider,
  type ReadableSpan,
  SimpleSpanProcessor,
  type SpanProcessor,
} from '@opentelemetry/sdk-trace-node'
import { build } from 'esbuild'
import { createScheduler, inline, type Scheduler, type SchedulerOptions } from 'offstage'
import { fileStore } from 'offstage/file'
import { flows } from 'offstage/flows'
import { instrument, traced } from 'offstage/otel'
import { defineJobs } from 'offstage/worker'
import { afterAll, beforeAll, beforeEach, describe, expect, onTestFinished, test } from 'vitest'
import { builtAliases } from '../support/built.mjs'
import { FakeOrigin } from '../support/tabs.ts'
import { heard, temporaryFolder } from '../support/testing.ts'
import type { jobs } from './otel/jobs.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))
/** Among the packages that it imports. */
const module = `${root}/node_modules/.cache/offstage-test/otel-jobs.mjs`
const folders = temporaryFolder()
const exporter = new InMemorySpanExporter()
/** How many spans have begun and not ended. */
let open = 0
const counting: SpanProcessor = {
  onStart: () => void open++,
  onEnd: () => void open--,
  forceFlush: async () => {},
  shutdown: async () => {},
}

beforeAll(async () => {
  await build({
    entryPoints: [`${root}/test/node/otel/jobs.ts`],
    outfile: module,
    bundle: true,
    format: 'esm',
    platform: 'node',
    alias: builtAliases,
    external: ['@opentelemetry/*'],
    logLevel: 'error',
  })
  new NodeTracerProvider({ spanProcessors: [counting, new SimpleSpanProcessor(exporter)] }).register()
})
afterAll(() => {
  trace.disable()
  context.disable()
})
beforeEach(() => {
  exporter.reset()
  open = 0
})

function start(options: SchedulerOptions<never> = {}): Scheduler<typeof jobs> {
  const scheduler = createScheduler<typeof jobs>(module, { workers: 1, ...options } as never)
  onTestFinished(() => scheduler.close({ mode: 'now' }))
  return scheduler
}

const idOf = (span: ReadableSpan | undefined) => span?.spanContext().spanId
const traceOf = (span: ReadableSpan | undefined) => span?.spanContext().traceId
const spansOf = (name: string) => exporter.getFinishedSpans().filter((span) => span.name === name)
const parentOf = (span: ReadableSpan | undefined) => span?.parentSpanContext?.spanId

describe('one trace', () => {
  test('from the caller over the call and the attempt to the spans of the handler in its thread', async () => {
    const scheduler = start()
    instrument(scheduler)
    const tracer = trace.getTracer('page')
    await tracer.startActiveSpan('click', async (click) => {
      await scheduler.run.work(1, { id: 'one', queue: 'q' })
      click.end()
    })
    const [click] = spansOf('click')
    const [send] = spansOf('send q')
    const [process] = spansOf('process q')
    expect([parentOf(send), parentOf(process)]).toEqual([idOf(click), idOf(send)])
    expect([send?.kind, process?.kind]).toEqual([SpanKind.PRODUCER, SpanKind.CONSUMER])
    expect(send?.attributes).toEqual({
      'messaging.system': 'offstage',
      'messaging.operation.name': 'send',
      'messaging.operation.type': 'send',
      'messaging.destination.name': 'q',
      'messaging.message.id': 'one',
      'offstage.job.name': 'work',
      'offstage.job.disposition': 'created',
    })
    expect(process?.attributes).toEqual({
      'messaging.system': 'offstage',
      'messaging.operation.name': 'process',
      'messaging.operation.type': 'process',
      'messaging.destination.name': 'q',
      'messaging.message.id': 'one',
      'offstage.job.name': 'work',
      'offstage.job.attempt': 1,
      'offstage.worker.id': 1,
      'offstage.job.outcome': 'completed',
    })
    const inThread = await scheduler.run.spans()
    const [after, work] = inThread
    expect([work?.name, after?.name]).toEqual(['work', 'after an await'])
    expect(work).toMatchObject({ traceId: traceOf(click), parent: idOf(process) })
    expect(after?.traceId).toBe(traceOf(click))
  })

  test('over a retry: each attempt is a span of its own, and errors are recorded', async () => {
    const scheduler = start()
    instrument(scheduler)
    await scheduler.run.work(2, { attempts: 2 })
    const [send] = spansOf('send default')
    const attempts = spansOf('process default')
    expect(attempts.map(parentOf)).toEqual([idOf(send), idOf(send)])
    expect(attempts.map(({ attributes }) => attributes['offstage.job.outcome'])).toEqual(['retrying', 'completed'])
    expect(attempts[0]).toMatchObject({
      status: { code: 2, message: 'not yet' },
      attributes: { 'error.type': 'ETOOSOON' },
      events: [
        {
          name: 'exception',
          attributes: { 'exception.message': 'not yet', 'exception.stacktrace': expect.any(String) },
        },
      ],
    })
    const works = (await scheduler.run.spans()).filter(({ name }) => name === 'work')
    expect(works.map(({ parent }) => parent)).toEqual(attempts.map(idOf))
  })

  test('over a restart: the trace is stored with the job', async () => {
    const store = () => fileStore(`${folders}/restart`)
    const first = start({ store: store() })
    instrument(first)
    first.pause()
    await first.add.work(1, { id: 'durable' })
    await first.close()
    const second = start({ store: store() })
    instrument(second)
    await (await second.get<'work'>('durable'))?.result()
    const [send] = spansOf('send default')
    const [process] = spansOf('process default')
    expect([traceOf(process), parentOf(process)]).toEqual([traceOf(send), idOf(send)])
    expect((await second.run.spans()).find(({ name }) => name === 'work')).toMatchObject({
      traceId: traceOf(send),
      parent: idOf(process),
    })
  })

  test('into generators, whose steps are in several tasks; by hand; and into jobs that a handler runs', async () => {
    const scheduler = start()
    instrument(scheduler)
    await scheduler.run.steps(3)
    await scheduler.run.manual(undefined)
    await scheduler.run.parent(undefined, { queue: 'parents' })
    const parents = spansOf('process parents')
    const [steps, manual, child] = spansOf('process default')
    const inThread = await scheduler.run.spans()
    expect(inThread.find(({ name }) => name === 'after steps')?.parent).toBe(idOf(steps))
    expect(inThread.find(({ name }) => name === 'manual')?.parent).toBe(idOf(manual))
    expect(parents.map(({ attributes }) => attributes['offstage.job.outcome'])).toEqual(['waiting', 'completed'])
    expect(child?.attributes['offstage.job.name']).toBe('work')
    expect(new Set([...parents, child].map(traceOf))).toEqual(new Set([traceOf(spansOf('send parents')[0])]))
  })

  test('a caller without a span may hand in a trace; jobs of a flow begin their own', async () => {
    const scheduler = start()
    instrument(scheduler)
    const traceId = '0af7651916cd43dd8448eb211c80319c'
    const headers = { tenant: 'a', traceparent: `00-${traceId}-b7ad6b7169203331-01` }
    const job = await scheduler.add.work(1, { headers })
    await job.result()
    expect(job.headers).toEqual({ tenant: 'a', traceparent: expect.stringContaining(traceId) })
    expect([traceOf(spansOf('process default')[0]), parentOf(spansOf('send default')[0])]).toEqual([
      traceId,
      'b7ad6b7169203331',
    ])
    exporter.reset()
    const flow = await flows(scheduler).add({ a: { name: 'work', input: 1 } } as never)
    await flow.result()
    expect([spansOf('send default'), spansOf('process default').map(parentOf)]).toEqual([[], [undefined]])
  })
})

const local = defineJobs(
  {
    echo: (value: unknown) => value,
    hang: (_: unknown, job) => new Promise((_resolve, reject) => job.signal.addEventListener('abort', reject)),
    fails: () => {
      throw 'just a text'
    },
  },
  { around: [traced()] },
)

function startHere(options: SchedulerOptions<never> = {}): Scheduler<typeof local> {
  const scheduler = createScheduler<typeof local>(inline(local), options as never)
  onTestFinished(() => scheduler.close({ mode: 'now' }))
  return scheduler
}

describe('nothing stays open', () => {
  const hanging = async (scheduler: Scheduler<typeof local>) => {
    const started = heard(scheduler, 'started')
    const job = await scheduler.add.hang(1)
    job.result().catch(() => {})
    await started
    expect(open).toBe(1)
    return job
  }
  test.each<[string, outcome: string, end: (scheduler: Scheduler<typeof local>, id: string) => unknown]>([
    ['cancelled', 'cancelled', (scheduler, id) => scheduler.cancel(id)],
    ['removed', 'cancelled', (scheduler, id) => scheduler.remove(id)],
    ['interrupted by a close', 'interrupted', (scheduler) => scheduler.close({ mode: 'now' })],
  ])('when the job is %s', async (_what, outcome, end) => {
    const scheduler = startHere()
    instrument(scheduler)
    const { id } = await hanging(scheduler)
    await end(scheduler, id)
    expect(open).toBe(0)
    expect(spansOf('process default')[0]?.attributes['offstage.job.outcome']).toBe(outcome)
  })

  test('when it is stopped; afterwards nothing is told, until it is asked for again', async () => {
    const scheduler = startHere()
    const stop = instrument(scheduler)
    const job = await hanging(scheduler)
    stop()
    expect(open).toBe(0)
    await job.cancel()
    exporter.reset()
    expect(await scheduler.run.echo(1)).toBe(1)
    expect(exporter.getFinishedSpans()).toEqual([])
    instrument(scheduler)
    await scheduler.run.echo(1)
    expect(exporter.getFinishedSpans().map(({ name }) => name)).toEqual(['send default', 'process default'])
  })

  test('when a call is refused, and then that is recorded', async () => {
    const scheduler = startHere()
    instrument(scheduler)
    await expect(scheduler.add.echo(() => {})).rejects.toMatchObject({ code: 'DATA_CLONE' })
    await expect(scheduler.add.echo(1, 'no options' as never)).rejects.toMatchObject({ code: 'INVALID_OPTION' })
    await expect(scheduler.add.echo(1, { headers: { a: 1 } as never })).rejects.toThrow('`headers`')
    expect(open).toBe(0)
    const types = spansOf('send default').map(({ attributes }) => attributes['error.type'])
    expect(types).toEqual(['DATA_CLONE', 'INVALID_OPTION', 'INVALID_OPTION'])
  })
})

test('instrumenting twice is one instrumentation', async () => {
  const scheduler = startHere()
  expect(instrument(scheduler)).toBe(instrument(scheduler))
  await scheduler.addMany([{ name: 'echo', input: 1 }])
  await scheduler.onIdle()
  expect([spansOf('send default').length, spansOf('process default').length]).toEqual([1, 1])
})

test('it goes around the middleware that is there', async () => {
  const seen: unknown[] = []
  const scheduler = startHere({
    middleware: [
      {
        add(request, next) {
          seen.push(request.options?.headers?.traceparent)
          return next()
        },
      },
    ],
  })
  instrument(scheduler)
  await scheduler.run.echo(1)
  expect(seen).toEqual([expect.stringContaining(idOf(spansOf('send default')[0]) as string)])
})

test('headers that are nearly full stay what they are, and the job is added', async () => {
  const scheduler = startHere()
  instrument(scheduler)
  const full = Object.fromEntries(Array.from({ length: 64 }, (_, n) => [`h${n}`, 'x']))
  const job = await scheduler.add.echo(1, { headers: full })
  expect(job.headers).toEqual(full)
})

test('what is thrown may be anything', async () => {
  const scheduler = startHere()
  instrument(scheduler)
  await scheduler.run.fails().catch(() => {})
  expect(spansOf('process default')[0]).toMatchObject({
    status: { message: 'just a text' },
    attributes: { 'error.type': '_OTHER' },
  })
})

test('with two tabs on a store, each call is told by its own, and each attempt by the one that runs it', async () => {
  const origin = new FakeOrigin()
  const openIn = () => startHere({ store: origin.openTab().store })
  const leader = openIn()
  instrument(leader)
  await leader.counts()
  const follower = openIn()
  instrument(follower)
  expect(await follower.run.echo(2)).toBe(2)
  const [send] = spansOf('send default')
  expect([spansOf('send default').length, spansOf('process default').map(parentOf)]).toEqual([1, [idOf(send)]])
  await leader.close()
  expect(await follower.run.echo(3)).toBe(3)
  expect(spansOf('process default')).toHaveLength(2)
})

test.each([[{ tracer: 1 }], [{ meter: 'x' }], [{ trace: {} }], ['x']])('%j is refused at the door', (options) => {
  expect(() => instrument(startHere(), options as never)).toThrow(/tracer|meter|options/)
  expect(() => instrument({} as never)).toThrow('createScheduler')
})

describe('metrics', () => {
  function meterProvider() {
    const exporter = new InMemoryMetricExporter(AggregationTemporality.CUMULATIVE)
    const reader = new PeriodicExportingMetricReader({ exporter, exportIntervalMillis: 1e8 })
    const provider = new MeterProvider({ readers: [reader] })
    onTestFinished(() => provider.shutdown())
    /** The newest data points of a metric. */
    const read = async (name: string): Promise<DataPoint<unknown>[]> => {
      await provider.forceFlush()
      const all =
        exporter
          .getMetrics()
          .at(-1)
          ?.scopeMetrics.flatMap(({ metrics }) => metrics) ?? []
      return (all.find(({ descriptor }) => descriptor.name === name)?.dataPoints ?? []) as DataPoint<unknown>[]
    }
    return { provider, read }
  }
  const byOutcome = (points: readonly DataPoint<unknown>[]) =>
    Object.fromEntries(points.map(({ attributes, value }) => [attributes['offstage.job.outcome'], value]))

  test('count and measure, and say how many there are', async () => {
    const { provider, read } = meterProvider()
    const scheduler = startHere()
    const stop = instrument(scheduler, { meter: provider.getMeter('test') })
    for (const n of [1, 2]) await scheduler.run.echo(n, { queue: 'q' })
    await scheduler.run.fails(undefined as never, { queue: 'q' }).catch(() => {})
    await scheduler.queue('later').pause()
    for (const n of [1, 2, 3]) await scheduler.add.echo(n, { queue: 'later' })
    expect(byOutcome(await read('offstage.job.outcomes'))).toEqual({ completed: 2, failed: 1 })
    const [duration] = await read('messaging.process.duration')
    expect(duration).toMatchObject({
      value: { count: 2, sum: expect.any(Number) } satisfies Partial<Histogram>,
      attributes: { 'messaging.system': 'offstage', 'messaging.destination.name': 'q', 'offstage.job.name': 'echo' },
    })
    expect((await read('offstage.job.wait.duration')).map(({ value }) => (value as Histogram).count)).toEqual([2, 1])
    expect((await read('messaging.client.sent.messages')).map(({ value }) => value)).toEqual([2, 1, 3])
    const depth = await read('offstage.queue.depth')
    expect(depth.find(({ attributes }) => attributes['messaging.destination.name'] === 'later')?.value).toBe(3)
    const states = await read('offstage.jobs')
    expect(states.find(({ attributes }) => attributes['offstage.job.state'] === 'queued')?.value).toBe(3)
    stop()
    await scheduler.run.echo(3)
    expect(byOutcome(await read('offstage.job.outcomes'))).toEqual({ completed: 2, failed: 1 })
  })

  test('go to the provider of the moment, also if that is set up later', async () => {
    onTestFinished(() => metrics.disable())
    const scheduler = startHere()
    instrument(scheduler)
    await scheduler.run.echo(1)
    for (const _ of [1, 2]) {
      const { provider, read } = meterProvider()
      metrics.disable()
      metrics.setGlobalMeterProvider(provider)
      await scheduler.run.echo(2)
      expect(byOutcome(await read('offstage.job.outcomes'))).toEqual({ completed: 1 })
      expect((await read('offstage.jobs')).length).toBe(7)
    }
  })
})

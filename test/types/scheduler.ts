// The scheduler's own members: events, filters, queues, snapshots, options.
import {
  type AnyEvent,
  type Backoff,
  type CleanFilter,
  type Clock,
  type Counts,
  createScheduler,
  type ErrorCode,
  type EventFilter,
  type EventMap,
  type EventOf,
  type EventStream,
  type FindOptions,
  type JobEvent,
  type JobFilter,
  type JobSnapshot,
  type JobWatch,
  OffstageError,
  type QueueState,
  type Scheduler,
  type SchedulerSnapshot,
  type State,
  type Stats,
  type WaitReason,
} from 'offstage'
import { manualClock, seededRandom } from 'offstage/testing'
import { expectType } from './expect-type.ts'
import type { jobs } from './jobs.ts'

class PaymentError extends Error {
  constructor(readonly code: string) {
    super(code)
  }
}

const clock = manualClock()
expectType<() => number>()(seededRandom(1))
clock satisfies Clock

// The type argument may stand on the left instead, as a field of a class needs it.
const scheduler: Scheduler<typeof jobs> = createScheduler(() => new Worker('./jobs.js'), {
  workers: { min: 1, max: 4, idleMs: 1_000 },
  concurrency: 4,
  queues: { network: { concurrency: 2, rateLimit: { limit: 10, intervalMs: 1_000 } } },
  defaults: { countPrimes: { attempts: 3, backoff: { type: 'exponential', delayMs: 100, maxMs: 1_000, jitter: 0.5 } } },
  keep: { completed: { count: 10 }, failed: { ageMs: 1_000 } },
  errors: [PaymentError],
  workerOptions: { resourceLimits: { maxOldGenerationSizeMb: 64 }, execArgv: [], env: { A: 'b' } },
  graceMs: 100,
  handleSignals: { graceMs: 5_000 },
  startTimeoutMs: 1_000,
  maxQueued: 10,
  clock,
  random: seededRandom(1),
})

// Events.

const stop = scheduler.on('completed', () => {})
expectType<() => void>()(stop)
scheduler.on('added', (event) => {
  expectType<'added'>()(event.type)
  expectType<State>()(event.state)
  expectType<number>()(event.priority)
})
scheduler.once('retrying', ({ attempt, runAt, error, seq, at, jobId, name, queue }) => {
  expectType<number[]>()([attempt, runAt, seq, at])
  expectType<string[]>()([jobId, name, queue])
  expectType<unknown>()(error)
})
scheduler.on('waiting', ({ runAt, signals }) => {
  expectType<number | undefined>()(runAt)
  expectType<readonly string[]>()(signals)
})
scheduler.on('signal', ({ signal, value }) => {
  expectType<string>()(signal)
  expectType<unknown>()(value)
})
expectType<Promise<boolean>>()(scheduler.signal('id', 'approved', { by: 'Ann' }))
expectType<readonly [string, number | undefined, number]>()(await scheduler.run.approve('x'))
expectType<'half'>()((await scheduler.add.approve('x')).snapshot().progress ?? 'half')
scheduler.on('snoozed', ({ attempt, runAt }) => expectType<number[]>()([attempt, runAt]))
scheduler.on('worker:exit', ({ workerId, error }) => {
  expectType<number>()(workerId)
  expectType<unknown>()(error)
})
scheduler.on('paused', ({ queue }) => expectType<string | undefined>()(queue))
scheduler.on('removed', ({ reason }) => expectType<'removed' | 'replaced' | 'retention'>()(reason))
const listener = (event: EventMap['completed']): void => expectType<unknown>()(event.result)
scheduler.off('completed', listener)

// By type and by name, alone and together.
for await (const event of scheduler.events({ type: 'completed', name: 'countPrimes' })) {
  expectType<number[]>()(event.result)
  expectType<'completed'>()(event.type)
}
for await (const event of scheduler.events({ type: ['completed', 'failed'], name: 'double' })) {
  expectType<'completed' | 'failed'>()(event.type)
  if (event.type === 'completed') expectType<number>()(event.result)
  else expectType<unknown>()(event.error)
}
for await (const event of scheduler.events({ name: 'report' })) {
  expectType<'report'>()(event.name)
  if (event.type === 'progress') expectType<{ done: number }>()(event.progress)
}
for await (const event of scheduler.events({ type: 'progress' })) {
  if (event.name === 'both') expectType<number | 'half'>()(event.progress)
}
for await (const event of scheduler.events({ jobId: 'a', queue: 'network' })) {
  if (event.type === 'completed' && event.name === 'double') expectType<number>()(event.result)
  if (event.type === 'error') expectType<unknown>()(event.error)
}
for await (const event of scheduler.events({ type: ['idle', 'worker:exit'] })) {
  if (event.type === 'worker:exit') expectType<number>()(event.workerId)
}
const every = scheduler.events()
expectType<EventStream<EventOf<typeof jobs>>>()(every)
every satisfies EventStream<AnyEvent>
every.toReadableStream() satisfies ReadableStream<AnyEvent>
scheduler.on('completed', (event) => {
  if (event.name === 'countPrimes') expectType<number[]>()(event.result)
})

// A filter that knows of no table fits.
const eventFilter: EventFilter = { name: 'double' }
scheduler.events(eventFilter)
const findOptions: FindOptions = { name: 'double', limit: 3 }
expectType<string>()((await scheduler.find(findOptions))[0]?.id as string)

const job = await scheduler.add.double(1)
job.on('completed', ({ result }) => expectType<number>()(result))
job.events().toReadableStream() satisfies ReadableStream<JobEvent>

// Acting and looking.

expectType<number>()(await scheduler.cancel('id', 'reason'))
expectType<number>()(await scheduler.cancel({ state: 'queued', tag: 'nightly', queue: 'network', name: 'double' }))
expectType<number>()(await scheduler.retry({ state: ['failed', 'cancelled'] }))
expectType<number>()(await scheduler.remove('id'))
expectType<number>()(await scheduler.remove({ all: true }))
const filter: JobFilter = { tag: 'nightly' }
expectType<number>()(await scheduler.cancel(filter))
expectType<number>()(await scheduler.clean({ olderThanMs: 0 }))
expectType<number>()(await scheduler.clean({ state: ['failed', 'cancelled'], name: 'double', olderThanMs: 5 }))
const cleanFilter: CleanFilter = { olderThanMs: 0, queue: 'network', tag: 'nightly' }
expectType<number>()(await scheduler.clean(cleanFilter))
expectType<boolean>()(await scheduler.setPriority('id', 3))
expectType<boolean>()(await scheduler.promote('id'))
expectType<Counts>()(await scheduler.counts())
expectType<number>()((await scheduler.counts()).failed)
expectType<Stats>()(scheduler.stats())
expectType<number>()(scheduler.stats().latencies.run.p99)
expectType<number>()(scheduler.stats().totals.completed)

expectType<boolean>()(
  await scheduler.update<'double'>('id', { input: 3, runAt: new Date(0), priority: 1, tags: ['x'] }),
)
expectType<boolean>()(await scheduler.update('id', { input: { upTo: 3 } }))
expectType<readonly QueueState[]>()(await scheduler.queues())
for (const { reason, detail } of await scheduler.whyWaiting('id')) {
  expectType<WaitReason['reason']>()(reason)
  expectType<string>()(detail)
}
const list = scheduler.watch({ name: 'countPrimes', state: 'running', limit: 10 })
expectType<readonly JobSnapshot<number>[]>()(list.snapshot())
expectType<() => void>()(list.subscribe(() => {}))
list.close()
scheduler.watch() satisfies JobWatch

const queue = scheduler.queue('network')
queue.setConcurrency(2)
queue.setRateLimit({ limit: 1, intervalMs: 1_000 })
queue.setRateLimit(undefined)
expectType<Promise<void>[]>()([
  queue.pause(),
  queue.resume(),
  queue.reset(),
  queue.setConcurrency(2),
  scheduler.pause(),
])
expectType<readonly [number, number, boolean]>()([queue.size, queue.running, queue.isPaused] as const)

const { subscribe, snapshot } = scheduler
expectType<() => void>()(subscribe(() => {}))
expectType<SchedulerSnapshot>()(snapshot())

// Another attempt.

const waits: readonly number[] = [1_000, 10_000]
const backoffs: readonly Backoff[] = [
  waits,
  { type: 'sidekiq', maxMs: 1_000 },
  { type: 'exponential', delayMs: 100, jitter: 'decorrelated' },
  { type: 'fixed', delayMs: 100, jitter: 'full' },
]
await scheduler.run.double(1, { attempts: 9, backoff: backoffs[0], retryForMs: 60_000 })
createScheduler<typeof jobs>('./jobs.js', {
  defaults: {
    double: {
      retryIf(error) {
        expectType<unknown>()(error)
        return !(error instanceof PaymentError)
      },
    },
  },
})

// Errors.

try {
  await job.result()
} catch (error) {
  if (error instanceof OffstageError) {
    expectType<ErrorCode>()(error.code)
    expectType<string | undefined>()(error.jobId)
    expectType<number | undefined>()(error.attempt)
  }
}

// Without a table every name goes, and nothing is known of it.
const untyped = createScheduler('./jobs.js')
expectType<unknown>()(await untyped.run.whatever?.({ any: 'thing' }))
untyped.on('completed', ({ name, result }) => {
  expectType<string>()(name)
  expectType<unknown>()(result)
})
for (const each of await untyped.find({ name: 'whatever' })) {
  expectType<unknown>()(each.input)
  expectType<unknown>()(await each.result())
}
for await (const event of untyped.events({ type: 'completed', name: 'whatever' })) expectType<unknown>()(event.result)
// Any scheduler will do for code that knows of no table.
const anyone = (each: Pick<Scheduler, 'counts' | 'queue' | 'onIdle'>) => each.queue('default').size
anyone(scheduler)

await using closed = untyped
expectType<Promise<void>>()(closed.close({ mode: 'drain', timeoutMs: 1_000 }))

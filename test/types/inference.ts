// What a worker module says is known at the call: input, result, progress and values, across the thread.
import {
  createScheduler,
  inline,
  type Job,
  type JobHeaders,
  type JobOf,
  type JobRequest,
  type JobSnapshot,
} from 'offstage'
import type { InputOf, ProgressOf, ResultOf, ValueOf } from 'offstage/worker'
import { expectType } from './expect-type.ts'
import { type Crossing, crossing, jobs, type MailInput, orders, type Tree } from './jobs.ts'

const scheduler = createScheduler<typeof jobs>(
  () => new Worker(new URL('./jobs.ts', import.meta.url), { type: 'module' }),
)

// Results.

expectType<number>()(await scheduler.run.double(21))
expectType<string>()(await scheduler.run.greet({ name: 'Ada' }))
expectType<number[]>()(await scheduler.run.countPrimes({ upTo: 10 }))
expectType<Uint8Array<ArrayBuffer>>()(await scheduler.run.download('https://example.com'))
expectType<boolean>()(await scheduler.run.bare({ rounds: 3 }))
expectType<void>()(await scheduler.run.noop())
expectType<number | null>()(await scheduler.run.maybe())
expectType<number>()(await scheduler.run.report('a.txt'))
expectType<number>()(await scheduler.run.both('x'))
expectType<Uint8Array<ArrayBuffer>>()(await scheduler.run.transferred(4))
expectType<string>()(await scheduler.run.mail({ to: 'Ada' }))
expectType<boolean>()(await scheduler.run.mailWithProgress({ to: 'Ada', urgent: true }))
expectType<string>()(await scheduler.run.mailGenerator({ to: 'Ada' }))

// Inputs: those that may be left out, with and without options.

scheduler.run.noop(undefined, { priority: 1 })
scheduler.run.maybe(undefined, { priority: 1 })
scheduler.run.maybe(3)

// Progress, in callbacks and snapshots.

scheduler.run.countPrimes({ upTo: 10 }, { onProgress: (progress) => expectType<number>()(progress) })
scheduler.run.download('', { onProgress: (progress) => expectType<{ loaded: number; url: string }>()(progress) })
scheduler.run.report('', { onProgress: (progress) => expectType<{ done: number }>()(progress) })
scheduler.run.both('', { onProgress: (progress) => expectType<number | 'half'>()(progress) })
scheduler.run.bare({ rounds: 1 }, { onProgress: (progress) => expectType<unknown>()(progress) })
scheduler.run.double(1, { onProgress: (progress) => expectType<unknown>()(progress) })
scheduler.run.mailWithProgress({ to: '' }, { onProgress: (progress) => expectType<number>()(progress) })
scheduler.run.mailGenerator({ to: '' }, { onProgress: (progress) => expectType<boolean>()(progress) })

// Results and values in callbacks.

scheduler.run.countPrimes(
  { upTo: 10 },
  {
    onCompleted: (result) => expectType<number[]>()(result),
    onSettled: (error, result) => {
      expectType<unknown>()(error)
      expectType<number[] | undefined>()(result)
    },
    onFailed: (error) => expectType<unknown>()(error),
    onStarted: (attempt) => expectType<number>()(attempt),
    onLog: (...args) => expectType<readonly unknown[]>()(args),
  },
)
scheduler.run.report('', { onValue: (value) => expectType<Uint8Array<ArrayBufferLike>>()(value) })
scheduler.run.mailWithProgress({ to: '' }, { onValue: (value) => expectType<string>()(value) })

// Handles.

const job = await scheduler.add.report('a.txt')
expectType<Job<number, { done: number }, Uint8Array<ArrayBufferLike>, string, 'report'>>()(job)
expectType<JobOf<typeof jobs, 'report'>>()(job)
expectType<number>()(await job.result())
expectType<{ done: number } | undefined>()(job.snapshot().progress)
expectType<JobSnapshot<{ done: number }>>()(job.snapshot())
expectType<string>()(job.input)
expectType<'report'>()(job.name)
expectType<JobHeaders>()(job.headers)
scheduler.run.double(1, { headers: { trace: '7' } })
expectType<'created' | 'existing' | 'replaced'>()(job.disposition)
for await (const value of job.values()) expectType<Uint8Array<ArrayBufferLike>>()(value)
for await (const event of job.events()) {
  if (event.type === 'retrying') expectType<number>()(event.runAt)
  if (event.type === 'completed') expectType<number>()(event.result)
  if (event.type === 'progress') expectType<{ done: number }>()(event.progress)
  if (event.type === 'value') expectType<Uint8Array<ArrayBufferLike>>()(event.value)
}
job.on('progress', ({ progress }) => expectType<{ done: number }>()(progress))
job.once('completed', ({ result }) => expectType<number>()(result))
job.off('value', ({ value }: { value: Uint8Array<ArrayBufferLike> }) => value)
// With a schema the input is what was given, and not what the schema makes of it.
expectType<MailInput>()((await scheduler.add.mail({ to: 'Ada' })).input)
expectType<boolean>()(await job.cancel('enough'))

const found = await scheduler.get<'countPrimes'>('primes:5e6')
if (found) expectType<number[]>()(await found.result())
for (const each of await scheduler.find({ state: ['queued', 'running'], name: 'double' })) {
  expectType<number>()(await each.result())
  expectType<number>()(each.input)
  expectType<'double'>()(each.name)
}

// Of which type a job is, its name says.

const some = await scheduler.get('some')
if (some?.name === 'countPrimes') {
  expectType<number[]>()(await some.result())
  expectType<{ upTo: number }>()(some.input)
}
if (some) {
  // Whatever it is, it is a job.
  expectType<string>()(some.id)
  await some.cancel()
  some.on('completed', (event) => {
    expectType<number>()(event.attempt)
    if (event.name === 'double') expectType<number>()(event.result)
  })
  for await (const event of some.events()) if (event.type === 'log') expectType<readonly unknown[]>()(event.args)
}
for (const each of await scheduler.find({ tag: 'nightly' })) {
  if (each.name === 'report') expectType<number>()(await each.result())
}
declare const either: 'double' | 'greet'
for (const each of await scheduler.find({ name: either })) expectType<number | string>()(await each.result())

// `addMany`: each request by its own type.

const requests: JobRequest<typeof jobs>[] = [
  { name: 'double', input: 2, options: { priority: 1 } },
  { name: 'noop' },
  { name: 'maybe' },
  { name: 'report', input: 'a.txt', options: { onProgress: ({ done }) => expectType<number>()(done) } },
]
const [first] = await scheduler.addMany(requests)
if (first) expectType<string>()(first.id)
await scheduler.addMany([{ name: 'mail', input: { to: 'Ada' } }])

// Names that are data.

const names = ['double', 'report'] as const
for (const name of names) expectType<string>()((await scheduler.add[name](1 as never)).id)

// What a library that builds upon these types needs.

expectType<MailInput>()(null as unknown as InputOf<typeof jobs.mail>)
expectType<string>()(null as unknown as ResultOf<typeof jobs.mail>)
expectType<number>()(null as unknown as ProgressOf<typeof jobs.countPrimes>)
expectType<string>()(null as unknown as ValueOf<typeof jobs.both>)

// The same on this thread.

const local = createScheduler<typeof crossing>(inline(crossing))
declare const everything: Crossing
expectType<Crossing>()(await local.run.all(everything))
expectType<Tree>()(await local.run.tree({ value: 1, children: [{ value: 2, children: [] }] }))
expectType<string>()(await local.run.json({ any: 'thing' }))

// With a schema of a library.

const shop = createScheduler<typeof orders>(inline(orders))
expectType<string>()(await shop.run.order({ id: 1 }))
expectType<{ id: number; items?: string[] | undefined }>()(null as unknown as InputOf<typeof orders.order>)

// Handlers are functions still: a unit test calls them.

expectType<number>()(jobs.double(21))
expectType<number | undefined>()([...jobs.countPrimes({ upTo: 10 })].at(-1))

// What must not compile. Each line is marked with the reason.
import { createScheduler, type Scheduler } from 'offstage'
import { defineJobs, type JobContext, type StandardSchema, schema } from 'offstage/worker'
import type { jobs } from './jobs.ts'

declare const scheduler: Scheduler<typeof jobs>

// Calls.

// @ts-expect-error: a string is no number.
scheduler.run.double('21')
// @ts-expect-error: the input is missing.
scheduler.run.double()
// @ts-expect-error: the input is missing here too.
scheduler.add.greet(undefined, { priority: 1 })
// @ts-expect-error: a property of the input is missing.
scheduler.run.countPrimes({})
// @ts-expect-error: a property of the input is wrong.
scheduler.run.mail({ to: 'Ada', urgent: 'yes' })
// @ts-expect-error: there is no such job.
scheduler.run.countPrime({ upTo: 10 })
// @ts-expect-error: nor is `then` one, so that the proxies are no promises.
scheduler.add.then
// @ts-expect-error: there is no such option.
scheduler.run.double(1, { prioritty: 1 })
// @ts-expect-error: a priority is a number.
scheduler.run.double(1, { priority: 'high' })
// @ts-expect-error: there is no such way to back off.
scheduler.run.double(1, { attempts: 2, backoff: { type: 'quadratic', delayMs: 1 } })
// @ts-expect-error: Sidekiq's curve has its own delay.
scheduler.run.double(1, { backoff: { type: 'sidekiq', delayMs: 1 } })
// @ts-expect-error: there is no such jitter.
scheduler.run.double(1, { backoff: { type: 'fixed', delayMs: 1, jitter: 'some' } })
// @ts-expect-error: a function belongs to the type, not to one job.
scheduler.run.double(1, { retryIf: () => true })
// @ts-expect-error: the progress of this job is a number.
scheduler.run.countPrimes({ upTo: 1 }, { onProgress: (progress: string) => progress })
// @ts-expect-error: its result is a list.
scheduler.run.countPrimes({ upTo: 1 }, { onCompleted: (result: number) => result })
// @ts-expect-error: the values of this job are bytes.
scheduler.run.report('', { onValue: (value: string) => value })
// @ts-expect-error: a result is not a string because one would like it to be.
const text: string = await scheduler.run.double(1)

const job = await scheduler.add.double(1)
// @ts-expect-error: a job is no promise, `await job.result()` is meant.
job.then
// @ts-expect-error: a list has no such member.
;(await (await scheduler.add.countPrimes({ upTo: 1 })).result()).toFixed()

// @ts-expect-error: the input belongs to another job.
scheduler.addMany([{ name: 'double', input: { upTo: 1 } }])
// @ts-expect-error: the input is missing.
scheduler.addMany([{ name: 'double' }])
// @ts-expect-error: there is no such job.
scheduler.addMany([{ name: 'treble', input: 1 }])

// @ts-expect-error: there is no such event.
scheduler.on('complete', () => {})
// @ts-expect-error: a started job has no result.
scheduler.on('started', (event) => event.result)
// @ts-expect-error: a job does not become idle.
job.on('idle', () => {})
// @ts-expect-error: there is no such state.
scheduler.find({ state: 'waiting' })
// @ts-expect-error: there is no such job.
scheduler.find({ name: 'treble' })
// @ts-expect-error: there is no such field.
scheduler.find({ names: 'double' })
// @ts-expect-error: there is no such job.
scheduler.cancel({ name: 'treble' })
// @ts-expect-error: there is no such job.
scheduler.events({ name: 'treble' })
// @ts-expect-error: there is no such event.
scheduler.events({ type: 'complete' })
// @ts-expect-error: there is no such job.
scheduler.get<'treble'>('id')
// @ts-expect-error: the input of this job is a number.
scheduler.update<'double'>('id', { input: 'three' })
// @ts-expect-error: the queue of a job stays what it is.
scheduler.update('id', { queue: 'other' })
// @ts-expect-error: a list begins at the beginning.
scheduler.watch({ after: 'id' })
// @ts-expect-error: a header is a text.
scheduler.run.double(1, { headers: { trace: 7 } })
// @ts-expect-error: the input of this job is a number.
job.input satisfies string
// @ts-expect-error: the result of this job is a number.
job.on('completed', ({ result }) => result satisfies string)
declare const user: { readonly tag?: string }
// @ts-expect-error: without a tag it would name nothing.
scheduler.remove({ tag: user.tag })
// @ts-expect-error: it names nothing; who means all jobs says `{ all: true }`.
scheduler.cancel({})
// @ts-expect-error: all, or those of one state?
scheduler.retry({ all: true, state: 'failed' })
// @ts-expect-error: all means all.
scheduler.remove({ all: false })
// @ts-expect-error: one job at a time.
scheduler.promote({ state: 'scheduled' })
// @ts-expect-error: how old?
scheduler.clean({ state: 'failed' })
// @ts-expect-error: only what has ended is cleaned up.
scheduler.clean({ state: 'queued', olderThanMs: 0 })
// @ts-expect-error: there is no such job.
scheduler.clean({ name: 'treble', olderThanMs: 0 })
// @ts-expect-error: without a tag it would mean all jobs.
scheduler.clean({ tag: user.tag, olderThanMs: 0 })
// @ts-expect-error: there is no such way to close.
scheduler.close({ mode: 'gently' })
// @ts-expect-error: there is no such job to have defaults.
createScheduler<typeof jobs>('./jobs.js', { defaults: { treble: { attempts: 2 } } })
// @ts-expect-error: the answer does not come later.
createScheduler<typeof jobs>('./jobs.js', { defaults: { double: { retryIf: async () => true } } })
// @ts-expect-error: callbacks belong to a job, not to its type.
createScheduler<typeof jobs>('./jobs.js', { defaults: { double: { onProgress: () => {} } } })
// @ts-expect-error: the worker line is missing.
createScheduler<typeof jobs>()

// Definitions: what cannot cross the thread is refused where it is defined.

interface Options {
  readonly filter: (value: number) => boolean
}

defineJobs({
  // @ts-expect-error: a function.
  map: (transform: (value: number) => number) => transform(1),
  // @ts-expect-error: a function within.
  filter: ({ filter }: Options) => filter(1),
  // @ts-expect-error: a function within a list within.
  all: ({ filters }: { filters: readonly Options[] }) => filters.length,
  // @ts-expect-error: a function that may be left out.
  maybe: ({ filter }: { filter?: Options['filter'] }) => filter?.(1),
  // @ts-expect-error: a symbol.
  symbol: (key: symbol) => key.description,
  // @ts-expect-error: a promise.
  promise: async (promise: Promise<number>) => await promise,
  // @ts-expect-error: a promise within.
  nestedPromise: async ({ promise }: { promise: Promise<number> }) => await promise,
  // @ts-expect-error: a WeakMap.
  weakMap: (map: WeakMap<object, string>) => map.has({}),
  // @ts-expect-error: a WeakSet.
  weakSet: (set: WeakSet<object>) => set.has({}),
  // @ts-expect-error: a class.
  constructed: (make: new () => Date) => new make().getTime(),
  // @ts-expect-error: a function in a Map.
  map2: (map: Map<string, () => void>) => map.size,
  // @ts-expect-error: a class with methods of its own loses them on the way.
  instance: (mail: Letter) => mail.send(),
  // @ts-expect-error: no engine copies a URL.
  url: (url: URL) => url.href,
  fine: (date: Date) => date.getTime(),
})

declare class Letter {
  readonly to: string
  send(): boolean
}

defineJobs({
  // @ts-expect-error: the result is a function.
  callback: () => () => 1,
  // @ts-expect-error: a function within the result of an async handler.
  later: async () => ({ undo: () => {} }),
  // @ts-expect-error: of a generator.
  *generator() {
    yield 1
    return Symbol('done')
  },
  // @ts-expect-error: of an async generator.
  async *asyncGenerator() {
    yield 1
    return new WeakMap<object, string>()
  },
})

declare const CallbackSchema: StandardSchema<{ callback: () => void }, string>
defineJobs({
  // @ts-expect-error: what the schema takes has to cross the thread.
  checked: schema(CallbackSchema, (text) => text.length),
})

// Contexts.

defineJobs({
  report(_: string, job: JobContext<number, string>) {
    // @ts-expect-error: progress is a number.
    job.progress('half')
    // @ts-expect-error: values are strings.
    void job.send(1)
  },
})

// @ts-expect-error: a job is a function.
defineJobs({ answer: 42 })

export { text }

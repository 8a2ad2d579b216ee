// One run: a scheduler that is made, used and closed as chance wants it.
import { existsSync, readdirSync } from 'node:fs'
import { Readable } from 'node:stream'
import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises'
import { createScheduler } from 'offstage'
import { fileStore } from 'offstage/file'
import { chanceOf, pick } from '../crashes/app/values.mjs'

/** Any job of any type. @typedef {Record<'run' | 'add', any> & Omit<import('offstage').Scheduler, 'run' | 'add'>} Scheduler */
/** @typedef {import('offstage').Job<any, any, any>} Job */

/** By how often: most jobs are well behaved, or nothing else would ever be reached. */
const types = [
  ...['echo', 'echo', 'echo', 'echo', 'sleep', 'sleep', 'polite', 'walk', 'walk', 'values', 'values', 'flood', 'flood'],
  ...['spin', 'steps', 'steps', 'print', 'fail', 'fail', 'result', 'moved', 'missing'],
  ...['never', 'forever', 'stubborn', 'exit', 'reject', 'throwLater', 'leftoverLoop', 'forge', 'forge'],
]
const eventTypes = [
  'added',
  'started',
  'progress',
  'log',
  'value',
  'completed',
  'failed',
  'cancelled',
  'removed',
  'worker:exit',
  'store:error',
  'error',
  'idle',
]
const states = /** @type {const} */ (['scheduled', 'queued', 'running', 'completed', 'failed', 'cancelled'])
/** Nothing that settles at all takes so long, on a machine however busy. */
const settleMsMax = 30_000

export class ChaosRun {
  counts = { runs: 0, calls: 0, jobs: 0, streams: 0 }
  #random
  #folder
  /** What was asked and is not settled: what it was, by number. @type {Map<number, string>} */
  #open = new Map()
  #lastCall = 0
  /** @type {Job[]} */
  #jobs = []
  /** @type {string[]} */
  #problems = []

  /** @param {string} seed @param {string} folder */
  constructor(seed, folder) {
    this.#random = chanceOf(seed)
    this.#folder = folder
  }

  /** Returns what was wrong. */
  async live() {
    this.counts.runs = 1
    const before = this.#resources()
    const isStored = this.#is(0.4)
    const options = this.#options(isStored)
    const scheduler = /** @type {Scheduler} */ (createScheduler(new URL('jobs.mjs', import.meta.url), options))
    const actions = 20 + this.#below(60)
    for (let action = 0; action < actions; action++) {
      this.#act(scheduler)
      await this.#pause()
    }
    this.#close(scheduler)
    // In the middle of closing, and after it, too.
    for (let action = this.#below(6); action > 0; action--) {
      this.#act(scheduler)
      await this.#pause()
    }
    this.#track("close({ mode: 'now' })", scheduler.close({ mode: 'now' }))
    await this.#until(() => this.#open.size === 0)
    for (const call of this.#open.values()) this.#problems.push(`did not settle: ${call}`)
    for (const job of this.#jobs) this.#track('result() after the end', job.result())
    await this.#until(() => this.#open.size === 0)
    if (this.#open.size > 0) this.#problems.push('result() did not settle after the end')
    if (isStored) await this.#openAgain(options)
    await this.#until(() => this.#resources().length <= before.length)
    const after = this.#resources()
    if (after.length > before.length) this.#problems.push(`left behind: ${after.join(', ')}`)
    return this.#problems
  }

  /** A life without chance: all kinds of threads are started once. */
  async rest() {
    const scheduler = /** @type {Scheduler} */ (
      createScheduler(new URL('jobs.mjs', import.meta.url), {
        store: fileStore(this.#folder),
        workers: 2,
      })
    )
    await Promise.all([scheduler.run.sleep(5), scheduler.run.sleep(5)])
    await scheduler.close()
  }

  // Chance.

  /** @param {number} probability */
  #is = (probability) => this.#random() < probability
  /** @param {number} count */
  #below = (count) => Math.floor(this.#random() * count)
  /** @template Item @param {readonly Item[]} items */
  #pick = (items) => pick(this.#random, items)

  /** @param {boolean} isStored */
  #options(isStored) {
    return {
      ...(isStored && { store: fileStore(this.#folder, { durability: this.#pick(['strict', 'relaxed']) }) }),
      workers: this.#pick([1, 2, { min: 0, max: 2, idleMs: this.#pick([0, 5, Number.POSITIVE_INFINITY]) }]),
      concurrency: this.#pick([1, 1, 2, 5]),
      graceMs: 10 + this.#below(60),
      queues: { narrow: { concurrency: 1 }, slow: { rateLimit: { limit: 2, intervalMs: 20 } } },
      keep: { completed: { count: this.#pick([0, 5, 1_000]) } },
      maxQueued: this.#pick([20, 10_000]),
      defaults: { fail: { attempts: 2 }, exit: { attempts: 2 } },
    }
  }

  async #pause() {
    const kind = this.#random()
    if (kind < 0.5) return
    if (kind < 0.7) await undefined
    else if (kind < 0.9) await nextTurn()
    else await sleep(this.#below(12))
  }

  // Calls.

  /** @param {string} call @param {unknown} promise */
  #track(call, promise) {
    const number = ++this.#lastCall
    this.counts.calls++
    this.#open.set(number, call)
    const settled = () => this.#open.delete(number)
    Promise.resolve(promise).then(settled, settled)
  }

  /** Something that throws within the call has settled, too. @param {string} call @param {() => unknown} make */
  #call(call, make) {
    try {
      const made = make()
      this.#track(call, made)
      return made
    } catch {
      this.counts.calls++
      return undefined
    }
  }

  /** @param {Scheduler} scheduler */
  #act(scheduler) {
    const job = this.#jobs.length > 0 ? this.#pick(this.#jobs) : undefined
    const kind = this.#below(26)
    if (kind < 9) this.#addOne(scheduler)
    else if (kind < 10) this.#addMany(scheduler)
    else if (kind < 14) this.#stream(scheduler, job)
    else if (kind < 16) this.#lookUp(scheduler)
    else if (kind < 20) this.#move(scheduler, job)
    else if (kind < 22) this.#steer(scheduler)
    else if (kind < 24) this.#listen(scheduler, job)
    else if (kind < 25) this.#call('onIdle', () => scheduler.onIdle())
    else this.#call('stats, snapshot', () => [scheduler.stats(), scheduler.snapshot(), job?.snapshot()])
  }

  /** @returns {{ name: string, input: unknown, options: any }} */
  #request() {
    const name = this.#pick(types)
    const isEndless = ['never', 'forever', 'stubborn', 'result'].includes(name)
    const inputs = {
      moved: new Uint8Array(64),
      sleep: this.#below(20),
      spin: this.#below(20),
      throwLater: this.#below(5),
      leftoverLoop: this.#below(5),
    }
    const input = inputs[/** @type {keyof typeof inputs} */ (name)] ?? 1 + this.#below(40)
    const controller = this.#is(0.15) ? new AbortController() : undefined
    if (controller)
      setTimeout(
        () => controller.abort(this.#pick([undefined, 'enough', new RangeError('enough')])),
        this.#below(30),
      ).unref()
    return {
      name,
      input,
      options: {
        ...(this.#is(0.2) && { id: `job ${this.#below(8)}`, ifExists: this.#pick(['return', 'replace', 'reject']) }),
        ...(this.#is(0.3) && { queue: this.#pick(['narrow', 'slow', 'other', `queue ${this.#below(50)}`]) }),
        ...(this.#is(0.3) && { priority: this.#below(5) }),
        ...(this.#is(0.1) && { delayMs: this.#below(30) }),
        ...((isEndless || this.#is(0.2)) && { timeoutMs: 5 + this.#below(60) }),
        ...(this.#is(0.1) && { expiresInMs: this.#below(40) }),
        ...(this.#is(0.2) && { attempts: 2, backoff: { type: 'fixed', delayMs: this.#below(10) } }),
        ...(this.#is(0.1) && { keepMs: this.#below(10) }),
        ...(this.#is(0.2) && { tags: ['tagged'] }),
        ...(name === 'moved' && {
          transfer: this.#is(0.5) ? [] : [/** @type {Uint8Array<ArrayBuffer>} */ (input).buffer],
        }),
        ...(controller && { signal: controller.signal }),
        ...(this.#is(0.2) && { onProgress: () => this.#mayThrow(), onSettled: () => this.#mayThrow() }),
      },
    }
  }

  #mayThrow() {
    if (this.#is(0.1)) throw new Error('a callback that throws')
  }

  /** @param {Scheduler} scheduler */
  #addOne(scheduler) {
    const { name, input, options } = this.#request()
    this.counts.jobs++
    if (this.#is(0.5)) return void this.#call(`run.${name}`, () => scheduler.run[name](input, options))
    this.#call(`add.${name}`, () =>
      scheduler.add[name](input, options).then((/** @type {Job} */ job) => this.#added(job)),
    )
  }

  /** @param {Scheduler} scheduler */
  #addMany(scheduler) {
    const requests = Array.from({ length: 1 + this.#below(this.#pick([5, 5, 1_500])) }, () => this.#request())
    this.counts.jobs += requests.length
    this.#call('addMany', () =>
      scheduler.addMany(requests).then((jobs) => {
        for (const job of jobs.slice(0, 5)) this.#added(job)
      }),
    )
  }

  /** @param {Job} job */
  #added(job) {
    this.#jobs.push(job)
    if (this.#is(0.5)) this.#track(`result of ${job.name}`, job.result())
  }

  /** @param {Scheduler} scheduler */
  #lookUp(scheduler) {
    if (this.#is(0.3)) this.#call('counts', () => scheduler.counts())
    else if (this.#is(0.5))
      this.#call('get', () => scheduler.get(`job ${this.#below(8)}`).then((job) => job && this.#added(job)))
    else
      this.#call('find', () =>
        scheduler.find({
          state: this.#pick(states),
          limit: 5,
          ...(this.#is(0.3) && { after: `job ${this.#below(8)}` }),
        }),
      )
  }

  /** @param {Scheduler} scheduler @param {Job | undefined} job */
  #move(scheduler, job) {
    const id = job?.id ?? 'job 1'
    /** @type {string | import('offstage').JobFilter} */
    const target = this.#pick([
      id,
      id,
      { tag: 'tagged' },
      { state: this.#pick(states) },
      { queue: 'other', state: 'queued' },
    ])
    switch (this.#below(7)) {
      case 0:
        return this.#call('cancel', () => scheduler.cancel(target, this.#pick([undefined, 'why', new Error('why')])))
      case 1:
        return this.#call('retry', () => scheduler.retry(target))
      case 2:
        return this.#call('remove', () => scheduler.remove(target))
      case 3:
        return this.#call('setPriority', () => scheduler.setPriority(id, this.#below(9)))
      case 4:
        return this.#call('promote', () => scheduler.promote(id))
      case 5:
        return this.#call('job.cancel', () => job?.cancel('why'))
      default:
        return this.#call('job.retry', () => job?.retry())
    }
  }

  /** @param {Scheduler} scheduler */
  #steer(scheduler) {
    this.#call('queue', () => {
      const queue = scheduler.queue(this.#pick(['narrow', 'slow', 'other', `queue ${this.#below(50)}`]))
      if (this.#is(0.3)) queue.setConcurrency(this.#pick([1, 3, Number.POSITIVE_INFINITY]))
      if (this.#is(0.3)) queue.setRateLimit(this.#pick([undefined, { limit: 1, intervalMs: 5 }]))
      // Resumed soon: what waits behind a pause ends only with the scheduler, and little else would happen.
      const paused = this.#pick([queue, queue, scheduler])
      paused.pause()
      setTimeout(() => this.#call('resume', () => paused.resume()), this.#below(15)).unref()
    })
  }

  /** @param {Scheduler} scheduler @param {Job | undefined} job */
  #listen(scheduler, job) {
    const type = this.#pick(eventTypes)
    const listener = () => this.#mayThrow()
    this.#call('on', () => {
      const stop = this.#is(0.5)
        ? scheduler.on(/** @type {any} */ (type), listener)
        : scheduler.once(/** @type {any} */ (type), listener)
      if (this.#is(0.5)) setTimeout(stop, this.#below(10)).unref()
    })
    this.#call('subscribe', () => {
      const stop = (job && this.#is(0.5) ? job : scheduler).subscribe(listener)
      if (this.#is(0.5)) stop()
    })
  }

  // Streams.

  /** @param {Scheduler} scheduler @param {Job | undefined} job */
  #stream(scheduler, job) {
    const what = this.#pick(job ? ['events', 'job.events', 'values', 'values'] : ['events'])
    this.counts.streams++
    const stream = this.#make(() =>
      what === 'events' ? scheduler.events() : what === 'job.events' ? job?.events() : job?.values(),
    )
    if (stream) this.#track(`reading ${what}`, this.#read(/** @type {any} */ (stream)))
  }

  /** The values of a job have one reader at a time. @template Made @param {() => Made} make */
  #make(make) {
    try {
      return make()
    } catch {
      return undefined
    }
  }

  /** @param {import('offstage').EventStream<unknown>} stream */
  async #read(stream) {
    // Unread events are there when it is left.
    if (this.#is(0.5)) await sleep(this.#below(10))
    let left = this.#below(12)
    switch (this.#below(8)) {
      case 0:
        for await (const _event of stream);
        return
      case 1:
        for await (const _event of stream) if (--left <= 0) break
        return
      case 2:
        for await (const _event of stream) if (--left <= 0) throw new Error('left by throwing')
        return
      case 3: {
        const reading = [stream.next(), stream.next(), stream.return()]
        return Promise.all(reading)
      }
      case 4: {
        const reader = stream.toReadableStream().getReader()
        while (left-- > 0 && !(await reader.read()).done);
        return reader.cancel('enough')
      }
      case 5: {
        const abort = new AbortController()
        setTimeout(() => abort.abort(), this.#below(20)).unref()
        return stream.toReadableStream().pipeTo(new WritableStream(), { signal: abort.signal })
      }
      case 6: {
        const [one, two] = stream.toReadableStream().tee()
        return Promise.all([one.cancel(), two.cancel()])
      }
      default:
        for await (const _event of Readable.fromWeb(/** @type {any} */ (stream.toReadableStream())))
          if (--left <= 0) break
    }
  }

  // The end.

  /** @param {Scheduler} scheduler */
  #close(scheduler) {
    const mode = /** @type {'drain' | 'finish' | 'now'} */ (this.#pick(['drain', 'finish', 'now']))
    this.#call(`close ${mode}`, () => scheduler.close({ mode, ...(this.#is(0.5) && { timeoutMs: this.#below(50) }) }))
  }

  /** The folder is free again, and what is in it makes sense. @param {object} options */
  async #openAgain(options) {
    const again = createScheduler(new URL('jobs.mjs', import.meta.url), { ...options, store: fileStore(this.#folder) })
    again.pause()
    await again.counts().catch((error) => this.#problems.push(`the store cannot be opened again: ${error.stack}`))
    await again.close({ mode: 'now' })
  }

  /** Of threads, of ports, of files: what would keep the process alive. Timers of this run itself may, too, and the pipes to its parent. */
  #resources() {
    const resources = process
      .getActiveResourcesInfo()
      .filter((name) => !['Timeout', 'Immediate', 'PipeWrap'].includes(name))
    return [...resources, ...threads().map(() => 'thread')]
  }

  /** @param {() => boolean} isOver */
  async #until(isOver) {
    const until = performance.now() + settleMsMax
    while (!isOver() && performance.now() < until) await sleep(2)
  }
}

/** Of this process, those of Node's own included. Only Linux tells. */
const threads = () => (existsSync('/proc/self/task') ? readdirSync('/proc/self/task') : [])

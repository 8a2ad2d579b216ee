/** The page: does what the site asks, and tells what happens. */
import { batches, flows } from '../../../src/flows.ts'
import { type HistoryEntry, history } from '../../../src/history.ts'
import { idbStore } from '../../../src/idb.ts'
import { createScheduler, type Scheduler } from '../../../src/index.ts'
import { topics } from '../../../src/topics.ts'
import type { LoadOptions, PageCalls, Plant, Report, StartOptions } from '../protocol.ts'
import type { jobs, Ran } from './jobs.ts'
import { hashOf, inputOf, isPassing, kindOf } from './mix.ts'
import { makeTeller } from './tell.ts'

type Jobs = Scheduler<typeof jobs>

const parameters = new URL(location.href).searchParams
const tab = String(parameters.get('tab'))
/** Another one for each time that this page is loaded. */
const life = Math.random().toString(36).slice(2, 10)
const { tell, again } = makeTeller(tab, life)

let scheduler: Jobs
let plan: ReturnType<typeof flows<typeof jobs>>
let group: ReturnType<typeof batches<typeof jobs>>
let events: ReturnType<typeof topics<typeof jobs>>
let log: ReturnType<typeof history>
let plant: Plant | undefined
let isLoading = false
let callers: Promise<void>[] = []
/** Results that nobody has waited for yet. */
const results = new Set<Promise<void>>()
let added = 0
let nextId = 0

/** From the error to its last cause. */
function describe(error: unknown): string {
  const parts: string[] = []
  for (let each = error; each && parts.length < 6; each = (each as Error).cause) {
    const { code, name, message } = each as Error & { code?: string }
    parts.push(`${typeof code === 'string' ? code : name}: ${message}`)
    if (each instanceof AggregateError) parts.push(...each.errors.map((one) => `[${describe(one)}]`))
  }
  return parts.join(' < ')
}

const calls: PageCalls = {
  async start(options: StartOptions) {
    plant = options.plant
    const address = `jobs.js?tab=${tab}&life=${life}`
    scheduler = createScheduler<typeof jobs>(() => new Worker(address, { type: 'module' }), {
      store: idbStore(options.database),
      workers: 2,
      concurrency: 8,
      keep: { completed: { count: Number.POSITIVE_INFINITY, ageMs: Number.POSITIVE_INFINITY } },
      defaults: { flaky: { attempts: 2 } },
    })
    scheduler.on('completed', ({ jobId, result }) => {
      void tell({ type: 'completed', id: jobId, run: (result as Ran).run })
    })
    scheduler.on('failed', ({ jobId, error }) => {
      void tell({ type: 'refused', id: jobId, why: describe(error), isAdd: false })
    })
    scheduler.on('leader', ({ isLeader }) => void tell({ type: 'leader', isLeader }))
    for (const type of ['store:error', 'error'] as const) {
      scheduler.on(type, ({ error }) => void tell({ type: 'trouble', what: `${type}: ${describe(error)}` }))
    }
    plan = flows(scheduler)
    group = batches(scheduler)
    events = topics(scheduler)
    log = history(scheduler, { keep: { count: Number.POSITIVE_INFINITY, ageMs: Number.POSITIVE_INFINITY } })
    // From now on it is stored from time to time.
    log.project(byState, {}, { id: 'states' })
    await scheduler.counts()
    await events.subscribe('on', 'tabs.*', { name: 'work' })
    if (plant === 'run-again') await runAgain()
  },

  load({ prefix, callers: count }: LoadOptions) {
    isLoading = true
    nextId = 0
    callers = Array.from({ length: count }, async () => {
      while (isLoading) await addOne(`${prefix}.${nextId++}`)
    })
  },

  async hang(id) {
    const input = inputOf(id)
    await scheduler.add.hang(input, { id })
    void tell({ type: 'added', id, hash: hashOf(input) })
  },

  async stop() {
    isLoading = false
    await Promise.all(callers)
    await Promise.all(results)
    return added
  },

  async list() {
    const found = await scheduler.find({ limit: Number.POSITIVE_INFINITY })
    return Promise.all(
      found.map(async (job) => {
        const { state } = job.snapshot()
        const result = state === 'completed' ? ((await job.result()) as Ran) : undefined
        return { id: job.id, state, hash: hashOf(job.input), ...(result && { run: result.run }) }
      }),
    )
  },

  async prune() {
    const found = await scheduler.find({ state: 'completed', limit: Number.POSITIVE_INFINITY })
    await Promise.all(found.filter(({ id }) => isPassing(id)).map(({ id }) => remove(id)))
  },

  /** Whoever was to approve a job may have been killed. A job that sleeps is no work, so nobody would wait for it. */
  async idle() {
    const waiting = await scheduler.find({ name: 'approval', limit: Number.POSITIVE_INFINITY })
    await Promise.all(waiting.map(({ id }) => approve(id)))
    const napping = await scheduler.find({ name: 'nap', limit: Number.POSITIVE_INFINITY })
    await Promise.all(napping.map((job) => job.result()))
    await scheduler.onIdle()
    await checkCallbacks()
    await checkHistory()
  },
  counts: () => scheduler.counts(),
  close: () => scheduler.close(),

  open: (url: string) => void window.open(url, '_blank', 'noopener'),
  spin(ms: number) {
    const until = performance.now() + ms
    while (performance.now() < until);
  },
  leave(url: string | undefined) {
    onAnswered = () => (url === undefined ? window.close() : location.assign(url))
  },
  back() {
    onAnswered = () => window.history.back()
  },

  deleteDatabase: (name: string) =>
    new Promise((resolve, reject) => {
      const request = indexedDB.deleteDatabase(name)
      let outcome: 'deleted' | 'blocked' = 'deleted'
      request.onblocked = () => {
        outcome = 'blocked'
      }
      request.onsuccess = () => resolve(outcome)
      request.onerror = () => reject(request.error)
    }),

  stubQuota(room: number | undefined) {
    const { prototype } = IDBObjectStore
    realPut ??= prototype.put
    const put = realPut
    let left = room ?? Number.POSITIVE_INFINITY
    prototype.put = function (this: IDBObjectStore, ...args) {
      if (left-- <= 0) throw new DOMException('There is no room, says the test.', 'QuotaExceededError')
      return put.apply(this, args)
    }
  },

  generation: (database: string) =>
    new Promise((resolve, reject) => {
      const request = indexedDB.open(database)
      request.onerror = () => reject(request.error)
      request.onsuccess = () => {
        const meta = request.result.transaction('offstage').objectStore('offstage').get('meta')
        meta.onerror = () => reject(meta.error)
        meta.onsuccess = () => {
          request.result.close()
          resolve(meta.result.generation)
        }
      }
    }),

  usage: async () => (await navigator.storage.estimate()).usage ?? 0,

  async fill(prefix: string) {
    for (let count = 0; ; count++) {
      const id = `${prefix}.${count}`
      const input = inputOf(id)
      try {
        await scheduler.add.work(input, { id })
        void tell({ type: 'added', id, hash: hashOf(input) })
      } catch (error) {
        return { added: count, refused: describe(error) }
      }
    }
  },

  async refusals() {
    const attempts = {
      add: () => scheduler.add.work(inputOf('never')),
      addMany: () => scheduler.addMany([{ name: 'work', input: inputOf('never') }]),
      run: () => scheduler.run.work(inputOf('never')),
      get: () => scheduler.get('never'),
      find: () => scheduler.find(),
      counts: () => scheduler.counts(),
      cancel: () => scheduler.cancel('never'),
      remove: () => scheduler.remove('never'),
      onIdle: () => scheduler.onIdle(),
    }
    return Promise.all(
      Object.entries(attempts).map(([name, attempt]) =>
        attempt().then(
          () => `${name} resolved`,
          (error) => `${name} ${describe(error)}`,
        ),
      ),
    )
  },
}

let realPut: typeof IDBObjectStore.prototype.put | undefined

// Adding.

async function addOne(id: string): Promise<void> {
  const kind = kindOf(id)
  if (kind === 'flow') return addFlow(id)
  if (kind === 'batch') return addBatch(id)
  if (kind === 'event') return publish(id)
  const input = inputOf(id)
  const hash = hashOf(input)
  const told = { type: 'added', id, hash } as const
  if (plant === 'ack-early') await tell(told)
  if (plant === 'other-input') input.bytes.reverse()
  try {
    const job = await scheduler.add[kind](input, { id })
    added++
    if (plant !== 'ack-early') void tell(told)
    const result = settle(id, job.result())
    results.add(result)
    result.finally(() => results.delete(result))
    if (kind === 'approval') await approve(id)
    if (hash < '8') await result
  } catch (error) {
    // Not again and again, as fast as it can: the site has heard of it first.
    await tell({ type: 'refused', id, why: describe(error), isAdd: true })
  }
}

async function addFlow(id: string): Promise<void> {
  const [first, last] = [inputOf(`${id}/first`), inputOf(`${id}/last`)]
  try {
    const flow = await plan.add(
      { first: { name: 'work', input: first }, last: { name: 'after', input: last, after: ['first'] } },
      { id },
    )
    added += 2
    void tell({ type: 'added', id: first.id, hash: hashOf(first) })
    void tell({ type: 'added', id: last.id, hash: hashOf(last) })
    await settle(last.id, flow.jobs.last.result())
  } catch (error) {
    await tell({ type: 'refused', id, why: describe(error), isAdd: true })
  }
}

async function addBatch(id: string): Promise<void> {
  const [first, more, all] = [inputOf(`${id}/first`), inputOf(`${id}/more`), inputOf(`${id}/all`)]
  try {
    const batch = await group.add([{ name: 'grow', input: first, options: { id: first.id } }], {
      id,
      onComplete: { name: 'work', input: all, options: { id: all.id } },
    })
    added++
    void tell({ type: 'added', id: first.id, hash: hashOf(first) })
    const counts = await batch.result()
    if (counts.completed !== 2) throw new Error(`the batch ended with ${JSON.stringify(counts)}`)
    for (const input of [more, all]) void tell({ type: 'added', id: input.id, hash: hashOf(input) })
  } catch (error) {
    await tell({ type: 'refused', id, why: describe(error), isAdd: true })
  }
}

async function publish(id: string): Promise<void> {
  const input = inputOf(`on@${id}`)
  const say = () => events.publish('tabs.work', input, { id })
  try {
    const [job] = await say()
    added++
    void tell({ type: 'added', id: input.id, hash: hashOf(input) })
    await settle(input.id, job?.result() as Promise<Ran>)
    const again = await say()
    if (again.length !== (isPassing(input.id) ? 0 : 1)) throw new Error(`published again it has ${again.length} jobs`)
  } catch (error) {
    await tell({ type: 'refused', id, why: describe(error), isAdd: true })
  }
}

/** Says so to a handler, which may not wait for it yet. */
async function approve(id: string): Promise<void> {
  await scheduler.signal(id, 'approved', id)
}

/** Never rejects. */
async function settle(id: string, result: Promise<Ran>): Promise<void> {
  try {
    const { run } = await result
    await tell({ type: 'completed', id, run })
    if (isPassing(id)) await remove(id)
  } catch (error) {
    void tell({ type: 'refused', id, why: describe(error), isAdd: false })
  }
}

async function remove(id: string): Promise<void> {
  await tell({ type: 'removing', id })
  await scheduler.remove(id)
  void tell({ type: 'removed', id })
}

type States = Readonly<Record<string, number>>

function byState(states: States, { from, to }: HistoryEntry): States {
  if (from === to) return states
  return {
    ...states,
    ...(from && { [from]: (states[from] ?? 0) - 1 }),
    ...(to && { [to]: (states[to] ?? 0) + 1 }),
  }
}

/** When a batch has ended, what follows is there, whoever has added it. */
async function checkCallbacks(): Promise<void> {
  for (const { id, state } of await group.list({ limit: Number.POSITIVE_INFINITY })) {
    const all = `${id}/all`
    if (state !== 'completed') throw new Error(`the batch ${id} is ${state}`)
    if (!isPassing(all) && !(await scheduler.get(all))) throw new Error(`${all} is not there`)
  }
}

/** What the history makes of the jobs is what they are, counted from the first move on, and from where it was stored. */
async function checkHistory(): Promise<void> {
  const counts = await scheduler.counts()
  for (const options of [{}, { id: 'states' }]) {
    const projection = log.project(byState, {}, options)
    await projection.ready
    const states = projection.snapshot()
    projection.close()
    const wrong = Object.entries(counts).filter(([state, count]) => (states[state] ?? 0) !== count)
    if (wrong.length > 0) throw new Error(`counts ${JSON.stringify(counts)}, by the history ${JSON.stringify(states)}`)
  }
}

/** Takes a job that is done for one that is not. */
async function runAgain(): Promise<void> {
  for (const job of await scheduler.find({ state: 'completed', limit: 5 })) {
    await scheduler.remove(job.id)
    await scheduler.add.work(inputOf(job.id), { id: job.id })
  }
}

// Being asked.

/** Ends a request that waits: a page with one is not put into the back/forward cache. */
let polling = new AbortController()
/** The newest call that was heard: it may come twice. */
let heard = 0

async function poll(): Promise<void> {
  const { signal } = polling
  while (!signal.aborted) {
    try {
      const response = await fetch(`/commands?tab=${tab}&life=${life}&heard=${heard}`, { signal })
      if (response.status !== 200) continue
      const call = await response.json()
      if (call.call > heard) void answer(call)
      heard = Math.max(heard, call.call)
    } catch {
      // Ended from here, or cut off: it is asked again. A request that fails has taken its time.
    }
  }
}

/** Goes away from this page; not before the site has the answer. */
let onAnswered: (() => void) | undefined

async function answer({ call, name, args }: { call: number; name: keyof PageCalls; args: never[] }): Promise<void> {
  try {
    const value = await (calls[name] as (...args: never[]) => unknown)(...args)
    await tell({ type: 'reply', call, value })
    const leave = onAnswered
    // It may come back.
    onAnswered = undefined
    leave?.()
  } catch (error) {
    await tell({ type: 'reply', call, error: describe(error) })
  }
}

const uncaught = (what: string): Report => ({ type: 'uncaught', what })
addEventListener('error', ({ message, error }) => void tell(uncaught(`${message} ${describe(error)}`)))
addEventListener('unhandledrejection', ({ reason }) => void tell(uncaught(`rejection: ${describe(reason)}`)))
addEventListener('pagehide', () => polling.abort())
addEventListener('pageshow', ({ persisted }) => {
  polling.abort()
  polling = new AbortController()
  again()
  const [navigation] = performance.getEntriesByType('navigation') as { notRestoredReasons?: unknown }[]
  const reasons = JSON.stringify(navigation?.notRestoredReasons ?? '')
  void tell({ type: 'hello', isIsolated: crossOriginIsolated, isPersisted: persisted, reasons })
  void poll()
})

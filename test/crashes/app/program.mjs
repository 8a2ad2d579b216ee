// The program that is killed. It says what was acknowledged to it the moment it was, one JSON array a line, with a write
// that is over when it returns; and before it asks for something that it does.
//
// It is started ahead of its time and waits for its orders on stdin, so that what is measured is the store's opening and
// not Node's start.
import { readdirSync, writeSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { isDeepStrictEqual } from 'node:util'
import { createScheduler } from 'offstage'
import { fileStore } from 'offstage/file'
import { arePhotosWhole, chanceOf, inputOf, kindOf, optionsOf, pick } from './values.mjs'

/**
 * @typedef {object} Orders
 * @property {number} life
 * @property {string} seed
 * @property {string} folder of the store
 * @property {string} trace where the threads write
 * @property {'strict' | 'relaxed'} durability
 * @property {'work' | 'drain' | 'look'} task
 * @property {number | undefined} [endAt] the operation on the disk at which the process ends, with `kill-at.mjs`
 */
/** @typedef {import('offstage').Scheduler<typeof import('./jobs.mjs').jobs>} Scheduler */
/** @typedef {{ token: string, id: string, hasEnded: boolean }} Known */

/** Jobs that have ended and those that have not, about: more would only make each look at all of them longer. */
const populationMax = 60
const waitingMax = 40
const clients = 5

function say(/** @type {unknown[]} */ ...line) {
  const bytes = Buffer.from(`${JSON.stringify(line)}\n`)
  for (let done = 0; done < bytes.length; ) {
    try {
      done += writeSync(1, bytes, done)
    } catch (error) {
      if (/** @type {NodeJS.ErrnoException} */ (error).code !== 'EAGAIN') throw error
    }
  }
}

process.on('uncaughtException', (error) => say('uncaught', String(error.stack)))
process.on('unhandledRejection', (error) => say('uncaught', String(/** @type {Error} */ (error)?.stack ?? error)))

const stdin = createInterface({ input: process.stdin })[Symbol.asyncIterator]()

/** @param {Orders} orders */
async function live({ life, seed, folder, trace, durability, task, endAt }) {
  process.env.CRASH_TRACE = trace
  process.env.CRASH_LIFE = String(life)
  if (endAt) process.env.CRASH_AT = String(endAt)
  const random = chanceOf(`${seed} ${life}`)
  const forever = { count: Number.POSITIVE_INFINITY, ageMs: Number.POSITIVE_INFINITY }
  /** @type {Scheduler} */
  const scheduler = createScheduler(() => new Worker(new URL('./jobs.mjs', import.meta.url), { type: 'module' }), {
    store: countingBlobs(fileStore(folder, { durability }), folder),
    workers: 2,
    random,
    keep: { completed: forever, failed: forever, cancelled: forever },
  })
  /** @type {Map<string, Known>} */
  const known = new Map()
  const ended = (/** @type {string} */ token) => {
    const job = known.get(token)
    if (job) job.hasEnded = true
  }
  scheduler.on('completed', ({ attempt, result }) => {
    const { token, nonce } = /** @type {{ token: string, nonce: string }} */ (result)
    say('completed', token, attempt, nonce)
    ended(token)
  })
  scheduler.on('retrying', ({ attempt, error }) => say('retrying', messageOf(error), attempt))
  scheduler.on('failed', ({ attempt, error }) => {
    say('failed', messageOf(error), attempt)
    ended(messageOf(error))
  })
  scheduler.on('store:error', ({ error }) => say('trouble', `store:error: ${messageOf(error)}`))
  scheduler.on('error', ({ error }) => say('trouble', `error: ${messageOf(error)}`))

  const startedAt = performance.now()
  try {
    await scheduler.counts()
  } catch (error) {
    say('refused', messageOf(error))
    process.exit(1)
  }
  say('opened', Math.round(performance.now() - startedAt))
  await lookAt(scheduler, known)
  say('looked')
  if (task === 'work') {
    for (let client = 0; client < clients; client++) void act(scheduler, known, random, life)
    await stdin.next()
    const mode = pick(random, /** @type {const} */ (['finish', 'now']))
    say('closing', mode)
    await scheduler.close({ mode })
    say('closed')
    return
  }
  if (task === 'drain') {
    for (;;) {
      await scheduler.onIdle()
      const moved = whenChanged(scheduler)
      const { scheduled } = await scheduler.counts()
      if (scheduled === 0) break
      await moved
    }
  }
  await scheduler.close()
  say('closed')
  process.exit(0)
}

/** Resolves when the counts of the scheduler are others. @param {Scheduler} scheduler @returns {Promise<void>} */
const whenChanged = (scheduler) =>
  new Promise((resolve) => {
    const stop = scheduler.subscribe(() => {
      stop()
      resolve()
    })
  })

/**
 * Says how many blobs there are when the store has been opened, and before anything else happens; and whether each has a file,
 * and no other file is there.
 * @param {ReturnType<typeof fileStore>} store
 * @param {string} folder
 */
function countingBlobs(store, folder) {
  const { open } = store
  store.open = async (host) => {
    const stored = await open.call(store, host)
    const blobs = blobsIn(
      stored.records.map(({ input, checkpoint, result, steps }) => [
        input,
        checkpoint,
        result,
        [...(steps?.values() ?? [])],
      ]),
    )
    const files = readdirSync(folder).filter((name) => name.startsWith('attachment.'))
    say('blobs', files.length)
    if (files.length !== blobs.size) say('trouble', `there are ${blobs.size} blobs, and the files ${files}`)
    return stored
  }
  return store
}

/** @param {unknown} value @param {Set<Blob>} [found] @returns {Set<Blob>} */
function blobsIn(value, found = new Set()) {
  if (value instanceof Blob) found.add(value)
  else if (typeof value === 'object' && value !== null) for (const item of Object.values(value)) blobsIn(item, found)
  return found
}

const messageOf = (/** @type {unknown} */ error) => (error instanceof Error ? error.message : String(error))

/**
 * Says of every job what it is.
 * @param {Scheduler} scheduler
 * @param {Map<string, Known>} known
 */
async function lookAt(scheduler, known) {
  for (const job of await scheduler.find({ limit: Number.POSITIVE_INFINITY })) {
    const { state, attempt } = job.snapshot()
    const input = /** @type {{ token: string, photo?: Blob } | undefined} */ (job.input)
    const token = input?.token ?? ''
    const result = /** @type {{ nonce: string, print?: Blob } | undefined} */ (
      state === 'completed' ? await job.result() : undefined
    )
    const isSame = isDeepStrictEqual({ ...input, photo: 0 }, { ...inputOf(token), photo: 0 })
    const isWhole = isSame && job.name === kindOf(token) && (await arePhotosWhole(token, input, result))
    const hasEnded = state === 'completed' || state === 'failed' || state === 'cancelled'
    say('job', { token, id: job.id, state, attempt, isWhole, nonce: result?.nonce })
    known.set(token, { token, id: job.id, hasEnded })
  }
}

/**
 * One of several who ask for things, one after the other.
 * @param {Scheduler} scheduler
 * @param {Map<string, Known>} known
 * @param {() => number} random
 * @param {number} life
 */
async function act(scheduler, known, random, life) {
  const add = () => addOne(nextToken(life))
  /** @param {string} token @param {Known} [replaced] */
  const addOne = async (token, replaced) => {
    say('adding', [token], Date.now(), replaced?.token ?? null)
    const options = {
      ...optionsOf(token),
      ...(replaced && { id: replaced.id, ifExists: /** @type {const} */ ('replace') }),
    }
    const job = await scheduler.add[kindOf(token)](inputOf(token), options)
    say('added', [token], [job.id], job.disposition)
    known.set(token, { token, id: job.id, hasEnded: false })
  }
  const addMany = async () => {
    const tokens = Array.from({ length: 2 + Math.floor(random() * 6) }, () => nextToken(life))
    say('adding', tokens, Date.now())
    const requests = tokens.map((token) => ({ name: kindOf(token), input: inputOf(token), options: optionsOf(token) }))
    const jobs = await scheduler.addMany(requests)
    const ids = jobs.map(({ id }) => id)
    say('added', tokens, ids, 'created')
    for (const [index, token] of tokens.entries()) known.set(token, { token, id: String(ids[index]), hasEnded: false })
  }
  /** @param {(job: Known) => boolean} fits */
  const take = (fits) => {
    const fitting = [...known.values()].filter(fits)
    const job = fitting[Math.floor(random() * fitting.length)]
    // Nobody else asks for anything to be done to it in the meantime.
    if (job) known.delete(job.token)
    return job
  }
  /** @param {'cancel' | 'retry' | 'remove'} verb @param {Known} job */
  const change = async (verb, job) => {
    say('asking', verb, job.token)
    const moved = await scheduler[verb](job.id)
    say('done', verb, job.token, moved)
    if (verb !== 'remove') known.set(job.token, { ...job, hasEnded: verb === 'cancel' || moved === 0 })
  }
  const removeSome = async () => {
    const some = [...known.values()].filter(({ hasEnded }) => hasEnded).slice(0, 40)
    for (const { token } of some) known.delete(token)
    await Promise.all(some.map((job) => change('remove', job)))
  }
  const step = async () => {
    const dice = random()
    const waiting = [...known.values()].filter(({ hasEnded }) => !hasEnded).length
    if (known.size - waiting > populationMax && dice < 0.5) return removeSome()
    // Threads are slower than whoever asks for things.
    if (waiting > waitingMax && random() < 0.9) return whenChanged(scheduler)
    if (dice < 0.65) return add()
    if (dice < 0.7) return addMany()
    const job = take(({ hasEnded }) => (dice < 0.84 ? !hasEnded : hasEnded))
    if (!job) return add()
    if (dice < 0.76) return change('cancel', job)
    if (dice < 0.84) {
      known.set(job.token, job)
      say('asking', 'promote', job.token)
      await (dice < 0.8 ? scheduler.promote(job.id) : scheduler.setPriority(job.id, Math.floor(random() * 9) - 4))
      return
    }
    if (dice < 0.88) return addOne(nextToken(life), job)
    if (dice < 0.92) return change('retry', job)
    return change('remove', job)
  }
  try {
    for (;;) await step()
  } catch (error) {
    if (/** @type {{ code?: string }} */ (error).code !== 'SCHEDULER_CLOSED')
      say('trouble', `a call: ${messageOf(error)}`)
  }
}

let tokens = 0
function nextToken(/** @type {number} */ life) {
  return `${life}.${++tokens}`
}

say('ready')
const { value: orders } = await stdin.next()
if (orders !== undefined) await live(JSON.parse(orders))

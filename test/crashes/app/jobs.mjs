// The threads of the program that is killed. What they do goes to a file of its own, one `write` a line, before anything
// of it can reach the store: a run that the store knows nothing of is seen all the same.
import { openSync, writeSync } from 'node:fs'
import { defineJobs } from 'offstage/worker'
import { failuresOf } from './values.mjs'

/** @typedef {{ token: string }} Input */
/** @typedef {import('offstage/worker').JobContext} Context */

const file = openSync(process.env.CRASH_TRACE ?? '/dev/null', 'a')
const life = Number(process.env.CRASH_LIFE)
const trace = (/** @type {unknown[]} */ ...line) => writeSync(file, `${JSON.stringify([...line, life])}\n`)
const sleep = (/** @type {number} */ ms) => new Promise((resolve) => setTimeout(resolve, ms))

/**
 * @param {Input} input
 * @param {Context} job
 */
function begin({ token }, job) {
  trace('ran', token, job.attempt, Date.now(), job.checkpointed instanceof Blob ? 0 : (job.checkpointed ?? 0))
}

/**
 * @param {Input} input
 * @param {Context} job
 */
function finish({ token }, job) {
  const nonce = `${token} ${job.attempt} ${Math.random()}`
  trace('returned', token, job.attempt, nonce)
  return { token, nonce, set: new Set([nonce]) }
}

/**
 * Throws, as many times as the token says: `failed` says in which attempts of this life and those before.
 * @param {Input} input
 * @param {Context} job
 */
async function failFirst(input, job) {
  begin(input, job)
  const failed = /** @type {number} */ (job.checkpointed ?? 0)
  if (failed < failuresOf(input.token)) {
    await job.checkpoint(failed + 1)
    trace('kept', input.token, job.attempt, failed + 1)
    trace('threw', input.token, job.attempt)
    throw Object.assign(new RangeError(input.token), { failed: failed + 1 })
  }
  return finish(input, job)
}

export const jobs = defineJobs({
  /** @param {Input} input @param {Context} job */
  quick(input, job) {
    begin(input, job)
    return finish(input, job)
  },
  /** @param {Input} input @param {Context} job */
  bulky(input, job) {
    begin(input, job)
    return finish(input, job)
  },
  /** @param {Input & { photo?: Blob | undefined }} input @param {Context} job */
  async photo(input, job) {
    begin(input, job)
    const photo = /** @type {Blob} */ (input.photo)
    const frame = await job.step('frame', () => new Blob(['print of ']))
    const half = /** @type {Blob | undefined} */ (job.checkpointed)
    if (half && (await half.text()) !== `half of ${input.token}`) throw new Error('the checkpoint is another')
    await job.checkpoint(new Blob([`half of ${input.token}`]))
    return { ...finish(input, job), print: new Blob([frame, photo]) }
  },
  /** @param {Input} input @param {Context} job */
  async steps(input, job) {
    begin(input, job)
    for (let done = /** @type {number} */ (job.checkpointed ?? 0) + 1; done <= 4; done++) {
      const value = await job.step(`step ${done}`, () => {
        const value = `${job.attempt} ${Math.random()}`
        trace('step', input.token, `step ${done}`, value)
        return value
      })
      trace('stepped', input.token, `step ${done}`, value)
      await job.checkpoint(done)
      trace('kept', input.token, job.attempt, done)
      await sleep(done)
    }
    return finish(input, job)
  },
  /** @param {Input} input @param {Context} job */
  *walk(input, job) {
    begin(input, job)
    for (let done = 0; done < 200; done++) yield done
    return finish(input, job)
  },
  flaky: failFirst,
  doomed: failFirst,
  /** @param {Input} input @param {Context} job */
  async slow(input, job) {
    begin(input, job)
    for (let slept = 0; slept < 15; slept++) {
      await sleep(4)
      job.signal.throwIfAborted()
    }
    return finish(input, job)
  },
})

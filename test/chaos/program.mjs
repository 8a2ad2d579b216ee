// The child of run.mjs: is sent one seed after the other, and answers each with what was wrong in that run.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ChaosRun } from './chaos-run.mjs'

/** @type {string[]} */
let problems = []
process.on('uncaughtException', (error) => problems.push(`uncaught: ${error?.stack ?? error}`))
process.on('unhandledRejection', (error) => {
  problems.push(`unhandled rejection: ${error instanceof Error ? error.stack : String(error)}`)
})
// What nobody listens to is printed, and in such numbers that nobody could read it.
console.error = () => {}
console.warn = () => {}

// Node starts threads of its own when it first needs them: before any are counted.
const warmUp = inFolder((folder) => new ChaosRun('', folder).rest())

process.on('message', async (/** @type {number} */ seed) => {
  await warmUp
  problems = []
  const counts = await inFolder(async (folder) => {
    const run = new ChaosRun(String(seed), folder)
    try {
      problems.push(...(await run.live()))
    } catch (error) {
      problems.push(`the run itself failed: ${/** @type {Error} */ (error).stack}`)
    }
    return run.counts
  })
  process.send?.({ problems, counts })
})

/** @template Made @param {(folder: string) => Promise<Made>} use */
async function inFolder(use) {
  const folder = mkdtempSync(join(tmpdir(), 'offstage-chaos-'))
  try {
    return await use(join(folder, 'store'))
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

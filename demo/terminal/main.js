// `npm run demo [folder]`: hashes, counts, indexes and compresses real files in worker threads, and shows it. With
// `--store folder` it may be killed at any time: started again, it goes on where it was.
import { help, readArguments, what } from './arguments.js'
import { buildIfOld } from './build.js'
import { setColor } from './color.js'
import { UsageError } from './text.js'

// Whoever reads the output has seen enough, as `head` has: that is no error, and nobody is left to tell.
process.stdout.on('error', (error) => {
  if (/** @type {NodeJS.ErrnoException} */ (error).code !== 'EPIPE') throw error
  process.exit()
})

async function main() {
  const asked = readArguments()
  if (asked.help) return console.log(help)
  setColor(asked.color)
  console.log(`${what}\n`)
  if (process.env.npm_lifecycle_event === 'demo') buildIfOld()
  // Not before: until now there may have been nothing built to import.
  const { run } = await import('./run.js')
  await run(asked)
}

await main().catch((error) => {
  if (!(error instanceof UsageError)) throw error
  console.error(error.message)
  process.exitCode = 1
})

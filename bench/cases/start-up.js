import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

/** @import { Case, Contestant } from '../lib/case.js' */

const child = fileURLToPath(new URL('../lib/first-result.js', import.meta.url))

/** @type {Case} */
export const startUp = {
  name: 'start',
  number: 8,
  title: 'Start-up to the first result, 1 worker',
  shows: 'Cold: a new process each time. Warm: one more pool in a process that has had one.',
  measures: [
    { key: 'processMs', label: 'cold, from the start of the process, ms', better: 'less' },
    { key: 'libraryMs', label: 'cold, from the import of the library, ms', better: 'less' },
    { key: 'warmMs', label: 'warm, ms', better: 'less' },
    { key: 'rssMb', label: 'memory of the process after the first result, MB', better: 'less' },
  ],
  rounds: 10,
  variants: (isQuick) => [{ label: '', rounds: isQuick ? 2 : 10 }],
  contestants: ({ pools, bare }) => [...pools, bare].map(inProcess),
  round: (/** @type {{ run: () => Promise<Record<string, number>> }} */ { run }) => run(),
}

/** @param {Contestant} contestant @returns {Contestant} */
const inProcess = ({ name, skip }) => ({
  name,
  ...(skip && { skip }),
  start: () => ({ run: () => firstResult(name), close() {} }),
})

/** @param {string} name */
async function firstResult(name) {
  const begin = performance.now()
  const run = spawn(process.execPath, [child, name], { stdio: ['ignore', 'pipe', 'inherit'] })
  const exited = once(run, 'exit')
  const lines = createInterface(run.stdout)[Symbol.asyncIterator]()
  await lines.next() // Printed with the first result.
  const processMs = performance.now() - begin
  const { value } = await lines.next()
  const [code] = await exited
  if (code !== 0 || !value) throw new Error(`The process ended with exit code ${code}.`)
  return { processMs, ...JSON.parse(value) }
}

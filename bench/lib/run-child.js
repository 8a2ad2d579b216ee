import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'

/**
 * Runs a module of ours in a process of its own, which prints its answer: an object on the last line of its output.
 *
 * @param {URL} module
 * @param {readonly string[]} args
 * @returns {Promise<any>}
 */
export async function runChild(module, args) {
  const child = spawn(process.execPath, [fileURLToPath(module), ...args], { stdio: ['ignore', 'pipe', 'inherit'] })
  const kill = () => child.kill('SIGKILL')
  process.once('exit', kill)
  const exited = once(child, 'exit')
  const output = Buffer.concat(await child.stdout.toArray()).toString()
  const [code, signal] = await exited
  process.off('exit', kill)
  if (code !== 0) throw new Error(`The process ended with ${signal ?? `exit code ${code}`}.`)
  return JSON.parse(output.trim().split('\n').at(-1) ?? '')
}

// Running commands from the test scripts.
import { spawn, spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'

export const root = fileURLToPath(new URL('../..', import.meta.url))

/**
 * Runs a command to its end, showing what it prints; answers whether it succeeded.
 *
 * @param {string} command
 * @param {readonly string[]} args
 * @param {NodeJS.ProcessEnv} [env] in addition to ours
 */
export function run(command, args, env = {}) {
  const { status, error } = spawnSync(command, args, {
    cwd: root,
    stdio: ['ignore', 'inherit', 'inherit'],
    env: { ...process.env, ...env },
  })
  if (error) console.error(`${command}: ${error.message}`)
  return status === 0
}

/**
 * Starts a command, which shows what it prints; resolves with whether it succeeded.
 *
 * @param {string} command
 * @param {readonly string[]} args
 * @param {NodeJS.ProcessEnv} [env] in addition to ours
 * @returns {Promise<boolean>}
 */
export function start(command, args, env = {}) {
  const child = spawn(command, args, {
    cwd: root,
    stdio: ['ignore', 'inherit', 'inherit'],
    env: { ...process.env, ...env },
  })
  return new Promise((resolve) => {
    child.on('error', (error) => {
      console.error(`${command}: ${error.message}`)
      resolve(false)
    })
    child.on('close', (status) => resolve(status === 0))
  })
}

/** Vitest's program, for any runtime to run. */
export const vitest = 'node_modules/vitest/vitest.mjs'

/** tsup's, which is `npm run build`: by way of npm it could not be started on Windows. */
export const tsup = 'node_modules/tsup/dist/cli-default.js'

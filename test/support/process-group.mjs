// Programs that must not outlive us, with all that they start.
import { spawn } from 'node:child_process'
import { once } from 'node:events'

/** @typedef {import('node:child_process').ChildProcess} ChildProcess */

/**
 * Starts a command in a process group that ends with us, whatever we die of: its shell waits for the end of its input,
 * which the system closes even after `kill -9`. The shell lets go of descriptors 3 and 4, which are the command's.
 *
 * @param {readonly string[]} command
 * @param {NodeJS.ProcessEnv} [env] in addition to ours
 */
export function startGroup(command, env = {}) {
  const script = '"$@" & exec 3>&- 4>&-; read -r _; kill -s KILL 0'
  return spawn('sh', ['-c', script, 'sh', ...command], {
    stdio: ['pipe', 'ignore', 'ignore', 'pipe', 'pipe'],
    env: { ...process.env, ...env },
    detached: true,
  })
}

/**
 * Ends it at once. Its last process may still be there for a moment.
 *
 * @param {ChildProcess | undefined} group
 */
export async function endGroup(group) {
  if (!group?.pid || group.exitCode !== null || group.signalCode !== null) return
  process.kill(-group.pid, 'SIGKILL')
  await once(group, 'exit')
}

import { spawn } from 'node:child_process'
import { once } from 'node:events'

/**
 * A process group that ends with us, whatever we die of: its shell waits for the end of its input.
 *
 * @param {string[]} command
 * @param {NodeJS.ProcessEnv} [env]
 */
export function startGroup(command, env = {}) {
  const script = '"$@" & exec 3>&-; read -r _; kill -s KILL 0'
  return spawn('sh', ['-c', script, 'sh', ...command], {
    stdio: ['pipe', 'ignore', 'ignore', 'pipe'],
    env: { ...process.env, ...env },
    detached: true,
  })
}

/** @param {ReturnType<typeof startGroup>} group */
export async function endGroup(group) {
  if (!group.pid || group.exitCode !== null || group.signalCode !== null) return
  process.kill(-group.pid, 'SIGKILL')
  await once(group, 'exit')
}

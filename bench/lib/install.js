import { spawnSync } from 'node:child_process'
import { statSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const bench = new URL('..', import.meta.url)

/** The peers are installed in bench/ when they are missing, or not those of the lock file. */
export function install() {
  const changedAt = (/** @type {string} */ file) =>
    statSync(new URL(file, bench), { throwIfNoEntry: false })?.mtimeMs ?? 0
  if (changedAt('node_modules/.package-lock.json') >= changedAt('package-lock.json')) return
  console.log('Installing the peers in bench/, and building SQLite twice: some minutes')
  // What is native is built from its sources, for this Node: what these packages would fetch comes from elsewhere than npm.
  const env = { ...process.env, npm_config_build_from_source: 'true' }
  const command = ['ci', '--no-audit', '--no-fund', '--prefix', fileURLToPath(bench)]
  const { status } = spawnSync('npm', command, { stdio: 'inherit', env })
  if (status !== 0) throw new Error('`npm ci --prefix bench` failed.')
}

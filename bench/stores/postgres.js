// A Postgres of our own, behind a socket in a folder of its own: no port is taken, and it ends with us.
import { spawnSync } from 'node:child_process'
import { chownSync, existsSync, mkdirSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { endGroup, startGroup } from '../../test/support/process-group.mjs'
import { makeFolder, removeFolder } from '../lib/disk.js'

const versions = '/usr/lib/postgresql'
const install = 'apt-get install -y --no-install-recommends postgresql'
const startMsMax = 20_000

/** Where its programs are. */
function programs() {
  const [newest] = existsSync(versions) ? readdirSync(versions).sort((a, b) => Number(b) - Number(a)) : []
  return newest && join(versions, newest, 'bin')
}

/** Answers why there is none. @returns {string | undefined} */
export const withoutPostgres = () => (programs() ? undefined : `postgresql is not installed. As root: ${install}`)

/** With the settings that it comes with: a commit is on the disk before it is acknowledged. */
export async function startPostgres(folder = makeFolder('offstage-bench-postgres-')) {
  const bin = /** @type {string} */ (programs())
  const data = join(folder, 'data')
  mkdirSync(folder, { recursive: true })
  // It refuses to be run by root.
  const asUser = process.getuid?.() === 0 ? ['runuser', '-u', 'postgres', '--'] : []
  if (asUser.length > 0) {
    const id = Number(spawnSync('id', ['-u', 'postgres'], { encoding: 'utf8' }).stdout)
    chownSync(folder, id, id)
  }
  const [program = '', ...args] = [...asUser, join(bin, 'initdb'), '-D', data, '-A', 'trust', '-U', 'bench']
  const { status, stderr } = spawnSync(program, args, { encoding: 'utf8', cwd: folder })
  if (status !== 0) throw new Error(`initdb failed: ${stderr}`)
  const group = startGroup([...asUser, join(bin, 'postgres'), '-D', data, '-k', folder, '-h', ''])
  const close = async () => {
    await endGroup(group)
    removeFolder(folder)
  }
  const until = performance.now() + startMsMax
  // It listens before it is ready.
  while (spawnSync(join(bin, 'pg_isready'), ['-q', '-h', folder]).status !== 0) {
    if (performance.now() > until || group.exitCode !== null) {
      await close()
      throw new Error('postgres did not start.')
    }
    await sleep(50)
  }
  return { host: folder, close }
}

// A Redis of our own, behind a socket in a folder of its own: no port is taken, and it ends with us.
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { endGroup, startGroup } from '../../test/support/process-group.mjs'
import { makeFolder, removeFolder } from '../lib/disk.js'

const program = '/usr/bin/redis-server'
const install = ['apt-get', '-q', 'install', '-y', '--no-install-recommends', 'redis-server']
const startMsMax = 10_000

let hasTried = false

/** Installs it if this user may; answers why there is none. @returns {string | undefined} */
export function withoutRedis() {
  if (existsSync(program)) return undefined
  if (!hasTried && process.getuid?.() === 0 && existsSync('/usr/bin/apt-get')) {
    hasTried = true
    console.log('Installing redis-server')
    const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' }
    spawnSync('apt-get', ['-q', 'update'], { stdio: ['ignore', 'ignore', 'inherit'], env })
    spawnSync('apt-get', install.slice(1), { stdio: ['ignore', 'ignore', 'inherit'], env })
  }
  return existsSync(program) ? undefined : `redis-server is not installed. As root: ${install.join(' ')}`
}

/**
 * With its append-only file, as queues need it, and without snapshots, which would only cost it time.
 *
 * @param {'everysec' | 'always'} appendfsync
 * @param {string} [folder]
 */
export async function startRedis(appendfsync, folder = makeFolder('offstage-bench-redis-')) {
  const [socket, data] = [join(folder, 'socket'), join(folder, 'data')]
  mkdirSync(data, { recursive: true })
  const settings = {
    port: '0',
    unixsocket: socket,
    dir: data,
    appendonly: 'yes',
    appendfsync,
    save: '',
    'maxmemory-policy': 'noeviction',
  }
  const group = startGroup([program, ...Object.entries(settings).flatMap(([key, value]) => [`--${key}`, value])])
  const close = async () => {
    await endGroup(group)
    removeFolder(folder)
  }
  const until = performance.now() + startMsMax
  while (!(await listens(socket))) {
    if (performance.now() > until || group.exitCode !== null) {
      await close()
      throw new Error('redis-server did not start.')
    }
    await sleep(20)
  }
  return { socket, close }
}

/** @param {string} path @returns {Promise<boolean>} */
const listens = (path) =>
  new Promise((resolve) => {
    const socket = connect(path)
    socket.on('error', () => resolve(false))
    socket.on('connect', () => {
      socket.destroy()
      resolve(true)
    })
  })

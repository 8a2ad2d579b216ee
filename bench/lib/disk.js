// Where stores are kept while they are measured: folders of the system's temporary folder, which must be on a disk.
import { mkdtempSync, readFileSync, realpathSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** A sync costs nothing there. */
const memoryTypes = ['tmpfs', 'ramfs', 'devtmpfs']

/** The file system of a folder, where the system tells. @param {string} folder */
function fileSystemOf(folder) {
  let best = { mountPoint: '', type: 'unknown', device: 'unknown' }
  try {
    const path = `${realpathSync(folder)}/`
    for (const line of readFileSync('/proc/self/mountinfo', 'utf8').trim().split('\n')) {
      const [mount = '', rest = ''] = line.split(' - ')
      const mountPoint = mount.split(' ')[4] ?? ''
      const [type = '', device = ''] = rest.split(' ')
      const isAbove = path.startsWith(mountPoint === '/' ? '/' : `${mountPoint}/`)
      if (isAbove && mountPoint.length >= best.mountPoint.length) best = { mountPoint, type, device }
    }
  } catch {
    // Not Linux.
  }
  return best
}

/** `'/tmp: ext4 on /dev/vda'` */
export function describeDisk() {
  const { type, device } = fileSystemOf(tmpdir())
  return `${tmpdir()}: ${type} on ${device}`
}

/** @param {string} [prefix] */
export function makeFolder(prefix = 'offstage-bench-') {
  const { type } = fileSystemOf(tmpdir())
  if (memoryTypes.includes(type))
    throw new Error(`${tmpdir()} is in memory (${type}), where a sync costs nothing. Set TMPDIR to a folder on a disk.`)
  const folder = mkdtempSync(join(tmpdir(), prefix))
  if (!isWatching) process.once('exit', removeAll)
  isWatching = true
  left.add(folder)
  return folder
}

/** What is there when the process ends goes with it. @type {Set<string>} */
const left = new Set()
let isWatching = false

function removeAll() {
  for (const folder of left) rmSync(folder, { recursive: true, force: true, maxRetries: 10 })
}

/** @param {string} folder */
export function removeFolder(folder) {
  rmSync(folder, { recursive: true, force: true, maxRetries: 10 })
  left.delete(folder)
}

/**
 * @template T
 * @param {(folder: string) => Promise<T>} work
 * @returns {Promise<T>}
 */
export async function inFolder(work) {
  const folder = makeFolder()
  try {
    return await work(folder)
  } finally {
    removeFolder(folder)
  }
}

// `node test/crashes/power-cut.mjs [--cuts 50] [--seed N]`: the same program, on a disk whose power is cut.
//
// The disk is an image of an ext4 file system in memory, mounted so that what nobody syncs stays in the
// page cache. The program is killed, and the image is copied while it is still mounted: what was never written back is not
// in the copy, as it would not be on a disk whose power is gone. The next life finds the copy in the image's place.
//
// That this can fail at all is shown by two controls, which must lose what was acknowledged: the store with
// `durability: 'relaxed'`, and the strict one on a system whose `fdatasync` does nothing.
//
// Needs root and loop devices; skipped, loudly, elsewhere. Everything is mounted in a namespace of its own, which the
// kernel takes down with the last process in it, however that ends.
import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, renameSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { Campaign } from './campaign.mjs'

const self = fileURLToPath(import.meta.url)
const options = /** @type {const} */ ({
  cuts: { type: 'string' },
  seed: { type: 'string' },
  inside: { type: 'boolean' },
})
const { values } = parseArgs({ options })
const cuts = Number(values.cuts ?? 50)
const seed = values.seed ?? String(Math.floor(Math.random() * 2 ** 32))
const controlCutsMax = 10
/** `noauto_da_alloc`: ext4 is not to sync on its own what is renamed over another file; other file systems do not. */
const mountOptions = 'loop,commit=600,noauto_da_alloc'

/** Goes on in a mount namespace of its own. */
function enter() {
  const reason = refusal()
  if (reason) return console.log(`!!! SKIPPED: power cuts: ${reason}`)
  const args = [
    '--mount',
    '--propagation',
    'private',
    process.execPath,
    self,
    '--inside',
    '--cuts',
    String(cuts),
    '--seed',
    seed,
  ]
  const { status } = spawnSync('unshare', args, { stdio: 'inherit' })
  process.exitCode = status ?? 1
}

/** Why it cannot be done here. */
function refusal() {
  if (process.platform !== 'linux') return `they need Linux, this is ${process.platform}`
  if (process.getuid?.() !== 0) return 'they need root'
  const script = `set -e; mount -t tmpfs -o size=64m none "$1"; truncate -s 32M "$1/image"; mkfs.ext4 -q -F "$1/image"
    mkdir "$1/disk"; mount -o $2 "$1/image" "$1/disk"`
  const folder = mkdtempSync(join(tmpdir(), 'offstage-mount-'))
  const args = ['--mount', '--propagation', 'private', 'sh', '-c', script, 'sh', folder, mountOptions]
  const { status, stderr, error } = spawnSync('unshare', args, { encoding: 'utf8' })
  rmSync(folder, { recursive: true })
  return status === 0 ? undefined : `no ext4 image can be mounted here: ${error?.message ?? stderr.trim()}`
}

async function cutAll() {
  console.log(`power cuts: --cuts ${cuts} --seed ${seed}`)
  if (!(await cutPower('strict', { seed }, cuts))) process.exitCode = 1
  const noSync = fileURLToPath(new URL('no-sync.mjs', import.meta.url))
  await control('relaxed', { seed, durability: 'relaxed' })
  await control('no sync', { seed, nodeArgs: ['--import', noSync] })
}

/**
 * @param {string} name
 * @param {import('./campaign.mjs').CampaignOptions} options
 * @param {number} count
 */
async function cutPower(name, options, count) {
  const campaign = await campaignOf(options, count)
  console.log(`  ${name}:`)
  return campaign.report()
}

/**
 * @param {string} name
 * @param {import('./campaign.mjs').CampaignOptions} options
 */
async function control(name, options) {
  const { witness, kills } = await campaignOf(options, controlCutsMax)
  const { figures, violations } = witness
  const times = Object.values(kills).reduce((sum, count) => sum + count)
  const harm = figures.lost > 0 ? `${figures.lost} of ${figures.added} acknowledged jobs lost` : violations[0]
  if (harm !== undefined) return console.log(`  control, ${name}: ${harm}, after ${times} cuts, as it must be`)
  console.log(`!!! the control '${name}' lost nothing in ${times} cuts, so these cuts prove nothing`)
  process.exitCode = 1
}

/**
 * @param {import('./campaign.mjs').CampaignOptions} options
 * @param {number} count
 */
async function campaignOf(options, count) {
  const disk = new Disk()
  const campaign = new Campaign({ ...options, store: disk.store })
  try {
    for (let cut = 1; cut <= count && !campaign.isLost; cut++) {
      await campaign.liveAndDie()
      disk.cutPower()
    }
    await campaign.settle()
  } finally {
    await campaign.end()
    disk.remove()
  }
  return campaign
}

class Disk {
  #folder = mkdtempSync(join(tmpdir(), 'offstage-power-'))
  #image = join(this.#folder, 'image')
  #mounted = join(this.#folder, 'disk')
  store = join(this.#mounted, 'store')

  constructor() {
    must('mount', '-t', 'tmpfs', '-o', 'size=512m', 'none', this.#folder)
    mkdirSync(this.#mounted)
    must('truncate', '-s', '128M', this.#image)
    must('mkfs.ext4', '-q', '-F', this.#image)
    this.#mount()
    mkdirSync(this.store)
    // So that there is a folder to watch, whenever the power is cut.
    must('umount', this.#mounted)
    this.#mount()
  }

  #mount() {
    must('mount', '-o', mountOptions, this.#image, this.#mounted)
  }

  cutPower() {
    const copy = join(this.#folder, 'copy')
    must('cp', '--sparse=always', this.#image, copy)
    must('umount', this.#mounted)
    renameSync(copy, this.#image)
    this.#mount()
  }

  remove() {
    must('umount', this.#mounted)
    must('umount', this.#folder)
    rmSync(this.#folder, { recursive: true })
  }
}

/** @param {string} command @param {string[]} args */
function must(command, ...args) {
  const { status, stderr, error } = spawnSync(command, args, { encoding: 'utf8' })
  if (status !== 0) throw error ?? new Error(`${command} ${args.join(' ')}: ${stderr}`)
}

if (values.inside) await cutAll()
else enter()

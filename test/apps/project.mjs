// Each app has a folder of its own outside of the repository, as a user's has. It stays: what is installed there is installed
// again only when its versions change.
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { root, run, tsup } from '../support/process.mjs'

const here = fileURLToPath(new URL('.', import.meta.url))
const home = join(tmpdir(), `offstage-apps-${createHash('sha256').update(root).digest('hex').slice(0, 8)}`)
const tarball = join(home, 'offstage.tgz')
const installMsMax = 10 * 60_000

/** Builds the library and packs it, as it would be published. */
export function pack() {
  mkdirSync(home, { recursive: true })
  if (!run('node', [tsup, '--silent'])) throw new Error('The library cannot be built.')
  const { stdout } = exec('npm pack --json --pack-destination "$APPS"', root, { APPS: home })
  cpSync(join(home, JSON.parse(stdout)[0].filename), tarball)
}

/**
 * Makes the folder of an app as if it had just been checked out and installed, with nothing built or cached; returns it.
 *
 * @param {string} name
 * @param {import('./apps.mjs').App} app
 */
export function prepare(name, { dependencies, files = [name], pageFolder = '.', hasNoPage, write }) {
  const folder = join(home, name)
  mkdirSync(folder, { recursive: true })
  for (const entry of readdirSync(folder)) {
    if (!Object.values(installed).includes(entry)) rmSync(join(folder, entry), { recursive: true })
  }
  const description = {
    private: true,
    type: 'module',
    dependencies: { ...dependencies, offstage: 'file:../offstage.tgz' },
  }
  install(folder, `${JSON.stringify(description, null, 2)}\n`)
  if (!hasNoPage) cpSync(join(here, 'page'), join(folder, pageFolder), { recursive: true })
  for (const own of files.map((each) => join(here, 'files', each)).filter(existsSync))
    cpSync(own, folder, { recursive: true })
  write?.(folder)
  return folder
}

/** What stays of an installation. The record is the package.json that it was made of. */
const installed = { modules: 'node_modules', record: 'installed.json' }

/**
 * @param {string} folder
 * @param {string} description
 */
function install(folder, description) {
  const modules = join(folder, installed.modules)
  const record = join(folder, installed.record)
  writeFileSync(join(folder, 'package.json'), description)
  if (!existsSync(record) || readFileSync(record, 'utf8') !== description) {
    rmSync(modules, { recursive: true, force: true })
    exec('npm install --no-audit --no-fund --no-package-lock --prefer-offline', folder, {}, installMsMax)
    writeFileSync(record, description)
  }
  // The caches of tools are here as well.
  for (const entry of readdirSync(modules)) {
    if (entry.startsWith('.') && !['.bin', '.package-lock.json'].includes(entry))
      rmSync(join(modules, entry), { recursive: true })
  }
  // Of what npm does with a package that depends on nothing, this is all.
  const library = join(modules, 'offstage')
  rmSync(library, { recursive: true, force: true })
  mkdirSync(library)
  exec('tar -xzf "$TARBALL" --strip-components=1', library, { TARBALL: tarball })
}

/**
 * Runs a command of a shell to its end. Throws with what it printed if it fails.
 *
 * @param {string} command
 * @param {string} folder
 * @param {NodeJS.ProcessEnv} [env]
 * @param {number} [timeout]
 */
export function exec(command, folder, env = {}, timeout = 5 * 60_000) {
  const { status, signal, stdout, stderr } = spawnSync(command, {
    cwd: folder,
    env: { ...process.env, ...envOf(folder), ...env },
    shell: true,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
    maxBuffer: 64 * 1024 * 1024,
    timeout,
    killSignal: 'SIGKILL',
  })
  if (status !== 0) throw new Error(`\`${command}\` ended with ${signal ?? status}:\n${stdout}${stderr}`)
  return { stdout }
}

/**
 * What commands in the folder of an app get in addition to our environment.
 *
 * @param {string} folder
 */
export const envOf = (folder) => ({
  PATH: `${join(folder, 'node_modules', '.bin')}${delimiter}${process.env.PATH}`,
  APP: folder,
  REPOSITORY: root,
  CI: 'true',
  NO_COLOR: '1',
  NEXT_TELEMETRY_DISABLED: '1',
  NUXT_TELEMETRY_DISABLED: '1',
  ASTRO_TELEMETRY_DISABLED: '1',
  NG_CLI_ANALYTICS: 'false',
})

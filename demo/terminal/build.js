// The demo runs on what is built, as its users do.
import { spawnSync } from 'node:child_process'
import { readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('../..', import.meta.url))

/** Builds the package if that was not done since its sources have changed, and says so: it takes a while. */
export function buildIfOld() {
  const builtAt = statSync(join(root, 'dist/index.js'), { throwIfNoEntry: false })?.mtimeMs ?? 0
  const sources = [
    'package.json',
    'tsup.config.ts',
    ...readdirSync(join(root, 'src'), { recursive: true }).map((name) => join('src', String(name))),
  ]
  if (sources.every((name) => statSync(join(root, name)).mtimeMs <= builtAt)) return
  console.log('The package is built first, once: about half a minute …\n')
  const npm = String(process.env.npm_execpath)
  const { status } = spawnSync(process.execPath, [npm, 'run', '--silent', 'build', '--', '--silent'], {
    cwd: root,
    stdio: 'inherit',
  })
  if (status !== 0) process.exit(1)
}

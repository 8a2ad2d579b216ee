// Vitest's global setup: bundles each worker module in test/fixtures for the runtimes without a bundler. Node 20 loads no
// `.ts` worker, and `offstage/worker` has to mean our sources.
import { readdirSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'
import { builtAliases } from './built.mjs'

const root = fileURLToPath(new URL('../..', import.meta.url))

export default async function buildWorkers(): Promise<void> {
  const fixtures = readdirSync(`${root}/test/fixtures`).filter((file) => file.endsWith('.ts'))
  await build({
    absWorkingDir: root,
    entryPoints: fixtures.map((file) => `test/fixtures/${file}`),
    outdir: 'node_modules/.cache/offstage-test',
    outExtension: { '.js': '.mjs' },
    bundle: true,
    format: 'esm',
    platform: 'neutral',
    external: ['node:*'],
    alias: builtAliases,
    target: 'es2022',
    sourcemap: 'inline',
    logLevel: 'warning',
    // Of the build, whose modules import others for their side effects, although there are none.
    logOverride: { 'ignored-bare-import': 'silent' },
  })
}

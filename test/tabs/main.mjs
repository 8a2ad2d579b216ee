// Bundled first: Node 20 loads no TypeScript.
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'

const root = fileURLToPath(new URL('../..', import.meta.url))
const outfile = `${root}node_modules/.cache/offstage-tabs/program.mjs`

await build({
  absWorkingDir: root,
  entryPoints: ['test/tabs/program.ts'],
  outfile,
  bundle: true,
  packages: 'external',
  format: 'esm',
  platform: 'node',
  target: 'node20',
  sourcemap: 'inline',
  // They look for their neighbours from where they lie.
  define: { 'import.meta.url': JSON.stringify(import.meta.url) },
  logLevel: 'warning',
})

const { main } = await import(outfile)
// Whatever is still open was left behind by a failure.
process.exit(await main(process.argv.slice(2)))

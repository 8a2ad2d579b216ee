// Programs that tests run in a process of their own.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { build as bundle } from 'esbuild'
import { afterAll } from 'vitest'
import { root } from './process.mjs'

/** `build` bundles a program with the sources, and returns its file. The folder is removed after the tests. */
export function programs(preamble: string): { folder: string; build(program: string): Promise<string> } {
  const folder = mkdtempSync(join(root, 'node_modules/.cache/offstage-program-'))
  afterAll(() => rmSync(folder, { recursive: true }))
  let count = 0
  const build = async (program: string): Promise<string> => {
    const file = join(folder, `${++count}`)
    writeFileSync(`${file}.js`, preamble + program)
    await bundle({
      absWorkingDir: root,
      entryPoints: [`${file}.js`],
      outfile: `${file}.mjs`,
      bundle: true,
      format: 'esm',
      platform: 'neutral',
      external: ['node:*', 'file:*'],
      // Not by tsconfig.json, which esbuild leaves alone inside node_modules: it would take what was last built.
      alias: {
        offstage: join(root, 'src/index.ts'),
        'offstage/file': join(root, 'src/file.ts'),
        'offstage/worker': join(root, 'src/worker.ts'),
      },
    })
    return `${file}.mjs`
  }
  return { folder, build }
}

// The programs of the playground: blocks of the pages that are marked `playground=<name>`.
import { dirname } from 'node:path'
import { fileURLToPath } from 'node:url'
import { blocksOf, pagesOf } from '../../../../test/support/pages.mjs'

export interface Program {
  readonly name: string
  readonly title: string
  /** By file name: `jobs.ts` and `main.ts`. */
  readonly files: Readonly<Record<string, string>>
}

const root = dirname(dirname(dirname(dirname(dirname(fileURLToPath(import.meta.url))))))

/** In this order. */
const titles: Readonly<Record<string, string>> = {
  primes: 'Count primes',
  thumbnails: 'Image thumbnails',
  canvas: 'Draw with OffscreenCanvas',
  csv: 'Import a CSV file',
  wasm: 'WebAssembly',
  retries: 'Fails, and is tried again',
  durable: 'Goes on after a reload',
}

declare const data: readonly Program[]

export { data }

export default {
  watch: ['../../../**/*.md'],
  load(): Program[] {
    const blocks = pagesOf(root).flatMap((page) => blocksOf(root, page))
    return Object.entries(titles).map(([name, title]) => {
      const own = blocks.filter(({ marks }) => marks.playground === name)
      const files = Object.fromEntries(own.map(({ name = '', code }) => [name, code.replace(/^\/\/ \S+\n/, '')]))
      if (!files['jobs.ts'] || !files['main.ts'])
        throw new Error(`The program '${name}' has to have jobs.ts and main.ts.`)
      return { name, title, files }
    })
  },
}

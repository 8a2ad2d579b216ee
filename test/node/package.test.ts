// What is around the code: the licences of what is bundled in, and the pages that people read before they join.
import { execFileSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { inspect } from 'node:util'
import { build } from 'esbuild'
import ts from 'typescript'
import { expect, test } from 'vitest'
import { pagesIn } from '../support/pages.mjs'
import { turn } from '../support/testing.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))
const dist = join(root, 'dist')
const read = (path: string) => readFileSync(join(root, path), 'utf8')

function codeFiles(): string[] {
  if (!existsSync(dist)) throw new Error('This runs on the build: `npm run build` first.')
  return readdirSync(dist).filter((file) => /\.c?js$/.test(file))
}

const built = () =>
  Promise.all([
    import(join(dist, 'index.js')) as Promise<typeof import('offstage')>,
    import(join(dist, 'worker.js')) as Promise<typeof import('offstage/worker')>,
  ])

test('the licence of every package that is bundled in is in the tarball, in full', () => {
  // The list is made from the source maps; esbuild says the same in a comment above each file that it bundles.
  const names = codeFiles().flatMap((file) =>
    Array.from(read(`dist/${file}`).matchAll(/^ *\/\/ node_modules\/((?:@[^/\n]+\/)?[^/\n]+)/gm), ([, name]) => name!),
  )
  expect(names).toContain('eventemitter3')
  const licences = read('dist/THIRD-PARTY-LICENSES.txt')
  for (const name of new Set(names)) {
    const { version } = JSON.parse(read(`node_modules/${name}/package.json`))
    expect(licences).toContain(`--- ${name} ${version} (`)
    const file = readdirSync(join(root, 'node_modules', name)).find((file) => /^licen[cs]e/i.test(file))
    expect(licences).toContain(read(`node_modules/${name}/${file}`).trim())
  }
  const packed = execFileSync('npm', ['pack', '--dry-run', '--json', '--ignore-scripts'], {
    cwd: root,
    encoding: 'utf8',
    // npm is a script on Windows.
    shell: process.platform === 'win32',
  })
  for (const file of ['LICENSE', 'README.md', 'dist/THIRD-PARTY-LICENSES.txt']) expect(packed).toContain(`"${file}"`)
})

test('it can be installed beside any version of what its adapters are for', () => {
  // npm refuses a version that is out of range, also to those who never import the adapter.
  const { peerDependencies, peerDependenciesMeta } = JSON.parse(read('package.json'))
  for (const [name, range] of Object.entries(peerDependencies))
    expect([name, range, peerDependenciesMeta[name]]).toEqual([name, '*', { optional: true }])
})

test('what the build leaves out of p-queue and eventemitter3 is not missed', async () => {
  const [{ createScheduler, inline }, { defineJobs }] = await built()
  let running = 0
  const most: number[] = []
  const jobs = defineJobs({
    async count() {
      most.push(++running)
      await turn()
      running--
    },
  })
  const scheduler = createScheduler<typeof jobs>(inline(jobs), {
    concurrency: 10,
    queues: { q: { concurrency: 2 } },
  })
  const heard: string[] = []
  scheduler.once('started', () => heard.push('once'))
  const first = (event: { type: string }) => heard.push(event.type)
  for (const listener of [first, () => heard.push('second')]) scheduler.on('completed', listener)
  scheduler.off('completed', first)
  const runMany = async (count: number) => {
    most.length = 0
    const runs = Array.from({ length: count }, () => scheduler.run.count(undefined, { queue: 'q' }))
    return { runs, done: () => Promise.all(runs).then(() => Math.max(...most)) }
  }
  expect(await (await runMany(6)).done()).toBe(2)
  expect(heard).toEqual(['once', ...Array(6).fill('second')])
  const queue = scheduler.queue('q')
  queue.pause()
  const { runs, done } = await runMany(8)
  // Whatever is to start has started when this comes back.
  expect((await scheduler.counts()).queued).toBe(8)
  await turn()
  expect([most, queue.size]).toEqual([[], 8])
  queue.resume()
  await Promise.race(runs)
  queue.setConcurrency(4)
  expect(await done()).toBe(4)
  queue.setConcurrency(1)
  expect(await (await runMany(3)).done()).toBe(1)
  queue.setConcurrency(Number.POSITIVE_INFINITY)
  expect(await (await runMany(5)).done()).toBe(5)
  await scheduler.close()
})

test('what is published has no private members and no class fields, which are slow when a bundler lowers them', () => {
  const slow: string[] = []
  for (const file of codeFiles()) {
    const visit = (node: ts.Node): void => {
      if (ts.isPrivateIdentifier(node) || ts.isPropertyDeclaration(node)) slow.push(`${file}: ${node.getText()}`)
      ts.forEachChild(node, visit)
    }
    visit(ts.createSourceFile(file, read(`dist/${file}`), ts.ScriptTarget.Latest, true))
  }
  expect(slow).toEqual([])
})

test('nobody finds the engine in a handle, a scheduler or the context of a handler', async () => {
  const [{ createScheduler, inline }, { defineJobs }] = await built()
  const shown: string[] = []
  const look = (object: object) => shown.push(inspect(object, { depth: 10 }) + JSON.stringify(object))
  const jobs = defineJobs({ look: (_: undefined, job) => void look(job) })
  const scheduler = createScheduler<typeof jobs>(inline(jobs))
  const job = await scheduler.add.look()
  for (const object of [job, job.events(), scheduler, scheduler.queue('default')]) look(object)
  await job.result()
  await scheduler.close()
  expect(shown).toHaveLength(5)
  for (const text of shown) expect(text).not.toMatch(/\b(\w+Engine|Dispatcher|LiveJob|Outbox|Server)\b/)
})

test('the README begins with how to install it', () => {
  expect(read('README.md').split('\n').slice(0, 10)).toContain('npm install offstage')
})

const pages = ['README.md', ...['docs', '.github', 'bench'].flatMap((folder) => pagesIn(root, folder))]

test.each(pages)('%s: what it links to is there', (page) => {
  // npm resolves relative links by way of `repository`, GitHub by itself.
  const links = Array.from(read(page).matchAll(/\]\((?!https?:|mailto:)([^)\s]+)\)/g), ([, link]) => link!)
  for (const link of links) {
    // TypeDoc writes these when the site is built, which fails if one is missing.
    if (/^(\.\.\/)*api\//.test(link)) continue
    const [path = '', anchor] = link.split('#')
    const target = path ? join(dirname(page), path) : page
    expect(existsSync(join(root, target)), `${link} in ${page}`).toBe(true)
    if (anchor) expect(anchorsOf(target), `${link} in ${page}`).toContain(anchor)
  }
})

/** As GitHub makes them of headings. */
const anchorsOf = (page: string) =>
  Array.from(read(page).matchAll(/^#+ (.+)$/gm), ([, heading]) =>
    heading!
      .toLowerCase()
      .replace(/[^\p{L}\p{N} _-]/gu, '')
      .replaceAll(' ', '-'),
  )

test.each([
  ['browser', false],
  ['node', true],
] as const)('what bundlers make of it for the platform %s knows signals: %s', async (platform, knowsSignals) => {
  const { outputFiles } = await build({
    stdin: { contents: "export * from './dist/index.js'", resolveDir: root },
    bundle: true,
    write: false,
    format: 'esm',
    platform,
    logLevel: 'silent',
  })
  expect(outputFiles[0]?.text.includes('SIGTERM')).toBe(knowsSignals)
})

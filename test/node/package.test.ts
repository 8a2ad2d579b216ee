// What is around the code: the licences of what is bundled in, and the pages that people read before they join.
import { execFileSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'

const root = fileURLToPath(new URL('../..', import.meta.url))
const dist = join(root, 'dist')
const read = (path: string) => readFileSync(join(root, path), 'utf8')

test('the licence of every package that is bundled in is in the tarball, in full', () => {
  if (!existsSync(dist)) throw new Error('This runs on the build: `npm run build` first.')
  const code = readdirSync(dist).filter((file) => /\.c?js$/.test(file))
  // The list is made from the source maps; esbuild says the same in a comment above each file that it bundles.
  const names = code.flatMap((file) =>
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

test('the README begins with how to install it', () => {
  expect(read('README.md').split('\n').slice(0, 10)).toContain('npm install offstage')
})

const pages = [
  'README.md',
  ...['docs', '.github', 'bench'].flatMap((folder) =>
    readdirSync(join(root, folder))
      .filter((file) => file.endsWith('.md'))
      .map((file) => `${folder}/${file}`),
  ),
]

test.each(pages)('%s: what it links to is there', (page) => {
  // npm resolves relative links by way of `repository`, GitHub by itself.
  const links = Array.from(read(page).matchAll(/\]\((?!https?:|mailto:)([^)\s]+)\)/g), ([, link]) => link!)
  for (const link of links) {
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

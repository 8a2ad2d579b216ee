import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type DefaultTheme, defineConfig, type MarkdownRenderer } from 'vitepress'
import llms from 'vitepress-plugin-llms'

const docs = dirname(dirname(fileURLToPath(import.meta.url)))
const root = dirname(docs)
const source = 'https://github.com/offstage-js/offstage'
const description =
  'Background jobs in Web Workers and worker threads, for browsers, Node, Bun and Deno. Durable; no server.'

/** Pages in the order of these names, with their first headings as titles. */
const pages = (folder: string, ...names: string[]): DefaultTheme.SidebarItem[] =>
  names.map((name) => ({ text: titleOf(join(folder, `${name}.md`)), link: `/${join(folder, name)}` }))

function titleOf(path: string) {
  return readFileSync(join(docs, path), 'utf8').match(/^# (.+)$/m)?.[1] ?? path
}

/** All pages of a folder. */
const allOf = (folder: string) =>
  pages(
    folder,
    ...(existsSync(join(docs, folder)) ? readdirSync(join(docs, folder)) : [])
      .filter((file) => file.endsWith('.md'))
      .map((file) => file.slice(0, -3)),
  )

/** Links of headings as on GitHub, so that a link to one works in both places. */
const slugify = (heading: string) =>
  heading
    .trim()
    .toLowerCase()
    .replace(/[^\p{L}\p{N} _-]/gu, '')
    .replaceAll(' ', '-')

/** A link that leaves this folder leads to the repository. */
function outwards(href: string, page: string) {
  if (/^(\w+:|#|\/)/.test(href)) return href
  const path = relative(docs, join(docs, dirname(page), href))
  return path.startsWith('..') ? `${source}/blob/main/${relative(root, join(docs, path))}` : href
}

/** How markdown-it renders a token. */
type Rule = NonNullable<MarkdownRenderer['renderer']['rules']['link_open']>

const contents: DefaultTheme.SidebarItem[] = [
  { text: 'Start', items: pages('', 'start', 'playground') },
  {
    text: 'Guides',
    items: pages(
      'guide',
      'results',
      'cancelling',
      'handlers',
      'durability',
      'tabs',
      'queues',
      'groups',
      'conditions',
      'schedules',
      'dedupe',
    ),
  },
  { text: 'Workflows', items: pages('workflows', 'flows', 'waiting', 'events') },
  {
    text: 'In your application',
    items: pages('guide', 'frameworks', 'bundlers', 'hmr', 'ssr', 'testing', 'errors', 'limits', 'sizes', 'extensions'),
  },
  { text: 'See', items: allOf('see') },
  {
    text: 'Recipes',
    items: pages(
      'recipes',
      'office',
      'thumbnails',
      'csv-import',
      'search-index',
      'uploads',
      'wasm',
      'offscreen-canvas',
    ),
  },
  { text: 'Coming from', items: pages('from', 'comlink', 'workerpool', 'piscina', 'p-queue', 'bullmq') },
  { text: 'Facts', items: [...pages('', 'compared'), ...pages('guide', 'promises')] },
  {
    text: 'API',
    items: [...pages('', 'reference'), { text: 'All names, by subpath', link: '/api/offstage' }],
  },
  { text: 'For contributors', items: pages('', 'ARCHITECTURE', 'HOW-TO-ADD') },
]

const names: DefaultTheme.SidebarItem[] = [
  { text: 'API', items: [...pages('', 'reference'), { text: 'offstage', link: '/api/offstage' }] },
  { text: 'Subpaths', items: allOf('api/offstage') },
]

export default defineConfig({
  title: 'offstage',
  description,
  lang: 'en',
  base: process.env.DOCS_BASE ?? '/',
  cleanUrls: true,
  srcExclude: ['node_modules/**'],
  head: [
    ['link', { rel: 'icon', type: 'image/svg+xml', href: `${process.env.DOCS_BASE ?? '/'}logo.svg` }],
    ['meta', { name: 'theme-color', content: '#2f5fd0' }],
  ],
  markdown: {
    // Those that can be read by everybody.
    theme: { light: 'github-light-high-contrast', dark: 'github-dark-high-contrast' },
    anchor: { slugify },
    config(md) {
      const { rules } = md.renderer
      const open: Rule =
        rules.link_open ?? ((tokens, index, options, _env, self) => self.renderToken(tokens, index, options))
      const linkOpen: Rule = (tokens, index, options, env, self) => {
        const token = tokens[index]
        const href = token?.attrGet('href')
        if (href) token?.attrSet('href', outwards(href, env.relativePath))
        return open(tokens, index, options, env, self)
      }
      rules.link_open = linkOpen
    },
  },
  themeConfig: {
    logo: '/logo.svg',
    nav: [
      { text: 'Get started', link: '/start' },
      { text: 'Playground', link: '/playground' },
      { text: 'Recipes', link: '/recipes/office' },
      { text: 'API', link: '/reference' },
    ],
    sidebar: { '/': contents, '/api/': names },
    outline: [2, 3],
    search: { provider: 'local' },
    socialLinks: [{ icon: 'github', link: source }],
    editLink: { pattern: `${source}/edit/main/docs/:path`, text: 'Edit this page' },
    footer: { message: 'MIT' },
  },
  transformPageData({ frontmatter, relativePath }) {
    // TypeDoc has written it.
    if (relativePath.startsWith('api/')) frontmatter.editLink = false
  },
  // The theme has a landmark for the content of every page but this one.
  transformHtml: (html, _id, { page }) =>
    page === 'index.md' ? html.replace('class="VPContent is-home"', 'role="main" $&') : undefined,
  vite: {
    plugins: [llms({ description })],
    // The programs of the playground are read from the pages, with a tool of the tests beside this folder.
    server: { fs: { allow: [root] } },
  },
})

// What the site is made of besides its pages: the API, which TypeDoc writes from the sources, and the library as it is built, which
// the playground loads.
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const { Application } = await import('typedoc').catch(() => {
  console.error('The packages of the site are missing. In the root: `npm ci --prefix docs`.')
  process.exit(1)
})

const here = dirname(fileURLToPath(import.meta.url))
const root = dirname(here)

/** @param {string} path */
const fresh = (path) => {
  rmSync(path, { recursive: true, force: true })
  mkdirSync(path, { recursive: true })
  return path
}

function copyLibrary() {
  const dist = join(root, 'dist')
  if (!existsSync(join(dist, 'index.js'))) {
    console.error('The library is not built. In the folder above: `npm ci && npm run build`.')
    process.exit(1)
  }
  const library = fresh(join(here, 'public/lib'))
  for (const file of readdirSync(dist))
    if (file.endsWith('.js') && file !== 'bin.js') cpSync(join(dist, file), join(library, file))
}

/** Options of the plugin. */
const ofMarkdown = {
  router: 'module',
  entryFileName: 'index',
  hidePageHeader: true,
  hideBreadcrumbs: true,
  useCodeBlocks: true,
  parametersFormat: 'table',
  propertyMembersFormat: 'table',
  interfacePropertiesFormat: 'table',
  typeDeclarationFormat: 'table',
  typeAliasPropertiesFormat: 'table',
  // All of them are `readonly`.
  tableColumnSettings: { hideModifiers: true },
}

async function writeApi() {
  const { exports } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
  const subpaths = Object.keys(exports).filter((path) => typeof exports[path] === 'object')
  const app = await Application.bootstrapWithPlugins({
    entryPoints: subpaths.map((path) => join(root, path === '.' ? 'src/index.ts' : `src/${path.slice(2)}.ts`)),
    tsconfig: join(here, 'tsconfig.json'),
    plugin: ['typedoc-plugin-markdown'],
    name: 'API',
    readme: 'none',
    // TypeScript checks the sources themselves; here it lacks packages of the root.
    skipErrorChecking: true,
    excludeInternal: true,
    excludePrivate: true,
    excludeExternals: true,
    disableSources: true,
    sort: ['kind', 'source-order'],
    outputs: [{ name: 'markdown', path: fresh(join(here, 'api')) }],
    ...ofMarkdown,
    logLevel: 'Warn',
  })
  const project = await app.convert()
  if (!project) throw new Error('TypeDoc has found nothing to document.')
  for (const module of project.children ?? [])
    module.name = module.name === 'index' ? 'offstage' : `offstage/${module.name}`
  await app.generateOutputs(project)
}

copyLibrary()
await writeApi()

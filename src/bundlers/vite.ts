import type { EnvironmentModuleNode, Plugin } from 'vite'
import { nodeModule } from '../platform/host.ts'

/** Where `offstage` comes from, for a module of the application that makes schedulers. */
const hot = 'virtual:offstage/hot?in='
/** The event that tells pages to renew their workers. */
const workersChanged = 'offstage:workers-changed'

/**
 * A plugin for Vite. The first jobs after a cold start of the dev server are not cut off by a reload; an edit of a worker module,
 * or of what it imports, gives the open page new workers; a module that makes a scheduler closes the old one when it is replaced;
 * workers are built as ES modules. Pages that are built contain nothing of it.
 *
 * @example
 * ```ts
 * // vite.config.ts
 * import offstage from 'offstage/vite'
 * import { defineConfig } from 'vite'
 *
 * export default defineConfig({ plugins: [offstage()] })
 * ```
 */
export function offstage(): Plugin {
  return {
    name: 'offstage',
    enforce: 'post',

    config() {
      // Vite would find what only workers import when the first of them starts, and reload the page. It scans with Rolldown, and
      // until version 7 with esbuild.
      const scan = this?.meta?.rolldownVersion
        ? { rolldownOptions: { plugins: [{ name: 'offstage:workers', transform: withWorkerImports }] } }
        : { esbuildOptions: { plugins: [{ name: 'offstage:workers', setup: loadWithWorkerImports }] } }
      return { worker: { format: 'es' }, optimizeDeps: { exclude: ['offstage'], ...scan } }
    },

    resolveId: (source) => (source.startsWith(hot) ? `\0${source}` : undefined),

    load: (id) => (id.startsWith(`\0${hot}`) ? hotCode : undefined),

    transform(code, id) {
      const { mode, config } = this.environment ?? {}
      if (mode !== 'dev' || config?.consumer !== 'client' || isForeign(id) || !code.includes('createScheduler')) return
      const source = JSON.stringify(hot + id.replace(/\?.*/s, ''))
      const linked = code.replaceAll(fromOffstage, `$1${source}`)
      if (linked === code) return
      // In the first line, so that the numbers of the others stay.
      const begin = `import { begin as __begin, end as __end } from ${source}; __begin(); `
      return { code: `${begin}${linked}\n__end();`, map: null }
    },

    hotUpdate({ modules }) {
      if (this.environment.config.consumer !== 'client') return undefined
      const others = modules.filter((module) => !isOfWorkers(module))
      if (others.length === modules.length) return undefined
      this.environment.hot.send(workersChanged)
      // With the modules of the workers Vite would reload the page: no module of the page imports them.
      return others
    },
  }
}

const fromOffstage = /(\bfrom\s*)(["'])offstage\2/g

const core = JSON.stringify('offstage')

/** One per module of the application, which `hotModule` follows. */
const hotCode = `
import { createScheduler as make } from ${core}
import { hotModule } from 'offstage/hot'
export * from ${core}
export const { begin, end, createScheduler, renewWorkers } = hotModule(make)
import.meta.hot.on('${workersChanged}', renewWorkers)
`

const isForeign = (id: string): boolean => id.startsWith('\0') || id.includes('/node_modules/')

/** A worker starts with a module that Vite marks so, and nothing imports it. */
const workerQuery = /[?&](worker|sharedworker|worker_file)\b/

/** Whether a module is loaded by workers only. */
function isOfWorkers(module: EnvironmentModuleNode, seen = new Set<EnvironmentModuleNode>()): boolean {
  if (seen.has(module) || workerQuery.test(module.url)) return true
  seen.add(module)
  return module.importers.size > 0 && [...module.importers].every((importer) => isOfWorkers(importer, seen))
}

const workerLine = /\bnew\s+Worker\(\s*new\s+URL\(\s*(["'][^"'\n]+["'])\s*,\s*import\.meta\.url/g

/** Lets the scan of dependencies, which follows imports, go on into workers. */
function withWorkerImports(code: string, id: string): string | undefined {
  const workers = isForeign(id) ? [] : Array.from(code.matchAll(workerLine), ([, url]) => `\nimport(${url});`)
  return workers.length > 0 ? code + workers.join('') : undefined
}

interface EsbuildBuild {
  onLoad(options: { filter: RegExp }, load: (file: { path: string }) => object | undefined): void
}

/** The same for esbuild. */
function loadWithWorkerImports(build: EsbuildBuild): void {
  const filter = /\.[cm]?[jt]sx?$/
  build.onLoad({ filter }, ({ path }) => {
    if (isForeign(path)) return undefined
    const code = nodeModule<typeof import('node:fs')>('fs')?.readFileSync(path, 'utf8') ?? ''
    const contents = withWorkerImports(code, path)
    return contents === undefined ? undefined : { contents, loader: path.replace(/.*\.[cm]?/, '') }
  })
}

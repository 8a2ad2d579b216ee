// Makes modules that a browser can load from what the visitor has written: without types, and with addresses for imports.
import { transform } from 'sucrase'

export interface Sources {
  readonly jobs: string
  readonly main: string
}

export interface Modules {
  /** The address of the page's module. */
  readonly main: string
  /** Gives the memory back. Whatever still loads a module then fails. */
  revoke(): void
}

/**
 * @param library the address of the folder that has the library
 * @param onScheduler the name of a global function that is called with each scheduler
 */
export function modulesOf({ jobs, main }: Sources, library: string, onScheduler: string): Modules {
  const addresses: string[] = []
  const address = (code: string) => {
    const url = URL.createObjectURL(new Blob([code], { type: 'text/javascript' }))
    addresses.push(url)
    return url
  }
  const resolve = (specifier: string, file: string, own: Readonly<Record<string, string>>) => {
    const [, subpath] = specifier.match(/^offstage(?:\/([\w-]+))?$/) ?? []
    const found =
      own[specifier] ?? (/^offstage(\/|$)/.test(specifier) ? `${library}${subpath ?? 'index'}.js` : undefined)
    if (found) return found
    throw new Error(`${file} imports '${specifier}', but there are only 'offstage' and its subpaths here.`)
  }

  const jobsUrl = address(toModule(jobs, 'jobs.ts', (specifier) => resolve(specifier, 'jobs.ts', {})))
  const index = JSON.stringify(`${library}index.js`)
  const offstage = address(`import { createScheduler as create } from ${index}
export * from ${index}
export const createScheduler = (...args) => {
  const scheduler = create(...args)
  globalThis.${onScheduler}(scheduler)
  return scheduler
}`)
  const withAddress = main.replace(
    /new\s+URL\(\s*(['"])\.\/jobs\.[jt]s\1\s*,\s*import\.meta\.url\s*,?\s*\)/g,
    JSON.stringify(jobsUrl),
  )
  const own = { offstage, './jobs.ts': jobsUrl, './jobs.js': jobsUrl, './jobs': jobsUrl }
  return {
    main: address(toModule(withAddress, 'main.ts', (specifier) => resolve(specifier, 'main.ts', own))),
    revoke: () => {
      for (const url of addresses) URL.revokeObjectURL(url)
    },
  }
}

/** JavaScript that imports by address. Throws with the file, the line and the column of what is no TypeScript. */
function toModule(code: string, file: string, resolve: (specifier: string) => string): string {
  const { code: plain } = transform(code, { transforms: ['typescript'], disableESTransforms: true, filePath: file })
  return plain.replace(
    /(\bfrom\s*|\bimport\s*\(?\s*)(['"])([^'"\n]+)\2/g,
    (_all, before: string, quote: string, specifier: string) => `${before}${quote}${resolve(specifier)}${quote}`,
  )
}

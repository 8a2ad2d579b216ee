// Worker factories for the tests, in the form an application writes them.

/** A bundler has to see each worker as one literal line, so each fixture has its line here. */
const browserFactories = {
  jobs: () => new Worker(new URL('../fixtures/jobs.ts', import.meta.url), { type: 'module' }),
  blobs: () => new Worker(new URL('../fixtures/blobs.ts', import.meta.url), { type: 'module' }),
  composed: () => new Worker(new URL('../fixtures/composed.ts', import.meta.url), { type: 'module' }),
  values: () => new Worker(new URL('../fixtures/values.ts', import.meta.url), { type: 'module' }),
  'late-failing': () => new Worker(new URL('../fixtures/late-failing.ts', import.meta.url), { type: 'module' }),
  unruly: () => new Worker(new URL('../fixtures/unruly.ts', import.meta.url), { type: 'module' }),
}

export type FixtureName = keyof typeof browserFactories

/** A factory for `createScheduler` that starts the worker module `test/fixtures/<name>.ts`, whatever the runtime. */
export function jobsWorker(name: FixtureName = 'jobs'): () => Worker {
  return typeof document === 'object' ? browserFactories[name] : () => new Worker(builtWorker(name), { type: 'module' })
}

/** Where `build-workers.ts` has put a fixture, for runtimes without a bundler. */
export function builtWorker(name: string): URL {
  // In a variable, or Vite would look for the file when it serves this module to a browser.
  const path = `../../node_modules/.cache/offstage-test/${name}.mjs`
  return new URL(path, import.meta.url)
}

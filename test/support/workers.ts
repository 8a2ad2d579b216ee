// Worker factories for the tests.

/** The worker modules in `test/fixtures`. */
export type FixtureName =
  | 'jobs'
  | 'blobs'
  | 'composed'
  | 'values'
  | 'late-failing'
  | 'unruly'
  | 'waits'
  | 'families'
  | 'around'
  | 'versions'
  | 'many'

/** A factory for `createScheduler` that starts the worker module `test/fixtures/<name>.ts`, whatever the runtime. */
export function jobsWorker(name: FixtureName = 'jobs'): () => Worker {
  return () => new Worker(builtWorker(name), { type: 'module' })
}

/**
 * Where `build-workers.ts` has put a fixture. In a browser, too: Vite would serve each of the thirty modules of a worker on its
 * own, to each of the thousand workers that the tests start. `npm run test:apps` has workers as an application writes them.
 */
export function builtWorker(name: string): URL {
  // In a variable, or Vite would look for the file when it serves this module to a browser.
  const path = `../../node_modules/.cache/offstage-test/${name}.mjs`
  return new URL(path, import.meta.url)
}

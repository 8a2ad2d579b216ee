import type { Port } from '../shared/port.ts'

/** Takes the place of `node-port.ts` in bundles for browsers, by way of `browser` in package.json. */
export function nodePort(): Port {
  throw new TypeError('This bundle is for browsers, where no worker is one of `node:worker_threads`.')
}

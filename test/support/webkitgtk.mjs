// The only WebKit to be had on Linux: GTK's own browser. It opens one URL, and needs a display.
import { join } from 'node:path'
import { browserPath } from './browsers.mjs'
import { endGroup, startGroup } from './process-group.mjs'

/** Shipped by Safari, but behind a switch here. */
const features = '--features=+StorageAPI,+StorageAPIEstimate,+FileSystem,+FileSystemWritableStream,+RequestIdleCallback'

/** @param {string} url @param {readonly string[]} [flags] */
export const webkitgtkCommand = (url, flags = []) => [browserPath('webkitgtk'), features, ...flags, url]

/**
 * @param {string} profile a folder
 * @returns {NodeJS.ProcessEnv}
 */
export const webkitgtkEnv = (profile) => ({
  XDG_DATA_HOME: join(profile, 'data'),
  XDG_CACHE_HOME: join(profile, 'cache'),
  XDG_CONFIG_HOME: join(profile, 'config'),
  JSC_useSharedArrayBuffer: '1',
  // No accessibility bus: there is none in a container, and looking for it takes seconds.
  NO_AT_BRIDGE: '1',
})

/** @typedef {{ readonly name: string, end(): Promise<void> }} Display `name` is for the variable `DISPLAY`. */

/**
 * A display that nobody sees. Xvfb picks a free one, and writes its number to the descriptor it is given.
 *
 * @returns {Promise<Display>}
 */
export async function startDisplay() {
  const group = startGroup(['Xvfb', '-displayfd', '3', '-screen', '0', '1280x800x24', '-nolisten', 'tcp'])
  const output = /** @type {import('node:stream').Readable} */ (group.stdio[3])
  const number = await new Promise((resolve, reject) => {
    output.once('data', resolve).once('end', () => reject(new Error('Xvfb ended before it had a display.')))
  })
  return { name: `:${String(number).trim()}`, end: () => endGroup(group) }
}

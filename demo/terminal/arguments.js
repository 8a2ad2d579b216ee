// What the command line asks for.
import { resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { UsageError } from './text.js'

/**
 * @typedef {object} Asked
 * @property {boolean} help
 * @property {boolean} color
 * @property {string | undefined} folder the one that comes with the install if none is named
 * @property {string} query
 * @property {string | undefined} store
 */

const queryDefault = 'worker thread'

export const what = 'Hashes, counts, indexes and compresses the files of a folder, in worker threads.'

export const help = `${what}

Usage: npm run demo -- [folder] [options]

  folder            what to work on; 30 MB of node_modules if it is left out
  --search words    what to look for in the index (default: ${queryDefault})
  --store folder    keeps the jobs there: kill it, run the same command again, and it goes on
  --no-color        no colors, as with NO_COLOR=1; there are none in a pipe or a file
  --help            this

Exit code: 0 when all is done, 1 when it cannot be, 130 after Ctrl-C.`

/**
 * @returns {Asked}
 * @throws {UsageError} for what cannot be meant
 */
export function readArguments() {
  const { values, positionals } = parse()
  if (positionals.length > 1) throw new UsageError(`Expected one folder, got ${positionals.length}.`)
  // npm runs scripts in the package's folder; what the user typed was meant from where they are.
  const here = (process.env.npm_lifecycle_event === 'demo' ? process.env.INIT_CWD : undefined) ?? '.'
  return {
    help: values.help ?? false,
    color: !values['no-color'],
    folder: positionals[0] === undefined ? undefined : resolve(here, positionals[0]),
    query: values.search ?? queryDefault,
    store: values.store === undefined ? undefined : resolve(here, values.store),
  }
}

function parse() {
  try {
    return parseArgs({
      allowPositionals: true,
      options: {
        search: { type: 'string' },
        store: { type: 'string' },
        'no-color': { type: 'boolean' },
        help: { type: 'boolean', short: 'h' },
      },
    })
  } catch (error) {
    // Node goes on to say what else may be meant.
    const [wrong] = /** @type {Error} */ (error).message.split(/\. |\n/)
    throw new UsageError(`${wrong}. See npm run demo -- --help.`)
  }
}

// Where the page of an app comes from: files, or a server of the tool's own.
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import { extname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { endGroup, startGroup } from '../support/process-group.mjs'
import { envOf } from './project.mjs'

/** @typedef {{ origin: string, close: () => Promise<unknown> }} Server */

/**
 * Responds to a request, or resolves with `false` if it is for somebody else.
 *
 * @typedef {(request: import('node:http').IncomingMessage, response: import('node:http').ServerResponse) => Promise<boolean>} Handler
 */

const types = /** @type {Record<string, string>} */ ({
  '.html': 'text/html',
  '.js': 'text/javascript',
  '.mjs': 'text/javascript',
  '.css': 'text/css',
  '.json': 'application/json',
  '.svg': 'image/svg+xml',
})

/**
 * Serves the files of a folder.
 *
 * @param {string} folder
 * @param {Handler} [handle] is asked first
 * @returns {Promise<Server>}
 */
export async function serveFolder(folder, handle) {
  const server = createServer(async (request, response) => {
    if (await handle?.(request, response)) return
    const { pathname } = new URL(request.url ?? '/', 'http://localhost')
    const path = join(folder, pathname.endsWith('/') ? `${pathname}index.html` : pathname)
    const content = await readFile(path).catch(() => undefined)
    response.writeHead(content ? 200 : 404, { 'Content-Type': types[extname(path)] ?? 'application/octet-stream' })
    response.end(content ?? 'There is no such file.')
  })
  const origin = `http://127.0.0.1:${await listen(server)}`
  return {
    origin,
    close: async () => {
      server.close()
      server.closeAllConnections()
    },
  }
}

/** @param {import('node:http').Server} server */
async function listen(server) {
  await once(server.listen(0, '127.0.0.1'), 'listening')
  return /** @type {import('node:net').AddressInfo} */ (server.address()).port
}

const startMsMax = 120_000

/**
 * Starts a server with a command, in the folder of an app. Resolves when it responds.
 *
 * @param {string} command
 * @param {string} folder
 * @returns {Promise<Server>}
 */
export async function startServer(command, folder) {
  const port = await freePort()
  // By this name, as its user opens it: Next refuses others.
  const origin = `http://localhost:${port}`
  const log = join(folder, 'server.log')
  const env = { ...envOf(folder), PORT: String(port), HOST: '127.0.0.1', FOLDER: folder, LOG: log }
  const group = startGroup(['sh', '-c', `cd "$FOLDER" && (${command}) >"$LOG" 2>&1`], env)
  const close = () => endGroup(group)
  const until = Date.now() + startMsMax
  while (!(await responds(origin))) {
    if (Date.now() < until && group.exitCode === null) await sleep(100)
    else {
      await close()
      throw new Error(`\`${command}\` does not respond:\n${readFileSync(log, 'utf8')}`)
    }
  }
  return { origin, close }
}

/** @param {string} origin */
const responds = (origin) =>
  fetch(origin, { signal: AbortSignal.timeout(startMsMax) }).then(
    async (response) => {
      await response.body?.cancel()
      // Some respond early, with a page that asks for patience.
      return response.ok
    },
    () => false,
  )

async function freePort() {
  const server = createServer()
  const port = await listen(server)
  await new Promise((resolve) => server.close(resolve))
  return port
}

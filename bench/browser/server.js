// Serves the page and its threads, bundled and isolated, and takes what the page sends back.
import { once } from 'node:events'
import { createServer } from 'node:http'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'
import { offstageFolder } from '../pools/offstage.js'

const folder = fileURLToPath(new URL('.', import.meta.url))

const headers = {
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Embedder-Policy': 'require-corp',
  'Cross-Origin-Resource-Policy': 'same-origin',
  'Cache-Control': 'no-store',
}

const html = '<!doctype html><meta charset="utf-8"><title>bench</title><script type="module" src="/page.js"></script>'

/** @returns {Promise<Map<string, Uint8Array>>} by path */
async function bundle() {
  const dist = fileURLToPath(offstageFolder)
  const { outputFiles } = await build({
    absWorkingDir: folder,
    entryPoints: ['page.js', ...['offstage', 'comlink', 'workerpool', 'bare'].map((name) => `threads/${name}.js`)],
    alias: { offstage: `${dist}index.js`, 'offstage/idb': `${dist}idb.js`, 'offstage/worker': `${dist}worker.js` },
    // Both of workerpool and of ours: what only Node runs is behind a check of the platform.
    external: ['worker_threads', 'os', 'child_process', '*/lib/memory.js'],
    outdir: folder,
    outbase: folder,
    bundle: true,
    format: 'esm',
    target: 'es2022',
    write: false,
    logLevel: 'error',
  })
  return new Map(
    outputFiles.map(({ path, contents }) => [`/${path.slice(folder.length).replaceAll('\\', '/')}`, contents]),
  )
}

/** @param {(what: string, body: any) => void} onPost what the page sends */
export async function startServer(onPost) {
  const files = await bundle()
  const server = createServer(async (request, response) => {
    const { pathname } = new URL(request.url ?? '/', 'http://localhost')
    if (request.method === 'POST') {
      const chunks = await request.toArray()
      response.writeHead(204, headers).end()
      return onPost(pathname.slice(1), JSON.parse(Buffer.concat(chunks).toString()))
    }
    const file = files.get(pathname)
    if (file) response.writeHead(200, { ...headers, 'Content-Type': 'text/javascript' }).end(file)
    else if (pathname === '/') response.writeHead(200, { ...headers, 'Content-Type': 'text/html' }).end(html)
    else response.writeHead(404, headers).end()
  })
  server.listen(0, 'localhost')
  await once(server, 'listening')
  const { port } = /** @type {import('node:net').AddressInfo} */ (server.address())
  return {
    url: `http://localhost:${port}/`,
    close() {
      server.closeAllConnections()
      server.close()
    },
  }
}

// Workers that never come to serve: each for its own reason.
import { isBrowser } from './testing.ts'

/** Starts a module worker from its source text. */
export function workerOf(source: string): () => Worker {
  const isBun = 'Bun' in globalThis
  const address =
    isBrowser || isBun
      ? URL.createObjectURL(new Blob([source], { type: 'text/javascript' }))
      : `data:text/javascript,${encodeURIComponent(source)}`
  return () => new Worker(new URL(address), { type: 'module' })
}

export const missingWorker = (): Worker => new Worker(new URL(missing, import.meta.url), { type: 'module' })
// In a variable, or bundlers would look for it.
const missing = './there-is-no-such-worker.mjs'

/** A factory inside a page whose Content-Security-Policy forbids workers. */
export async function forbiddenWorker(): Promise<() => Worker> {
  const frame = document.createElement('iframe')
  const loaded = new Promise((resolve) => frame.addEventListener('load', resolve))
  frame.srcdoc = `<meta http-equiv="Content-Security-Policy" content="worker-src 'none'">`
  document.body.append(frame)
  await loaded
  const { Worker: FrameWorker } = frame.contentWindow as unknown as typeof globalThis
  const address = workerAddress()
  return () => new FrameWorker(address, { type: 'module' })
}

const workerAddress = () => URL.createObjectURL(new Blob([''], { type: 'text/javascript' }))

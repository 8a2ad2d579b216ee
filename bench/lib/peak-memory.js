// The most memory that the process has at any time, seen from a thread of its own: the main thread may be too busy to look.
import { once } from 'node:events'
import { isMainThread, Worker, workerData } from 'node:worker_threads'

const lookMs = 2

/** @typedef {{ restart(): void, peakMb(): number, close(): unknown }} PeakMemory */

/** @returns {Promise<PeakMemory>} */
export async function watchMemory() {
  const peak = new Float64Array(new SharedArrayBuffer(8))
  const watcher = new Worker(new URL(import.meta.url), { workerData: peak })
  await once(watcher, 'online')
  let before = 0
  return {
    restart() {
      before = process.memoryUsage.rss()
      peak[0] = before
    },
    peakMb: () => (Math.max(peak[0] ?? 0, process.memoryUsage.rss()) - before) / 2 ** 20,
    close: () => watcher.terminate(),
  }
}

if (!isMainThread && workerData instanceof Float64Array) {
  setInterval(() => {
    workerData[0] = Math.max(workerData[0] ?? 0, process.memoryUsage.rss())
  }, lookMs)
}

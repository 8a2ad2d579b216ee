import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'

/** @import { QueueMaker } from './queue.js' */

const source = fileURLToPath(new URL('../../src/queue/lanes.ts', import.meta.url))

/** The lanes are no part of the public API: they are built from the sources for this. @returns {Promise<any>} */
async function loadLanes() {
  const { outputFiles } = await build({
    entryPoints: [source],
    bundle: true,
    format: 'esm',
    platform: 'node',
    write: false,
  })
  const code = Buffer.from(outputFiles[0]?.contents ?? []).toString('base64')
  return (await import(`data:text/javascript;base64,${code}`)).Lanes
}

/** @type {Promise<any> | undefined} */
let loading

/** What waits and in what order, without the scheduler around it. @type {QueueMaker} */
export const offstageLine = {
  name: "offstage's line alone",
  async make() {
    loading ??= loadLanes()
    const Lanes = await loading
    const line = new Lanes()
    let seq = 0
    const add = (/** @type {number} */ count, /** @type {() => number} */ priority) => {
      for (let added = 0; added < count; added++)
        line.join({ heapIndex: -1, record: { priority: priority(), dueAt: 1, seq: ++seq } })
    }
    return {
      fill: add,
      heldBytes: () => Number.NaN, // Its items are not the scheduler's.
      add,
      take(count) {
        const begin = performance.now()
        for (let taken = 0; taken < count; taken++) line.quit(line.head)
        return { taken: count, ms: performance.now() - begin }
      },
      close() {},
    }
  },
}

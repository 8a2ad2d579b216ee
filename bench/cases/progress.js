import { monitorEventLoopDelay } from 'node:perf_hooks'
import { collectGarbage } from '../lib/memory.js'
import { watchMemory } from '../lib/peak-memory.js'
import { mustBe } from '../lib/run-case.js'

/** @import { Case, Contestant, Field } from '../lib/case.js' */

/** @typedef {(count: number, hear: (report: number) => void) => PromiseLike<unknown>} Flood */

/** @type {Case} */
export const progress = {
  name: 'progress',
  number: 7,
  title: 'One job that reports a million times',
  shows:
    'Whether a flood of reports drowns the main thread. That the last one arrives is checked. Other pools have no reports.',
  measures: [
    { key: 'perSecond', label: 'reports/s made', better: 'more' },
    { key: 'heard', label: 'reports heard' },
    { key: 'peakMb', label: 'memory at the peak, MB above the start', better: 'less' },
    { key: 'heldMs', label: 'longest hold of the main thread, ms', better: 'less' },
  ],
  rounds: 5,
  variants: (isQuick) => [{ label: '', workers: 1, count: isQuick ? 20_000 : 1_000_000 }],
  contestants: ({ pools, bare }) => [
    flooding('offstage', pick(pools, 'offstage'), ({ scheduler }) => offstageFlood(scheduler, 'flood')),
    flooding('offstage, from a plain function', pick(pools, 'offstage'), ({ scheduler }) =>
      offstageFlood(scheduler, 'floodAtOnce'),
    ),
    flooding('workerpool', pick(pools, 'workerpool'), ({ pool }) => {
      return (count, hear) => pool.exec('flood', [count], { on: hear })
    }),
    flooding('bare postMessage', bare, ({ port }) => bareFlood(port)),
  ],

  async round({ flood, memory }, { count }) {
    collectGarbage()
    const delay = monitorEventLoopDelay({ resolution: 1 })
    memory.restart()
    delay.enable()
    let heard = 0
    let last = 0
    const begin = performance.now()
    await flood(count, (/** @type {number} */ report) => {
      heard++
      last = report
    })
    const ms = performance.now() - begin
    const peakMb = memory.peakMb()
    delay.disable()
    mustBe(last, count, 'last report')
    return { perSecond: (count / ms) * 1_000, heard, peakMb, heldMs: delay.max / 1e6 }
  },
}

/** @param {Field['pools']} pools @param {string} name */
const pick = (pools, name) => /** @type {Contestant} */ (pools.find((pool) => pool.name === name))

/**
 * @param {string} name
 * @param {Contestant} contestant
 * @param {(running: any) => Flood} floodOf
 * @returns {Contestant}
 */
const flooding = (name, contestant, floodOf) => ({
  name,
  async start(variant) {
    const running = await contestant.start(variant)
    const memory = await watchMemory()
    return {
      flood: floodOf(running),
      memory,
      close: () => Promise.all([running.close(), memory.close()]),
    }
  },
})

/**
 * @param {import('../../dist/index.js').Scheduler<any>} scheduler
 * @param {string} type
 * @returns {Flood}
 */
const offstageFlood = (scheduler, type) => (count, hear) =>
  /** @type {any} */ (scheduler.run[type])(count, { onProgress: hear })

/** @param {import('node:worker_threads').MessagePort} port @returns {Flood} */
const bareFlood = (port) => (count, hear) =>
  new Promise((resolve) => {
    const listen = (/** @type {any} */ message) => {
      if (typeof message === 'number') return hear(message)
      port.off('message', listen)
      resolve(undefined)
    }
    port.on('message', listen)
    port.postMessage({ flood: count })
  })

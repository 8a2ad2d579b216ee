import { type Battery, device } from '../platform/device.ts'
import { listenTo } from '../platform/listening.ts'
import type { Condition } from '../queue/gate.ts'
import * as check from '../shared/check.ts'

/**
 * Met while the browser says that the device is online. That it is does not mean that a server can be reached, so let jobs
 * retry all the same. Always met where nobody says so: on Node, Bun and Deno.
 *
 * @example
 * ```ts
 * const scheduler = createScheduler<typeof jobs>(source, { queues: { upload: { condition: online() } } })
 * ```
 */
export const online = (): Condition => ({
  name: 'online',
  isMet: () => device().onLine !== false,
  subscribe(onChange) {
    if (typeof addEventListener !== 'function') return () => {}
    return listenTo(false, [
      [globalThis, 'online', onChange],
      [globalThis, 'offline', onChange],
    ])
  },
})

/** How full a battery has to be. */
export interface BatteryOptions {
  /** The lowest level of the battery, from 0 to 1, at which jobs start while it is not charging. Default 0.2. */
  readonly minLevel?: number | undefined
}

/**
 * Met while the battery is charging, or full enough. Only Chromium tells pages about the battery; always met elsewhere. Throws
 * `INVALID_OPTION`.
 *
 * @example
 * ```ts
 * const scheduler = createScheduler<typeof jobs>(source, {
 *   queues: { index: { condition: [batteryOk({ minLevel: 0.5 }), hidden()] } },
 * })
 * ```
 */
export function batteryOk(options: BatteryOptions = {}): Condition {
  const { minLevel = 0.2 } = check.copyOptions(options, { minLevel: check.number(0, 1) })
  /** `undefined` while it is not known; then no job starts yet. */
  let battery: Battery | 'unknown' | undefined = device().getBattery ? undefined : 'unknown'
  const find = async () => {
    try {
      // The page's policy may forbid it.
      battery ??= (await device().getBattery?.()) ?? 'unknown'
    } catch {
      battery = 'unknown'
    }
  }
  return {
    name: 'batteryOk',
    isMet: () => battery !== undefined && (battery === 'unknown' || battery.charging || battery.level >= minLevel),
    subscribe(onChange) {
      let isOver = false
      let stop = () => {}
      void find().then(() => {
        if (isOver) return
        if (battery !== 'unknown')
          stop = listenTo(false, [
            [battery, 'levelchange', onChange],
            [battery, 'chargingchange', onChange],
          ])
        onChange()
      })
      return () => {
        isOver = true
        stop()
      }
    },
  }
}

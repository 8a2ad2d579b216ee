import { device } from '../platform/device.ts'
import { systemRandom } from '../platform/host.ts'
import { listenTo } from '../platform/listening.ts'
import type { Condition } from '../queue/gate.ts'
import * as check from '../shared/check.ts'

/** Which page `visible` and `hidden` are about. */
export interface VisibilityOptions {
  /**
   * What has to be visible. `'app'` (default): any page of this origin that has made such a condition. With a store that tabs
   * share, the tab that runs the jobs may be another one than the user looks at. `'page'`: the page that runs the jobs.
   */
  readonly of?: 'app' | 'page' | undefined
}

/**
 * Met while the user can see a page of the application. Always met where there are no pages: in workers, and on servers. Throws
 * `INVALID_OPTION`.
 *
 * @example
 * ```ts
 * const scheduler = createScheduler<typeof jobs>(source, { queues: { previews: { condition: visible() } } })
 * ```
 */
export const visible = (options: VisibilityOptions = {}): Condition => visibility('visible', options)

/**
 * Met while the user can see no page of the application. Always met where there are no pages: in workers, and on servers.
 * Throws `INVALID_OPTION`.
 *
 * @example
 * ```ts
 * const scheduler = createScheduler<typeof jobs>(source, { queues: { cleanup: { condition: hidden() } } })
 * ```
 */
export const hidden = (options: VisibilityOptions = {}): Condition => visibility('hidden', options)

function visibility(name: 'visible' | 'hidden', options: VisibilityOptions): Condition {
  const { of = 'app' } = check.copyOptions(options, { of: check.oneOf('app', 'page') })
  if (typeof document !== 'object') return { name, isMet: () => true, subscribe: () => () => {} }
  const { locks } = device()
  // Without locks (on plain http) pages do not find each other, and tabs share no store.
  const others = of === 'app' && locks ? new OtherPages(locks) : undefined
  return {
    name,
    isMet() {
      if (isVisible()) return name === 'visible'
      // While that is not known, neither condition is met.
      return (others ? others.areVisible : false) === (name === 'visible')
    },
    subscribe(onChange) {
      const stop = listenTo(false, [[document, 'visibilitychange', onChange]])
      const leave = others?.watch(onChange)
      return () => {
        stop()
        leave?.()
      }
    },
  }
}

const isVisible = () => document.visibilityState === 'visible'

const prefix = 'offstage:visible:'

/**
 * Whether other pages are visible. Each page holds a lock of its own while it is visible, which the browser frees when the page
 * is gone, however it ends. It announces on a channel that it has become visible.
 */
class OtherPages {
  readonly #locks: LockManager
  readonly #own = `${prefix}${systemRandom()}`
  #release: (() => void) | undefined
  /** `undefined` while it is not known. */
  areVisible: boolean | undefined

  constructor(locks: LockManager) {
    this.#locks = locks
    const look = () => this.#show(isVisible())
    // For as long as the page lives, because the scheduler that asks may be in another one.
    listenTo(false, [
      [document, 'visibilitychange', look],
      [globalThis, 'pageshow', look],
      [globalThis, 'pagehide', () => this.#show(false)],
    ])
    look()
  }

  #show(isVisible: boolean): void {
    if (isVisible === (this.#release !== undefined)) return
    this.#release?.()
    this.#release = undefined
    if (!isVisible) return
    const hold = new Promise<void>((resolve) => {
      this.#release = resolve
    })
    const held = this.#locks.request(this.#own, () => {
      const channel = new BroadcastChannel(prefix)
      channel.postMessage(undefined)
      channel.close()
      return hold
    })
    // The page is going.
    held.catch(() => {})
  }

  /** Calls back whenever `areVisible` is known anew. Returns a function that ends that. */
  watch(onChange: () => void): () => void {
    let newest = new AbortController()
    const channel = new BroadcastChannel(prefix)
    this.areVisible = undefined
    /** Looks once more when the page is gone that it has found, unless a newer look has taken its place. */
    const look = async () => {
      newest.abort()
      newest = new AbortController()
      const { signal } = newest
      const { held = [] } = await this.#locks.query()
      const names = held.map(({ name = '' }) => name)
      const other = names.find((name) => name.startsWith(prefix) && name !== this.#own)
      if (signal.aborted) return
      this.areVisible = other !== undefined
      onChange()
      if (!other) return
      // Granted once that page is hidden or gone.
      await this.#locks.request(other, { signal }, () => {})
      await look()
    }
    const start = () => void look().catch(() => {})
    channel.onmessage = start
    start()
    return () => {
      newest.abort()
      channel.close()
    }
  }
}

import { listenTo } from './listening.ts'

/**
 * Calls back when timers may be late: the page is shown again or thawed, or its machine woke up. Browsers slow down the timers
 * of hidden pages, and frozen pages have none. Returns a function that stops listening.
 */
export function onWake(callback: () => void): () => void {
  if (typeof document !== 'object' || typeof addEventListener !== 'function') return () => {}
  return listenTo(false, [
    [globalThis, 'pageshow', callback],
    [globalThis, 'online', callback],
    [document, 'visibilitychange', callback],
    [document, 'resume', callback],
  ])
}

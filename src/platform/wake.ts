import { listenTo } from './listening.ts'

/**
 * Calls back when timers may be late: a page was shown again, thawed, or its machine woke up. Hidden pages have their
 * timers slowed down, frozen ones have none. Returns a function that stops listening.
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

/**
 * Calls back when timers may be late: a page was shown again, thawed, or its machine woke up. Hidden pages have their
 * timers slowed down, frozen ones have none. Answers how to listen no longer.
 */
export function onWake(callback: () => void): () => void {
  if (typeof document !== 'object' || typeof addEventListener !== 'function') return () => {}
  const listeners = new AbortController()
  const { signal } = listeners
  for (const type of ['pageshow', 'online']) addEventListener(type, callback, { signal })
  for (const type of ['visibilitychange', 'resume']) document.addEventListener(type, callback, { signal })
  return () => listeners.abort()
}

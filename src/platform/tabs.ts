import { nodeModule } from './host.ts'
import { listenTo } from './listening.ts'

/** A channel to all other pages and workers of the same origin that have opened one of the same name. */
export interface Channel {
  /** Throws when the message cannot be cloned. */
  post(message: unknown): void
  close(): void
}

/** What tabs need to find each other. Tests bring their own. */
export interface TabPlatform {
  /**
   * Queues for a lock. Calls `onHeld` when this tab holds it, and `onLost` when this tab holds it no longer or can never get
   * it. Returns a function that leaves the queue or releases the lock.
   */
  requestLock(name: string, onHeld: () => void, onLost: (error: unknown) => void): () => void
  openChannel(name: string, listener: (message: unknown) => void): Channel
  /** Reports when the page is about to be frozen or put aside, and when it is back. Returns a function that stops listening. */
  onSleep(onSleep: () => void, onWake: () => void): () => void
  /** Reports when the page is closed or reloaded, which is no crash. Returns a function that stops listening. */
  onLeave(listener: () => void): () => void
  /**
   * Leaves a mark for the next page of this origin that takes it. It is written synchronously, because the page may be gone by
   * the next task.
   */
  leaveMark(name: string): void
  /** Removes the mark and returns whether there was one. Also returns true where no mark can be left. */
  takeMark(name: string): boolean
}

/** The `TabPlatform` of this page. Returns nothing where there are no Web Locks: on plain http, and in old runtimes. */
export function webTabs(): TabPlatform | undefined {
  const { locks } = (globalThis.navigator ?? {}) as Partial<Navigator>
  if (!locks || typeof BroadcastChannel !== 'function') return undefined
  return { requestLock: (...args) => requestLock(locks, ...args), openChannel, onSleep, onLeave, leaveMark, takeMark }
}

function requestLock(
  locks: LockManager,
  name: string,
  onHeld: () => void,
  onLost: (error: unknown) => void,
): () => void {
  const queue = new AbortController()
  let isReleased = false
  let release = () => {}
  const hold = () => {
    if (isReleased) return
    onHeld()
    // `onHeld` may have released the lock already.
    return isReleased ? undefined : new Promise<void>((resolve) => (release = resolve))
  }
  locks.request(name, { signal: queue.signal }, hold).catch((error) => {
    if (!isReleased) onLost(error)
  })
  return () => {
    isReleased = true
    queue.abort()
    release()
  }
}

function openChannel(name: string, listener: (message: unknown) => void): Channel {
  const channel = new BroadcastChannel(name) as BroadcastChannel & { unref?(): void }
  // On Node an open channel would keep the process alive.
  if (nodeModule('process')) channel.unref?.()
  channel.onmessage = ({ data }) => listener(data)
  return { post: (message) => channel.postMessage(message), close: () => channel.close() }
}

/**
 * WebKit silently frees the locks of a page that it puts aside. Browsers keep pages with open connections out of their
 * back/forward cache, or break the connections. So all of that is released before.
 */
function onSleep(sleep: () => void, wake: () => void): () => void {
  if (typeof document !== 'object') return () => {}
  const ifPersisted = (then: () => void) => (event: PageTransitionEvent) => event.persisted && then()
  return listenTo(false, [
    [globalThis, 'pagehide', ifPersisted(sleep)],
    [globalThis, 'pageshow', ifPersisted(wake)],
    [document, 'freeze', sleep],
    [document, 'resume', wake],
  ])
}

function onLeave(listener: () => void): () => void {
  if (typeof document !== 'object') return () => {}
  return listenTo(false, [[globalThis, 'pagehide', listener]])
}

function leaveMark(name: string): void {
  try {
    localStorage.setItem(name, '')
  } catch {
    // Then no mark can be taken either: `takeMark` returns true.
  }
}

/** A worker gets no event before its end, so it could not have left a mark: there it returns true. */
function takeMark(name: string): boolean {
  if (typeof document !== 'object') return true
  try {
    const isThere = localStorage.getItem(name) !== null
    localStorage.removeItem(name)
    return isThere
  } catch {
    return true
  }
}

import { nodeModule } from './host.ts'
import { listenTo } from './listening.ts'

/** A line to everybody of the same origin who has one of this name, but not to oneself. */
export interface Channel {
  /** Throws when the message cannot be cloned. */
  post(message: unknown): void
  close(): void
}

/** What tabs need to find each other. Tests bring their own. */
export interface TabPlatform {
  /**
   * Queues for a lock. `onHeld` is told when it is ours, `onLost` when it is ours no longer, or never will be. Returns
   * how to leave the queue, or to let go.
   */
  requestLock(name: string, onHeld: () => void, onLost: (error: unknown) => void): () => void
  openChannel(name: string, listener: (message: unknown) => void): Channel
  /** The page is about to be frozen or put aside, and is back. Returns a function that stops listening. */
  onSleep(onSleep: () => void, onWake: () => void): () => void
  /** The page is closed or reloaded, and does not crash. Returns a function that stops listening. */
  onLeave(listener: () => void): () => void
  /** Leaves a mark for whoever of the origin takes it next; at once, because the page may be gone with the next task. */
  leaveMark(name: string): void
  /** Whether there was one; also where none can be left. */
  takeMark(name: string): boolean
}

/** This page's; nothing where there are no Web Locks: on plain http, and in old runtimes. */
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
    // `onHeld` may have let go of it at once.
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
  // On Node it would keep the process alive.
  if (nodeModule('process')) channel.unref?.()
  channel.onmessage = ({ data }) => listener(data)
  return { post: (message) => channel.postMessage(message), close: () => channel.close() }
}

/**
 * WebKit frees the locks of a page that it puts aside without a word, and browsers keep pages with open connections out
 * of their cache or break them, so all is let go of before.
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
    // Then none can be taken, either.
  }
}

/** A worker is told nothing of its end, so it has left none. */
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

import type { Port } from '../shared/port.ts'
import { Ending } from './ending.ts'
import { type Hello, helloVersion } from './hello.ts'
import { OwnChannel } from './own-channel.ts'
import { watchSilence } from './silence.ts'

/**
 * How long to wait, in milliseconds, before the hello is sent again. If a module worker uses top-level await before it imports
 * `offstage/worker`, messages that were posted before that import are lost in all engines.
 */
const helloAgainMs = 50

interface RefCounted {
  ref?(): void
  unref?(): void
}

export function webPort(worker: Worker): Port {
  const mark = 1 + Math.random()
  const lock = `offstage-thread-${mark}-${Date.now()}`
  const hello: Hello = { offstage: helloVersion, port: undefined, mark, lock }
  const watch = new AbortController()
  const end = new Ending()
  const channel = new OwnChannel(worker, true)
  channel.mark(mark, -mark)
  let helloTimer: ReturnType<typeof setTimeout> | undefined

  const sayHello = () => {
    worker.postMessage(hello)
    helloTimer = setTimeout(sayHello, helloAgainMs)
  }
  const answered = () => {
    clearTimeout(helloTimer)
    stopSilenceWatch()
    whenFree(lock, watch.signal, () => ended(new Error('The worker closed itself.')))
  }
  const ended = (cause: unknown) => {
    if (watch.signal.aborted) return
    stop()
    end.tell(cause)
  }
  const stop = () => {
    watch.abort()
    clearTimeout(helloTimer)
    stopSilenceWatch()
    void channel.close()
    worker.terminate()
  }

  worker.addEventListener('error', (event) => {
    event.preventDefault?.()
    const { message, filename, lineno } = event as Partial<ErrorEvent>
    // Where the browser says no more than that it failed, there is no message.
    ended(new Error(message ? `${message}${filename ? ` (${filename}:${lineno})` : ''}` : ''))
  })
  channel.onClose(ended)
  worker.addEventListener('close', () => ended(new Error('The worker closed itself.'))) // Bun.
  sayHello()
  const stopSilenceWatch = watchSilence()

  return {
    answersEarly: true,
    post: (message, transfer) => channel.post(message, transfer),
    onMessage(listener) {
      channel.onMessage((first) => {
        answered()
        channel.onMessage(listener)
        listener(first)
      })
    },
    onClose: (listener) => end.listen(listener),
    async close() {
      stop()
    },
    hold(isHeld) {
      // Bun counts workers. In browsers there is no process to keep alive.
      const counted = worker as Worker & RefCounted
      if (isHeld) counted.ref?.()
      else counted.unref?.()
    },
  }
}

/** Calls back when the thread that holds `lock` no longer does: it is dead, however it died. */
function whenFree(lock: string, signal: AbortSignal, onFree: () => void): void {
  const { locks } = (globalThis.navigator ?? {}) as Partial<Navigator>
  locks?.request(lock, { signal }, onFree).catch(() => {
    // Either aborted, because we ended the thread; or there are no locks in this place, so no watch is possible.
  })
}

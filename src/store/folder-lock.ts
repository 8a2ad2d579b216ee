import type { Clock } from '../shared/clock.ts'
import type { Disk } from '../shared/disk.ts'
import { OffstageError } from '../shared/errors.ts'
import type { StoreHost } from './store.ts'

/** How long to wait between two tries. One try takes some hundred microseconds of the I/O thread. */
const tryAgainMs = 200

export type OwnHost = Pick<StoreHost, 'clock' | 'signal'>

/**
 * Makes the folder if it is not there, and becomes its owner. Returns a function that releases it. If it has another owner for
 * longer than `waitMs`, or until `signal` is aborted, throws `STORE_LOCKED`.
 */
export async function ownFolder(
  disk: Disk,
  folder: string,
  waitMs: number,
  { clock, signal }: OwnHost,
): Promise<() => Promise<void>> {
  const there = await disk.stat(folder)
  if (there && there.kind !== 'folder') throw new Error('it is not a folder')
  if (!there) await disk.makeFolder(folder)
  const until = clock.monotonic() + waitMs
  for (;;) {
    const owned = await disk.own(folder)
    if (typeof owned === 'function') return owned
    const leftMs = until - clock.monotonic()
    if (leftMs <= 0 || signal?.aborted) throw locked(folder, owned)
    await pause(clock, Math.min(leftMs, tryAgainMs), signal)
  }
}

/** Waits, but no longer than until `signal` is aborted. It keeps the process alive, because a caller waits for the store. */
function pause(clock: Clock, ms: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve) => {
    const end = () => {
      stop()
      signal?.removeEventListener('abort', end)
      resolve()
    }
    const stop = clock.startTimer(end, ms, true)
    signal?.addEventListener('abort', end)
  })
}

function locked(folder: string, { pid, since }: { pid: number | undefined; since: number | undefined }): OffstageError {
  const who = pid === undefined ? 'a process that does not answer' : `process ${pid}`
  const when = since === undefined ? '' : ` since ${new Date(since).toISOString()}`
  return new OffstageError('STORE_LOCKED', `The folder '${folder}' is open in ${who}${when}.`)
}

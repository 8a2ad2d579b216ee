import { systemClock } from './host.ts'

/** A worker that serves has mostly said so by then. */
const silentMs = 1_000
let hasWarned = false

/**
 * Warns, once, when a new worker says nothing: mostly it does not call `defineJobs`, and its start would time out much later.
 * `isLoading`: there is no telling yet. Returns how to listen no longer.
 */
export function watchSilence(isLoading = () => false): () => void {
  let stop = () => {}
  const look = () => {
    if (isLoading()) return watch()
    if (hasWarned) return
    hasWarned = true
    // biome-ignore lint/suspicious/noConsole: for who writes the worker module; the error comes when the start times out.
    console.warn(
      'offstage: a worker that was started a second ago has not called `defineJobs`. Its module has to: `export const jobs = defineJobs({ … })`. (If it does, what it loads or awaits before takes long.)',
    )
  }
  const watch = () => {
    stop = systemClock.startTimer(look, silentMs, false)
  }
  watch()
  return () => stop()
}

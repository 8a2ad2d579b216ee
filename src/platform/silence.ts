import { systemClock, warn } from './host.ts'

/** Most workers that will serve have answered by then. */
const silentMs = 1_000
let hasWarned = false

/**
 * Warns, once per process or page, when a new worker stays silent. The usual reason is that it does not call `defineJobs`, and
 * its start would time out much later. `isLoading` returns whether the worker may still be loading its module; then the watch
 * goes on. Returns a function that stops the watch.
 */
export function watchSilence(isLoading = () => false): () => void {
  let stop = () => {}
  const look = () => {
    if (isLoading()) return watch()
    if (hasWarned) return
    hasWarned = true
    warn(
      'offstage: a worker that was started a second ago has not called `defineJobs` yet. Its module must: `export const jobs = defineJobs({ … })`. (If it does, its imports or a top-level `await` take long.)',
    )
  }
  const watch = () => {
    stop = systemClock.startTimer(look, silentMs, false)
  }
  watch()
  return () => stop()
}

import { nodeModule, systemClock } from './host.ts'

/** Marks our listeners, so that other copies of the package know them. */
const ours: unique symbol = Symbol.for('offstage.onSignal') as never

/**
 * Closes when the process is told to end. At the first SIGTERM or SIGINT what runs gets `graceMs`, at the second nothing more; a
 * third is left to the process. Then the process ends as it would have without us: by the signal, or when other listeners of the
 * application say so. Returns a function that stops this. Where there are no signals it does nothing.
 */
export function handleSignals(graceMs: number, close: (mode: 'finish' | 'now') => Promise<void>): () => void {
  const process = nodeModule<typeof import('node:process')>('process')
  if (!process) return () => {}
  let isClosing = false
  let hasOthers = false
  const listener = (signal: NodeJS.Signals) => {
    // Ours is called first: those that were added with `once` are still there.
    hasOthers ||= process.listeners(signal).some((each) => !(ours in each))
    if (isClosing) {
      stop()
      return void close('now')
    }
    isClosing = true
    // Not a time limit of `close`: one without a limit may be under way.
    const stopTimer = systemClock.startTimer(() => close('now'), graceMs, true)
    void close('finish').then(() => {
      stopTimer()
      stop()
      // Another scheduler that still closes does this when it is done.
      if (!hasOthers && process.listenerCount(signal) === 0) process.kill(process.pid, signal)
    })
  }
  Object.assign(listener, { [ours]: true })
  const stop = () => void process.off('SIGTERM', listener).off('SIGINT', listener)
  process.prependListener('SIGTERM', listener).prependListener('SIGINT', listener)
  return stop
}

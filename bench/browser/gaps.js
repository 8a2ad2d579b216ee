// How long the main thread was held, seen in three ways: no engine has all of them.

/** @typedef {{ longestTaskMs?: number, frameMs: number, timerMs: number }} Gaps */

export function watchGaps() {
  let isOn = true
  let frameMs = 0
  let timerMs = 0
  let longestTaskMs = 0

  let lastFrame = performance.now()
  const frame = () => {
    if (!isOn) return
    const now = performance.now()
    frameMs = Math.max(frameMs, now - lastFrame)
    lastFrame = now
    requestAnimationFrame(frame)
  }
  requestAnimationFrame(frame)

  const timer = () => {
    if (!isOn) return
    const due = performance.now() + intervalMs
    setTimeout(() => {
      timerMs = Math.max(timerMs, performance.now() - due)
      timer()
    }, intervalMs)
  }
  timer()

  const observer = observeTasks((ms) => {
    longestTaskMs = Math.max(longestTaskMs, ms)
  })
  /** @returns {Gaps} */
  const gaps = () => ({
    ...(observer && { longestTaskMs }),
    // A frame or timer that is overdue has been held until now.
    frameMs: Math.max(frameMs, performance.now() - lastFrame),
    timerMs,
  })

  return {
    peek: gaps,
    async stop() {
      // The browser reports a long task a little later.
      await new Promise((resolve) => setTimeout(resolve, 100))
      const last = gaps()
      isOn = false
      observer?.disconnect()
      return last
    },
  }
}

/** As short as nested timers can be. */
const intervalMs = 4

/** @param {(ms: number) => void} onTask */
function observeTasks(onTask) {
  if (!PerformanceObserver.supportedEntryTypes.includes('longtask')) return undefined
  const observer = new PerformanceObserver((list) => {
    for (const { duration } of list.getEntries()) onTask(duration)
  })
  observer.observe({ type: 'longtask' })
  return observer
}

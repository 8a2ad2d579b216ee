/** How the page draws while something runs: the frames of the last second, and the longest time without one. */
export interface Frames {
  readonly perSecond: number
  readonly longestMs: number
}

/** Counts frames until it is told to stop. */
export function countFrames(onSecond: (frames: Frames) => void): () => void {
  let request = 0
  let last: number | undefined
  let [since, count, longestMs] = [performance.now(), 0, 0]
  const onFrame = (now: number) => {
    request = requestAnimationFrame(onFrame)
    if (last !== undefined) longestMs = Math.max(longestMs, now - last)
    last = now
    count++
    if (now - since < 1_000) return
    onSecond({ perSecond: Math.round((count * 1_000) / (now - since)), longestMs: Math.round(longestMs) })
    ;[since, count] = [now, 0]
  }
  request = requestAnimationFrame(onFrame)
  return () => cancelAnimationFrame(request)
}

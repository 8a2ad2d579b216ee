// Few samples, no assumptions: medians and ranges.

/** @param {readonly number[]} samples @param {number} share from 0 to 1 */
export function percentile(samples, share) {
  const sorted = Float64Array.from(samples).sort()
  const rank = Math.ceil(share * sorted.length) - 1
  return sorted[Math.min(Math.max(rank, 0), sorted.length - 1)] ?? Number.NaN
}

/** @param {readonly number[]} samples */
export function median(samples) {
  const sorted = Float64Array.from(samples).sort()
  const middle = sorted.length >> 1
  if (sorted.length === 0) return Number.NaN
  return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
}

/** @param {readonly number[]} samples */
export function spread(samples) {
  const middle = median(samples)
  return {
    median: middle,
    min: Math.min(...samples),
    max: Math.max(...samples),
    // Half of the samples are no further from the median than this.
    deviation: median(samples.map((sample) => Math.abs(sample - middle))),
  }
}

/**
 * By how much `ours` is ahead of `theirs`, round by round: neighbours in time, so that what the machine did meanwhile
 * weighs on both. Above 1 is ahead, below 1 behind.
 *
 * @param {readonly number[]} ours
 * @param {readonly number[]} theirs
 * @param {'more' | 'less'} better
 */
export function leads(ours, theirs, better) {
  const rounds = Math.min(ours.length, theirs.length)
  return Array.from({ length: rounds }, (_, round) =>
    better === 'more' ? ours[round] / theirs[round] : theirs[round] / ours[round],
  ).filter(Number.isFinite)
}

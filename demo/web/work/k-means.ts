export interface Cluster {
  readonly center: readonly [number, number, number]
  readonly share: number
}

const roundsMax = 14
const pointsPerYield = 8_192

/** Sorts points of three numbers each around `count` centres. Yields how far it is, from 0.3 to 1. */
export function* kMeans(points: Float32Array, count: number): Generator<number, Cluster[]> {
  const total = points.length / 3
  const centers = spread(points, count)
  let sizes = new Float64Array(count)
  for (let round = 0; round < roundsMax; round++) {
    const sums = new Float64Array(count * 3)
    sizes = new Float64Array(count)
    for (let point = 0; point < total; point++) {
      const nearest = nearestOf(centers, points, point)
      sizes[nearest]!++
      for (let axis = 0; axis < 3; axis++) sums[nearest * 3 + axis]! += points[point * 3 + axis] as number
      if (point % pointsPerYield === 0) yield 0.3 + (0.7 * (round + point / total)) / roundsMax
    }
    sums.forEach((sum, at) => {
      const size = sizes[Math.floor(at / 3)] as number
      if (size > 0) centers[at] = sum / size
    })
  }
  return Array.from({ length: count }, (_, at) => ({
    center: [...centers.subarray(at * 3, at * 3 + 3)] as [number, number, number],
    share: (sizes[at] as number) / total,
  }))
}

/** Starts from points that are far from each other: each next one is the farthest of a sample from those before it. */
function spread(points: Float32Array, count: number): Float64Array {
  const centers = new Float64Array(count * 3).fill(9)
  const total = points.length / 3
  const stride = Math.max(1, Math.floor(total / 997))
  let chosen = Math.floor(total / 2)
  for (let center = 0; center < count; center++) {
    centers.set(points.subarray(chosen * 3, chosen * 3 + 3), center * 3)
    let farthest = -1
    for (let point = 0; point < total; point += stride) {
      const distance = distanceTo(centers, nearestOf(centers, points, point), points, point)
      if (distance <= farthest) continue
      farthest = distance
      chosen = point
    }
  }
  return centers
}

function nearestOf(centers: Float64Array, points: Float32Array, point: number): number {
  let nearest = 0
  let least = Number.POSITIVE_INFINITY
  for (let center = 0; center < centers.length / 3; center++) {
    const distance = distanceTo(centers, center, points, point)
    if (distance >= least) continue
    least = distance
    nearest = center
  }
  return nearest
}

function distanceTo(centers: Float64Array, center: number, points: Float32Array, point: number): number {
  const x = (centers[center * 3] as number) - (points[point * 3] as number)
  const y = (centers[center * 3 + 1] as number) - (points[point * 3 + 1] as number)
  const z = (centers[center * 3 + 2] as number) - (points[point * 3 + 2] as number)
  return x * x + y * y + z * z
}

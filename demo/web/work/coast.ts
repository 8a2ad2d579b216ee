import topology from 'world-atlas/land-110m.json'

// Natural Earth's land at 1:110 million. TopoJSON keeps each stretch of coast once, as steps on a grid; a ring is a list
// of stretches, those that are walked backwards written as `~index`.

type Place = readonly [lon: number, lat: number]

const { scale, translate } = topology.transform as { scale: [number, number]; translate: [number, number] }
const degreesBetween = 1

export interface Coast {
  /** Places along all coasts, as x, y, z on a sphere of radius 1. */
  readonly points: Float32Array
  isLand(lon: number, lat: number): boolean
}

let coast: Coast | undefined

/** Made once in each thread, when it is first asked for. */
export function theCoast(): Coast {
  if (coast) return coast
  const arcs = topology.arcs.map((steps) => decode(steps as [number, number][]))
  coast = { points: toSphere(arcs.flatMap(densified)), isLand: landMask(rings(arcs)) }
  return coast
}

function decode(steps: readonly [number, number][]): Place[] {
  let x = 0
  let y = 0
  return steps.map(([dx, dy]) => {
    x += dx
    y += dy
    return [x * scale[0] + translate[0], y * scale[1] + translate[1]]
  })
}

function rings(arcs: readonly Place[][]): Place[][] {
  const polygons = topology.objects.land.geometries.flatMap((geometry) => geometry.arcs as number[][][])
  const arcOf = (index: number) => (index < 0 ? [...(arcs[~index] as Place[])].reverse() : (arcs[index] as Place[]))
  return polygons.flat().map((indexes) => indexes.flatMap(arcOf))
}

/** More places where they are far apart, so that the nearest place is near the nearest coast. */
function densified(arc: Place[]): Place[] {
  return arc.flatMap((to, index) => {
    const from = arc[index - 1] ?? to
    const parts = Math.max(1, Math.ceil(Math.hypot(turn(from[0], to[0]), to[1] - from[1]) / degreesBetween))
    return Array.from({ length: parts }, (_, part): Place => {
      const share = (part + 1) / parts
      return [from[0] + turn(from[0], to[0]) * share, from[1] + (to[1] - from[1]) * share]
    })
  })
}

/** The short way around. */
const turn = (from: number, to: number): number => ((((to - from + 180) % 360) + 360) % 360) - 180

function toSphere(places: readonly Place[]): Float32Array {
  const points = new Float32Array(places.length * 3)
  places.forEach(([lon, lat], index) => {
    const lambda = (lon * Math.PI) / 180
    const phi = (lat * Math.PI) / 180
    points.set([Math.cos(phi) * Math.cos(lambda), Math.cos(phi) * Math.sin(lambda), Math.sin(phi)], index * 3)
  })
  return points
}

const pixelsPerDegree = 5

/** The land painted on a flat map, to look places up in. */
function landMask(outlines: readonly Place[][]): Coast['isLand'] {
  const width = 360 * pixelsPerDegree
  const height = 180 * pixelsPerDegree
  const context = new OffscreenCanvas(width, height).getContext('2d') as OffscreenCanvasRenderingContext2D
  context.scale(pixelsPerDegree, pixelsPerDegree)
  for (const outline of outlines.map(unrolled)) {
    // A ring that leaves the map on one side comes back on the other.
    for (const shift of [-180, 180, 540]) {
      context.beginPath()
      for (const [lon, lat] of outline) context.lineTo(lon + shift, 90 - lat)
      context.fill('evenodd')
    }
  }
  const { data } = context.getImageData(0, 0, width, height)
  return (lon, lat) => {
    const x = Math.floor((lon + 180) * pixelsPerDegree) % width
    const y = Math.min(height - 1, Math.floor((90 - lat) * pixelsPerDegree))
    return (data[(y * width + x) * 4 + 3] as number) > 127
  }
}

/** Without jumps from 180° to −180°; what goes once around the world (Antarctica) is closed along its pole. */
function unrolled(ring: readonly Place[]): Place[] {
  let lon = ring[0]?.[0] ?? 0
  const unrolled = ring.map(([nextLon, lat]): Place => {
    lon += turn(lon, nextLon)
    return [lon, lat]
  })
  const [first, last] = [unrolled[0] as Place, unrolled.at(-1) as Place]
  if (Math.abs(last[0] - first[0]) > 180) unrolled.push([last[0], -90], [first[0], -90])
  return unrolled
}

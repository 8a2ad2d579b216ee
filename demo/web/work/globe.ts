import type { JobContext } from 'offstage/worker'
import { type Coast, theCoast } from './coast.ts'
import { mix, pixel, type Rgb, rgb } from './color.ts'

export interface GlobeInput {
  /** What is in the middle. */
  readonly lon: number
  readonly lat: number
  /** Pixels on a side. */
  readonly size: number
}

/** Some rows of the picture, from `top` on. */
export interface Band {
  readonly top: number
  readonly data: Uint8ClampedArray<ArrayBuffer>
}

const rowsPerBand = 12
const earthRadiusKm = 6_371
const kmBetweenLines = 250

/** The Earth from one side, each place coloured by how far it is from the nearest coast. Sends rows as they are done. */
export async function* globe({ lon, lat, size }: GlobeInput, job: JobContext<number, Band>) {
  const coast = theCoast()
  const axes = viewAxes(lon, lat)
  const points = facing(coast.points, axes.forward)
  const colors = new Uint32Array(size * size)
  const bytes = new Uint8ClampedArray(colors.buffer)
  for (let top = 0; top < size; top += rowsPerBand) {
    const end = Math.min(size, top + rowsPerBand)
    for (let y = top; y < end; y++) {
      paintRow(colors, y, size, axes, points, coast)
      yield y / size
    }
    await job.send({ top, data: bytes.slice(top * size * 4, end * size * 4) })
  }
  return job.transfer(bytes, [colors.buffer])
}

type Vector = readonly [x: number, y: number, z: number]
interface Axes {
  readonly right: Vector
  readonly up: Vector
  /** Towards whoever looks. */
  readonly forward: Vector
}

function paintRow(colors: Uint32Array, y: number, size: number, axes: Axes, points: Float32Array, coast: Coast): void {
  const radius = size / 2 - 1
  const up = (size / 2 - y - 0.5) / radius
  for (let x = 0; x < size; x++) {
    const right = (x + 0.5 - size / 2) / radius
    const fromCenter = Math.hypot(right, up)
    const alpha = Math.round(255 * Math.min(1, Math.max(0, (1 - fromCenter) * radius + 0.5)))
    if (alpha === 0) continue
    const depth = Math.sqrt(Math.max(0, 1 - fromCenter * fromCenter))
    const place = combine(axes, right, up, depth)
    colors[y * size + x] = pixel(shade(place, depth, points, coast), alpha)
  }
}

const land = [rgb('#f4ead2'), rgb('#b98a4e')] as const
const sea = [rgb('#a9c9d4'), rgb('#12304f')] as const
const night: Rgb = [10, 16, 30]

function shade(place: Vector, depth: number, points: Float32Array, coast: Coast): Rgb {
  const lon = (Math.atan2(place[1], place[0]) * 180) / Math.PI
  const lat = (Math.asin(Math.min(1, Math.max(-1, place[2]))) * 180) / Math.PI
  const km = Math.acos(Math.min(1, nearest(points, place))) * earthRadiusKm
  const isLand = coast.isLand(lon, lat)
  const [near, far] = isLand ? land : sea
  const step = Math.floor(km / kmBetweenLines) * kmBetweenLines
  const color = mix(near, far, Math.min(1, step / (isLand ? 2_000 : 2_400)) ** 0.75)
  return mix(color, night, 0.55 * (1 - depth) ** 2)
}

/** The cosine of the angle to the nearest of all points: each is looked at, which is what makes this heavy. */
function nearest(points: Float32Array, [x, y, z]: Vector): number {
  let most = -1
  for (let at = 0; at < points.length; at += 3) {
    const cosine = x * (points[at] as number) + y * (points[at + 1] as number) + z * (points[at + 2] as number)
    if (cosine > most) most = cosine
  }
  return most
}

function viewAxes(lon: number, lat: number): Axes {
  const [sinLon, cosLon] = [Math.sin((lon * Math.PI) / 180), Math.cos((lon * Math.PI) / 180)]
  const [sinLat, cosLat] = [Math.sin((lat * Math.PI) / 180), Math.cos((lat * Math.PI) / 180)]
  return {
    right: [-sinLon, cosLon, 0],
    up: [-sinLat * cosLon, -sinLat * sinLon, cosLat],
    forward: [cosLat * cosLon, cosLat * sinLon, sinLat],
  }
}

function combine({ right, up, forward }: Axes, x: number, y: number, z: number): Vector {
  return [
    x * right[0] + y * up[0] + z * forward[0],
    x * right[1] + y * up[1] + z * forward[1],
    x * right[2] + y * up[2] + z * forward[2],
  ]
}

/** What lies far behind the horizon is nobody's nearest coast. */
function facing(points: Float32Array, [x, y, z]: Vector): Float32Array {
  const found: number[] = []
  for (let at = 0; at < points.length; at += 3) {
    const [px, py, pz] = points.subarray(at, at + 3) as unknown as [number, number, number]
    if (x * px + y * py + z * pz > -0.4) found.push(px, py, pz)
  }
  return Float32Array.from(found)
}

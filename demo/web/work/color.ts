export type Rgb = readonly [red: number, green: number, blue: number]

/** `#rrggbb` as numbers from 0 to 255. */
export function rgb(hex: string): Rgb {
  const value = Number.parseInt(hex.slice(1), 16)
  return [value >> 16, (value >> 8) & 255, value & 255]
}

export const mix = (from: Rgb, to: Rgb, share: number): Rgb => [
  from[0] + (to[0] - from[0]) * share,
  from[1] + (to[1] - from[1]) * share,
  from[2] + (to[2] - from[2]) * share,
]

/** `length` colours from the first stop to the last, as pixels of an ImageData seen as 32-bit words. */
export function gradient(length: number, stops: readonly string[]): Uint32Array {
  const colors = stops.map(rgb)
  return Uint32Array.from({ length }, (_, index) => {
    const place = (index / length) * (colors.length - 1)
    const from = Math.floor(place)
    return pixel(mix(colors[from] as Rgb, colors[Math.min(from + 1, colors.length - 1)] as Rgb, place - from))
  })
}

/** Every machine that runs a browser is little-endian. */
export const pixel = ([red, green, blue]: Rgb, alpha = 255): number =>
  ((alpha << 24) | (Math.round(blue) << 16) | (Math.round(green) << 8) | Math.round(red)) >>> 0

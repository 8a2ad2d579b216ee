/** The picture of a sheet, as far as it is printed: a colour for each of its tones. */
export function inked(tones: Uint8Array, ink: Uint32Array, width: number): ImageData {
  const image = new ImageData(width, Math.max(1, Math.floor(tones.length / width)))
  const pixels = new Uint32Array(image.data.buffer)
  for (let at = 0; at < tones.length; at++) pixels[at] = ink[tones[at] as number] as number
  return image
}

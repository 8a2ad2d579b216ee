import { defineJobs } from 'offstage/worker'

const sizeMax = 160

export const jobs = defineJobs({
  /** A small picture of an image file. */
  async thumbnail(file: File) {
    const image = await createImageBitmap(file)
    const scale = Math.min(1, sizeMax / Math.max(image.width, image.height))
    const canvas = new OffscreenCanvas(Math.ceil(image.width * scale), Math.ceil(image.height * scale))
    canvas.getContext('2d')?.drawImage(image, 0, 0, canvas.width, canvas.height)
    image.close()
    return canvas.convertToBlob({ type: 'image/webp' })
  },
})

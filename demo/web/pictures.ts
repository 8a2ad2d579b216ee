import { byId } from './dom.ts'
import type { JobList } from './job-list.ts'
import { PictureCard } from './picture-card.ts'
import { samples } from './samples.ts'
import { type Performance, unlessSuperseded } from './stage.ts'
import type { LandscapeInput } from './work/landscape.ts'

/** Higher first: what is small and seen at once before what is large. */
const priorities = { landscape: 40, thumbnail: 30, histogram: 25, palette: 20, blur: 10 }
/** A photograph is read once at this width; its jobs need no more. */
const widthMax = 1_600

interface Picture {
  readonly title: string
  readonly card: PictureCard
  bitmap?: ImageBitmap
  readonly sample?: LandscapeInput
}

/** The sample pictures and those that were dropped. */
export class Pictures {
  readonly #list: JobList
  readonly #drop = byId('drop')
  readonly #pictures: Picture[] = []

  constructor(list: JobList) {
    this.#list = list
    for (const [title, sample] of Object.entries(samples)) this.#add({ title, sample, card: new PictureCard(title) })
  }

  perform(performance: Performance): void {
    for (const picture of this.#pictures) this.#run(performance, picture)
  }

  /** Rejects when the file is no picture that this browser can read. */
  async take(file: File, performance: Performance): Promise<void> {
    const whole = await createImageBitmap(file)
    const resizeWidth = Math.min(widthMax, whole.width)
    const bitmap = await createImageBitmap(whole, { resizeWidth, resizeQuality: 'medium' })
    whole.close()
    this.#run(performance, this.#add({ title: file.name, bitmap, card: new PictureCard(file.name) }))
  }

  #add(picture: Picture): Picture {
    this.#pictures.push(picture)
    this.#drop.before(picture.card.element)
    return picture
  }

  #run(performance: Performance, picture: Picture): void {
    picture.card.clear()
    const running = picture.sample
      ? this.#paint(performance, picture, picture.sample)
      : this.#work(performance, picture)
    running.catch(unlessSuperseded)
  }

  /** A sample is painted first; what is to be done with it follows. */
  async #paint(performance: Performance, picture: Picture, sample: LandscapeInput): Promise<void> {
    const { scheduler, signal } = performance
    const onCompleted = async (data: Uint8ClampedArray<ArrayBuffer>) => {
      picture.bitmap = await createImageBitmap(new ImageData(data, sample.width))
      await this.#work(performance, picture).catch(unlessSuperseded)
    }
    const options = { priority: priorities.landscape, signal, onCompleted }
    this.#list.add(await scheduler.add.landscape(sample, options), picture.title)
  }

  async #work({ scheduler, signal }: Performance, { title, bitmap, card }: Picture): Promise<void> {
    if (!bitmap) return
    const { thumbnail, histogram, palette, blur } = priorities
    const options = async <Result>(priority: number, onCompleted: (result: Result) => void) => {
      // Each job gets a copy of its own, and that copy moves.
      const copy = await createImageBitmap(bitmap)
      return [{ bitmap: copy }, { priority, signal, onCompleted, transfer: [copy] }] as const
    }
    const jobs = await Promise.all([
      options(thumbnail, (small: ImageBitmap) => card.thumbnail(small)).then((given) =>
        scheduler.add.thumbnail(...given),
      ),
      options(histogram, card.histogram.bind(card)).then((given) => scheduler.add.histogram(...given)),
      options(palette, card.palette.bind(card)).then((given) => scheduler.add.palette(...given)),
      options(blur, card.blur.bind(card)).then((given) => scheduler.add.blur(...given)),
    ])
    for (const job of jobs) this.#list.add(job, title)
  }
}

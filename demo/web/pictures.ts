import { byId } from './dom.ts'
import type { JobList } from './job-list.ts'
import { PictureCard } from './picture-card.ts'
import { samples } from './samples.ts'
import { type Performance, unlessStopped } from './stage.ts'
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

  /** Resolves when all that can be known of all pictures is shown. */
  async perform(performance: Performance): Promise<void> {
    await Promise.all(this.#pictures.map((picture) => this.#run(performance, picture)))
  }

  /** Rejects when the file is no picture that this browser can read. */
  async take(file: File, performance: Performance): Promise<void> {
    const whole = await createImageBitmap(file)
    const resizeWidth = Math.min(widthMax, whole.width)
    const bitmap = await createImageBitmap(whole, { resizeWidth, resizeQuality: 'medium' })
    whole.close()
    void this.#run(performance, this.#add({ title: file.name, bitmap, card: new PictureCard(file.name) }))
  }

  #add(picture: Picture): Picture {
    this.#pictures.push(picture)
    this.#drop.before(picture.card.element)
    return picture
  }

  async #run(performance: Performance, picture: Picture): Promise<void> {
    picture.card.clear()
    try {
      if (picture.sample) picture.bitmap = await this.#paint(performance, picture.title, picture.sample)
      await this.#work(performance, picture)
    } catch (error) {
      unlessStopped(error)
    }
  }

  /** A sample is painted first; what is to be done with it follows. */
  async #paint({ scheduler, signal }: Performance, title: string, sample: LandscapeInput): Promise<ImageBitmap> {
    const job = await scheduler.add.landscape(sample, { priority: priorities.landscape, signal })
    this.#list.add(job, title)
    return createImageBitmap(new ImageData(await job.result(), sample.width))
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
    // One that is cancelled leaves the others alone.
    await Promise.all(jobs.map((job) => job.result().then(() => {}, unlessStopped)))
  }
}

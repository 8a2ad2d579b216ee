import { byId, canvasOf, element } from './dom.ts'
import type { JobList } from './job-list.ts'
import { type Performance, unlessStopped } from './stage.ts'
import type { Band } from './work/globe.ts'

const views = [
  { title: 'Americas', lon: -90, lat: 15 },
  { title: 'Atlantic', lon: -25, lat: 20 },
  { title: 'Africa', lon: 25, lat: 5 },
  { title: 'Asia', lon: 90, lat: 35 },
  { title: 'Pacific', lon: -170, lat: -5 },
  { title: 'Antarctica', lon: 0, lat: -90 },
]

/** More than is shown on most screens, for smooth edges. */
const size = 270
const priority = 5

interface Globe {
  readonly title: string
  readonly lon: number
  readonly lat: number
  readonly context: CanvasRenderingContext2D
  readonly figure: HTMLElement
}

/** Six sides of the Earth, each one job that sends its rows as they are done. */
export class Globes {
  readonly #list: JobList
  readonly #globes = views.map((view): Globe => {
    const [canvas, context] = canvasOf(size, size)
    const figure = element('figure', {}, canvas, element('figcaption', { textContent: view.title }))
    canvas.setAttribute('role', 'img')
    canvas.setAttribute('aria-label', `The Earth, ${view.title}, by distance from the coast`)
    return { ...view, context, figure }
  })

  constructor(list: JobList) {
    this.#list = list
    byId('globes').append(...this.#globes.map(({ figure }) => element('li', {}, figure)))
  }

  /** Resolves when all of them are painted. */
  async perform(performance: Performance): Promise<void> {
    await Promise.all(this.#globes.map((globe) => this.#run(performance, globe).catch(unlessStopped)))
  }

  async #run({ scheduler, signal }: Performance, { title, lon, lat, context }: Globe) {
    context.clearRect(0, 0, size, size)
    const put = ({ top, data }: Band) => context.putImageData(new ImageData(data, size), 0, top)
    const onCompleted = (data: Band['data']) => put({ top: 0, data })
    const job = await scheduler.add.globe({ lon, lat, size }, { priority, signal, onCompleted })
    this.#list.add(job, title)
    for await (const band of job.values()) put(band)
    await job.result()
  }
}

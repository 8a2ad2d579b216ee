import type { Scheduler } from 'offstage'
import { schedules } from 'offstage/schedules'
import { byId } from './dom.ts'
import { type Motif, motifs } from './motifs.ts'
import type { jobs } from './print-jobs.ts'

const id = 'again'
const everyMs = 20_000
const { input } = motifs[0] as Motif

/** A sheet that is printed again and again. The schedule is kept beside the jobs: every tab shows the same one, and may change it. */
export class Recurring {
  readonly #plan
  readonly #box = byId<HTMLInputElement>('again-and-again')

  constructor(scheduler: Scheduler<typeof jobs>, onError: (error: unknown) => void) {
    this.#plan = schedules(scheduler)
    this.#box.addEventListener('change', () => {
      const { checked } = this.#box
      const done = checked ? this.#plan.set(id, { everyMs }, { name: 'print', input }) : this.#plan.remove(id)
      done.then(() => this.show()).catch(onError)
    })
  }

  async show(): Promise<void> {
    const schedule = await this.#plan.get(id)
    const next = schedule?.nextAt === undefined ? '' : `, next at ${new Date(schedule.nextAt).toLocaleTimeString()}`
    this.#box.checked = schedule !== undefined
    byId('again-text').textContent = `Print ${input.title} every ${everyMs / 1_000} seconds${next}`
  }
}

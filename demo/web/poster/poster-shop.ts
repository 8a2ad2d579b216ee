import { byId, element, oncePerFrame } from '../dom.ts'
import { Arrows } from './arrows.ts'
import { arrows, decide, find, killWorkers, type PosterFlow, plates, retry, scheduler, start } from './flow.ts'
import { ApprovalStep, PlateStep, PosterStep, ProofStep } from './steps.ts'

const newsMax = 50
/** So often the approval counts down. */
const tickMs = 1_000

/** A flow that one can watch, and kill: whatever happens to it, it goes on where it was. */
export class PosterShop {
  readonly #plates = Object.fromEntries(plates.map((motif) => [motif.input.title, new PlateStep(motif)]))
  readonly #proof = new ProofStep(plates)
  readonly #approval = new ApprovalStep((job, decision) => void this.#try(() => decide(job, decision)))
  readonly #poster = new PosterStep()
  readonly #arrows: Arrows
  readonly #buttons = {
    start: byId<HTMLButtonElement>('poster-start'),
    kill: byId<HTMLButtonElement>('poster-kill'),
    reload: byId<HTMLButtonElement>('poster-reload'),
    cancel: byId<HTMLButtonElement>('poster-cancel'),
    retry: byId<HTMLButtonElement>('poster-retry'),
  }
  readonly #news = byId('poster-news')
  #flow: PosterFlow | undefined
  #unfollow = (): void => {}
  #isLeader = false
  readonly #show = oncePerFrame(() => this.#render())

  constructor() {
    const steps = { ...this.#plates, proof: this.#proof, approval: this.#approval, poster: this.#poster }
    const boxes: Readonly<Record<string, HTMLElement>> = Object.fromEntries(
      Object.entries(steps).map(([key, step]) => [key, step.element]),
    )
    byId('plates').append(...Object.values(this.#plates).map((step) => step.element))
    byId('after-plates').append(...[this.#proof, this.#approval, this.#poster].map((step) => step.element))
    this.#arrows = new Arrows(
      byId('flow'),
      arrows.map(([from, to]) => ({ from: boxes[from] as HTMLElement, to: boxes[to] as HTMLElement })),
    )
    this.#listen()
    this.#report()
    setInterval(this.#show, tickMs)
    void this.#try(() => this.#look())
  }

  #listen(): void {
    const { start: begin, kill, reload, cancel, retry: again } = this.#buttons
    begin.addEventListener('click', () => this.#try(async () => this.#follow(await start())))
    kill.addEventListener('click', () => {
      this.#tell('The workers are killed, from outside. The scheduler finds out.')
      killWorkers()
    })
    reload.addEventListener('click', () => {
      history.replaceState(null, '', '#poster')
      location.reload()
    })
    cancel.addEventListener('click', () => this.#try(async () => this.#flow?.cancel('by hand')))
    again.addEventListener('click', () => this.#try(retry))
  }

  /** Says in words what happens to the steps. Another tab may have begun it. */
  #report(): void {
    scheduler.on('leader', ({ isLeader }) => {
      this.#isLeader = isLeader
      this.#show()
    })
    scheduler.on('added', () => void this.#try(() => this.#look()))
    scheduler.on('interrupted', ({ jobId }) =>
      this.#tell(`${nameOf(jobId)} has lost its worker, and waits for another.`),
    )
    scheduler.on('waiting', () => this.#tell('The approval waits for you, and holds no worker.'))
    scheduler.on('completed', ({ jobId }) => this.#tell(`${nameOf(jobId)} is done.`))
    scheduler.on('failed', ({ jobId, error }) => this.#tell(`${nameOf(jobId)} has failed: ${messageOf(error)}`))
  }

  async #look(): Promise<void> {
    const flow = await find()
    if (flow) this.#follow(flow)
    this.#show()
  }

  #follow(flow: PosterFlow): void {
    this.#unfollow()
    this.#flow = flow
    this.#unfollow = flow.subscribe(this.#show)
    this.#show()
  }

  #render(): void {
    const jobs = this.#flow?.jobs
    for (const [key, step] of Object.entries(this.#plates)) step.show(jobs?.plates[key])
    this.#proof.show(jobs?.proof)
    this.#approval.show(jobs?.approval)
    this.#poster.show(jobs?.poster)
    this.#arrows.show()
    const snapshot = this.#flow?.snapshot()
    const isRunning = snapshot?.state === 'running'
    const { start: begin, kill, cancel, retry: again } = this.#buttons
    begin.disabled = isRunning
    begin.textContent = snapshot && !isRunning ? 'Make another' : 'Make a poster'
    kill.disabled = !this.#isLeader || scheduler.snapshot().counts.running === 0
    cancel.disabled = !isRunning
    again.hidden = !Object.keys(this.#plates).some((key) => jobs?.plates[key]?.snapshot().state === 'failed')
  }

  #tell(text: string): void {
    const time = element('time', { textContent: new Date().toLocaleTimeString() })
    this.#news.append(element('p', {}, time, ` ${text}`))
    if (this.#news.childElementCount > newsMax) this.#news.firstElementChild?.remove()
    this.#news.scrollTop = this.#news.scrollHeight
  }

  async #try(act: () => Promise<unknown>): Promise<void> {
    try {
      await act()
    } catch (error) {
      this.#tell(messageOf(error))
    }
  }
}

/** The id of a job of a flow ends with its key. */
function nameOf(jobId: string): string {
  const key = jobId.split(/[./]/).at(-1) as string
  return /^(proof|approval|poster)$/.test(key) ? `The ${key}` : key
}

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error))

import { byId, prefersStillness } from '../dom.ts'
import type { Place, Stage } from '../stage.ts'
import { keepRuns, keptRuns } from './kept-runs.ts'
import { Meter } from './meter.ts'
import { frozenMs, lateOtherwiseMs, lengthMs, longestFreezeMs, type Run, seconds, verdict } from './run.ts'
import { Strip } from './strip.ts'

/** The strips span at least this much, so that a run does not begin as a wide bar. */
const spanMsMin = 4_000
/** To draw in each frame would itself take a part of each. */
const drawMs = 100
const stillMs = 1_000
const places: readonly Place[] = ['main', 'workers']

interface Lane {
  readonly element: HTMLElement
  readonly button: HTMLElement
  readonly strip: Strip
  readonly state: HTMLElement
  readonly readouts: Record<'frozen' | 'longest' | 'took', HTMLElement>
}

/** Runs everything on the page, here or there, and keeps what was measured of either. */
export class Comparison {
  readonly #stage: Stage
  readonly #perform: () => Promise<void>
  readonly #meter = new Meter()
  readonly #lanes = { main: laneOf('main'), workers: laneOf('workers') }
  /** The last whole run at each place. */
  readonly #kept = keptRuns()
  #current: Run | undefined
  #drawnAt = 0

  /** `perform` resolves when everything on the page has been computed once. */
  constructor(stage: Stage, perform: () => Promise<void>) {
    this.#stage = stage
    this.#perform = perform
    stage.onHeld = this.#meter.hold
    for (const place of places) this.#lanes[place].button.addEventListener('click', () => void this.run(place))
    stage.onJobEnd = () => {
      if (this.#current) this.#current = { ...this.#current, jobs: this.#current.jobs + 1 }
    }
    this.#show()
  }

  get isRunning(): boolean {
    return this.#current !== undefined
  }

  /** Ends the run that is under way, which then does not count. */
  async run(place: Place): Promise<void> {
    await this.#stage.begin(place)
    const frames = this.#meter.start(() => this.#showSometimes())
    this.#current = { place, frames, jobs: 0 }
    this.#show()
    await this.#perform()
    // Another one has begun meanwhile, or this one was dropped.
    if (this.#current?.frames !== frames) return
    this.#meter.stop()
    this.#kept[place] = this.#current
    keepRuns(this.#kept)
    this.#current = undefined
    this.#show()
  }

  /** Drops the run that is under way: it will not be whole. */
  drop(): void {
    this.#meter.stop()
    this.#current = undefined
    this.#show()
  }

  #showSometimes(): void {
    const now = performance.now()
    if (!this.#current || now - this.#drawnAt < (prefersStillness() ? stillMs : drawMs)) return
    this.#drawnAt = now
    this.#showLane(this.#current.place)
  }

  #show(): void {
    byId('verdict').textContent = verdict(this.#kept.main, this.#kept.workers)
    for (const place of places) this.#showLane(place)
  }

  #showLane(place: Place): void {
    const lane = this.#lanes[place]
    const isRunning = this.#current?.place === place
    const run = isRunning ? this.#current : this.#kept[place]
    lane.element.dataset.state = isRunning ? 'running' : run ? 'kept' : 'none'
    lane.element.classList.toggle('here', this.#stage.place === place)
    lane.state.textContent = isRunning ? 'running …' : run ? `${run.jobs} jobs` : 'not run yet'
    lane.readouts.frozen.textContent = run ? seconds(frozenMs(run)) : '–'
    lane.readouts.frozen.classList.toggle('late', run !== undefined && frozenMs(run) > 0)
    lane.readouts.longest.textContent = run ? seconds(longestFreezeMs(run)) : '–'
    lane.readouts.took.textContent = run ? seconds(lengthMs(run)) : '–'
    lane.strip.show(run?.frames ?? [], this.#spanMs(), description(run))
  }

  /** One scale for both, so that they can be held against each other. */
  #spanMs(): number {
    const runs = [this.#current, this.#kept.main, this.#kept.workers]
    return Math.max(spanMsMin, ...runs.map((run) => (run ? lengthMs(run) : 0)))
  }
}

function laneOf(place: Place): Lane {
  const element = byId(`lane-${place}`)
  const find = <Kind extends HTMLElement>(selector: string): Kind => element.querySelector<Kind>(selector)!
  return {
    element,
    button: find('button'),
    strip: new Strip(find<HTMLCanvasElement>('canvas')),
    state: find('.lane-state'),
    readouts: {
      frozen: find('[data-readout=frozen]'),
      longest: find('[data-readout=longest]'),
      took: find('[data-readout=took]'),
    },
  }
}

const description = (run: Run | undefined): string =>
  run
    ? `The time between frames. Frozen by jobs: ${seconds(frozenMs(run))}. Late for other reasons: ${seconds(lateOtherwiseMs(run))}.`
    : 'Nothing is measured yet.'

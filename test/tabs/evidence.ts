/**
 * What was heard, job by job, and whether it can be true. All processes share one clock, so "after" is a matter of
 * looking at it: what a page says has happened no later than the site heard it.
 */
import { hashOf, inputOf } from './page/mix.ts'
import type { Found, ReportOf } from './protocol.ts'
import type { Heard } from './site.ts'

/** Engines show a clock that is as coarse as this, or off by as much. */
const clockMs = 2

interface Story {
  /** When its `add` had resolved. */
  addedAt?: number
  hash?: string
  completedAt?: number
  removedAt?: number
  /** Of the run whose result was reported. */
  run?: string
  readonly runs: ReportOf<'ran'>[]
  /** The last step whose checkpoint was acknowledged, and when. */
  readonly checkpoints: { readonly step: number; readonly at: number }[]
  isRemoving: boolean
  isLost: boolean
}

export interface Figures {
  kills: number
  acknowledged: number
  completed: number
  runs: number
  lost: number
  twice: number
}

export class Evidence {
  readonly violations: string[] = []
  #stories = new Map<string, Story>()
  readonly #figures: Figures = { kills: 0, acknowledged: 0, completed: 0, runs: 0, lost: 0, twice: 0 }
  /** What else may be told: the case asks for it. */
  expected: RegExp | undefined

  /** Another profile, or another database. */
  forget(): void {
    this.#stories = new Map()
  }

  get figures(): Readonly<Figures> {
    return { ...this.#figures }
  }

  countKill(): void {
    this.#figures.kills++
  }

  violate(what: string): void {
    this.violations.push(what)
  }

  hear({ tab, report, at }: Heard): void {
    switch (report.type) {
      case 'added': {
        const story = this.#storyOf(report.id)
        if (story.addedAt === undefined) this.#figures.acknowledged++
        story.addedAt ??= at
        story.hash = report.hash
        return
      }
      case 'completed':
        return this.#completed(report.id, report.run, at)
      case 'ran':
        return this.#ran(report)
      case 'checkpoint':
        this.#storyOf(report.id).checkpoints.push({ step: report.step, at })
        return
      case 'removing':
        this.#storyOf(report.id).isRemoving = true
        return
      case 'removed':
        this.#storyOf(report.id).removedAt ??= at
        return
      case 'refused':
        return this.#unexpected(`${tab}: ${report.isAdd ? 'add' : 'result'} of ${report.id}: ${report.why}`)
      case 'trouble':
      case 'uncaught':
        return this.#unexpected(`${tab}: ${report.type}: ${report.what}`)
    }
  }

  /** What a page has found that was asked at that moment. `isAtRest`: everything that there was to do is done. */
  compare(found: readonly Found[], askedAt: number, isAtRest: boolean): void {
    const there = new Map(found.map((each) => [each.id, each]))
    const isBefore = (at: number | undefined): boolean => at !== undefined && at <= askedAt
    for (const [id, story] of this.#stories) {
      if (!isBefore(story.addedAt) || story.isRemoving || story.isLost || there.has(id)) continue
      story.isLost = true
      this.#figures.lost++
      this.violate(`lost: ${id} was acknowledged, and is not in the store`)
    }
    for (const { id, state, hash, run } of found) {
      const story = this.#storyOf(id)
      if (hash !== (story.hash ?? hashOf(inputOf(id)))) this.violate(`changed: the input of ${id}`)
      if (isBefore(story.removedAt)) this.violate(`back: ${id} was removed, and is in the store`)
      if (isBefore(story.completedAt) && state !== 'completed')
        this.violate(`undone: ${id} was completed, and is ${state}`)
      if (run !== undefined) this.#sameRun(id, story, run)
      if (isAtRest && state !== 'completed') this.violate(`unfinished: ${id} is ${state}`)
    }
  }

  #storyOf(id: string): Story {
    let story = this.#stories.get(id)
    if (!story) {
      story = { runs: [], checkpoints: [], isRemoving: false, isLost: false }
      this.#stories.set(id, story)
    }
    return story
  }

  #completed(id: string, run: string, at: number): void {
    const story = this.#storyOf(id)
    if (story.completedAt === undefined) this.#figures.completed++
    story.completedAt ??= at
    this.#sameRun(id, story, run)
    if (!story.runs.some((ran) => ran.run === run))
      this.violate(`made up: ${id} was completed by ${run}, which never ran`)
  }

  #sameRun(id: string, story: Story, run: string): void {
    story.run ??= run
    if (story.run === run) return
    this.#figures.twice++
    this.violate(`twice: ${id} was completed by ${story.run}, and by ${run}`)
  }

  #ran(ran: ReportOf<'ran'>): void {
    const { id, hash, at, checkpointed, run } = ran
    const story = this.#storyOf(id)
    story.runs.push(ran)
    this.#figures.runs++
    if (hash !== (story.hash ?? hashOf(inputOf(id)))) this.violate(`changed: the input of ${id}, as ${run} got it`)
    if (story.completedAt !== undefined && at > story.completedAt + clockMs) {
      this.#figures.twice++
      this.violate(`again: ${run} began with ${id} ${at - story.completedAt} ms after it was reported to be complete`)
    }
    const kept = story.checkpoints.filter((checkpoint) => at > checkpoint.at + clockMs)
    const last = Math.max(0, ...kept.map(({ step }) => step))
    if (checkpointed < last) this.violate(`forgotten: ${id} had checkpoint ${last}, and ${run} got ${checkpointed}`)
  }

  #unexpected(what: string): void {
    if (!this.expected?.test(what)) this.violate(what)
  }
}

import type { Place } from '../stage.ts'
import type { Run } from './run.ts'

export type KeptRuns = Partial<Record<Place, Run>>

const key = 'offstage-demo-runs'

/** The runs of this tab from before a reload. */
export function keptRuns(): KeptRuns {
  try {
    return JSON.parse(sessionStorage.getItem(key) ?? '{}') as KeptRuns
  } catch {
    return {} // Storage is refused here.
  }
}

export function keepRuns(runs: KeptRuns): void {
  try {
    sessionStorage.setItem(key, JSON.stringify(runs))
  } catch {
    // Without it they last as long as the page.
  }
}

import { createScheduler } from 'offstage'
import { type Flow, type FlowSpec, flows } from 'offstage/flows'
import { idbStore } from 'offstage/idb'
import { type Motif, motifs } from '../motifs.ts'
import type { Decision, jobs } from './jobs.ts'

const id = 'poster'
const title = 'Where order ends'
const patienceMs = 60_000

/** The workers that run here; the page wants to kill them. */
const workers: Worker[] = []

export const scheduler = createScheduler<typeof jobs>(
  () => {
    const worker = new Worker(new URL('./jobs.ts', import.meta.url), { type: 'module' })
    workers.push(worker)
    return worker
  },
  { store: idbStore('offstage-demo-poster'), workers: 2 },
)

export const plates: readonly Motif[] = [0, 1, 2, 5].map((index) => motifs[index] as Motif)
const plateKeys = plates.map(({ input }) => input.title)

/** A flow of its own within the other: the plates do not wait for each other. */
const plateJobs: Readonly<Record<string, { readonly name: 'plate'; readonly input: Motif['input'] }>> =
  Object.fromEntries(plates.map(({ input }) => [input.title, { name: 'plate', input }]))

/** What waits for what. All of it is added in one commit, so there is never half a poster in the store. */
const spec = {
  plates: { flow: plateJobs },
  proof: { name: 'proof', input: { of: plateKeys }, after: ['plates'] },
  approval: { name: 'approval', input: { patienceMs }, after: ['proof'] },
  poster: {
    name: 'poster',
    input: { title, inks: plates.map(({ ink }) => ink) },
    after: ['proof', 'approval'],
  },
} as const satisfies FlowSpec<typeof jobs>

export type PosterFlow = Flow<typeof jobs, typeof spec>

/** The arrows of the picture: what each step waits for, without those that follow from others. */
export const arrows: readonly (readonly [from: string, to: string])[] = [
  ...plateKeys.map((key) => [key, 'proof'] as const),
  ['proof', 'approval'],
  ['approval', 'poster'],
]

export const posters = flows(scheduler)

/** The poster that is being made, or was made last; in this tab, in another, or before the page was reloaded. */
export const find = async (): Promise<PosterFlow | undefined> => (await posters.get(id)) as PosterFlow | undefined

/** Makes a new one, and forgets the one before. */
export async function start(): Promise<PosterFlow> {
  await scheduler.remove({ state: ['completed', 'failed', 'cancelled'] })
  return posters.add(spec, { id })
}

/** Kept in the store until the step asks for it, whether it runs, waits or has not begun. */
export const decide = (job: { readonly id: string }, decision: Decision): Promise<boolean> =>
  scheduler.signal(job.id, 'decided', decision)

/** Runs again what has failed; what waits for it waits again. */
export const retry = () => scheduler.retry({ state: 'failed' })

/** Ends the threads from outside, in mid-work. The scheduler is not told: it finds out. */
export function killWorkers(): void {
  for (const worker of workers.splice(0)) worker.terminate()
}

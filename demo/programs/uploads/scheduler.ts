import { createScheduler } from 'offstage'
import { idbStore } from 'offstage/idb'
import type { jobs } from './jobs.ts'

export const scheduler = createScheduler<typeof jobs>(
  () => new Worker(new URL('./jobs.ts', import.meta.url), { type: 'module' }),
  // An upload waits most of the time: one worker has room for several.
  { store: idbStore('uploads'), workers: 1, concurrency: 3 },
)

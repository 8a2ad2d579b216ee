import { createScheduler } from 'offstage'
import type { jobs } from './jobs.ts'

export const scheduler = createScheduler<typeof jobs>(
  () => new Worker(new URL('./jobs.ts', import.meta.url), { type: 'module' }),
)

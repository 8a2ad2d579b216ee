// The event map is open: what an extension declares is known to `on` and `events`.
import type { Scheduler } from 'offstage'
import { expectType } from './expect-type.ts'
import type { jobs } from './jobs.ts'

declare module 'offstage' {
  interface EventMap {
    'backup:done': { readonly type: 'backup:done'; readonly seq: number; readonly at: number; readonly bytes: number }
  }
}

declare const scheduler: Scheduler<typeof jobs>
scheduler.on('backup:done', ({ bytes }) => expectType<number>()(bytes))
for await (const { bytes } of scheduler.events({ type: 'backup:done' })) expectType<number>()(bytes)
for await (const event of scheduler.events({ type: ['backup:done', 'completed'] })) {
  if (event.type === 'backup:done') expectType<number>()(event.bytes)
  else if (event.name === 'double') expectType<number>()(event.result)
}

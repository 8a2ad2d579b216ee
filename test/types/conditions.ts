// A condition is any object with the two methods.
import { type Condition, createScheduler, type Scheduler } from 'offstage'
import { batteryOk, hidden, online, onSync, registerSync, visible } from 'offstage/conditions'
import { expectType } from './expect-type.ts'
import type { jobs } from './jobs.ts'

declare const scheduler: Scheduler<typeof jobs>
expectType<Condition>()(online())
const own = { isMet: () => true, subscribe: (_: () => void) => () => {} }
createScheduler<typeof jobs>(null, {
  queues: { upload: { condition: online() }, index: { condition: [hidden({ of: 'page' }), batteryOk(), own] } },
})
// @ts-expect-error: it has to say at once.
createScheduler(null, { queues: { upload: { condition: { ...own, isMet: async () => true } } } })
// @ts-expect-error: it has to say when that changes.
createScheduler(null, { queues: { upload: { condition: { isMet: () => true } } } })
// @ts-expect-error: there is no such page.
visible({ of: 'tab' })
const stop: () => void = registerSync(scheduler, { queue: 'upload' })
stop()
addEventListener('sync', onSync)

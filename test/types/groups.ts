// What groups know by their types.
import { createScheduler, type JobSnapshot, type QueueGroup, type Scheduler } from 'offstage'
import { type GroupOptions, grouped } from 'offstage/groups'
import { expectType } from './expect-type.ts'
import type { jobs } from './jobs.ts'

declare const scheduler: Scheduler<typeof jobs>
declare const source: () => Worker

const options: GroupOptions = { concurrency: 1, rateLimit: { limit: 1, intervalMs: 1 }, weight: { a: 2 }, strict: true }
createScheduler<typeof jobs>(source, { queues: { mail: grouped(options, { concurrency: 5 }), other: grouped() } })
grouped({ weight: (group) => group.length })
// @ts-expect-error: a weight is a number.
grouped({ weight: () => '3' })
// @ts-expect-error: there is no such option.
grouped({ wieght: 3 })
// @ts-expect-error: a queue is grouped once.
grouped({}, grouped())

void scheduler.run.double(1, { queue: 'mail', group: 'user:7' })
// @ts-expect-error: a group is a text.
void scheduler.run.double(1, { group: 7 })
createScheduler<typeof jobs>(source, { defaults: { double: { queue: 'mail', group: 'all' } } })
expectType<QueueGroup>()(scheduler.queue('mail').group('user:7'))
expectType<string | undefined>()({} as JobSnapshot['group'])
scheduler.on('paused', ({ group }) => expectType<string | undefined>()(group))
scheduler.on('rate-limited', ({ group }) => expectType<string | undefined>()(group))
expectType<Promise<void>>()(scheduler.queue('mail').group('user:7').setWeight(3))
// @ts-expect-error: a queue has no weight.
void scheduler.queue('mail').setWeight(3)

// What topics and the history know by their types.
import type { Job, Scheduler } from 'offstage'
import { type HistoryEntry, history, type Projection } from 'offstage/history'
import { topics } from 'offstage/topics'
import { expectType } from './expect-type.ts'
import type { jobs } from './jobs.ts'

declare const scheduler: Scheduler<typeof jobs>

const { subscribe, publish } = topics(scheduler, {
  subscriptions: { a: { pattern: 'x', name: 'double', filter: (_data, topic) => topic === 'x' } },
  rememberMs: 5,
})
void subscribe('a', 'order.*', { name: 'double', options: { queue: 'mail' }, filter: { country: ['DE'] } })
// @ts-expect-error: there is no such job type.
void subscribe('a', 'order.*', { name: 'dubble' })
// @ts-expect-error: its id is that of the event.
void subscribe('a', 'order.*', { name: 'double', options: { id: 'x' } })
// @ts-expect-error: a function is not plain data.
void subscribe('a', 'order.*', { name: 'double', filter: () => true })
const [job] = await publish('order.paid', { total: 1 }, { id: 'e', headers: { trace: 'x' } })
const id: string | undefined = (job as Job | undefined)?.id
void id

const log = history(scheduler, { keep: { count: 5 }, data: true })
expectType<Promise<readonly HistoryEntry[]>>()(log.of('a'))
const sum = log.project((n: number, { attempt }) => n + attempt, 0, { id: 'sum' })
expectType<Projection<number>>()(sum)
// @ts-expect-error: the state is a number.
log.project((n: number) => `${n}`, 0)
scheduler.on('history:written', ({ lastSeq }) => expectType<number>()(lastSeq))

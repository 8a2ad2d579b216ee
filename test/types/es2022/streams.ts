// For users whose `lib` is ES2022 and no more: our declarations bring what they need of it.
import type { EventStream, Scheduler } from 'offstage'

declare const scheduler: Scheduler
const stream = scheduler.events()
const iterable: AsyncIterableIterator<unknown> = stream
const wider: EventStream<unknown> = stream
const returned: Promise<IteratorReturnResult<string>> = stream.return('mine')
const disposed: PromiseLike<void> = stream[Symbol.asyncDispose]()
const thrown: Promise<unknown> = stream.throw(new Error('enough'))
void [iterable, wider, returned, disposed, thrown, scheduler[Symbol.asyncDispose]()]

import { defineJobs, type JobContext } from 'offstage/worker'
import { handlers } from './work/handlers.ts'

/**
 * The same functions, called the way one would without a scheduler: straight through, with no pause in between. For
 * `inline(blocking)`, to show what that does to a page; `inline(jobs)` would be kind to it and stop at each `yield`.
 */
export const blocking = defineJobs(
  Object.fromEntries(Object.entries(handlers).map(([name, handler]) => [name, straight(handler as never)])),
)

type Steps = Iterator<unknown> | AsyncIterator<unknown>

function straight(handler: (input: unknown, job: JobContext) => Steps) {
  return (input: unknown, job: JobContext): unknown => {
    const deaf = { send: async () => {}, transfer: job.transfer } as unknown as JobContext
    return finish(handler(input, deaf))
  }
}

function finish(steps: Steps): unknown {
  for (;;) {
    const step = steps.next()
    if (step instanceof Promise) return finishAsync(steps as AsyncIterator<unknown>, step)
    if (step.done) return step.value
  }
}

/** Promises that are already resolved let nothing else in: no event, no frame. */
async function finishAsync(steps: AsyncIterator<unknown>, first: Promise<IteratorResult<unknown>>): Promise<unknown> {
  let step = await first
  while (!step.done) step = await steps.next()
  return step.value
}

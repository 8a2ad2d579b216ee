import { defineJobs, type JobContext } from 'offstage/worker'
import type { jobs } from './jobs.ts'
import { handlers } from './work/handlers.ts'

type OnHeld = (from: number, to: number) => void

/**
 * The same functions, called the way one would without a scheduler: straight through, with no pause in between. For
 * `inline`, to show what that does to a page; `inline(jobs)` would be kind to it and stop at each `yield`. `onHeld` is
 * called with the times between which a job has held the thread.
 */
export function blocking(onHeld: OnHeld): typeof jobs {
  const straightened = Object.entries(handlers).map(([name, handler]) => [name, straight(handler as never, onHeld)])
  return defineJobs(Object.fromEntries(straightened)) as typeof jobs
}

type Steps = Iterator<unknown> | AsyncIterator<unknown>

function straight(handler: (input: unknown, job: JobContext) => Steps, onHeld: OnHeld) {
  return (input: unknown, job: JobContext): unknown => {
    const from = performance.now()
    const deaf = { send: async () => {}, transfer: job.transfer } as unknown as JobContext
    const result = finish(handler(input, deaf))
    const isOver = <Value>(value: Value): Value => {
      onHeld(from, performance.now())
      return value
    }
    return result instanceof Promise ? result.then(isOver) : isOver(result)
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

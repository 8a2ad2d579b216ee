// What the compiler says of a handler that cannot work: one sentence, at its definition. Each stands above the line it is about.
import { defineJobs } from 'offstage/worker'

defineJobs({
  fine: ({ upTo }: { upTo: number }, job) => `${upTo} ${job.attempt}`,
  // error: A handler takes one input, and then its context: make one object of several values.
  add: (a: number, b: number) => a + b,
})

defineJobs({
  fine: (date: Date) => date.getTime(),
  // error: It cannot be copied to another thread: result is a function.
  callback: () => () => 1,
  // error: It cannot be copied to another thread: result.undo is a function.
  later: async () => ({ undo: () => {} }),
  // error: It cannot be copied to another thread: result.key is a symbol.
  *generator() {
    yield 1
    return { key: Symbol('done') }
  },
  // error: It cannot be copied to another thread: input.answer is a promise.
  promise: async ({ answer }: { answer: Promise<number> }) => await answer,
  // error: It cannot be copied to another thread: input.filters[].test is a function.
  all: ({ filters }: { filters: readonly { test?: () => boolean }[] }) => filters.length,
  // error: It cannot be copied to another thread: input is a canvas of the page; give the job `canvas.transferControlToOffscreen()`, and name it in `transfer`.
  draw: (canvas: HTMLCanvasElement) => canvas.width,
  // error: It cannot be copied to another thread: input.element is a node of the page.
  measure: ({ element }: { element: HTMLElement }) => element.clientWidth,
})

// error: A handler takes one input, and then its context: make one object of several values.
defineJobs({ answer: 42 })

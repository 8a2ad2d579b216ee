/** Stands in for src/platform/hop.ts: the simulation says when a macrotask comes. */
const waiting: (() => void)[] = []

export const hop = (continuation: () => void): void => {
  waiting.push(continuation)
}

export const nextTask = (): Promise<void> => new Promise((resolve) => hop(resolve))

export const hops = {
  get pending(): number {
    return waiting.length
  },
  step(): void {
    waiting.shift()?.()
  },
  clear(): void {
    waiting.length = 0
  },
}

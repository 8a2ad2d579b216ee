type Listener = readonly [target: unknown, type: string, listener: (event: never) => void]

/**
 * Adds several event listeners. With `isFirst` they receive an event before the listeners of the target itself (capture). Returns
 * a function that removes them. (It does not use an `AbortSignal`: in a test environment the events may be jsdom's and the
 * signals Node's, and jsdom refuses those.)
 */
export function listenTo(isFirst: boolean, listeners: readonly Listener[]): () => void {
  for (const [target, ...rest] of listeners) (target as EventTarget).addEventListener(...(rest as Rest), isFirst)
  return () => {
    for (const [target, ...rest] of listeners) (target as EventTarget).removeEventListener(...(rest as Rest), isFirst)
  }
}

type Rest = [type: string, listener: EventListener]

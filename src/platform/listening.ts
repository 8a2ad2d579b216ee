type Listener = readonly [target: unknown, type: string, listener: (event: never) => void]

/**
 * Listens to several events; `isFirst`: before those whom they are for. Returns how to stop. (Not by a signal: in a test
 * environment the events may be jsdom's and the signals Node's, and jsdom refuses those.)
 */
export function listenTo(isFirst: boolean, listeners: readonly Listener[]): () => void {
  for (const [target, ...rest] of listeners) (target as EventTarget).addEventListener(...(rest as Rest), isFirst)
  return () => {
    for (const [target, ...rest] of listeners) (target as EventTarget).removeEventListener(...(rest as Rest), isFirst)
  }
}

type Rest = [type: string, listener: EventListener]

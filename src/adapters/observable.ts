/** Something that changes over time, in the form in which every framework can follow it. Both functions are bound. */
export interface Observable<Snapshot> {
  /** Calls the listener whenever `snapshot()` returns something new. Returns a function that stops this. */
  readonly subscribe: (listener: () => void) => () => void
  /** Returns what is to be shown now: the same object as long as nothing has changed. */
  readonly snapshot: () => Snapshot
}

/**
 * Makes the `subscribe` of an observable. `enter` is called for the first listener, with a function that notifies all of them; what
 * it returns is called when the last one has gone. That is a microtask later, because components also leave in order to come back
 * at once: in React's StrictMode, or when they are moved.
 */
export function whileSubscribed(enter: (notify: () => void) => () => void): Observable<unknown>['subscribe'] {
  const listeners = new Set<() => void>()
  let leave: (() => void) | undefined
  return (listener) => {
    listeners.add(listener)
    leave ??= enter(() => {
      for (const listener of listeners) listener()
    })
    return () => {
      listeners.delete(listener)
      queueMicrotask(() => {
        if (listeners.size > 0) return
        leave?.()
        leave = undefined
      })
    }
  }
}

/** A value, or a function that returns it: for frameworks that notice what such a function reads, and call it again. */
export type OrGetter<Value> = Value | (() => Value)

export const toValue = <Value extends object>(value: OrGetter<Value>): Value =>
  typeof value === 'function' ? (value as () => Value)() : value

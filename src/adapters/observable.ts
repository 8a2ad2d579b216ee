/**
 * Something that changes over time, in the form in which every framework can follow it. Both functions are bound. A component has
 * one of its own, or the scheduler, and subscribes once.
 */
export interface Observable<Snapshot> {
  /** Calls the listener whenever `snapshot()` returns something new. Returns a function that stops this. */
  readonly subscribe: (listener: () => void) => () => void
  /** Returns what is to be shown now: the same object as long as nothing has changed. */
  readonly snapshot: () => Snapshot
}

/** A value, or a function that returns it: for frameworks that notice what such a function reads, and call it again. */
export type OrGetter<Value> = Value | (() => Value)

export const toValue = <Value extends object>(value: OrGetter<Value>): Value =>
  typeof value === 'function' ? (value as () => Value)() : value

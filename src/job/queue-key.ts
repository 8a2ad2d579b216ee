/**
 * What names a queue, or one of its groups, wherever either may be meant: in settings that are kept, and between tabs. A queue is
 * named as it is. The name of a group stands behind that of its queue and a NUL, which no name of a queue has in it.
 */
export const queueKey = (queue: string, group: string | undefined): string =>
  group === undefined ? queue : `${queue}\0${group}`

/** The inverse of `queueKey`. */
export function queueOf(key: string): readonly [queue: string, group: string | undefined] {
  const end = key.indexOf('\0')
  return end === -1 ? [key, undefined] : [key.slice(0, end), key.slice(end + 1)]
}

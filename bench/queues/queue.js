// The shape of what the million case compares.

/**
 * @typedef {object} Queue
 * @property {(count: number, priority: () => number) => unknown} fill brings it to its depth, by whatever way is quickest
 * @property {(bytes: number) => number} heldBytes what the jobs hold of the memory that was used meanwhile; NaN when
 *   that would say nothing
 * @property {(count: number, priority: () => number) => unknown} add
 * @property {(count: number) => number | Promise<number>} take lets so many go, in order; answers how long that took
 * @property {() => unknown} close
 */

/** @typedef {{ name: string, make(): Queue | Promise<Queue> }} QueueMaker */

export {}

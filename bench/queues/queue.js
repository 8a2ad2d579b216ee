// The shape of what the million case compares.

/**
 * @typedef {object} Queue
 * @property {(count: number, priority: () => number) => unknown} fill brings it to its depth, by whatever way is quickest
 * @property {(bytes: number) => number} heldBytes what the jobs hold of the memory that was used meanwhile; NaN when
 *   that would say nothing
 * @property {(count: number, priority: () => number) => unknown} add
 * @property {(count: number) => Taken | Promise<Taken>} take lets so many go, in order, or a few more; answers how many it
 *   were, and how long it took until all of them were done
 * @property {() => unknown} close
 */

/** @typedef {{ taken: number, ms: number }} Taken */

/** @typedef {{ name: string, make(): Queue | Promise<Queue> }} QueueMaker */

export {}

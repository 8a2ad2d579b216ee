// What a page with a store loads, for size-limit: the two have much in common.

export * from '../dist/idb.js'
export * from '../dist/index.js'

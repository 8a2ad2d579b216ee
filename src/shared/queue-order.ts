/**
 * Decides which job of a queue goes next, and which limits it has besides. `grouped` of `offstage/groups` makes one. Opaque, because
 * what an order has to do may change with every version.
 */
export type QueueOrder = (host: never) => unknown

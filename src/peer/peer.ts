/** Who runs the jobs of one store: one leader among the tabs or processes that have it open. */
export interface Peer {
  /** Resolves when this one leads; the others wait. */
  lead(): Promise<void> | void
  /** Lets go: another may lead. */
  leave(): Promise<void> | void
}

/** Alone with its store, as with one in memory. */
export const solo: Peer = { lead: () => {}, leave: () => {} }

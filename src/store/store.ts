import type { JobRecord } from '../job/record.ts'

/** A record before and after a move: no `before` is a new job, no `after` one that is gone. */
export interface Change {
  readonly before: JobRecord | undefined
  readonly after: JobRecord | undefined
}

/**
 * Where jobs outlive the page or the process. Nothing is read through it after `open`: live records are in memory, so a
 * store is a journal and no database.
 *
 * A method that has nothing to wait for may answer without a promise; what follows then happens at once.
 */
export interface Store {
  /** Answers every record that was committed, in no particular order. */
  open(): Promise<readonly JobRecord[]> | readonly JobRecord[]
  /** Atomic: all or nothing. Done means durable. Called again only after it is done. */
  commit(changes: readonly Change[]): Promise<void> | void
  close(): Promise<void> | void
}

import type { StoreHost } from './store.ts'

/** What became of a write that failed. */
export type MediumFailure =
  /** No room. None of it is left, and there may be room later. */
  | 'full'
  /** Nobody knows what is there now. What is written next must be a new generation. */
  | 'broken'
  /** Somebody else owns the place. Nothing may be written, ever again. */
  | 'lost'

export class MediumError extends Error {
  readonly failure: MediumFailure

  constructor(failure: MediumFailure, message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause })
    this.failure = failure
  }
}

/** A generation that nobody sees before it is published. */
export interface Draft {
  /** Not durable, and not to be seen. */
  append(frame: Uint8Array): Promise<void>
  /** Takes the place of the generation before, durably and at once. From now on `Medium.append` goes behind it. */
  publish(): Promise<void>
  discard(): Promise<void>
}

/**
 * Where a journal's frames are kept, one behind the other: a file, or a database with a record for each. It knows nothing
 * of what they mean. Only one call at a time is under way, but for those of a draft.
 */
export interface Medium {
  /** For messages: `'/var/jobs/journal'`. */
  readonly place: string
  /** What somebody can do who needs what is intact of a damaged one. */
  readonly remedy: string
  /**
   * Takes possession (`STORE_LOCKED` when somebody else has it, perhaps after a wait by `host`), then hands over all that
   * is there, in order. Frames may be cut anywhere between two pieces. A piece belongs to the listener only until it
   * answers.
   */
  open(onPiece: (piece: Uint8Array) => void, host?: Pick<StoreHost, 'clock' | 'signal'>): Promise<void>
  /** Hands over all that is there once more. */
  read(onPiece: (piece: Uint8Array) => void): Promise<void>
  /**
   * What was handed over is accepted: makes it durable, whatever the durability, before anybody is told of it. The life that
   * wrote from `from` on may have ended because that failed, and the system may still show what the disk does not have.
   */
  secure(from: number): Promise<void>
  /**
   * Goes on writing at `offset`. Durable. A copy of what is there from `offset` on is kept, unless told otherwise. Returns
   * where, for messages; nothing where there is none.
   */
  cut(offset: number, isKept?: boolean): Promise<string | undefined>
  /**
   * Durable when it resolves, as far as the medium goes; a seal always, and all before it is durable before it is begun.
   * Rejects with a `MediumError`. The frame may be taken over: nobody else uses it again.
   */
  append(frame: Uint8Array, isSeal?: boolean): Promise<void>
  draft(): Promise<Draft>
  close(): Promise<void>
}

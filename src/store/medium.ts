import type { Attachment } from './attachments.ts'
import type { StoreHost } from './store.ts'

/** The state of the medium after a failed write. */
export type MediumFailure =
  /** There is no room. Nothing of the write is left, and there may be room later. */
  | 'full'
  /** It is unknown what the medium holds now. The next write must begin a new generation. */
  | 'broken'
  /** The place has another owner. Nothing may be written any more. */
  | 'lost'

export class MediumError extends Error {
  readonly failure: MediumFailure

  constructor(failure: MediumFailure, message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause })
    this.failure = failure
  }
}

/** A new generation of the journal. It cannot be seen before it is published. */
export interface Draft {
  /** Adds a frame, and keeps the attachments that it names. The frame is neither durable nor visible yet. */
  append(frame: Uint8Array, named?: readonly Attachment[]): Promise<void>
  /** Takes the place of the generation before, durably and in one step. From then on `Medium.append` adds to this one. */
  publish(): Promise<void>
  discard(): Promise<void>
}

/** `object`: the attachment; `undefined` if it is there and damaged. */
export type OnAttachment = (key: number, object: object | undefined) => void

/** The bytes of an attachment cannot be read: its file was changed or removed since it was chosen. */
export class UnreadableError extends Error {
  readonly attachment: Attachment

  constructor(attachment: Attachment, cause: unknown) {
    super('its bytes cannot be read', { cause })
    this.attachment = attachment
  }
}

/**
 * Keeps the frames of a journal, one after the other: in a file, or in a database with records. It knows nothing about their
 * content. Beside them, and for all generations, it keeps attachments by key. Only one call at a time is under way, except for
 * calls of a draft.
 */
export interface Medium {
  /** The name of the place, for messages: `'/var/jobs/journal'`. */
  readonly place: string
  /** For messages: how a user can recover what is intact of a damaged journal. */
  readonly remedy: string
  /**
   * Takes possession of the place, then passes on all that is there: first the attachments, then the frames in order. Frames may
   * be cut anywhere between two pieces. A piece is only valid until `onPiece` returns. Rejects with `STORE_LOCKED` if the place
   * has another owner, perhaps after a wait, for which `host` has the clock and the signal.
   */
  open(
    onPiece: (piece: Uint8Array) => void,
    host?: Pick<StoreHost, 'clock' | 'signal'>,
    onAttachment?: OnAttachment,
  ): Promise<void>
  /** Passes on all that is there once more. */
  read(onPiece: (piece: Uint8Array) => void): Promise<void>
  /**
   * Accepts what was passed on, and makes it durable whatever the durability, before any caller is notified. The process that
   * wrote the part from `from` on may have ended because its sync failed, and the system may still show what the disk does not
   * have.
   */
  secure(from: number): Promise<void>
  /**
   * Removes everything from `offset` on, durably; the next frame is written there. A copy of the removed part is kept unless
   * `isKept` is false. Returns where the copy is, for messages, or nothing if there is none.
   */
  cut(offset: number, isKept?: boolean): Promise<string | undefined>
  /**
   * Adds a frame. When it resolves, the frame is durable, as far as the medium's durability goes. A seal is always durable, and
   * everything before it is durable before it is written. Rejects with a `MediumError`. The medium may keep `frame`: no other
   * code uses it afterwards.
   *
   * `named` are the attachments that the frame names. Those that the medium does not have yet are durable, whatever the
   * durability, before the frame can be there. Rejects with an `UnreadableError` if one cannot be read. If it rejects with that
   * or as `full`, nothing new is kept.
   */
  append(frame: Uint8Array, isSeal?: boolean, named?: readonly Attachment[]): Promise<void>
  /** Removes attachments that no frame names any more, or only frames that are behind the removal of what held them. */
  removeAttachments(keys: readonly number[]): Promise<void>
  /** Returns where an attachment is, for messages. */
  placeOf(key: number): string
  draft(): Promise<Draft>
  close(): Promise<void>
}

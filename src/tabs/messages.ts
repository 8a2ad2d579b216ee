/** What tabs send each other: calls, to find out which tab leads, and the messages of clients and sessions, in envelopes. */
import { isLike, maybe } from '../remote/shapes.ts'
import type { Message } from '../remote/wire.ts'

/** Means the same in every version. */
interface Address {
  /** The tab that sends it. */
  readonly from: string
  /** The epoch of the leader that sends it or that it is for. Messages of a leader that was replaced are ignored. */
  readonly epoch: number
  readonly version?: number | undefined
}

/** To all tabs. `here` tells tabs of another version that there is a leader. */
export interface Call extends Address {
  readonly type: 'hello' | 'lead' | 'here'
}

/** To one tab, or to its leader. */
export interface Envelope extends Address {
  /** The number of the session that sends it or that it is for: the sessions of one tab use the same channel. */
  readonly line?: number | undefined
  readonly messages: readonly Message[]
}

const address = { from: '', epoch: 0, version: maybe(0) }

export const isCall = (message: unknown): message is Call => isLike({ ...address, type: '' }, message)

/** Its messages are checked by the client or session that takes them. */
export const isEnvelope = (message: unknown): message is Envelope =>
  isLike({ ...address, line: maybe(0), messages: Array.isArray }, message)

/** What tabs say to each other: calls, to find out who leads, and what client and session have to say, in envelopes. */
import { isLike, maybe } from '../remote/shapes.ts'
import type { Message } from '../remote/wire.ts'

/** What every version says the same way. */
interface Address {
  /** The tab that it comes from. */
  readonly from: string
  /** Of the leader that it comes from or is meant for: what a leader says that has been replaced is not heard. */
  readonly epoch: number
  readonly version?: number | undefined
}

/** Said to all tabs. `here`: to those of another version, that a leader is there. */
export interface Call extends Address {
  readonly type: 'hello' | 'lead' | 'here'
}

/** Said to one tab, or to its leader. */
export interface Envelope extends Address {
  readonly messages: readonly Message[]
}

const address = { from: '', epoch: 0, version: maybe(0) }

export const isCall = (message: unknown): message is Call => isLike({ ...address, type: '' }, message)

/** Its messages are looked at by whoever they are for. */
export const isEnvelope = (message: unknown): message is Envelope =>
  isLike({ ...address, messages: Array.isArray }, message)

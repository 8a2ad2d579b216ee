/**
 * Reads what is intact of a damaged journal. The rule of recovery is to refuse; this is what somebody runs who has
 * decided that some jobs are better than none.
 */
import type { JobRecord } from '../job/record.ts'
import type { ErrorClass } from '../shared/error-wire.ts'
import { LiveRecords, Replayer } from './change-codec.ts'
import { type Chain, readFrame, searchFrame } from './frame.ts'

/** A part of the journal that cannot be read. */
interface Gap {
  readonly at: number
  readonly bytes: number
  /** How many batches stood there; 0 at the end of the journal, where nobody can tell. */
  readonly batches: number
}

export interface Salvage {
  readonly records: readonly JobRecord[]
  readonly batches: number
  readonly gaps: readonly Gap[]
  /** Changes of jobs whose beginning is in a gap. */
  readonly orphans: number
}

/** Nothing when there is no sign of a journal in `bytes`. */
export function salvage(bytes: Uint8Array, errors: readonly ErrorClass[]): Salvage | undefined {
  const records = new LiveRecords()
  const replayer = new Replayer(errors, { isLenient: true })
  const gaps: Gap[] = []
  let chain: Chain | undefined
  let batches = 0
  let at = 0
  while (at < bytes.length) {
    const frame = readFrame(bytes, at, chain) ?? searchFrame(bytes, at + 1, chain)
    if (!frame || frame.at > at) {
      const end = frame?.at ?? bytes.length
      gaps.push({ at, bytes: end - at, batches: frame ? frame.sequence - (chain?.sequence ?? 0) - 1 : 0 })
    }
    if (!frame) break
    replayer.replay(frame.payload, records)
    batches++
    chain = frame
    at = frame.at + frame.bytes
  }
  if (batches === 0) return undefined
  return { records: [...records.values()], batches, gaps, orphans: replayer.orphans }
}

import type { ErrorClass } from '../shared/error-wire.ts'
import { OffstageError } from '../shared/errors.ts'
import { Attachments } from './attachments.ts'
import { FrameScanner, type Torn, type Verdict } from './frame-scanner.ts'
import { LiveRecords } from './live-records.ts'
import type { Medium } from './medium.ts'
import { Replayer } from './replayer.ts'
import type { StoreHost } from './store.ts'
import { AbsentBlob } from './stored-blob.ts'

/** A state of the journal in which the store can open it. */
type Sound = Exclude<Verdict, { readonly kind: 'damaged' | 'foreign' | 'newer' }>

/** What a journal contained. */
interface Found {
  readonly records: LiveRecords
  readonly verdict: Sound
}

type Read = (onPiece: (piece: Uint8Array) => void) => Promise<void>
type Kept = ReadonlyMap<number, object | undefined>

/**
 * Opens a medium and reads what it contains. A torn end is cut off and reported. Any other damage is refused, and nothing is
 * changed.
 */
export async function recover(
  medium: Medium,
  host: StoreHost,
  valueBytesMax: number,
  isRelaxed: boolean,
): Promise<Found> {
  const attachments = new Map<number, object | undefined>()
  let read: Read = (onPiece) => medium.open(onPiece, host, (key, object) => attachments.set(key, object))
  for (;;) {
    const found = await readRecords(read, medium, host.errors, valueBytesMax, attachments)
    const { records, verdict } = found
    // A batch that does not count may have changed records.
    const isFinal = verdict.kind !== 'torn' || !verdict.hasBegun
    if (isFinal) assertComplete(medium, records)
    if (verdict.kind !== 'torn') return found
    const kept = await medium.cut(verdict.size)
    // Nothing is cut off silently.
    host.report(cutOffError(medium.place, verdict, kept, isRelaxed))
    if (isFinal) return found
    read = (onPiece) => medium.read(onPiece)
  }
}

async function readRecords(
  read: Read,
  medium: Medium,
  errors: readonly ErrorClass[],
  valueBytesMax: number,
  kept: Kept,
): Promise<Found> {
  const replayer = new Replayer(errors)
  const records = new LiveRecords(valueBytesMax, new Attachments(kept))
  let invalid: OffstageError | undefined
  const scanner = new FrameScanner((payload, at) => {
    if (invalid) return
    try {
      replayer.replay(payload, records)
    } catch (cause) {
      invalid = damaged(medium, `: the content of the batch at byte ${at} is invalid`, { cause })
    }
  })
  await read((piece) => scanner.push(piece))
  if (invalid) throw invalid
  const verdict = scanner.end()
  switch (verdict.kind) {
    case 'foreign':
      throw new OffstageError(
        'STORE_CORRUPT',
        `${medium.place} is not a journal of offstage, or its first bytes are damaged; it was left as it is.`,
      )
    case 'newer':
      throw new OffstageError(
        'STORE_CORRUPT',
        `${medium.place} was written by a newer version of offstage (format ${verdict.version}); it was left as it is.`,
      )
    case 'damaged':
      throw damaged(
        medium,
        ` at byte ${verdict.at}: the last good batch is ${verdict.chain?.sequence ?? 0}, and batch ${verdict.nextSequence} behind the damage is whole, so this is no torn end`,
      )
  }
  return { records, verdict }
}

/** No job is without its blobs. */
function assertComplete(medium: Medium, records: LiveRecords): void {
  for (const [holder, { key, object }] of records.attachments.held()) {
    if (!(object instanceof AbsentBlob)) continue
    const whose = typeof holder === 'number' ? `job '${records.get(holder)?.id}'` : holder
    throw damaged(medium, `: ${medium.placeOf(key)}, ${object} of ${whose}, is missing or not as it was written`)
  }
}

function cutOffError(place: string, torn: Torn, kept: string | undefined, isRelaxed: boolean): OffstageError {
  const { size, bytes, lost } = torn
  const what = `${bytes} bytes, from byte ${size} on, were cut off; ${kept ? `a copy is in ${kept}` : 'no copy is kept'}.`
  // The lost batches were complete once.
  if (lost > 0)
    return new OffstageError(
      'STORE_CORRUPT',
      `The end of ${place} is lost, at least ${lost} batches. With durability 'relaxed' a power cut does that, and so does damage. ${what}`,
    )
  const doubt = isRelaxed ? 'the newest jobs may have been in it' : 'nobody had been notified of it'
  return new OffstageError(
    'STORE_WRITE_FAILED',
    `The last batch in ${place} is not complete: its writer ended before it was written, and ${doubt}. ${what}`,
  )
}

const damaged = ({ place, remedy }: Medium, how: string, options?: ErrorOptions): OffstageError =>
  new OffstageError('STORE_CORRUPT', `${place} is damaged${how}. Nothing was changed. ${remedy}`, options)

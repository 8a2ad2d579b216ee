import type { JobRecord } from '../job/record.ts'
import type { Disk } from '../shared/disk.ts'
import { BatchWriter } from './change-codec.ts'
import { FileMedium } from './file-medium.ts'
import { type Chain, headerBytes, newMark, stamp } from './frame.ts'

const recordsPerFrame = 1_000

/** Puts a journal of just these records in the place of the one in `folder`, which the caller owns. */
export async function rewriteJournal(
  makeDisk: () => Disk,
  folder: string,
  records: readonly JobRecord[],
  random: () => number,
): Promise<void> {
  const medium = new FileMedium(makeDisk, folder, { durability: 'strict' })
  const draft = await medium.draft()
  const marks = { salt: newMark(random), epoch: newMark(random) }
  const chain: Chain = { ...marks, isRelaxed: false, sequence: 0, checksum: 0 }
  const append = async (frame: Uint8Array) => {
    chain.checksum = stamp(frame, chain)
    chain.sequence++
    await draft.append(frame)
  }
  for (let from = 0; from < records.length; from += recordsPerFrame) {
    const batch = new BatchWriter(headerBytes)
    for (const after of records.slice(from, from + recordsPerFrame)) batch.add({ before: undefined, after })
    await append(batch.finish())
  }
  await append(new Uint8Array(headerBytes)) // A seal: see frame.ts.
  await draft.publish()
  await medium.close()
}

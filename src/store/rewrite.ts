import type { JobRecord } from '../job/record.ts'
import type { Disk } from '../shared/disk.ts'
import { BatchWriter } from './change-codec.ts'
import { FileMedium } from './file-medium.ts'
import { headerBytes, newChain, stamp } from './frame.ts'

/** Several, because one that is damaged takes the others of its batch with it. */
const batchBytes = 256 * 1024

/** Puts a journal of just these records in the place of the one in `folder`, which the caller owns. */
export async function rewriteJournal(
  makeDisk: () => Disk,
  folder: string,
  records: readonly JobRecord[],
  random: () => number,
): Promise<void> {
  const medium = new FileMedium(makeDisk, folder, { durability: 'strict' })
  const draft = await medium.draft()
  const chain = newChain(random)
  const append = async (frame: Uint8Array, goesOn: boolean) => {
    stamp(frame, chain, { goesOn })
    await draft.append(frame)
  }
  let batch = new BatchWriter(headerBytes)
  const finish = async () => {
    for (const frame of batch.full) await append(frame, true)
    await append(batch.finish(), false)
    batch = new BatchWriter(headerBytes)
  }
  for (const after of records) {
    batch.add({ before: undefined, after })
    if (batch.bytes >= batchBytes) await finish()
  }
  if (!batch.isEmpty) await finish()
  await finish() // A seal: see frame.ts.
  await draft.publish()
  await medium.close()
}

import type { Disk } from '../shared/disk.ts'
import { type AppendFrame, appendLast } from './append-batch.ts'
import type { Attachments } from './attachments.ts'
import { BatchWriter } from './batch-writer.ts'
import { FileMedium } from './file-medium.ts'
import { headerBytes, newChain, stamp } from './frame.ts'
import type { Stored } from './store.ts'

/** A batch is finished at this size. The journal gets several, because a damaged record takes its whole batch with it. */
const batchBytes = 256 * 1024
const pieceBytes = 8 * 1024 * 1024

/**
 * Replaces the journal in `folder` by one that holds just these records and rows. Their blobs stay where they are, under the
 * numbers that they have in `attachments`. The caller must own the folder.
 */
export async function rewriteJournal(
  makeDisk: () => Disk,
  folder: string,
  { records, rows, attachments }: Stored & { readonly attachments: Attachments },
  random: () => number,
): Promise<void> {
  const medium = new FileMedium(makeDisk, folder, { durability: 'strict' })
  const draft = await medium.draft()
  const chain = newChain(random)
  const append: AppendFrame = async (frame, goesOn) => {
    stamp(frame, chain, { goesOn })
    await draft.append(frame.bytes)
  }
  let batch = new BatchWriter(headerBytes, { attachments })
  const finish = async () => {
    await appendLast(batch, append)
    batch = new BatchWriter(headerBytes, { attachments })
  }
  try {
    for (const row of rows) {
      batch.addRow(row)
      if (batch.bytes >= batchBytes) await finish()
    }
    for (const after of records) {
      batch.add({ before: undefined, after })
      if (batch.bytes >= batchBytes) await finish()
    }
    if (!batch.isEmpty) await finish()
    await finish() // A seal: see frame.ts.
    await draft.publish()
  } catch (error) {
    await draft.discard().catch(() => {})
    throw error
  } finally {
    await medium.close()
  }
}

/** Makes a durable copy with the same owner and rights. If that fails, there is no copy. */
export async function copyFile(disk: Disk, from: string, to: string): Promise<void> {
  if (await disk.stat(to)) throw new Error(`'${to}' is there already.`)
  const source = await disk.open(from, 'read')
  const copy = await disk.open(to, 'create', from)
  try {
    const piece = new Uint8Array(pieceBytes)
    for (let at = 0; ; ) {
      const bytes = await source.read(piece, at)
      if (bytes === 0) break
      for (let done = 0; done < bytes; ) done += await copy.write(piece.subarray(done, bytes), at + done)
      at += bytes
    }
    await copy.sync()
  } catch (error) {
    await disk.remove(to).catch(() => {})
    throw error
  } finally {
    await source.close()
    await copy.close()
  }
}

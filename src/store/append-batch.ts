import { nextTask } from '../platform/hop.ts'
import type { Clock } from '../shared/clock.ts'
import type { BatchFrame, BatchWriter } from './batch-writer.ts'
import { longBytes } from './long-values.ts'
import type { Change } from './store.ts'

/**
 * No slice of work holds the thread for much longer than this, in milliseconds. The clock is read once for this many changes.
 */
export const sliceMs = 3
export const changesPerCheck = 32

/** Stamps a frame and adds it. `goesOn`: whether the next frame belongs to the same batch. */
export type AppendFrame = (frame: BatchFrame, goesOn: boolean) => Promise<void>

/**
 * Encodes changes in slices, and appends each frame as soon as it is full. Adds to `sizes` how many bytes each change took,
 * followed by how many each of its rows took.
 */
export async function appendBatch(
  batch: BatchWriter,
  changes: readonly Change[],
  sizes: number[],
  append: AppendFrame,
  clock: Clock,
): Promise<void> {
  let until = clock.monotonic() + sliceMs
  for (let index = 0; index < changes.length; index++) {
    const change = changes[index] as Change
    if (batch.mayBeLong) await prepare(batch, change, clock)
    const before = batch.bytes
    sizes.push(batch.add(change))
    if (change.rows) for (const row of change.rows) sizes.push(batch.addRow(row, change.after))
    const isLong = batch.bytes - before > longBytes
    if (batch.full.length > 0) await appendFull(batch, append)
    if ((!isLong && index % changesPerCheck < changesPerCheck - 1) || clock.monotonic() < until) continue
    await nextTask()
    until = clock.monotonic() + sliceMs
  }
  await appendLast(batch, append)
}

/** Encodes what is long in a change, in slices; the change must be added next. The task in which it was checked was long, too. */
export async function prepare(batch: BatchWriter, change: Change, clock: Clock): Promise<void> {
  let until = 0
  for (const _ of batch.preparing(change)) {
    if (clock.monotonic() < until) continue
    await nextTask()
    until = clock.monotonic() + sliceMs
  }
}

/** Appends the rest of a batch. Do not use the batch after that. */
export async function appendLast(batch: BatchWriter, append: AppendFrame): Promise<void> {
  await appendFull(batch, append)
  await append(batch.finish(), false)
}

async function appendFull(batch: BatchWriter, append: AppendFrame): Promise<void> {
  for (const frame of batch.full.splice(0)) await append(frame, true)
}

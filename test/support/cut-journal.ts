import { manualClock } from '../../src/shared/manual-clock.ts'
import { seededRandom } from '../../src/shared/seeded-random.ts'
import { Journal } from '../../src/store/journal.ts'
import type { Stored } from '../../src/store/store.ts'
import { MemoryMedium } from './memory-medium.ts'

/** A journal of these frames. Its own are so small that a batch has several, and is cut in its middle as well. */
export function journalOf(frames: readonly Uint8Array[]) {
  const generations = [frames.map((frame) => frame.slice())]
  const options = { valueBytesMax: 1e6, frameBytes: 60, compactBytesMin: 1e9 }
  return { generations, journal: new Journal(new MemoryMedium(generations), options) }
}

/** What is found in a journal of these frames. */
export async function storedIn(frames: readonly Uint8Array[]): Promise<Stored> {
  const { journal } = journalOf(frames)
  const host = { errors: [], report() {}, stopped() {}, clock: manualClock(), random: seededRandom(1) }
  const found = await journal.open(host)
  await journal.close()
  return found
}

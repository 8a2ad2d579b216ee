// Frames, one behind the other: what counts, what is a torn end, what is damage, and that a search for later frames keeps
// next to nothing in memory, however much there is.
import { describe, expect, test } from 'vitest'
import { seededRandom } from '../../src/shared/seeded-random.ts'
import { type Chain, headerBytes, newChain, stamp } from '../../src/store/frame.ts'
import { FrameScanner, type Verdict } from '../../src/store/frame-scanner.ts'
import { FrameSearch } from '../../src/store/frame-search.ts'
import { gapless } from '../support/journals.ts'

interface Flags {
  readonly goesOn?: boolean
  readonly isRelaxed?: boolean
}

/** Frames of one generation, each with its own text. */
class Writer {
  readonly chain: Chain = newChain(seededRandom(1))
  readonly frames: Uint8Array[] = []

  add(text: string, flags: Flags = {}): this {
    const frame = new Uint8Array(headerBytes + text.length)
    frame.set(new TextEncoder().encode(text), headerBytes)
    stamp(gapless(frame), this.chain, flags)
    this.frames.push(frame)
    return this
  }
}

const join = (...parts: readonly Uint8Array[]): Uint8Array => new Uint8Array(Buffer.concat(parts))

function scan(bytes: Uint8Array, pieceBytes = bytes.length): { verdict: Verdict; texts: string[] } {
  const texts: string[] = []
  const scanner = new FrameScanner((payload) => texts.push(new TextDecoder().decode(payload)))
  for (let at = 0; at < bytes.length; at += pieceBytes) scanner.push(bytes.subarray(at, at + pieceBytes))
  return { verdict: scanner.end(), texts }
}

/** With one bit of the frame changed. */
function damaged(frame: Uint8Array, at = frame.length - 1): Uint8Array {
  const copy = frame.slice()
  copy[at] = (copy[at] as number) ^ 1
  return copy
}

describe('a batch of several frames', () => {
  const { frames } = new Writer()
    .add('alone')
    .add('begin', { goesOn: true })
    .add('middle', { goesOn: true })
    .add('end')
    .add('')
  const [alone, begin, middle, end, seal] = frames as [Uint8Array, Uint8Array, Uint8Array, Uint8Array, Uint8Array]
  const whole = join(...frames)

  test('counts when its last frame is there, however it is handed over', () => {
    for (const pieceBytes of [1, 7, 44, 60, whole.length]) {
      const { verdict, texts } = scan(whole, pieceBytes)
      expect(texts).toEqual(['alone', 'begin', 'middle', 'end', ''])
      expect(verdict).toMatchObject({ kind: 'clean', size: whole.length, isSealed: true })
    }
    expect(scan(join(alone, begin, middle, end)).verdict).toMatchObject({ kind: 'clean', isSealed: false })
  })

  test('that does not end is torn where it begins, wherever it ends', () => {
    for (let size = alone.length + 1; size < whole.length - headerBytes; size++) {
      const { verdict, texts } = scan(whole.subarray(0, size), 13)
      expect(verdict, `${size} bytes`).toMatchObject({
        kind: 'torn',
        size: alone.length,
        bytes: size - alone.length,
        chain: { sequence: 1, goesOn: false },
        hasBegun: texts.length > 1,
        lost: 0,
      })
    }
  })

  test.each([
    ['its first frame is bad', join(alone, damaged(begin), middle, end)],
    ['its first frame is bad in its length', join(alone, damaged(begin, 32), middle, end)],
    ['its first frame is missing', join(alone, new Uint8Array(begin.length), middle, end)],
    ['a middle one is bad', join(alone, begin, damaged(middle), end)],
    ['a middle one is not there', join(alone, begin, end)],
  ])('is no damage without a later batch: %s', (_name, bytes) => {
    expect(scan(bytes, 50).verdict).toMatchObject({ kind: 'torn', size: alone.length })
  })

  test('is damage with one: another batch was begun, so it was complete', () => {
    for (const bad of [begin, middle, end]) {
      const bytes = join(...frames.map((frame) => (frame === bad ? damaged(frame) : frame)))
      const { verdict } = scan(bytes, 50)
      expect(verdict).toMatchObject({ kind: 'damaged', nextSequence: 5 })
    }
    expect(scan(join(damaged(alone), begin)).verdict).toMatchObject({ kind: 'damaged', nextSequence: 2 })
    expect(scan(join(alone, seal)).verdict).toMatchObject({ kind: 'damaged', nextSequence: 5 })
  })
})

describe('relaxed frames', () => {
  const { frames } = new Writer()
    .add('one', { isRelaxed: true })
    .add('two', { isRelaxed: true })
    .add('three', { isRelaxed: true })
    .add('four', { isRelaxed: true })
    .add('')

  test('prove nothing: the rest is lost, and counted', () => {
    const [one, two, three, four] = frames as [Uint8Array, Uint8Array, Uint8Array, Uint8Array]
    const bytes = join(one, damaged(two), three, four)
    expect(scan(bytes, 30).verdict).toMatchObject({ kind: 'torn', size: one.length, lost: 3, hasBegun: false })
  })

  test('before a seal are protected by it', () => {
    const bytes = join(...frames.map((frame, index) => (index === 1 ? damaged(frame) : frame)))
    expect(scan(bytes, 30).verdict).toMatchObject({ kind: 'damaged', nextSequence: 5 })
  })
})

describe('behind a bad frame', () => {
  test('frames in the payload of a relaxed one are no frames of the journal', () => {
    const writer = new Writer().add('one').add('two', { isRelaxed: true })
    const inner = { ...writer, chain: { ...writer.chain, sequence: 7 } }
    const copy = new Uint8Array(headerBytes)
    stamp(gapless(copy), inner.chain)
    const outer = new Uint8Array(headerBytes + 100 + copy.length + 100)
    outer.set(copy, headerBytes + 100)
    stamp(gapless(outer), writer.chain, { isRelaxed: true })
    const [one, two] = writer.frames as [Uint8Array, Uint8Array]
    for (const pieceBytes of [1, 17, 100, 1_000])
      expect(scan(join(one, damaged(two), outer), pieceBytes).verdict).toMatchObject({ kind: 'torn', lost: 2 })
  })

  test('a frame with the number of the bad one is not later', () => {
    const writer = new Writer().add('one')
    const before = { ...writer.chain }
    writer.add('refused, and cut off')
    const [one, refused] = writer.frames as [Uint8Array, Uint8Array]
    const other = new Uint8Array(headerBytes + 200)
    stamp(gapless(other), before)
    expect(scan(join(one, damaged(other), refused)).verdict).toMatchObject({ kind: 'torn', size: one.length })
  })

  test('it goes through any amount, and keeps none of it', () => {
    const writer = new Writer().add('one')
    const search = new FrameSearch({ ...writer.chain })
    writer.add('two')
    // More than one buffer can hold in some engines.
    const piece = new Uint8Array(64 * 1024 * 1024)
    for (let bytes = 0; bytes <= 2 ** 31; bytes += piece.length) search.push(piece)
    search.push(writer.add('three').frames.at(-1) as Uint8Array)
    expect(search.end().proof).toBe(3)
  }, 60_000)
})

describe('the length of a payload', () => {
  const most = 0x7f_ff_ff_ff

  test('over the limit is refused before it is written', () => {
    // It is never touched, so it takes no memory.
    const frame = new Uint8Array(headerBytes + most + 1)
    const chain = newChain(seededRandom(1))
    expect(() => stamp(gapless(frame), chain)).toThrow(expect.objectContaining({ code: 'DATA_CLONE' }))
    expect(chain.sequence).toBe(0)
  })

  test('at the limit is read as it was written; over it, it is no frame', () => {
    const frame = new Uint8Array(headerBytes)
    const chain = newChain(seededRandom(1))
    stamp(gapless(frame), chain)
    const view = new DataView(frame.buffer)
    // Waits for the rest of it, or does not.
    view.setUint32(32, most, true)
    expect(scan(join(frame, new Uint8Array(10))).verdict.kind).toBe('foreign')
    view.setUint32(32, most + 1, true)
    expect(scan(join(frame, new Uint8Array(10))).verdict.kind).toBe('foreign')
  })
})

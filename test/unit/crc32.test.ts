// One checksum on every runtime: Node's own where there is one, ours elsewhere.
import { crc32 as nodeCrc32 } from 'node:zlib'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { crc32, portableCrc32 } from '../../src/platform/crc32.ts'

const ascii = (text: string) => new TextEncoder().encode(text)

test.each([
  ['', 0],
  ['a', 0xe8b7be43],
  ['123456789', 0xcbf43926],
  ['The quick brown fox jumps over the lazy dog', 0x414fa339],
])('%j', (text, checksum) => {
  expect(portableCrc32(ascii(text))).toBe(checksum)
  expect(crc32(ascii(text))).toBe(checksum)
})

test('ours and that of Node are the same, from any seed and at any offset', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), fc.nat(0xffffffff), fc.nat(7), (bytes, seed, offset) => {
      const part = bytes.subarray(offset)
      const expected = part.length === 0 ? seed : nodeCrc32(part, seed)
      expect(portableCrc32(part, seed)).toBe(expected)
      expect(crc32(part, seed)).toBe(expected)
    }),
  )
})

test('no bytes change nothing: Node itself may forget the seed', () => {
  expect(crc32(new Uint8Array(0), 5)).toBe(5)
  expect(crc32(Uint8Array.from([]).subarray(0), 5)).toBe(5)
  expect(portableCrc32(new Uint8Array(0), 5)).toBe(5)
})

test('the checksum of two parts is that of the whole', () => {
  fc.assert(
    fc.property(fc.uint8Array(), fc.uint8Array(), (start, end) => {
      expect(portableCrc32(end, portableCrc32(start))).toBe(portableCrc32(new Uint8Array([...start, ...end])))
    }),
  )
})

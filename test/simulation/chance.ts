import { seededRandom } from '../../src/shared/seeded-random.ts'
import { SimBlob } from './sim-blob.ts'

/** Everything that is left to chance comes from one seed. */
export class Chance {
  readonly random: () => number

  constructor(seed: number) {
    // Neighbouring seeds begin alike otherwise.
    this.random = seededRandom(Math.imul(seed ^ 0x9e3779b9, 0x85ebca6b) ^ (seed >>> 15))
  }

  /** From 0 up to `below`. */
  int(below: number): number {
    return Math.floor(this.random() * below)
  }

  is(probability: number): boolean {
    return this.random() < probability
  }

  of<Item>(items: readonly Item[]): Item {
    return items[this.int(items.length)] as Item
  }

  /** Small most of the time, and now and then up to `max`. */
  skewed(max: number): number {
    return Math.floor(max * this.random() ** 3)
  }

  /** A blob in a value. `tag` makes it unique. */
  blob(tag: number): unknown {
    const bytes = new Uint8Array(this.is(0.1) ? 0 : 1 + this.skewed(3_000)).fill(tag & 0xff)
    return { tag, list: [new SimBlob([bytes], { type: this.of(['', 'text/plain']) })] }
  }

  /** Something that an application may want to keep. `tag` makes it unique. */
  value(tag: number, sizeMax = 400): unknown {
    const size = this.skewed(sizeMax)
    const filling = this.is(0.2) ? 'é€'.repeat(size >> 1) : 'x'.repeat(size)
    switch (this.int(14)) {
      case 0:
        return tag
      case 1:
        return `${tag} ${filling}`
      case 2:
        return [tag, -0, Number.NaN, null, undefined, 1e300, -5, 0.1]
      case 3:
        return new Map<unknown, unknown>([[tag, new Set([filling, tag])]])
      case 4:
        return { tag, at: new Date(tag), of: /x/g, big: BigInt(tag) * -(2n ** 70n) }
      case 5:
        return { tag, bytes: new Uint8Array(size).fill(tag & 0xff), floats: new Float64Array([tag]) }
      default:
        return { tag, filling, isNested: size > 120 ? treeOf(tag, size >> 5) : { isDeep: true, none: undefined } }
    }
  }
}

/** Enough objects to be encoded in slices, by the sizes of the simulation; some are in two places. */
function treeOf(tag: number, items: number): unknown {
  const shared = { tag, text: `é ${tag}` }
  const list = Array.from({ length: items }, (_, index) => ({ index, of: new Set([tag, index]), shared }))
  return {
    list,
    byIndex: new Map(list.map((item, index) => [`${index}`, [item, -index]])),
    bytes: new Uint8Array(60).fill(tag & 0xff),
  }
}

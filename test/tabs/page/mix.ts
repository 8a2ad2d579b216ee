/** The jobs that pages add. All about a job follows from its id, so that everybody can tell whether it is still the same. */
import { seededRandom } from '../../../src/shared/seeded-random.ts'

/**
 * A `flow` is two jobs: `after` waits for `work`. A `batch` is one, which appends another, and one that follows when both have ended.
 * An `event` is published, and adds the job of a subscription.
 */
export type Kind = 'work' | 'steps' | 'flaky' | 'slow' | 'family' | 'approval' | 'nap' | 'flow' | 'batch' | 'event'

export interface Input {
  readonly id: string
  readonly text: string
  readonly when: Date
  readonly table: Map<string, unknown>
  readonly bytes: Uint8Array
}

const kinds: readonly Kind[] = [
  ...(['work', 'work', 'work', 'steps', 'steps', 'flaky', 'slow'] as const),
  ...(['family', 'approval', 'nap', 'flow', 'batch', 'event'] as const),
]

const randomOf = (id: string) => seededRandom(Number.parseInt(hashOf(id).slice(0, 8), 16))

export const kindOf = (id: string): Kind => kinds[Math.floor(randomOf(id)() * kinds.length)] as Kind

/** Whoever waits for it takes it out of the store then, so that journals get compacted; the others stay, to be looked at. */
export const isPassing = (id: string): boolean => hashOf(`passing ${id}`) < 'd'

/** One in forty takes more than one record in IndexedDB; those that are to fill it are larger. */
export function inputOf(id: string): Input {
  const random = randomOf(id)
  random()
  const length = Math.floor(random() * (random() < 1 / 40 ? 200_000 : 2_000))
  const bytes = new Uint8Array(id.startsWith('fill') ? 1_000_000 : length)
  for (let at = 0; at < bytes.length; at += 3) bytes[at] = random() * 256
  return {
    id,
    text: Array.from({ length: 20 }, () => String.fromCodePoint(33 + Math.floor(random() * 20_000))).join(''),
    when: new Date(Math.floor(random() * 2e12)),
    table: new Map<string, unknown>([
      ['number', random()],
      ['none', undefined],
      ['list', [random(), null, true, -0]],
    ]),
    bytes,
  }
}

/** Sixteen digits for a value of the kinds that are in an input. */
export function hashOf(value: unknown): string {
  let [a, b] = [0x811c9dc5, 0x1b873593]
  const byte = (code: number) => {
    a = Math.imul(a ^ code, 0x01000193)
    b = Math.imul(b ^ code, 0x85ebca6b) + (b >>> 15)
  }
  const text = (characters: string) => {
    for (let at = 0; at < characters.length; at++) {
      byte(characters.charCodeAt(at) & 255)
      byte(characters.charCodeAt(at) >>> 8)
    }
    byte(256)
  }
  const visit = (item: unknown) => {
    if (item instanceof Uint8Array) {
      text('bytes')
      for (const each of item) byte(each)
    } else if (item instanceof Date) text(`date ${item.getTime()}`)
    else if (item instanceof Map) {
      text('map')
      for (const [key, each] of item) {
        text(key)
        visit(each)
      }
    } else if (Array.isArray(item)) {
      text('list')
      for (const each of item) visit(each)
    } else if (typeof item === 'object' && item !== null) {
      text('object')
      for (const [key, each] of Object.entries(item)) {
        text(key)
        visit(each)
      }
    } else text(`${typeof item} ${Object.is(item, -0) ? '-0' : String(item)}`)
    byte(257)
  }
  visit(value)
  return [a, b].map((part) => (part >>> 0).toString(16).padStart(8, '0')).join('')
}

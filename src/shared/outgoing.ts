/**
 * What may leave this thread, and how much of it.
 *
 * Structured clone copies all of a buffer with each view on it: with a small Buffer of Node the pool that it is from,
 * with other people's data in it. So a view goes with what it shows and no more: windows on one buffer that touch or overlap
 * stay in one buffer, what lies between others never goes. A buffer that is in the value itself, or is moved, or is shown in
 * full, goes as it is, and so does shared memory.
 *
 * It also writes what not every other side can read: data nested as deep as its own stack has room for. That ends the
 * thread on the other side, so there is one limit for all. And on servers it makes `{}` of most of the platform's objects.
 */
import { noteException } from './dom-exceptions.ts'
import { builtInOf, isDomException, isPlain, platformNameOf } from './kind.ts'
import { rebuild } from './rebuild.ts'
import { asRefusal, isA, Refusal, stepTo, within } from './refusal.ts'
import { isObject, show, tagOf } from './show.ts'

/**
 * Measured: the main thread of Node 24 reads 1,640 levels, a thread of Chromium 1,860, one of Node with a stack of 1 MB 1,350.
 * What an error wraps around its fields takes up to two hundred of these.
 */
export const depthMax = 1_000

export const tooDeep = (): Refusal => new Refusal(`is nested more than ${depthMax} levels deep`)

/** Longer arrays are gone through by number: their keys cost more than they do. What else hangs on these is not seen. */
const keyedMax = 64

/** What is deeper waits for its turn: a level takes up to four calls, and a thread of Chromium has a stack of 500 kB. */
const turnLevels = 100

/** `value` as it may be posted: itself, unless windows have to be cut out. Throws a `Refusal`. */
export function outgoing(value: unknown, moved: readonly unknown[] = []): unknown {
  if (!isObject(value)) return value
  const survey = new Survey()
  for (const item of moved) if (item instanceof ArrayBuffer) survey.window(item, 0, item.byteLength, 1)
  survey.walk(value)
  const cuts = survey.cuts()
  return cuts ? rebuild(value, (leaf) => (ArrayBuffer.isView(leaf) ? cutOut(leaf, cuts) : leaf)) : value
}

interface Span {
  readonly start: number
  readonly end: number
  /** Of the numbers that its views show. */
  readonly size: number
  /** A copy of it, once there is one, and what is then at the start of that. */
  copy?: { readonly buffer: ArrayBuffer; readonly base: number }
}

type Cuts = ReadonlyMap<unknown, readonly Span[]>

/** Something that was refused when its turn came: nobody knew any more how one gets there. */
interface Culprit {
  readonly value: object
  readonly refusal: Refusal
}

class Survey {
  readonly #windows = new Map<ArrayBuffer, Span[]>()
  readonly #waiting: { readonly value: object; readonly depth: number }[] = []
  #turnEnd = 0
  readonly #culprit: Culprit | undefined
  /** Made for the first container that holds others; what holds none is looked at again. */
  #seen: Set<object> | undefined

  /** With a culprit, it goes the same way once more to find that, and refuses with the whole path. */
  constructor(culprit?: Culprit) {
    this.#culprit = culprit
  }

  walk(root: object): void {
    this.#waiting.push({ value: root, depth: 0 })
    for (let next = this.#waiting.pop(); next; next = this.#waiting.pop()) {
      const { value, depth } = next
      this.#turnEnd = depth + turnLevels
      try {
        this.#visit(value, depth)
      } catch (cause) {
        if (depth > 0) new Survey({ value, refusal: asRefusal(cause) }).walk(root)
        throw cause
      }
    }
  }

  window(buffer: ArrayBuffer, start: number, end: number, size: number): void {
    const windows = this.#windows.get(buffer)
    if (windows) windows.push({ start, end, size })
    else this.#windows.set(buffer, [{ start, end, size }])
  }

  /** The buffers of which something stays behind, with what goes. */
  cuts(): Cuts | undefined {
    let cuts: Map<ArrayBuffer, Span[]> | undefined
    for (const [buffer, windows] of this.#windows) {
      const spans = merge(windows)
      if (spans.length === 1 && spans[0]?.start === 0 && spans[0].end === buffer.byteLength) continue
      cuts ??= new Map()
      cuts.set(buffer, spans)
    }
    return cuts
  }

  #visit(value: object, depth: number): void {
    if (depth > depthMax) throw tooDeep()
    if (depth === this.#turnEnd) return this.#later(value, depth)
    if (Array.isArray(value)) return this.#array(value, depth + 1)
    if (isPlain(value)) return this.#properties(value, depth + 1)
    switch (builtInOf(value)) {
      case undefined:
        if (isEmptied(value)) throw new Refusal(isA(platformNameOf(value) as string))
        return this.#properties(value, depth + 1)
      case 'View':
        return this.#view(value as ArrayBufferView & { readonly BYTES_PER_ELEMENT?: number })
      case 'ArrayBuffer':
        return this.window(value as ArrayBuffer, 0, (value as ArrayBuffer).byteLength, 1)
      case 'Map':
        if (!this.#isNew(value)) return
        return Map.prototype.forEach.call(value, (item, key) => {
          this.#child(key, depth + 1, () => '.key()')
          this.#child(item, depth + 1, () => `.get(${show(key)})`)
        })
      case 'Set':
        if (!this.#isNew(value)) return
        return Set.prototype.forEach.call(value, (item) => this.#child(item, depth + 1, () => '.values()'))
      case 'Error':
        if (isDomException(value)) return noteException()
        if (Object.hasOwn(value, 'cause') && this.#isNew(value))
          this.#child((value as Error).cause, depth + 1, () => '.cause')
    }
  }

  #later(value: object, depth: number): void {
    if (value === this.#culprit?.value) throw this.#culprit.refusal
    this.#waiting.push({ value, depth })
  }

  #isNew(container: object): boolean {
    this.#seen ??= new Set()
    const { size } = this.#seen
    return this.#seen.add(container).size > size
  }

  #child(value: unknown, depth: number, step: () => string): void {
    if (!isObject(value)) return
    try {
      this.#visit(value, depth)
    } catch (cause) {
      throw within(cause, step())
    }
  }

  #properties(container: object, depth: number, isNew = false): void {
    let hasEntered = isNew
    let key = ''
    try {
      for (key in container) {
        const child = (container as Record<string, unknown>)[key]
        if (!isObject(child) || !Object.hasOwn(container, key)) continue
        if (!hasEntered && !this.#isNew(container)) return
        hasEntered = true
        this.#visit(child, depth)
      }
    } catch (cause) {
      throw within(cause, stepTo(container, key))
    }
  }

  #array(array: readonly unknown[], depth: number): void {
    const { length } = array
    if (length <= keyedMax) return this.#properties(array, depth)
    if (!this.#isNew(array)) return
    let index = 0
    try {
      for (; index < length; index++) {
        const item = array[index]
        if (isObject(item)) this.#visit(item, depth)
        else if (item === undefined && !(index in array)) break
      }
    } catch (cause) {
      throw within(cause, `[${index}]`)
    }
    // From the first hole on there may be billions.
    if (index < length) this.#properties(array, depth, true)
  }

  #view({
    buffer,
    byteOffset,
    byteLength,
    BYTES_PER_ELEMENT = 1,
  }: ArrayBufferView & { BYTES_PER_ELEMENT?: number }): void {
    if (tagOf(buffer) === 'ArrayBuffer')
      this.window(buffer as ArrayBuffer, byteOffset, byteOffset + byteLength, BYTES_PER_ELEMENT)
  }
}

/** Windows that touch or overlap become one. */
function merge(windows: Span[]): Span[] {
  if (windows.length === 1) return windows
  const spans: Span[] = []
  for (const window of windows.sort((a, b) => a.start - b.start)) {
    const last = spans.at(-1)
    if (!last || window.start > last.end) spans.push(window)
    else {
      const [start, end] = [last.start, Math.max(last.end, window.end)]
      spans[spans.length - 1] = { start, end, size: Math.max(last.size, window.size) }
    }
  }
  return spans
}

function cutOut(view: ArrayBufferView, cuts: Cuts): ArrayBufferView {
  const span = cuts.get(view.buffer)?.find(({ start, end }) => start <= view.byteOffset && view.byteOffset <= end)
  if (!span) return view
  span.copy ??= copyOf(view.buffer, span)
  const { buffer, base } = span.copy
  const View = (globalThis as unknown as Record<string, Uint8ArrayConstructor>)[tagOf(view)] as Uint8ArrayConstructor
  return new View(buffer, view.byteOffset - base, (view as Partial<Uint8Array>).length ?? view.byteLength)
}

/** Several views may begin anywhere in it, each at a multiple of its own size. */
function copyOf(source: ArrayBufferLike, { start, end, size }: Span): { buffer: ArrayBuffer; base: number } {
  const base = start - (start % size)
  const buffer = new ArrayBuffer(end - base)
  new Uint8Array(buffer, start - base).set(new Uint8Array(source, start, end - start))
  return { buffer, base }
}

/** By class: what structured clone makes of one it makes of all. */
const emptiedClasses = new Map<string, boolean>()

/** Whether structured clone makes a bare object of it, and says nothing: of most that the platform has on servers. */
function isEmptied(value: object): boolean {
  const name = platformNameOf(value)
  if (name === undefined) return false
  const known = emptiedClasses.get(name)
  if (known !== undefined) return known
  let isEmpty = false
  try {
    // In a list: Deno refuses it outside of one, and makes it empty within.
    isEmpty = isPlain(structuredClone([value])[0] as object)
  } catch {
    // It refuses it, which is all that is to be done.
  }
  emptiedClasses.set(name, isEmpty)
  return isEmpty
}

/**
 * Decides what may leave this thread, and how much of it.
 *
 * With a view, structured clone copies the whole buffer behind it. A small Buffer of Node is a view on a pool, which may hold
 * other people's data. So a view takes along only what it shows. Views on one buffer that touch or overlap stay in one buffer;
 * the bytes between other views never leave. A buffer goes as a whole if it is in the value itself, is moved, or is shown in
 * full. So does shared memory.
 *
 * Structured clone also writes data that not every receiver can read: it nests as deep as the sender's stack allows. Data that
 * is too deep would end the receiving thread, so one limit holds for all. And on servers structured clone makes `{}` of most of
 * the platform's objects; these are refused.
 */
import { noteException } from './dom-exceptions.ts'
import { builtInOf, isDomException, isPlain, platformNameOf } from './kind.ts'
import { rebuild } from './rebuild.ts'
import { asRefusal, isA, Refusal, stepTo, within } from './refusal.ts'
import { isObject, show, tagOf } from './show.ts'

/**
 * The deepest nesting that may be sent. Measured: the main thread of Node 24 reads 1,640 levels, a thread of Chromium 1,860, a
 * thread of Node with a stack of 1 MB 1,350. An error adds up to two hundred levels around its fields.
 */
export const depthMax = 1_000

export const tooDeep = (): Refusal => new Refusal(`is nested more than ${depthMax} levels deep`)

/**
 * Longer arrays are read by index, because listing their keys costs more than reading them. Other properties of such an array
 * are not seen.
 */
const keyedMax = 64

/**
 * After this many levels the rest waits in a list: a level takes up to four calls, and a thread of Chromium has a stack of 500
 * kB.
 */
const turnLevels = 100

/** Returns `value` in the form in which it may be posted: itself, unless views have to be cut out. Throws a `Refusal`. */
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
  /** The size of the largest number that the views in it show, in bytes. */
  readonly size: number
  /** A copy of the span, once there is one. `base` is the offset in the source at which the copy begins. */
  copy?: { readonly buffer: ArrayBuffer; readonly base: number }
}

type Cuts = ReadonlyMap<unknown, readonly Span[]>

/** A value that was refused when it left the list. Its path was not known any more. */
interface Culprit {
  readonly value: object
  readonly refusal: Refusal
}

class Survey {
  readonly #windows = new Map<ArrayBuffer, Span[]>()
  readonly #waiting: { readonly value: object; readonly depth: number }[] = []
  #turnEnd = 0
  readonly #culprit: Culprit | undefined
  /** Containers that hold other containers. It is made for the first; a container that holds none may be visited again. */
  #seen: Set<object> | undefined

  /** With a culprit, it visits everything again to find the path to that value, and refuses with the whole path. */
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

  /** Returns the buffers of which only parts leave, with these parts. */
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
    // From the first hole on there may be billions of them.
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

/** Joins windows that touch or overlap. */
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

/** Copies a span. The views on it keep their alignment: each begins at a multiple of its own element size. */
function copyOf(source: ArrayBufferLike, { start, end, size }: Span): { buffer: ArrayBuffer; base: number } {
  const base = start - (start % size)
  const buffer = new ArrayBuffer(end - base)
  new Uint8Array(buffer, start - base).set(new Uint8Array(source, start, end - start))
  return { buffer, base }
}

/** For each class name, what `isEmptied` found for the first object: it is the same for all objects of the class. */
const emptiedClasses = new Map<string, boolean>()

/** Whether structured clone silently makes a bare object of it, as on servers it does of most objects of the platform. */
function isEmptied(value: object): boolean {
  const name = platformNameOf(value)
  if (name === undefined) return false
  const known = emptiedClasses.get(name)
  if (known !== undefined) return known
  let isEmpty = false
  try {
    // In an array, because Deno refuses such an object on its own but empties it inside another one.
    isEmpty = isPlain(structuredClone([value])[0] as object)
  } catch {
    // Structured clone refuses the object itself, so nothing more has to be done.
  }
  emptiedClasses.set(name, isEmpty)
  return isEmpty
}

/** Stands in for `Blob`, whose bytes Node reads in threads of its own: here they are there in the next microtask. */
export class SimBlob {
  readonly #bytes: Uint8Array
  readonly type: string

  constructor(parts: readonly (Uint8Array | SimBlob)[], { type = '' }: { readonly type?: string } = {}) {
    const pieces = parts.map((part) => (part instanceof SimBlob ? part.#bytes : part))
    this.#bytes = Uint8Array.from(Buffer.concat(pieces))
    this.type = type
  }

  get size(): number {
    return this.#bytes.length
  }

  get [Symbol.toStringTag](): string {
    return 'Blob'
  }

  slice(start: number, end: number): SimBlob {
    return new SimBlob([this.#bytes.subarray(start, end)])
  }

  async arrayBuffer(): Promise<ArrayBufferLike> {
    return this.#bytes.slice().buffer
  }

  equals(other: SimBlob): boolean {
    return this.type === other.type && Buffer.compare(this.#bytes, other.#bytes) === 0
  }
}

/** Returns all blobs in a value, each once. */
export function blobsIn(value: unknown, found = new Set<SimBlob>()): Set<SimBlob> {
  if (value instanceof SimBlob) found.add(value)
  // Steps are a map, and not of that class.
  else if (Object.prototype.toString.call(value) === '[object Map]')
    for (const item of (value as ReadonlyMap<unknown, unknown>).values()) blobsIn(item, found)
  else if (typeof value === 'object' && value !== null) for (const item of Object.values(value)) blobsIn(item, found)
  return found
}

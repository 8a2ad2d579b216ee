/**
 * Node 20 makes `{}` of a DOMException. So there, once a value has had one, messages are looked through for them, and they
 * travel as what they are made of.
 */
import { structuredClone } from '../platform/structured-clone.ts'
import { isDomException } from './kind.ts'
import { put, rebuild } from './rebuild.ts'
import { isObject } from './show.ts'

let haveTravelled = false
let areKept: boolean | undefined

/** There is one in a value. */
export function noteException(): void {
  areKept ??= isDomException(tryToClone(new DOMException()))
  haveTravelled ||= !areKept
}

function tryToClone(value: unknown): unknown {
  try {
    return structuredClone(value)
  } catch {
    return undefined
  }
}

/** As structured clone does it where DOMExceptions are kept. */
export const clone = <Value>(value: Value, options?: StructuredSerializeOptions): Value =>
  haveTravelled
    ? (rebuild(structuredClone(rebuild(value, toError), options), fromError) as Value)
    : structuredClone(value, options)

/** A message as it can be posted: itself, mostly. */
export const packed = (message: unknown[]): unknown => (haveTravelled ? { packed: rebuild(message, toError) } : message)

export function unpacked(message: unknown): unknown {
  if (Array.isArray(message) || !isObject(message)) return message
  haveTravelled = true
  try {
    return rebuild(message.packed, fromError)
  } catch {
    return undefined // Too deep: nobody has packed it.
  }
}

const mark = '\0offstage.DOMException\0'

function toError(leaf: unknown): unknown {
  if (!isDomException(leaf)) return leaf
  const error = new Error(`${mark}${leaf.name}\0${leaf.message}`)
  put(error, 'stack', leaf.stack, false)
  return error
}

function fromError(leaf: unknown): unknown {
  if (!(leaf instanceof Error) || !leaf.message.startsWith(mark)) return leaf
  const [name, ...message] = leaf.message.slice(mark.length).split('\0')
  const exception = new DOMException(message.join('\0'), name)
  put(exception, 'stack', leaf.stack, false)
  return exception
}

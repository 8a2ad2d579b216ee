/**
 * Lets DOMExceptions travel on Node 20, where structured clone makes `{}` of them. Once a value has contained one, all messages
 * are searched for them there, and each travels as an error that holds its name and message.
 */
import { structuredClone } from '../platform/structured-clone.ts'
import { isDomException } from './kind.ts'
import { put, rebuild } from './rebuild.ts'
import { isObject } from './show.ts'

let haveTravelled = false
let areKept: boolean | undefined

/** To be called when a value contains a DOMException. */
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

/** Like structured clone, but keeps DOMExceptions on every platform. */
export const clone = <Value>(value: Value, options?: StructuredSerializeOptions): Value =>
  haveTravelled
    ? (rebuild(structuredClone(rebuild(value, toError), options), fromError) as Value)
    : structuredClone(value, options)

/** Returns the form in which a message is posted: mostly the message itself. */
export const packed = (message: unknown[]): unknown => (haveTravelled ? { packed: rebuild(message, toError) } : message)

export function unpacked(message: unknown): unknown {
  if (Array.isArray(message) || !isObject(message)) return message
  haveTravelled = true
  try {
    return rebuild(message.packed, fromError)
  } catch {
    return undefined // It is nested too deeply, so it did not come from `packed`.
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

import { nodeModule } from './host.ts'
import { makeChannel } from './make-channel.ts'

type Threads = typeof import('node:worker_threads')

let channel: MessageChannel | undefined

/** Clones a value by a message to oneself. That needs no listener, so it keeps no process alive. */
function cloneByMessage<Value>(value: Value, options?: StructuredSerializeOptions): Value {
  channel ??= makeChannel()
  channel.port1.postMessage(value, options?.transfer ?? [])
  const { receiveMessageOnPort } = nodeModule<Threads>('worker_threads') as Threads
  return receiveMessageOnPort(channel.port2 as never)?.message as Value
}

/** The platform's `structuredClone`. jsdom has none, and hides Node's. */
export const structuredClone: typeof globalThis.structuredClone = globalThis.structuredClone ?? cloneByMessage

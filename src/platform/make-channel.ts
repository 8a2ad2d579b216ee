import { nodeModule } from './host.ts'

/** Makes a `MessageChannel`. jsdom has none, and hides Node's. */
export function makeChannel(): MessageChannel {
  const Channel = globalThis.MessageChannel ?? nodeModule<typeof globalThis>('worker_threads')?.MessageChannel
  return new Channel()
}

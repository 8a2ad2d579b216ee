import { nodeModule } from './host.ts'

type Continue = () => void

interface Hosts {
  Deno?: unknown
  setImmediate?: (callback: Continue) => void
  scheduler?: { postTask?: (callback: Continue) => unknown }
}

/**
 * Calls `continuation` in a new macrotask, so that messages that have arrived are delivered first.
 *
 * Which macrotask to use was measured. In Node and Bun a MessageChannel ping-pong starves the port for seconds, and
 * `setImmediate` does not. In Deno `setImmediate` is 100 ms late. In Chromium `scheduler.yield` starves messages for ever.
 */
export const hop: (continuation: Continue) => void = choose(globalThis as Hosts)

/** Like `hop`, as a promise. */
export const nextTask = (): Promise<void> => new Promise((resolve) => hop(resolve))

function choose({ Deno, setImmediate, scheduler }: Hosts): (continuation: Continue) => void {
  if (Deno) return (continuation) => setTimeout(continuation, 0)
  // jsdom hides Node's.
  const immediately = setImmediate ?? nodeModule<Required<Hosts>>('timers')?.setImmediate
  if (immediately) return (continuation) => immediately(continuation)
  if (scheduler?.postTask) return (continuation) => scheduler.postTask?.(continuation)
  return hopByChannel
}

/** The fallback, because a timer would cost 4 ms a hop. The channel is made at the first hop: importing has no side effect. */
let channel: MessageChannel | undefined
const continuations: Continue[] = []

function hopByChannel(continuation: Continue): void {
  if (!channel) {
    channel = new MessageChannel()
    channel.port1.onmessage = () => continuations.shift()?.()
  }
  continuations.push(continuation)
  channel.port2.postMessage(0)
}

import { packed, unpacked } from '../shared/dom-exceptions.ts'
import type { Port } from '../shared/port.ts'

type RefMessagePort = MessagePort & {
  ref?(): void
  unref?(): void
  on?(type: 'message', listener: (data: never) => void): void
}

export const unreadable = (): Error => new Error('A message could not be deserialised.')

/** A `Port` over one end of a message channel. */
export function portOf(messagePort: MessagePort): Port {
  const port = messagePort as RefMessagePort
  return {
    post: (message, transfer) =>
      transfer ? port.postMessage(packed(message), transfer) : port.postMessage(packed(message)),
    onMessage(listener) {
      // On Node, making an event object for each message would cost as much as the message itself.
      if (port.on) port.on('message', (message) => listener(unpacked(message)))
      else port.onmessage = ({ data }) => listener(unpacked(data))
    },
    onClose(listener) {
      // A message that cannot be read here, such as a shared buffer outside cross-origin isolation. Its content is lost, so it
      // is unknown which job it was about.
      port.onmessageerror = () => listener(unreadable())
    },
    async close() {
      port.close()
    },
    hold(isHeld) {
      if (isHeld) port.ref?.()
      else port.unref?.()
    },
  }
}

import type { Port } from '../shared/port.ts'
import { Ending } from './ending.ts'
import { type Hello, helloVersion } from './hello.ts'
import { makeChannel } from './make-channel.ts'
import { portOf } from './message-port.ts'
import { Output } from './output.ts'
import { watchSilence } from './silence.ts'

export type NodeWorker = import('node:worker_threads').Worker

/** If a thread has idled for this long since it was made, it is not loading its module any more. */
const idleMsMin = 500

/** A `Port` to a thread of `worker_threads`. */
export function nodePort(worker: NodeWorker): Port {
  const line = makeChannel()
  const printed = makeChannel()
  const hello: Hello = { offstage: helloVersion, port: line.port2, output: printed.port2, mark: 0, lock: '' }
  worker.postMessage(hello, [line.port2, printed.port2] as never[])
  const port = portOf(line.port1)
  const output = new Output(printed.port1)
  const end = new Ending()
  let cause: unknown
  let isReady = false
  let isClosing = false
  const stopSilenceWatch = watchSilence(
    () => (worker.performance?.eventLoopUtilization().idle ?? idleMsMin) < idleMsMin,
  )
  const answered = () => {
    isReady = true
    stopSilenceWatch()
  }
  line.port1.addEventListener('message', answered, { once: true })
  worker.on('error', (error) => {
    cause = error
  })
  worker.on('exit', (code) => {
    stopSilenceWatch()
    output.close()
    if (!isClosing) end.tell(cause ?? new Error(exitText(code, isReady)))
  })
  return {
    post: port.post,
    onMessage(listener) {
      port.onMessage(listener)
      port.hold(false) // The thread itself holds the process, and only while it works.
    },
    onClose(listener) {
      port.onClose(listener)
      end.listen(listener)
    },
    async close(drainMsMax = 0) {
      isClosing = true
      stopSilenceWatch()
      if (drainMsMax > 0) await output.drain(drainMsMax)
      await worker.terminate()
      await port.close()
    },
    hold(isHeld) {
      if (isClosing) return // The caller of `close` waits for the thread's end.
      output.mayHold = true
      if (isHeld) worker.ref()
      else worker.unref()
    },
  }
}

const exitText = (code: number, isReady: boolean): string =>
  isReady || code !== 0
    ? `The thread ended with exit code ${code}.`
    : 'The thread ended by itself; does its module call defineJobs(), and was it made in the function that returned it?'

import { isObject } from '../shared/show.ts'

/** What a scheduler sends to a new thread, which then serves on `port`, or without one on the channel that this came by. */
export interface Hello {
  readonly offstage: typeof helloVersion
  readonly port: MessagePort | undefined
  /**
   * Each message on this port asks the thread to answer once it has passed on all that it has printed. Comes only with `port`.
   */
  readonly output?: MessagePort
  /** Messages to the thread are marked with this number, messages from it with the negative one. */
  readonly mark: number
  /**
   * The name of a Web Lock that the thread holds as long as it lives. `self.close()` fires no event, but it frees the lock.
   * An empty name means no lock.
   */
  readonly lock: string
}

export const helloVersion = 2

export const isHello = (data: unknown): data is Hello =>
  isObject(data) &&
  data.offstage === helloVersion &&
  typeof data.mark === 'number' &&
  typeof data.lock === 'string' &&
  (data.port === undefined || isObject(data.port))

/**
 * A key in the environment data of `worker_threads`, set while a worker factory runs. Its value is how many milliseconds a
 * thread that is made meanwhile waits for its hello. A thread without it was made by the application for itself and gets no
 * hello.
 */
export const helloWithin = 'offstage:hello-within-ms'

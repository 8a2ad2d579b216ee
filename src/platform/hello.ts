import { isObject } from '../shared/show.ts'

/** What a scheduler says to a fresh thread: serve on this port, or else on the channel that this came by. */
export interface Hello {
  readonly offstage: typeof helloVersion
  readonly port: MessagePort | undefined
  /** Each message on it asks for one back, once the thread has passed on all that it has printed. Comes with `port`. */
  readonly output?: MessagePort
  /** What is for the thread is marked with this number, what is from it with the opposite. */
  readonly mark: number
  /** A Web Lock for the thread to hold as long as it lives: `self.close()` tells nobody, but frees it. '' for none. */
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
 * In the environment data of `worker_threads` while a factory runs: how long a thread that is made then is to wait for its
 * hello. A thread without it is the application's own, where nobody says hello.
 */
export const helloWithin = 'offstage:hello-within-ms'

import { isObject } from '../shared/show.ts'

/** What a scheduler says to a fresh thread: serve on this port, or else on the channel that this came by. */
export interface Hello {
  readonly offstage: typeof helloVersion
  readonly port: MessagePort | undefined
  /** What is for the thread is marked with this number, what is from it with the opposite. */
  readonly mark: number
  /** A Web Lock for the thread to hold as long as it lives: `self.close()` tells nobody, but frees it. '' for none. */
  readonly lock: string
}

export const helloVersion = 2

export const isHello = (data: unknown): data is Hello => isObject(data) && data.offstage === helloVersion

/** In the `workerData` of threads that offstage makes on Node: somebody will say hello. */
export const ourThread = 'offstage:thread'

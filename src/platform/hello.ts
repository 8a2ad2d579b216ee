/** What a scheduler says to a fresh thread: serve on this port. */
export interface Hello {
  readonly offstage: typeof helloVersion
  readonly port: MessagePort
  /** A Web Lock for the thread to hold as long as it lives: `self.close()` tells nobody, but frees it. '' for none. */
  readonly lock: string
}

export const helloVersion = 1

export const isHello = (data: unknown): data is Hello =>
  typeof data === 'object' && data !== null && (data as Partial<Hello>).offstage === helloVersion

/** In the `workerData` of threads that offstage makes on Node: somebody will say hello. */
export const ourThread = 'offstage:thread'

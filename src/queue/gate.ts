import PQueue from 'p-queue'

export interface RateLimit {
  /** At most so many starts … */
  readonly limit: number
  /** … in any span of this length. At most 2³¹−1. */
  readonly intervalMs: number
}

/**
 * Who may start, and when: the concurrency, rate limit and pause of one queue, kept by p-queue.
 *
 * What waits is not in p-queue's list but in our heap, so that thousands can wait in any order; p-queue sees *tickets*.
 * A ticket is a task that ends when it is given back, and holding one is the right to run one job at a time. It passes from
 * one job to the next without going through p-queue again, which is 2 µs and a kilobyte of garbage a job. Without a limit
 * everybody may start, and there are no tickets.
 *
 * A rate limit counts starts, so it has a p-queue of its own, in which each start is a task that ends at once.
 */
export class Gate {
  readonly #onOpen: () => void
  #concurrency: number
  #isPaused = false
  /** Made when there is a limit. */
  #tickets: PQueue | undefined
  readonly #releases: (() => void)[] = []
  #running = 0
  #isTicketAsked = false
  #starts: PQueue | undefined
  #isStartAsked = false
  #isStartGranted = false

  /** `onOpen` is told when what was refused before may be asked for again. */
  constructor(concurrency: number, rateLimit: RateLimit | undefined, onOpen: () => void) {
    this.#concurrency = concurrency
    this.#starts = limitedBy(rateLimit)
    this.#onOpen = onOpen
  }

  get isPaused(): boolean {
    return this.#isPaused
  }

  get running(): number {
    return this.#running
  }

  get concurrency(): number {
    return this.#concurrency
  }

  /** It is not like a gate that was just made. */
  get hasSettings(): boolean {
    return this.#isPaused || !this.#isUnlimited || this.#starts !== undefined
  }

  pause(): void {
    this.#isPaused = true
    this.#tickets?.pause()
  }

  resume(): void {
    this.#isPaused = false
    this.#tickets?.start()
    this.#onOpen()
  }

  setConcurrency(concurrency: number): void {
    this.#concurrency = concurrency
    if (this.#tickets) this.#tickets.concurrency = concurrency
    this.#releaseSurplus()
    this.#onOpen()
  }

  /** Takes effect at once; starts under the old limit are not counted against the new one. */
  setRateLimit(rateLimit: RateLimit | undefined): void {
    this.#starts?.clear()
    this.#isStartAsked = false
    this.#starts = limitedBy(rateLimit)
    this.#onOpen()
  }

  /** Whether one more job may run; asks p-queue for a ticket when there is none for it. */
  hasRoom(): boolean {
    if (this.isPaused) return false
    if (this.#isUnlimited) return true
    if (this.#running >= this.concurrency) return false
    // More than one where there was no limit before, and so no tickets.
    while (this.#releases.length <= this.#running && !this.#isTicketAsked) this.#askTicket()
    return this.#releases.length > this.#running
  }

  get #isUnlimited(): boolean {
    return this.concurrency === Number.POSITIVE_INFINITY
  }

  /** Starts one job if the rate limit lets it; to be called with room. Each success is paired with one `leave`. */
  enter(): boolean {
    if (this.#starts && !this.#mayStart(this.#starts)) return false
    this.#running++
    return true
  }

  /** A job has ended. */
  leave(): void {
    this.#running--
    this.#releaseSurplus()
  }

  /** Nothing waits any more. */
  drain(): void {
    this.#starts?.clear()
    this.#isStartAsked = false
  }

  #askTicket(): void {
    this.#isTicketAsked = true
    let isAtOnce = true
    this.#tickets ??= new PQueue({ concurrency: this.#concurrency })
    // p-queue starts the task within `add` when it may. The promise settles with the release and never rejects.
    void this.#tickets.add(() => {
      this.#isTicketAsked = false
      return new Promise<void>((release) => {
        this.#releases.push(release)
        if (!isAtOnce) this.#onOpen()
      })
    })
    isAtOnce = false
  }

  /** A start is granted for now only: kept for later it would let more start in a later span than the limit says. */
  #mayStart(starts: PQueue): boolean {
    if (this.#isStartGranted) {
      this.#isStartGranted = false
      return true
    }
    if (this.#isStartAsked) return false
    this.#isStartAsked = true
    let isAtOnce = true
    let isGranted = false
    void starts.add(async () => {
      if (starts !== this.#starts) return
      this.#isStartAsked = false
      if (isAtOnce) {
        isGranted = true
        return
      }
      this.#isStartGranted = true
      this.#onOpen()
      this.#isStartGranted = false
    })
    isAtOnce = false
    return isGranted
  }

  /** There are fewer tickets than there were, or none. */
  #releaseSurplus(): void {
    const keep = this.#isUnlimited ? 0 : Math.max(this.#running, this.concurrency)
    while (this.#releases.length > keep) this.#releases.pop()?.()
  }
}

/** `strict`: a sliding window. With p-queue's fixed windows twice the limit can start around their border. */
const limitedBy = (rateLimit: RateLimit | undefined): PQueue | undefined =>
  rateLimit && new PQueue({ strict: true, intervalCap: rateLimit.limit, interval: rateLimit.intervalMs })

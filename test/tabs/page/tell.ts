/** Tells the site what has happened, at once. Pages and workers have one each. */
import type { Report } from '../protocol.ts'

/** What is told while so many requests are on their way goes together. Browsers have six connections for all tabs. */
const requestsMax = 2
/** What browsers let a page leave behind when it ends. */
const keepaliveCharsMax = 15_000
const retryMs = 50

interface Told {
  readonly report: Report
  readonly heard: () => void
}

export interface Teller {
  /** Resolves when the site has heard it. */
  tell(report: Report): Promise<void>
  /** WebKit forgets the requests of a page that was put aside: they are made again. */
  again(): void
}

export function makeTeller(tab: string, life: string): Teller {
  let waiting: Told[] = []
  const requests = new Set<() => void>()
  let isScheduled = false

  async function send(): Promise<void> {
    isScheduled = false
    if (requests.size === requestsMax || waiting.length === 0) return
    const told = waiting
    waiting = []
    const body = JSON.stringify({ tab, life, reports: told.map(({ report }) => report) })
    while (!(await post(body))) await new Promise((resolve) => setTimeout(resolve, retryMs))
    for (const { heard } of told) heard()
    void send()
  }

  async function post(body: string): Promise<boolean> {
    let forget = () => {}
    const forgotten = new Promise<boolean>((resolve) => {
      forget = () => resolve(false)
    })
    requests.add(forget)
    // Once it was said it may arrive after the end of its page: it was true when it was said.
    const sent = fetch('/reports', { method: 'POST', body, keepalive: body.length < keepaliveCharsMax }).then(
      ({ ok }) => ok,
      // Pages that are frozen or closing have their requests cut off; the site knows what it has heard already.
      () => false,
    )
    const isHeard = await Promise.race([sent, forgotten])
    requests.delete(forget)
    return isHeard
  }

  return {
    tell: (report) =>
      new Promise<void>((heard) => {
        waiting.push({ report, heard })
        if (isScheduled) return
        isScheduled = true
        queueMicrotask(() => void send())
      }),
    again() {
      for (const forget of requests) forget()
    },
  }
}

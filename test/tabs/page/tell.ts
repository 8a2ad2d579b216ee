/** Tells the site what has happened, at once. Pages and workers have one each. */
import type { Report } from '../protocol.ts'

/** So many requests are on their way at a time, and what is told meanwhile goes together. */
const requestsMax = 3
/** What browsers let a page leave behind when it ends. */
const keepaliveCharsMax = 15_000
const retryMs = 50

interface Told {
  readonly report: Report
  readonly heard: () => void
}

/** Answers a function that resolves when the site has heard it. */
export function telling(tab: string, life: string): (report: Report) => Promise<void> {
  let waiting: Told[] = []
  let requests = 0
  let isScheduled = false

  async function send(): Promise<void> {
    isScheduled = false
    if (requests === requestsMax || waiting.length === 0) return
    requests++
    const told = waiting
    waiting = []
    const body = JSON.stringify({ tab, life, reports: told.map(({ report }) => report) })
    for (;;) {
      try {
        // Once it was said it may arrive after the end of its page: it was true when it was said.
        const response = await fetch('/reports', { method: 'POST', body, keepalive: body.length < keepaliveCharsMax })
        if (response.ok) break
      } catch {
        // Pages that are frozen or closing have their requests cut off; the site knows what it has heard already.
      }
      await new Promise((resolve) => setTimeout(resolve, retryMs))
    }
    requests--
    for (const { heard } of told) heard()
    void send()
  }

  return (report) =>
    new Promise<void>((heard) => {
      waiting.push({ report, heard })
      if (isScheduled) return
      isScheduled = true
      queueMicrotask(() => void send())
    })
}

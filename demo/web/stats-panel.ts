import type { Stats } from 'offstage'
import { byId, element } from './dom.ts'
import type { Stage } from './stage.ts'

const refreshMs = 500

/** A group of figures, each with what it is called and how to read it from the statistics. */
const groups: Record<string, Record<string, (stats: Stats) => string>> = {
  Threads: {
    online: ({ workers }) => String(workers.online),
    busy: ({ workers }) => String(workers.busy),
    'jobs waiting': ({ depth }) => String(depth),
  },
  'Jobs a second': {
    added: ({ rates }) => rates.added.toFixed(1),
    completed: ({ rates }) => rates.completed.toFixed(1),
    failed: ({ rates }) => rates.failed.toFixed(1),
  },
  'Wait in line': {
    p50: ({ latencies }) => duration(latencies.wait.p50),
    p95: ({ latencies }) => duration(latencies.wait.p95),
    p99: ({ latencies }) => duration(latencies.wait.p99),
  },
  'Time on a thread': {
    p50: ({ latencies }) => duration(latencies.run.p50),
    p95: ({ latencies }) => duration(latencies.run.p95),
    p99: ({ latencies }) => duration(latencies.run.p99),
  },
}

/** What `scheduler.stats()` says, twice a second. */
export class StatsPanel {
  readonly #place = byId('stats-place')
  readonly #figures: { readonly output: HTMLElement; readonly read: (stats: Stats) => string }[] = []

  constructor(stage: Stage) {
    byId('stats').append(...Object.entries(groups).map(([title, figures]) => this.#group(title, figures)))
    setInterval(() => this.#show(stage), refreshMs)
    this.#show(stage)
  }

  #group(title: string, figures: Record<string, (stats: Stats) => string>): HTMLElement {
    const list = element('dl')
    for (const [name, read] of Object.entries(figures)) {
      const output = element('dd')
      this.#figures.push({ output, read })
      list.append(element('div', {}, element('dt', { textContent: name }), output))
    }
    return element('div', { className: 'group' }, element('h3', { textContent: title }), list)
  }

  #show({ scheduler, place }: Stage): void {
    const stats = scheduler.stats()
    this.#place.textContent = place === 'workers' ? 'Web Workers' : 'The main thread'
    for (const { output, read } of this.#figures) {
      const text = read(stats)
      if (output.textContent !== text) output.textContent = text
    }
  }
}

function duration(ms: number): string {
  if (ms === 0) return '–'
  if (ms < 10) return `${ms.toFixed(1)} ms`
  return ms < 1_000 ? `${Math.round(ms)} ms` : `${(ms / 1_000).toFixed(1)} s`
}

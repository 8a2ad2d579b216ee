// Runs a program in a frame of its own. When the frame is removed its workers end, whatever they do.
import type { Scheduler } from 'offstage'
import { modulesOf, type Sources } from './modules.ts'
import { show } from './show.ts'

export interface Line {
  readonly kind: 'log' | 'error'
  readonly text: string
}

/** A job as its events have shown it. */
export interface Row {
  readonly id: string
  readonly name: string
  state: string
  progress: number | undefined
  outcome: string
}

export interface Watcher {
  onLine(line: Line): void
  onRow(row: Row): void
  /** The last line of `main.ts` has run, or an error has ended it. */
  onEnd(): void
}

const onScheduler = '__onScheduler'
const onEnd = '__onEnd'

/**
 * @param parent where the frame goes: what the program shows is to be seen there
 * @returns ends the program
 */
export function run(sources: Sources, library: string, parent: HTMLElement, watcher: Watcher): () => void {
  const fail = (error: unknown) => {
    watcher.onLine({ kind: 'error', text: show(error) })
    watcher.onEnd()
  }
  let modules: ReturnType<typeof modulesOf>
  try {
    modules = modulesOf({ ...sources, main: `${sources.main}\n;globalThis.${onEnd}()` }, library, onScheduler)
  } catch (error) {
    fail(error)
    return () => {}
  }
  const frame = document.createElement('iframe')
  frame.title = 'What the program shows'
  frame.srcdoc =
    '<!doctype html><title>Page</title><style>body { margin: 10px 14px; display: flex; flex-wrap: wrap; gap: 8px }</style><body></body>'
  frame.addEventListener('load', () => {
    const page = frame.contentWindow as (Window & typeof globalThis & Record<string, unknown>) | null
    if (!page) return
    listen(page, watcher, fail)
    page[onScheduler] = (scheduler: Scheduler) => follow(scheduler, watcher)
    page[onEnd] = () => watcher.onEnd()
    const script = page.document.createElement('script')
    script.type = 'module'
    script.src = modules.main
    script.addEventListener('error', () => fail(new Error('main.ts could not be loaded.')))
    page.document.body.append(script)
  })
  parent.replaceChildren(frame)
  return () => {
    frame.remove()
    modules.revoke()
  }
}

function listen(page: Window & typeof globalThis, watcher: Watcher, fail: (error: unknown) => void) {
  for (const method of ['log', 'info', 'warn', 'error', 'debug'] as const) {
    page.console[method] = (...values: unknown[]) => {
      const kind = method === 'error' ? 'error' : 'log'
      watcher.onLine({ kind, text: values.map((value) => show(value, typeof value === 'string' ? 0 : 1)).join(' ') })
    }
  }
  page.addEventListener('error', ({ error, message }) => fail(error ?? message))
  page.addEventListener('unhandledrejection', ({ reason }) => fail(reason))
  const shown = new ResizeObserver(() => {
    const { height } = page.document.body.getBoundingClientRect()
    const isEmpty = height === 0
    if (page.frameElement instanceof HTMLElement)
      page.frameElement.style.height = isEmpty ? '0' : `${Math.ceil(height) + 20}px`
  })
  shown.observe(page.document.body)
}

/** Shows each job by its events. One that was there before the page is shown from its first event on. */
function follow(scheduler: Scheduler, { onRow, onLine }: Watcher) {
  const rows = new Map<string, Row>()
  for (const type of Object.keys(changes) as (keyof typeof changes)[])
    scheduler.on(type, (event) => {
      const { jobId: id, name } = event
      const row = {
        ...(rows.get(id) ?? { id, name, state: '', progress: undefined, outcome: '' }),
        ...changes[type](event),
      }
      rows.set(id, row)
      onRow(row)
    })
  for (const type of ['worker:exit', 'store:error', 'error'] as const)
    scheduler.on(type, ({ error }) => error !== undefined && onLine({ kind: 'error', text: show(error, 1) }))
}

type Change = (event: { attempt: number; progress?: unknown; result?: unknown; error?: unknown }) => Partial<Row>

/** What each event changes of a row. */
const changes = {
  added: () => ({ state: 'queued' }),
  started: ({ attempt }) => ({ state: attempt > 1 ? `running, attempt ${attempt}` : 'running', outcome: '' }),
  progress: ({ progress }) => ({ progress: typeof progress === 'number' ? progress : undefined }),
  retrying: ({ error }) => ({ state: 'waits for its next attempt', outcome: show(error, 1) }),
  interrupted: () => ({ state: 'queued' }),
  completed: ({ result }) => ({ state: 'completed', outcome: show(result, 1) }),
  failed: ({ error }) => ({ state: 'failed', outcome: show(error, 1) }),
  cancelled: () => ({ state: 'cancelled' }),
} satisfies Record<string, Change>

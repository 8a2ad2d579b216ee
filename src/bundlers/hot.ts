import { type ExtensionPoint, extensionPoint } from '../extension-point.ts'
import type { Scheduler } from '../typed-scheduler.ts'

type Made = Scheduler & { readonly [extensionPoint]: ExtensionPoint }

/** What stands between one module of the application and `createScheduler` while a dev server replaces modules in the page. */
export interface HotModule<Make> {
  /** Called before the module is executed: closes what it has made the last time. */
  readonly begin: () => void
  /** Called when it has been executed. */
  readonly end: () => void
  readonly createScheduler: Make
  /** Called when the module of the workers has changed. */
  readonly renewWorkers: () => void
}

/**
 * Follows what one module makes with `createScheduler`. When the module is replaced, the schedulers that it made while it was
 * executed are closed (stored jobs go on in the new ones). Schedulers that its functions made later belong to components, which
 * may keep them over an edit: they stay. For plugins of dev servers, such as `offstage/vite`.
 */
export function hotModule<Make extends (...args: never[]) => object>(make: Make): HotModule<Make> {
  const open = new Set<Made>()
  const ofModule = new Set<Made>()
  let isExecuting = false
  const createScheduler = (...args: Parameters<Make>) => {
    const scheduler = make(...args) as Made
    open.add(scheduler)
    if (isExecuting) ofModule.add(scheduler)
    scheduler[extensionPoint].engine.onClose(() => {
      open.delete(scheduler)
      ofModule.delete(scheduler)
    })
    return scheduler
  }
  return {
    begin() {
      for (const scheduler of ofModule) void scheduler.close({ mode: 'now' })
      isExecuting = true
    },
    end() {
      isExecuting = false
    },
    createScheduler: createScheduler as object as Make,
    renewWorkers() {
      for (const scheduler of open) scheduler[extensionPoint].engine.renewWorkers()
    },
  }
}

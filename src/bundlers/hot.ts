import { type Extensible, extensionPointOf } from '../extension-point.ts'

/**
 * Gives a scheduler new workers, so that its jobs run with the code that the dev server has now. Jobs that run are interrupted,
 * and run again; no attempt is used up. For dev servers without a plugin of ours. Throws `INVALID_OPTION` for anything that
 * `createScheduler` has not made.
 *
 * @example
 * ```ts
 * import { renewWorkers } from 'offstage/hot'
 *
 * if (process.env.NODE_ENV !== 'production' && import.meta.webpackHot) {
 *   // The page itself never uses it. But the bundler reports the edits of what the page has loaded, and of nothing else.
 *   void import('./jobs.ts')
 *   import.meta.webpackHot.accept('./jobs.ts', () => renewWorkers(scheduler))
 * }
 * ```
 */
export function renewWorkers(scheduler: Extensible): void {
  extensionPointOf(scheduler).engine.renewWorkers()
}

/** What stands between one module of the application and `createScheduler` while a dev server replaces modules in the page. */
export interface HotModule<Make> {
  /** Called before the module is executed: closes what it has made the last time. */
  readonly begin: () => void
  /** Called when it has been executed. */
  readonly end: () => void
  /** Makes a scheduler that is closed when the module is replaced. */
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
  const open = new Set<Extensible>()
  const ofModule = new Set<Extensible>()
  let isExecuting = false
  const createScheduler = (...args: Parameters<Make>) => {
    const scheduler = make(...args) as Extensible
    open.add(scheduler)
    if (isExecuting) ofModule.add(scheduler)
    extensionPointOf(scheduler).engine.onClose(() => {
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
      for (const scheduler of open) renewWorkers(scheduler)
    },
  }
}

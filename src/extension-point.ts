import type { Engine } from './engine/engine.ts'
import type { CommandTable, Extension } from './engine/extension.ts'
import type { ResolvedDefaults } from './job/job-options.ts'
import type { Middleware } from './job-middleware.ts'
import { OffstageError } from './shared/errors.ts'
import type { Scheduler } from './typed-scheduler.ts'

/**
 * The key under which a scheduler keeps what `extend` needs. A symbol with a global name, so that it also works when two copies
 * of the package are loaded.
 */
export const extensionPoint: unique symbol = Symbol.for('offstage.extensionPoint') as never

export interface ExtensionPoint {
  readonly engine: Engine
  readonly defaultsOf: (name: string) => ResolvedDefaults
  /** Has more go around the calls that add jobs, around all that does already. */
  readonly use: (middleware: readonly Middleware[]) => void
  /** By the name of the extension. */
  readonly attached: Map<string, { readonly extension: Extension<never>; readonly commands: CommandTable }>
}

/** A scheduler that `createScheduler` has made, whatever jobs it has. */
export type Extensible = Pick<Scheduler, 'queue' | 'close'>

/** Throws `INVALID_OPTION` for anything that `createScheduler` has not made. */
export function extensionPointOf(scheduler: Extensible): ExtensionPoint {
  const { [extensionPoint]: point } = (scheduler ?? {}) as { readonly [extensionPoint]?: ExtensionPoint }
  if (point) return point
  throw new OffstageError('INVALID_OPTION', 'Expected `scheduler` to be what createScheduler() returned.')
}

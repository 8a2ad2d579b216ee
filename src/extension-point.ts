import type { Engine } from './engine/engine.ts'
import type { CommandTable, Extension } from './engine/extension.ts'
import type { ResolvedDefaults } from './job/job-options.ts'

/**
 * The key under which a scheduler keeps what `extend` needs. A symbol with a global name, so that it also works when two copies
 * of the package are loaded.
 */
export const extensionPoint: unique symbol = Symbol.for('offstage.extensionPoint') as never

export interface ExtensionPoint {
  readonly engine: Engine
  readonly defaultsOf: (name: string) => ResolvedDefaults
  /** By the name of the extension. */
  readonly attached: Map<string, { readonly extension: Extension<never>; readonly commands: CommandTable }>
}

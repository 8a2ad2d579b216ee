import type { Engine } from './engine/engine.ts'
import type { CommandTable, Extension } from './engine/extension.ts'
import type { ResolvedDefaults } from './job/job-options.ts'

/** Where a scheduler has what `extend` needs of it. By a name, so that it holds if two copies of the package are loaded. */
export const extensionPoint: unique symbol = Symbol.for('offstage.extensionPoint') as never

export interface ExtensionPoint {
  readonly engine: Engine
  readonly defaultsOf: (name: string) => ResolvedDefaults
  /** By name. */
  readonly attached: Map<string, { readonly extension: Extension<never>; readonly commands: CommandTable }>
}

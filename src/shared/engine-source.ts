/**
 * Where a scheduler gets an engine from that is not its own: given as the option `engine`, or brought by a store that several tabs
 * share. Opaque, because what an engine has to do may change with every version.
 */
export interface EngineSource {
  /** @internal */
  readonly makeEngine: (host: never) => unknown
}

/** Where a store that several tabs share leaves the way to make the engine for it, for the scheduler to find. */
export const makeEngine: unique symbol = Symbol.for('offstage.makeEngine') as never

/** The property in which a store that several tabs share leaves a function that makes its engine, for the scheduler to find. */
export const makeEngine: unique symbol = Symbol.for('offstage.makeEngine') as never

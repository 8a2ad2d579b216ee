/** Stands in for src/platform/wake.ts: the clock of a simulation does not sleep unless it is told to. */
export const onWake = (): (() => void) => () => {}

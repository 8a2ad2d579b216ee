/**
 * Runs all microtasks, now. The simulation is one synchronous loop: what code under test does between two of its steps
 * is over when this returns, in a third of a microsecond, and no real event can come in between.
 */
export const drain: () => void = (process as unknown as { _tickCallback(): void })._tickCallback

/** Whether it does what it says here; told before the first run. */
export function assertDrains(): void {
  let isOver = false
  const chain = async () => {
    for (let link = 0; link < 100; link++) await undefined
    isOver = true
  }
  void chain()
  drain()
  if (!isOver) throw new Error('microtasks cannot be run from here')
}

/**
 * Priorities in the order of a line, after the one at `from` was moved to `to`. As few as possible change: the moved
 * one, and those before it that would no longer be ahead.
 */
export function moved(priorities: readonly number[], from: number, to: number): number[] {
  const order = [...priorities]
  const [own] = order.splice(from, 1)
  order.splice(to, 0, own as number)
  const next = order[to + 1]
  order[to] = next === undefined ? (order[to - 1] as number) - 1 : next + 1
  for (let at = to - 1; at >= 0 && (order[at] as number) <= (order[at + 1] as number); at--)
    order[at] = (order[at + 1] as number) + 1
  return order
}

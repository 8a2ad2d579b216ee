/** What a run has seen; runs that never reach a state prove nothing about it. */
export class Stats {
  steps = 0
  crashes = 0
  runs = 0
  readonly counts: Record<string, number> = {}

  count(what: string, by = 1): void {
    this.counts[what] = (this.counts[what] ?? 0) + by
  }

  addAll(counts: Readonly<Record<string, number>>, prefix = ''): void {
    for (const [what, count] of Object.entries(counts)) this.count(prefix + what, count)
  }
}

/** Two runs of one seed must be the same in each step. */
export class Trace {
  hash = 0
  readonly #isVerbose: boolean

  constructor(isVerbose: boolean) {
    this.#isVerbose = isVerbose
  }

  get isVerbose(): boolean {
    return this.#isVerbose
  }

  note(kind: number, detail = 0): void {
    this.hash = Math.imul(this.hash ^ (kind + Math.imul(detail, 31)), 0x01000193) >>> 0
  }

  say(line: () => string): void {
    if (this.#isVerbose) console.log(line())
  }
}

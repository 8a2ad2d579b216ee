// Runs one case in one variant. Used by Node and by the pages alike.

/** @import { Case, Contestant, Row, Running, Variant } from './case.js' */

const warmUpsMax = 20
const closeMsMax = 10_000

/**
 * All contestants are up at the same time, and take turns: A B C A B C …, so that what else the machine does in these
 * minutes hits all of them. One that fails is out and closed, so that what it still has to do is not done on the time of the
 * others, and these go on.
 *
 * @param {Case} benchCase
 * @param {Variant} variant
 * @param {readonly Contestant[]} contestants
 * @param {object} options
 * @param {number} options.rounds
 * @param {number} options.roundMsMax a round that takes longer has failed
 * @param {() => Promise<void>} options.settle called before each round: no contestant pays for another's garbage
 * @returns {Promise<Row[]>}
 */
export async function runCase(benchCase, variant, contestants, { rounds, roundMsMax, settle }) {
  const entries = contestants.map((contestant) => new Entry(benchCase, variant, contestant, roundMsMax))
  for (const entry of entries) await entry.start()
  for (let round = 0; round < rounds; round++) {
    for (const entry of entries) {
      if (entry.isOut) continue
      await settle()
      await entry.play()
    }
  }
  for (const entry of entries) await entry.close()
  return entries.map(({ row }) => row)
}

class Entry {
  /** @type {Row} */ row
  /** @type {Running | undefined} */ #running
  #case
  #variant
  #contestant
  #roundMsMax

  /**
   * @param {Case} benchCase
   * @param {Variant} variant
   * @param {Contestant} contestant
   * @param {number} roundMsMax
   */
  constructor(benchCase, variant, contestant, roundMsMax) {
    this.#case = benchCase
    this.#variant = variant
    this.#contestant = contestant
    this.#roundMsMax = roundMsMax
    this.row = { contestant: contestant.name, samples: {} }
    if (contestant.acknowledged) this.row.acknowledged = contestant.acknowledged
    if (contestant.skip) this.row.skipped = contestant.skip
  }

  get isOut() {
    return this.row.skipped !== undefined || this.row.failed !== undefined
  }

  /** Starts the threads and lets the compilers see the work. */
  async start() {
    if (this.isOut) return
    await this.#attempt(async () => {
      const running = await this.#contestant.start(this.#variant)
      this.#running = running
      const warmUps = this.#variant.warmUps ?? this.#case.warmUps ?? 1
      for (let warmUp = 0; warmUp < warmUps; warmUp++) await this.#round()
      for (let again = 0; running.isReady && !running.isReady(); again++) {
        if (again === warmUpsMax) throw new Error('Its threads did not all come up.')
        await this.#round()
      }
    })
  }

  async play() {
    await this.#attempt(async () => {
      const figures = await this.#round()
      for (const [key, figure] of Object.entries(figures)) {
        if (figure === undefined) continue
        this.row.samples[key] ??= []
        this.row.samples[key].push(figure)
      }
    })
  }

  async close() {
    const running = this.#running
    this.#running = undefined
    await this.#attempt(async () => {
      await running?.close()
    }, closeMsMax)
  }

  #round() {
    return this.#case.round(this.#running, this.#variant)
  }

  /** @param {() => Promise<void>} action @param {number} msMax */
  async #attempt(action, msMax = this.#roundMsMax) {
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    let timer
    const late = new Promise((_, reject) => {
      timer = setTimeout(() => reject(new Error(`Not done within ${msMax} ms.`)), msMax)
    })
    try {
      await Promise.race([action(), late])
    } catch (error) {
      this.row.failed ??= error instanceof Error ? `${error.name}: ${error.message}` : String(error)
      await this.close()
    } finally {
      clearTimeout(timer)
    }
  }
}

/**
 * @param {unknown} actual
 * @param {unknown} expected
 * @param {string} what
 */
export function mustBe(actual, expected, what) {
  if (actual !== expected) throw new Error(`Wrong ${what}: expected ${expected}, got ${actual}.`)
}

/** Groups of a queue: how many jobs of one run at a time, whom a strict one waits for, and that none is passed over for long. */
import { queueKey } from '../../src/job/queue-key.ts'
import type { JobRecord } from '../../src/job/record.ts'
import { isRetrying } from '../../src/job/waits.ts'
import type { OrderOracle } from './order-oracle.ts'
import type { SettingOracle } from './setting-oracle.ts'
import type { Stats } from './stats.ts'
import { assert } from './truth.ts'

/** How many jobs of a group run at a time, by queue. */
export const groupLimits = { single: 1, shared: 2, chain: 1, toll: Number.POSITIVE_INFINITY }

export const isGrouped = (queue: string): queue is keyof typeof groupLimits => Object.hasOwn(groupLimits, queue)

/** Names the queue of a job; in a grouped one, its group. */
export const lineOf = ({ queue, group = '' }: JobRecord): string => (isGrouped(queue) ? queueKey(queue, group) : queue)

interface World {
  readonly stats: Stats
  readonly order: OrderOracle
  readonly settings: SettingOracle
  /** Whether the group rests. */
  mayRest(line: string): boolean
  /** Whether an earlier attempt of the job is on a thread, or was a moment ago. */
  isHeld(record: JobRecord): boolean
  /** The groups of all attempts that are on threads, or were a moment ago. */
  onThreads(): readonly (string | undefined)[]
}

export class GroupOracle {
  readonly #world: World
  /** By group that could start a job all the time: how many each other group of its queue has started meanwhile. */
  readonly #passed = new Map<string, Map<string, number>>()

  constructor(world: World) {
    this.#world = world
  }

  /** Whose turn it is may be different from what can be seen. */
  forget(): void {
    this.#passed.clear()
  }

  /** Something has become of a job other than a start: its group may have lost its turn, or got one. */
  moved(record: JobRecord): void {
    this.#passed.delete(lineOf(record))
  }

  started(record: JobRecord, model: Map<number, JobRecord>, what: () => string): void {
    const { queue, group } = record
    if (!isGrouped(queue)) return
    this.#world.stats.count(`groups: starts in '${queue}'`)
    const others = [...model.values()].filter((other) => other !== record && other.queue === queue)
    if (group !== undefined) this.#judgeLimits(record, others, what)
    // A job on trial starts out of turn.
    if (queue !== 'toll' && record.crashes === 0) this.#judgeTurn(record, others, what)
    this.moved(record)
  }

  #judgeLimits(record: JobRecord, others: readonly JobRecord[], what: () => string): void {
    const { settings, order } = this.#world
    const line = lineOf(record)
    const peers = others.filter((other) => lineOf(other) === line)
    const running = peers.filter(({ state }) => state === 'running').length
    const limit = settings.limitOf(line)
    assert(!settings.isPaused(line), 'I21', () => `${what()} while its group is paused`)
    assert(running < limit, 'I21', () => `${what()}: ${running} of its group run, of ${limit}`)
    const holder = record.queue === 'chain' && peers.find((other) => isRetrying(other) && order.isAhead(other, record))
    assert(
      !holder,
      'I21',
      () => `${what()} although '${(holder as JobRecord).id}' of its group is to be tried again first`,
    )
  }

  /** While a group could start a job, each other one starts at most as many as it has weight. */
  #judgeTurn(record: JobRecord, others: readonly JobRecord[], what: () => string): void {
    const { settings, stats } = this.#world
    const line = lineOf(record)
    const lines = new Set(others.map(lineOf))
    lines.delete(line)
    for (const other of lines) {
      const peers = others.filter((each) => lineOf(each) === other)
      if (!this.#couldStart(other, peers)) {
        this.#passed.delete(other)
        continue
      }
      const passed = this.#passed.get(other) ?? new Map<string, number>()
      this.#passed.set(other, passed)
      const count = (passed.get(line) ?? 0) + 1
      passed.set(line, count)
      stats.count('groups that wait for their turn')
      const weight = settings.weightOf(line)
      assert(
        count <= weight,
        'I22',
        () => `${what()}, ${count} of its group while '${other}' waits; its weight is ${weight}`,
      )
    }
  }

  #couldStart(line: string, peers: readonly JobRecord[]): boolean {
    const { settings } = this.#world
    if (settings.isPaused(line) || this.#world.mayRest(line)) return false
    // An attempt that is over, and still on a thread, counts as one that runs. When it is gone, the group stands last.
    if (this.#world.onThreads().includes(line)) return false
    if (peers.some((peer) => peer.state === 'running' || peer.crashes > 0 || isRetrying(peer))) return false
    return peers.some((peer) => peer.state === 'queued') && !peers.some((peer) => this.#world.isHeld(peer))
  }
}

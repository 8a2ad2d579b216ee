/** What must be true of topics: an event adds a job for each subscription that fits, all of them in one writing, and once. */
import type { Step } from '../../src/engine/steps.ts'
import type { JobRecord } from '../../src/job/record.ts'
import type { OffstageError } from '../../src/shared/errors.ts'
import type { Row } from '../../src/store/store.ts'
import { isEqual, show } from './equal.ts'
import { inputOf, isOf, type SimInput } from './kinds.ts'
import type { SimClock } from './sim-clock.ts'
import type { Stats } from './stats.ts'
import { assert } from './truth.ts'

/** A call of `publish`. */
export interface PublishCall {
  readonly tag: number
  readonly topic: string
  /** Its own, or the library makes one. */
  readonly id: string | undefined
  readonly input: SimInput
}

/** A subscription as it is stored. */
interface Stored {
  readonly pattern: string
  readonly filter: { readonly value: unknown } | undefined
}

type Rows = ReadonlyMap<string, Row>
type Records = ReadonlyMap<number, JobRecord>

export const rememberMs = 20_000
const subscriptions = 'topics/subscription '

export class TopicOracle {
  readonly #clock: SimClock
  readonly #stats: Stats
  readonly #calls = new Map<number, PublishCall>()
  readonly #refused = new Set<number>()
  /** Jobs that the current writing has added. */
  #adding: JobRecord[] = []
  #addingIn: object | undefined
  /** All that were ever in a batch. */
  readonly #added = new Set<string>()

  constructor(clock: SimClock, stats: Stats) {
    this.#clock = clock
    this.#stats = stats
  }

  asked(call: PublishCall): void {
    this.#calls.set(call.tag, call)
  }

  published({ tag, id }: PublishCall, jobIds: readonly string[]): void {
    this.#stats.count(`topics: published${jobIds.length > 0 ? '' : ', nobody listens'}`)
    for (const jobId of jobIds) {
      assert(this.#added.has(jobId), 'I1', () => `'${jobId}' is said to be added by ${tag}, and is in no batch`)
      assert(id === undefined || jobId.endsWith(`@${id}`), 'I19', () => `'${jobId}' is no job of the event '${id}'`)
    }
  }

  rejected({ tag }: PublishCall, { code, message }: OffstageError): void {
    this.#stats.count(`topics: refused: ${code}`)
    if (code !== 'QUEUE_FULL' && code !== 'STORE_WRITE_FAILED') return
    if (message.startsWith('The change is not stored yet')) return
    this.#refused.add(tag)
  }

  subscribed(id: string, pattern: string, rows: Rows): void {
    const stored = rows.get(`${subscriptions}${id}`)?.value as Stored | undefined
    assert(stored?.pattern === pattern, 'I1', () => `'${id}' subscribes to ${pattern}, and stored is ${show(stored)}`)
  }

  knows(record: JobRecord): boolean {
    return isEqual(this.#calls.get(inputOf(record).tag)?.input, record.input)
  }

  /** `rows`, `model`: as they are before this step. */
  judge({ type, after, turn, rows: written = [] }: Step, model: Records, rows: Rows): void {
    if (type === 'insert' && after && isOf(after, 'topic')) {
      if (turn !== this.#addingIn) this.#adding = []
      this.#addingIn = turn
      this.#adding.push(after)
      assert(turn !== undefined, 'I19', () => `'${after.id}' is added by nobody`)
      const { tag } = inputOf(after)
      assert(!this.#refused.has(tag), 'I6', () => `'${after.id}' is added, and its event was refused`)
    } else if (type === 'turn') {
      const added = turn !== undefined && turn === this.#addingIn ? this.#adding : []
      this.#adding = []
      this.#addingIn = undefined
      const key = written.find(({ table, key, value }) => table === 'topics' && key.startsWith('event ') && value)?.key
      const eventId = key?.slice('event '.length) ?? added[0]?.rules.headers?.eventId
      if (eventId !== undefined) this.#judgeEvent(eventId, key !== undefined, added, model, rows)
    }
  }

  #judgeEvent(eventId: string, isRemembered: boolean, added: readonly JobRecord[], model: Records, rows: Rows): void {
    const [first] = added
    const call = first
      ? this.#calls.get(inputOf(first).tag)
      : [...this.#calls.values()].find(({ id }) => id === eventId)
    const what = () => `the event '${eventId}', of ${show(call)}, adds ${show(added.map(({ id }) => id))}`
    assert(call !== undefined && isRemembered === (call.id !== undefined), 'I19', what)
    const { at } = (rows.get(`topics/event ${eventId}`)?.value ?? {}) as { readonly at?: number }
    assert(at === undefined || at + rememberMs <= this.#clock.highest, 'I3', () => `${what()}, for the second time`)
    const there = new Set([...model.values()].map(({ id }) => id))
    const expected = [...rows].flatMap(([key, { value }]) => {
      if (!key.startsWith(subscriptions)) return []
      const id = `${key.slice(subscriptions.length)}@${eventId}`
      const { pattern, filter } = value as Stored
      const isFor = matches(pattern, call.topic) && (!filter || filter.value === call.input.value)
      return isFor && (!there.has(id) || added.some((record) => record.id === id)) ? id : []
    })
    assert(isEqual(added.map(({ id }) => id).sort(), expected.sort()), 'I19', () => `${what()}, not ${show(expected)}`)
    for (const { id, rules } of added)
      assert(rules.headers?.topic === call.topic, 'I19', () => `'${id}' has the headers ${show(rules.headers)}`)
  }

  committed(steps: readonly Step[]): void {
    for (const { type, after } of steps)
      if (type === 'insert' && after && isOf(after, 'topic')) this.#added.add(after.id)
  }

  recovered(records: Records): void {
    for (const record of records.values()) if (isOf(record, 'topic')) this.#added.add(record.id)
  }
}

function matches(pattern: string, topic: string): boolean {
  const source = pattern.replace(/\./g, '\\.').replace(/\*/g, '[^.]+').replace(/>/g, '.+')
  return new RegExp(`^${source}$`).test(topic)
}

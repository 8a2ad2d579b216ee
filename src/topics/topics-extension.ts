import type { Extension, ExtensionHost, Turn } from '../engine/extension.ts'
import type { JobOptions } from '../job/job-options.ts'
import { OffstageError } from '../shared/errors.ts'
import { isThenable } from '../shared/thenable.ts'
import { accepts, type Filter, fits } from './pattern.ts'

/** Which jobs are added for what is published. */
export interface StoredSubscription {
  readonly pattern: string
  readonly name: string
  readonly options: JobOptions | undefined
  readonly filter: Filter | undefined
}

/** A subscription of the code may also decide by a function. */
export interface CodeSubscription extends Omit<StoredSubscription, 'filter'> {
  readonly filter: Filter | ((data: unknown, topic: string) => boolean) | undefined
}

/** What a page asks the scheduler that runs the jobs. */
export interface TopicCommands {
  subscribe(id: string, subscription: StoredSubscription): Promise<void>
  unsubscribe(id: string): Promise<boolean>
  list(): Promise<(readonly [id: string, subscription: StoredSubscription, isStored: boolean])[]>
  /** Returns the ids of the jobs. `isRemembered`: the id of the event was given, and must not be published twice. */
  publish(eventId: string, event: Published, isRemembered: boolean): Promise<readonly string[]>
}

interface Published {
  readonly topic: string
  readonly data: unknown
  readonly headers: Readonly<Record<string, string>> | undefined
}

/** The row of an event. */
interface EventRow {
  readonly at: number
  readonly topic: string
  readonly jobIds: readonly string[]
}

// Subscriptions and events share a table.
const subscriptionKey = (id: string): string => `subscription ${id}`
const eventKey = (id: string): string => `event ${id}`
const idIn = (key: string, kind: 'subscription' | 'event'): string | undefined =>
  key.startsWith(`${kind} `) ? key.slice(kind.length + 1) : undefined

/** Events are forgotten a few at a time. */
const forgottenMax = 100

export class TopicsExtension implements Extension<TopicCommands> {
  readonly name = 'topics'
  readonly scope = 'marked'
  readonly moves: Extension['moves'] = new Set()
  /** Those of the page that runs the jobs hold. */
  inCode: Readonly<Record<string, CodeSubscription>> = {}
  rememberMs = 3_600_000

  open(host: ExtensionHost): TopicCommands {
    const { rows } = host
    /** In the order in which they were published. */
    const events = [...rows].flatMap(([key]) => idIn(key, 'event') ?? [])
    events.sort((a, b) => (rows.get(eventKey(a)) as EventRow).at - (rows.get(eventKey(b)) as EventRow).at)
    // Among them may be some that are gone. There may be many more events than subscriptions.
    const ids = new Set([...rows.keys()].flatMap((key) => idIn(key, 'subscription') ?? []))
    const stored = () =>
      [...ids].flatMap((id) => {
        const row = rows.get(subscriptionKey(id)) as StoredSubscription | undefined
        return row && !Object.hasOwn(this.inCode, id) ? [[id, row] as const] : []
      })
    const inCode = () => Object.entries(this.inCode)
    return {
      subscribe: (id, subscription) => {
        ids.add(id)
        return host.turn((turn) => turn.put(subscriptionKey(id), subscription), { isRefusable: true })
      },
      unsubscribe: async (id) => {
        const unsubscribe = (turn: Turn) => {
          const isThere = turn.rows.has(subscriptionKey(id))
          if (isThere) turn.put(subscriptionKey(id), undefined)
          return isThere
        }
        const wasThere = await host.turn(unsubscribe, { isRefusable: true })
        if (!rows.has(subscriptionKey(id))) ids.delete(id)
        return wasThere
      },
      list: async () =>
        [
          ...stored().map(([id, subscription]) => [id, subscription, true] as const),
          ...inCode().map(([id, { filter, ...rest }]) => {
            // A function stays where it is.
            const subscription = { ...rest, filter: typeof filter === 'function' ? undefined : filter }
            return [id, subscription, false] as const
          }),
        ].sort(([a], [b]) => (a < b ? -1 : 1)),
      publish: (eventId, event, isRemembered) =>
        host.turn(
          (turn) => {
            const there = turn.rows.get(eventKey(eventId)) as EventRow | undefined
            if (there && this.#isRemembered(turn, there)) {
              if (there.topic === event.topic) return there.jobIds
              throw taken(eventId)
            }
            const fitting = [...stored(), ...inCode()].filter(([id, each]) => isFor(id, each, event))
            const jobIds = fitting.map(([id, { name, options }]) => add(turn, id, eventId, event, name, options))
            if (isRemembered) {
              turn.put(eventKey(eventId), { at: turn.clock.now(), topic: event.topic, jobIds } satisfies EventRow)
              events.push(eventId)
              this.#forget(turn, events)
            }
            return jobIds
          },
          { isRefusable: true },
        ),
    }
  }

  #isRemembered(turn: Turn, { at }: EventRow): boolean {
    return turn.clock.now() < at + this.rememberMs
  }

  #forget(turn: Turn, events: string[]): void {
    let count = 0
    for (const id of events) {
      const row = turn.rows.get(eventKey(id)) as EventRow | undefined
      if (count === forgottenMax || (row && this.#isRemembered(turn, row))) break
      // Of an event that the store has refused there is no row.
      if (row) turn.put(eventKey(id), undefined)
      count++
    }
    events.splice(0, count)
  }
}

function isFor(id: string, { pattern, filter }: CodeSubscription, { topic, data }: Published): boolean {
  if (!fits(pattern, topic)) return false
  if (typeof filter !== 'function') return filter === undefined || accepts(filter, data)
  try {
    const isWanted = filter(data, topic)
    // A promise would be true, whatever comes of it.
    if (isThenable(isWanted)) throw 'it is async'
    return isWanted
  } catch (cause) {
    throw new OffstageError('EXTENSION_FAILED', `Filter of '${id}': ${cause}`, { cause })
  }
}

const taken = (eventId: string): OffstageError => new OffstageError('DUPLICATE_ID', `The id '${eventId}' is taken.`)

function add(
  turn: Turn,
  subscriptionId: string,
  eventId: string,
  { topic, data, headers }: Published,
  name: string,
  options: JobOptions | undefined,
): string {
  const id = `${subscriptionId}@${eventId}`
  const there = turn.job(id)
  // That of an event that is no longer remembered is fine.
  if (there && there.rules.headers?.topic !== topic) throw taken(eventId)
  return turn.insert({
    name,
    input: data,
    options: { ...options, id, headers: { ...options?.headers, ...headers, topic, eventId } },
  }).job.id
}

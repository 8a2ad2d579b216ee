/** Somebody who publishes, the same event twice, and subscribes, at any moment. */
import type { OffstageError } from '../../src/shared/errors.ts'
import { type Topics, topics } from '../../src/topics/topics.ts'
import type { SimInput } from './kinds.ts'
import { type PublishCall, rememberMs } from './topic-oracle.ts'
import { jobNames, type UserHost } from './user.ts'

const ids = ['one', 'two', 'three']

export class TopicUser {
  readonly #host: UserHost
  #serial = 0
  /** The newest that have ids. */
  #calls: PublishCall[] = []

  constructor(host: UserHost) {
    this.#host = host
  }

  get #topics(): Topics {
    return topics(this.#host.scheduler, { rememberMs })
  }

  act(): void {
    const { chance } = this.#host
    const pick = chance.int(10)
    if (pick < 2) return this.#subscribe()
    if (pick < 3) return this.#unsubscribe()
    const again = chance.of(this.#calls)
    this.#publish(this.#newCall(again && chance.is(0.5) ? again : undefined))
  }

  #subscribe(): void {
    const { chance, oracle } = this.#host
    const id = chance.of(ids)
    const pattern = chance.of(['a.*', 'a.b', '>', '*', 'a.>'])
    const options = this.#host.jobOptions(0)
    const filter = chance.is(0.3) ? { value: 1 } : undefined
    this.#host.say(50, () => `subscribe ${id} to ${pattern}`)
    const serial = ++this.#serial
    this.#host.watch(
      `subscribe ${id}`,
      this.#topics.subscribe(id, pattern, { name: chance.of(jobNames), options, filter }),
      () => this.#serial === serial && oracle.topics.subscribed(id, pattern, oracle.truth.rows),
      () => {},
    )
  }

  #unsubscribe(): void {
    const id = this.#host.chance.of(ids)
    const none = () => {}
    this.#serial++
    this.#host.say(51, () => `unsubscribe ${id}`)
    this.#host.watch(`unsubscribe ${id}`, this.#topics.unsubscribe(id), none, none)
  }

  /** `again`: the same event, by another call. */
  #newCall(again: PublishCall | undefined): PublishCall {
    const { chance } = this.#host
    const tag = this.#host.nextTag()
    const input: SimInput = { tag, of: 'topic', value: again?.input.value ?? chance.int(3) }
    const id = again?.id ?? (chance.is(0.7) ? `event ${tag}` : undefined)
    const call = { tag, topic: again?.topic ?? chance.of(['a.b', 'a.c', 'a', 'a.b.c']), id, input }
    this.#host.oracle.topics.asked(call)
    if (id !== undefined) this.#calls = [...this.#calls, call].slice(-4)
    return call
  }

  #publish(call: PublishCall): void {
    const { topic, id, input, tag } = call
    const { oracle } = this.#host
    this.#host.say(52, () => `publish ${tag} to ${topic} as ${id}`)
    this.#host.watch(
      `publish ${tag}`,
      this.#topics.publish(topic, input, { id }),
      (jobs) =>
        oracle.topics.published(
          call,
          jobs.map((job) => job.id),
        ),
      // The same event may have been published before, or is published again.
      (error) => id === undefined && oracle.topics.rejected(call, error as OffstageError),
    )
  }
}

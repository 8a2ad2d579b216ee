// Schedulers that reach the jobs of another one, over wires that can be looked at, cut and bound.
import { createScheduler, inline, type Scheduler, type SchedulerOptions } from 'offstage'
import type { JobTable } from 'offstage/worker'
import { onTestFinished } from 'vitest'
import { type EngineHost, engineSource } from '../../src/engine/engine-host.ts'
import type { LocalEngine } from '../../src/engine/local-engine.ts'
import type { Post } from '../../src/remote/connection.ts'
import { RemoteEngine } from '../../src/remote/remote-engine.ts'
import { type Answered, Session } from '../../src/remote/session.ts'
import { fromClient, fromSession, messagesOf } from '../../src/remote/shapes.ts'
import type { Message } from '../../src/remote/wire.ts'
import { jobs } from '../fixtures/jobs.ts'

type Jobs = typeof jobs

/** A scheduler that runs jobs, with sessions for others. */
export interface Served {
  readonly scheduler: Scheduler<Jobs>
  readonly engine: LocalEngine
  /** Of one client, over all its sessions. */
  openSession(post: Post, answered?: Answered): Session
}

export function serve({ store, ...options }: SchedulerOptions<never> = {}, table: JobTable = jobs): Served {
  let engine!: LocalEngine
  let host!: EngineHost
  const source = engineSource((given) => {
    host = given
    engine = (host.makeLocal as NonNullable<EngineHost['makeLocal']>)(store ? { store } : {})
    return engine
  })
  const scheduler = createScheduler<Jobs>(inline(table), { workers: 1, ...options, engine: source } as never)
  onTestFinished(() => scheduler.close({ mode: 'now' }))
  const openSession = (post: Post, answered: Answered = new Map()): Session => {
    const { clock, errors } = host
    return new Session(engine, post, { clock, errors, answered })
  }
  return { scheduler, engine, openSession }
}

/** A scheduler that runs nothing itself; its engine is to be connected. */
export function startClient(options: SchedulerOptions<never> = {}): {
  scheduler: Scheduler<Jobs>
  engine: RemoteEngine
} {
  let engine!: RemoteEngine
  const source = engineSource((host) => {
    engine = new RemoteEngine(host)
    return engine
  })
  const scheduler = createScheduler<Jobs>(null, { ...options, engine: source } as never)
  onTestFinished(() => scheduler.close({ mode: 'now' }))
  return { scheduler, engine }
}

/** Both, over a plain message channel. */
export function serveOverChannel(
  { errors, clock, defaults, ...options }: SchedulerOptions<never> = {},
  table: JobTable = jobs,
) {
  const shared = { errors, clock }
  const served = serve({ ...options, ...shared }, table)
  const { scheduler: client, engine } = startClient({ ...shared, defaults } as never)
  const { port1, port2 } = new MessageChannel()
  const session = served.openSession((messages) => port2.postMessage(messages))
  port2.onmessage = ({ data }) => session.receive(data)
  port1.onmessage = ({ data }) => engine.receive(data)
  engine.connect((messages) => port1.postMessage(messages))
  onTestFinished(() => {
    session.close()
    port1.close()
  })
  return { ...served, client }
}

/**
 * A wire that carries messages one turn later, as clones. Cut, it carries nothing more, not even what is on its way; `connect` opens
 * a new session over a new one.
 */
export class Wire {
  readonly #served: Served
  readonly #client: RemoteEngine
  #session: Session | undefined
  readonly answered: Answered = new Map()
  #isCut = true
  readonly #cutters: (() => void)[] = []
  /** All that was said, in order, by whom. */
  readonly said: (readonly [by: 'client' | 'session', message: Message])[] = []
  /** What would be dropped on the other side. */
  readonly problems: string[] = []
  /** Called for each message before it is carried; throws to break the wire. */
  onPost: (by: 'client' | 'session', message: Message) => void = () => {}

  constructor(served: Served, client: RemoteEngine) {
    this.#served = served
    this.#client = client
  }

  connect(): void {
    this.cut()
    const carry = (by: 'client' | 'session', receive: (messages: unknown) => void): Post => {
      let isCut = false
      this.#cutters.push(() => {
        isCut = true
      })
      const samples = by === 'client' ? fromClient : fromSession
      return (messages) => {
        for (const message of messages) this.onPost(by, message)
        if (messagesOf(messages, samples).length < messages.length) this.problems.push(JSON.stringify(messages))
        const copy = structuredClone(messages)
        if (isCut) return
        for (const message of messages) this.said.push([by, message])
        setTimeout(() => !isCut && receive(copy))
      }
    }
    this.#client.connect(carry('client', (messages) => session.receive(messages)))
    const session = this.#served.openSession(
      carry('session', (messages) => this.#client.receive(messages)),
      this.answered,
    )
    this.#session = session
    this.#isCut = false
  }

  cut(): void {
    if (this.#isCut) return
    this.#isCut = true
    for (const cut of this.#cutters.splice(0)) cut()
    this.#client.disconnect()
    this.#session?.close()
  }
}

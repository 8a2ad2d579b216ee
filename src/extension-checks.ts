import type { Extension, Move, Turn } from './engine/extension.ts'
import { extend } from './extend.ts'
import { isTerminal, type JobRecord } from './job/record.ts'
import type { OffstageError } from './shared/errors.ts'
import { show } from './shared/show.ts'
import { defineJobs } from './thread/define-jobs.ts'
import type { Scheduler } from './typed-scheduler.ts'

/** One thing that must hold for extensions wherever jobs are kept. `run` rejects with what is wrong. */
export interface ExtensionCheck {
  /** What it checks, as the title of a test. */
  readonly name: string
  /** Resolves when the check passes; rejects with what is wrong. */
  run(): Promise<void>
}

const jobs = defineJobs({
  double: (n: number) => n * 2,
  fail: (message: string) => {
    throw new RangeError(message)
  },
})

/**
 * Opens a scheduler. Two schedulers with the same place share what they hold, one after the other. Every new place starts
 * empty. If another page or process runs the jobs, attach `extensions` there; in this scheduler the checks do it.
 */
export type OpenForChecks = (
  place: string,
  table: typeof jobs,
  extensions: readonly Extension[],
) => Scheduler<typeof jobs> | Promise<Scheduler<typeof jobs>>

/**
 * Checks everything that extensions rely on, for authors of stores and engines.
 *
 * @example
 * ```ts
 * import { extensionChecks } from 'offstage/testing'
 * const open = (place, jobs) => createScheduler(inline(jobs), { store: myStore(`/tmp/${place}`) })
 * for (const { name, run } of extensionChecks(open)) test(name, run)
 * ```
 */
export function extensionChecks(open: OpenForChecks, { isDurable = true } = {}): ExtensionCheck[] {
  return Object.entries({ ...always, ...(isDurable && durable) }).map(([name, check], index) => ({
    name,
    run: async () => {
      const bench = new Bench(open, `offstage-extension-check-${index}`)
      try {
        await check(bench)
      } finally {
        await bench.close()
      }
    },
  }))
}

type Rows = Readonly<Record<string, unknown>>

interface LogCommands {
  rows(): Promise<Rows>
  put(key: string, value: unknown): Promise<string>
  putAndThrow(key: string): Promise<void>
  echo(value: unknown): Promise<unknown>
}

const rowsOf = ({ rows }: Pick<Turn, 'rows'>): Rows =>
  Object.fromEntries([...rows].sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0)))

/** Keeps the state of each job, and any rows that `put` is called with. */
const log: Extension<LogCommands> = {
  name: 'checks-log',
  moves: new Set<Move>(['insert', 'complete', 'fail', 'cancel', 'removed', 'replaced']),
  events: ['checks:ended'],
  moved(turn, before, after, move) {
    const { id, name } = after ?? (before as JobRecord)
    turn.put(id, after?.state)
    if (move === 'insert' && id === 'forbidden') throw new RangeError(`no ${name} today`)
    if (after && isTerminal(after.state)) turn.tell({ type: 'checks:ended', id, state: after.state })
  },
  open: (host) => ({
    rows: async () => rowsOf(host),
    put: (key, value) =>
      host.turn((turn) => {
        turn.put(key, value)
        return key
      }),
    putAndThrow: (key) =>
      host.turn((turn) => {
        turn.put(key, 1)
        turn.insert({ name: 'double', input: 1, options: { id: `job of ${key}` } })
        throw new RangeError('on second thoughts')
      }),
    echo: async (value) => value,
  }),
}

interface ChainCommands {
  /** `delayMs`: the delay of the first job. */
  add(ids: readonly string[], delayMs?: number): Promise<readonly string[]>
  rows(): Promise<Rows>
}

/** Jobs that run one after the other: the end of each unblocks the next. */
const chain: Extension<ChainCommands> = {
  name: 'checks-chain',
  scope: 'marked',
  moves: new Set<Move>(['complete', 'fail', 'cancel']),
  moved(turn, before) {
    const { id } = before as JobRecord
    const next = turn.rows.get(id)
    turn.put(id, undefined)
    if (typeof next === 'string') turn.move(next, { type: 'unblock' })
  },
  open: (host) => ({
    add: (ids, delayMs) =>
      host.turn((turn) =>
        ids.map((id, at) => {
          turn.put(id, ids[at + 1] ?? 'last')
          const isBlocked = at > 0
          const options = { id, ...(at === 0 && { delayMs }) }
          return turn.insert({ name: 'double', input: at, options, isBlocked, isMarked: true }).disposition
        }),
      ),
    rows: async () => rowsOf(host),
  }),
}

/** Decides about new jobs by the `extensions` option of each. */
const door: Extension<Record<string, never>> = {
  name: 'checks-door',
  moves: new Set(),
  admit: (_turn, { options }) => options?.extensions?.['checks-door'] as never,
  open: () => ({}),
}

const extensions = [log, chain, door] as unknown as readonly Extension[]

class Bench {
  readonly #open: OpenForChecks
  readonly #place: string
  #scheduler: Scheduler<typeof jobs> | undefined

  constructor(open: OpenForChecks, place: string) {
    this.#open = open
    this.#place = place
  }

  async open() {
    await this.close()
    const scheduler = await this.#open(this.#place, jobs, extensions)
    this.#scheduler = scheduler
    return { scheduler, log: extend(scheduler, log), chain: extend(scheduler, chain), door: extend(scheduler, door) }
  }

  async close(): Promise<void> {
    await this.#scheduler?.close()
    this.#scheduler = undefined
  }
}

type Check = (bench: Bench) => Promise<void>

const always: Readonly<Record<string, Check>> = {
  'what follows a move is there with it': async (bench) => {
    const { scheduler, log } = await bench.open()
    await scheduler.run.double(2, { id: 'good' })
    await scheduler.run.fail('no', { id: 'bad' }).catch(() => {})
    const later = await scheduler.add.double(2, { id: 'later', delayMs: 3_600_000 })
    expectSame(await log.rows(), { bad: 'failed', good: 'completed', later: 'scheduled' })
    await later.cancel()
    await scheduler.remove('bad')
    expectSame(await log.rows(), { good: 'completed', later: 'cancelled' })
  },

  'the same extension has the same commands, and another of its name is refused': async (bench) => {
    const { scheduler, log: first } = await bench.open()
    expectSame(extend(scheduler, log) === first, true)
    const other = { ...log }
    expectSame(codeOf(await rejection(async () => extend(scheduler, other))), 'INVALID_OPTION')
  },

  'commands take and return copies, and reject with what they throw': async (bench) => {
    const { log } = await bench.open()
    const value = { list: [1, new Date(5)], map: new Map([['a', new Uint8Array([1, 2])]]) }
    const answer = await log.echo(value)
    expectSame(answer === value, false)
    expectSame(answer, value)
    expectSame(codeOf(await rejection(() => log.echo(() => {}))), 'DATA_CLONE')
    expectSame(codeOf(await rejection(() => (log as unknown as Record<string, () => Promise<void>>).nothing?.())), 'EXTENSION_MISSING') // biome-ignore format: one line.
    const thrown = await rejection(() => log.putAndThrow('x'))
    expectSame([(thrown as Error).name, (thrown as Error).message], ['RangeError', 'on second thoughts'])
  },

  'a turn that throws leaves nothing': async (bench) => {
    const { scheduler, log } = await bench.open()
    await log.put('x', 0)
    await rejection(() => log.putAndThrow('x'))
    expectSame(await log.rows(), { x: 0 })
    expectSame(await scheduler.get('job of x'), undefined)
  },

  'a job that an extension cannot follow is not added, nor others of its call': async (bench) => {
    const { scheduler, log } = await bench.open()
    const add = (id: string) => ({ name: 'double' as const, input: 1, options: { id } })
    for (const error of [
      await rejection(() => scheduler.add.double(1, { id: 'forbidden' })),
      await rejection(() => scheduler.run.double(1, { id: 'forbidden' })),
      await rejection(() => scheduler.addMany([add('a'), add('forbidden'), add('b')])),
    ]) {
      expectSame(codeOf(error), 'EXTENSION_FAILED')
      expectSame(/'checks-log'.*'forbidden'.*no double today/.test((error as Error).message), true)
    }
    expectSame(await log.rows(), {})
    expectSame((await scheduler.find()).length, 0)
    expectSame(await scheduler.run.double(4), 8)
  },

  'an event is emitted when its turn is committed': async (bench) => {
    const { scheduler, log } = await bench.open()
    const emitted = new Promise<unknown>((resolve) => scheduler.once('checks:ended' as never, resolve as never))
    await scheduler.run.double(1, { id: 'a' })
    const { id, state } = (await emitted) as { id: string; state: string }
    expectSame([id, state, (await log.rows()).a], ['a', 'completed', 'completed'])
  },

  'blocked jobs wait, and each is unblocked with the end of another': async (bench) => {
    const { scheduler, chain } = await bench.open()
    expectSame(await chain.add(['a', 'b', 'c', 'd']), ['created', 'created', 'created', 'created'])
    const last = await scheduler.get('d')
    expectSame(await last?.result(), 6)
    expectSame(await chain.rows(), {})
    expectSame((await scheduler.counts()).completed, 4)
  },

  'cancel, remove and setPriority work on a blocked job; promote and retry do not': async (bench) => {
    const { scheduler, chain } = await bench.open()
    await chain.add(['a', 'b', 'c'], 3_600_000)
    expectSame((await scheduler.counts()).blocked, 2)
    expectSame(
      (await scheduler.find({ state: 'blocked' })).map(({ id }) => id),
      ['b', 'c'],
    )
    expectSame([await scheduler.setPriority('b', 5), await scheduler.promote('b'), await scheduler.retry('b')], [true, false, 0]) // biome-ignore format: one line.
    const b = await scheduler.get('b')
    expectSame([b?.snapshot().state, b?.snapshot().priority], ['blocked', 5])
    // A cancelled job unblocks the next one like any other end.
    expectSame(await b?.cancel(), true)
    expectSame((await scheduler.get('c'))?.snapshot().state === 'blocked', false)
    expectSame(await scheduler.remove('c'), 1)
    await scheduler.cancel('a')
    expectSame(await chain.rows(), {})
  },

  'an extension says what is to become of a job': async (bench) => {
    const { scheduler } = await bench.open()
    const add = (id: string, answer: object) =>
      scheduler.add.double(3, { id, delayMs: 3_600_000, extensions: { 'checks-door': answer } })
    const first = await add('first', {})
    expectSame(first.disposition, 'created')
    const existing = await add('second', { existing: 'first' })
    expectSame([existing.id, existing.disposition], ['first', 'existing'])
    expectSame(await rejection(() => add('third', { refuse: 'not now' })), 'not now')
    const replaced = await add('fourth', { replace: 'first', input: 5, options: { id: 'renamed', priority: 2 } })
    const { priority } = replaced.snapshot()
    expectSame([replaced.id, replaced.disposition, replaced.input, priority], ['renamed', 'replaced', 5, 2])
    const blocked = await add('fifth', { isBlocked: true })
    expectSame(blocked.snapshot().state, 'blocked')
    await replaced.result()
    expectSame(
      (await scheduler.find()).map(({ id }) => id),
      ['renamed', 'fifth'],
    )
  },
}

const durable: Readonly<Record<string, Check>> = {
  'rows are there after opening again, and those that went are not': async (bench) => {
    const { log } = await bench.open()
    await log.put('a', { deep: [1, 2n] })
    await log.put('b', 1)
    await log.put('b', undefined)
    const { log: again } = await bench.open()
    expectSame(await again.rows(), { a: { deep: [1, 2n] } })
  },

  'a job that is marked and blocked is so after opening again': async (bench) => {
    const { chain } = await bench.open()
    await chain.add(['a', 'b'], 3_600_000)
    const { scheduler: next, chain: again } = await bench.open()
    expectSame(await again.rows(), { a: 'b', b: 'last' })
    expectSame(await next.promote('a'), true)
    expectSame(await (await next.get('b'))?.result(), 2)
    expectSame(await again.rows(), {})
  },

  'what the store cannot keep is refused where it is written': async (bench) => {
    const { log } = await bench.open()
    expectSame(codeOf(await rejection(() => log.put('module', emptyModule()))), 'DATA_CLONE')
    expectSame(await log.rows(), {})
  },
}

/** It can be copied to a thread, and no store keeps it. */
const emptyModule = () => new WebAssembly.Module(new Uint8Array([0, 0x61, 0x73, 0x6d, 1, 0, 0, 0]))

async function rejection(call: () => Promise<unknown> | undefined): Promise<unknown> {
  try {
    await call()
  } catch (error) {
    return error
  }
  throw new Error('expected it to reject')
}

const codeOf = (error: unknown): unknown => (error as Partial<OffstageError> | undefined)?.code

function expectSame(found: unknown, expected: unknown): void {
  if (textOf(found) !== textOf(expected)) throw new Error(`expected ${textOf(expected)}, got ${textOf(found)}`)
}

/** Good enough to tell the compared values apart. */
const textOf = (value: unknown): string =>
  JSON.stringify(value, (_key, item) => {
    if (typeof item === 'bigint' || item === undefined) return show(item)
    if (item instanceof Map) return [...item]
    return ArrayBuffer.isView(item) ? [...new Uint8Array(item.buffer)] : item
  }) ?? show(value)

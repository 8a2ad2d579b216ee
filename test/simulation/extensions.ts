/** Extensions whose rows say what their jobs are: whatever happens, the two agree in every batch. */
import type { ExtensionHost, Turn } from '../../src/engine/extension.ts'
import type { Extension, Move } from '../../src/extension.ts'
import { isTerminal, type JobRecord } from '../../src/job/record.ts'
import type { Row } from '../../src/store/store.ts'
import { show } from './equal.ts'
import { inputOf, isHeldBack, isPlain } from './kinds.ts'
import { assert } from './truth.ts'

const ends: Move[] = ['complete', 'fail', 'expire', 'cancel', 'interrupt', 'crash', 'removed', 'replaced', 'retention']
const all: Move[] = [
  ...[
    'insert',
    'start',
    'release',
    'acquit',
    'checkpoint',
    'step',
    'snooze',
    'wait',
    'signal',
    'child',
    'due',
    'prioritize',
    'update',
    'retry',
    'unblock',
    'block',
  ],
  ...ends,
] as Move[]

const mirrored = ({ seq, state, attempt, priority }: JobRecord) => ({ seq, state, attempt, priority })

/** A row for each job. */
const mirror: Extension = {
  name: 'mirror',
  moves: new Set(all),
  moved(turn, before, after) {
    const { id } = after ?? (before as JobRecord)
    // Twice, so that there is an order in which it is taken back.
    turn.put(id, 'meanwhile')
    turn.put(id, after && mirrored(after))
  },
  open: (host) => reconciled(host, host.find()),
}

/** The same for those that it has marked. */
const watch: Extension = {
  name: 'watch',
  scope: 'marked',
  moves: new Set(all),
  admit: (_turn, request) => (inputOf(request).isWatched ? { isMarked: true } : undefined),
  moved: (turn, before, after, move) => mirror.moved?.(turn, before, after, move),
  open: (host) =>
    reconciled(
      host,
      host.find().filter(({ rules }) => rules.marks?.includes('watch')),
    ),
}

function reconciled(host: ExtensionHost, jobs: readonly JobRecord[]): Record<string, never> {
  void host
    .turn((turn) => {
      const ids = new Set(jobs.map(({ id }) => id))
      for (const key of host.rows.keys()) if (!ids.has(key)) turn.put(key, undefined)
      for (const record of jobs)
        if (show(host.rows.get(record.id)) !== show(mirrored(record))) turn.put(record.id, mirrored(record))
    })
    .catch(() => {})
  return {}
}

/** Jobs that wait for another to end: a row for each, by the id of the one that waits. */
const after: Extension = {
  name: 'after',
  moves: new Set<Move>(['insert', ...ends]),
  admit(turn, request) {
    const { after } = inputOf(request)
    const parent = after === undefined ? undefined : turn.job(after)
    return parent && !isTerminal(parent.state) && request.options?.id !== after ? { isBlocked: true } : undefined
  },
  moved(turn, before, record, move) {
    const { id, state } = record ?? (before as JobRecord)
    if (move === 'insert' && state === 'blocked') return turn.put(id, inputOf(record as JobRecord).after)
    if (record && !isTerminal(state)) return
    if (turn.rows.has(id)) turn.put(id, undefined)
    for (const [child, parent] of turn.rows) if (parent === id) release(turn, child)
  },
  open(host) {
    void host
      .turn((turn) => {
        for (const [child, parent] of turn.rows) {
          const record = turn.job(parent as string)
          if (!record || isTerminal(record.state) || turn.job(child)?.state !== 'blocked') release(turn, child)
        }
      })
      .catch(() => {})
    return {}
  },
}

function release(turn: Turn, child: string): void {
  turn.put(child, undefined)
  turn.move(child, { type: 'unblock' })
}

/** Counts what it is asked to count. */
export const tally: Extension<{ bump(key: string, isRefusable: boolean): Promise<number> }> = {
  name: 'tally',
  moves: new Set<Move>(),
  open: (host) => ({
    bump: (key, isRefusable) =>
      host.turn(
        (turn) => {
          const count = ((turn.rows.get('count') as number | undefined) ?? 0) + 1
          turn.put('count', -1)
          turn.put('count', count)
          turn.put(key, true)
          return count
        },
        { isRefusable },
      ),
  }),
}

export const extensions: readonly Extension[] = [mirror, watch, after, tally as unknown as Extension]

/** What must be true behind each batch, and of what is found. */
export function checkRows(records: Iterable<JobRecord>, rows: Iterable<Row>): void {
  const tables = new Map<string, Map<string, unknown>>(extensions.map(({ name }) => [name, new Map()]))
  for (const { table, key, value } of rows) tables.get(table)?.set(key, value)
  const table = (name: string) => tables.get(name) as Map<string, unknown>
  const jobs = new Map([...records].map((record) => [record.id, record]))
  for (const record of jobs.values()) {
    const row = table('mirror').get(record.id)
    const expected = mirrored(record)
    assert(
      show(row) === show(expected),
      'I19',
      () => `the row of '${record.id}' is ${show(row)}, not ${show(expected)}`,
    )
    const watched = table('watch').get(record.id)
    const isMarked = record.rules.marks?.includes('watch') === true
    assert(isMarked === (inputOf(record).isWatched === true), 'I19', () => `'${record.id}' has the wrong marks`)
    assert(
      show(watched) === (isMarked ? show(expected) : show(undefined)),
      'I19',
      () => `the row of '${record.id}', ${isMarked ? '' : 'not '}marked, is ${show(watched)}`,
    )
    const parent = table('after').get(record.id) as string | undefined
    // Other extensions have jobs that wait as well.
    assert(
      (isHeldBack(record) && isPlain(record)) === (parent !== undefined),
      'I19',
      () => `'${record.id}' is ${record.state}, and its row says that it waits for ${parent}`,
    )
    if (parent === undefined) continue
    const state = jobs.get(parent)?.state
    assert(
      state !== undefined && !isTerminal(state),
      'I19',
      () => `'${record.id}' is blocked, and '${parent}', for which it waits, is ${state}`,
    )
  }
  for (const name of ['mirror', 'watch', 'after'])
    for (const key of table(name).keys())
      assert(jobs.has(key), 'I19', () => `there is a row '${key}' in '${name}', and no such job`)
  const count = (table('tally').get('count') as number | undefined) ?? 0
  const counted = [...table('tally').keys()].filter((key) => key !== 'count').length
  assert(count === counted, 'I19', () => `${count} are counted, of ${counted}`)
}

import type { Extension } from '../engine/extension.ts'
import { extend } from '../extend.ts'
import { batches } from '../flows/batches.ts'
import { flows } from '../flows/flows.ts'
import { history } from '../history/history.ts'
import { createScheduler } from '../scheduler.ts'
import { OffstageError } from '../shared/errors.ts'
import { printable } from '../shared/printable.ts'
import { fileStore } from '../store/file-store.ts'
import type { Job } from '../typed-job.ts'
import type { Scheduler } from '../typed-scheduler.ts'
import { type Values, wrong } from './arguments.ts'
import { assertOurs, assertStore, keepNone, readFolder, resolved } from './journal-folder.ts'
import { json } from './json.ts'
import { Selection } from './selection.ts'
import { counted } from './text.ts'

type Verb = 'retry' | 'remove'

/** A job that was named and could not be changed, and why. */
interface Refused {
  readonly id: string
  readonly reason: string
}

interface Changed {
  readonly ids: readonly string[]
  readonly refused: readonly Refused[]
}

const participles = { retry: 'retried', remove: 'removed' } as const

/** `offstage retry` and `offstage remove`. */
export async function change(
  verb: Verb,
  given: string,
  ids: readonly string[],
  values: Values,
  complain: (line: string) => unknown,
): Promise<{ readonly lines: string[]; readonly isComplete: boolean }> {
  const folder = resolved(given)
  const selection = new Selection(values)
  assertTarget(verb, ids, values, selection)
  const isMeant = (job: Parameters<Selection['fits']>[0]) =>
    (ids.length > 0 || canMove(verb, job.state)) && selection.fits(job)
  const { records, rows } = readFolder(folder, { ...keepNone, outline: selection.outline })
  if (values['dry-run']) {
    const wanted = new Set(ids)
    const would = records.filter((job) =>
      ids.length > 0 ? wanted.has(job.id) && canMove(verb, job.state) : isMeant(job),
    )
    return report(verb, { ids: would.map(({ id }) => id), refused: [] }, values, true)
  }
  assertOurs(folder)
  const tables = new Set(rows.map(({ table }) => table))
  const changed = await withScheduler(folder, tables, complain, (scheduler) =>
    ids.length > 0 ? changeNamed(verb, scheduler, ids) : changeFitting(verb, scheduler, isMeant),
  )
  return report(verb, changed, values, false)
}

/** Nothing that was left out by mistake means all jobs. */
function assertTarget(verb: Verb, ids: readonly string[], { all }: Values, selection: Selection): void {
  const ways = [ids.length > 0, selection.isLimited, all === true].filter(Boolean).length
  if (ways === 0) throw wrong(verb, `Which jobs? Give ids, a filter, or --all.`)
  if (ways > 1) throw wrong(verb, `Give either ids, or a filter, or --all.`)
}

const canMove = (verb: Verb, state: string): boolean => verb === 'remove' || state === 'failed' || state === 'cancelled'

/** Returns the lines that say what was done. */
function report(
  verb: Verb,
  { ids, refused }: Changed,
  values: Values,
  isDry: boolean,
): { lines: string[]; isComplete: boolean } {
  const done = participles[verb]
  const isComplete = refused.length === 0
  if (values.json) return { lines: [json({ [done]: ids, refused, isDryRun: isDry })], isComplete }
  const lines = isDry ? ids.map(printable) : []
  lines.push(`${isDry ? 'to be ' : ''}${done}: ${counted(ids.length, 'job')}`)
  for (const { id, reason } of refused) lines.push(`not ${done}: '${printable(id)}', ${reason}`)
  return { lines, isComplete }
}

/**
 * Opens the store as a scheduler does, so that the moves are those of the engine, each in one commit with all that follows from it.
 * It is paused, and has no worker, so nothing runs. Nothing is dropped: `keep` is up to the program whose store it is.
 */
async function withScheduler<Result>(
  folder: string,
  tables: ReadonlySet<string>,
  complain: (line: string) => unknown,
  act: (scheduler: Scheduler) => Promise<Result>,
): Promise<Result> {
  assertStore(folder)
  const all = { count: Number.POSITIVE_INFINITY, ageMs: Number.POSITIVE_INFINITY }
  const scheduler = createScheduler(noWorker, {
    store: fileStore(folder, { valueBytesMax: 2 ** 30 }),
    workers: { min: 0, max: 1 },
    keep: { completed: all, failed: all, cancelled: all },
    maxQueued: Number.POSITIVE_INFINITY,
  })
  scheduler.pause()
  scheduler.on('store:error', ({ error }) => {
    const { code, message } = error as OffstageError
    if (code === 'STORE_CORRUPT' || code === 'STORE_WRITE_FAILED') complain(message)
  })
  let failure: { readonly error: unknown } | undefined
  scheduler.on('error', ({ error }) => {
    failure ??= { error }
  })
  attach(scheduler, tables, complain)
  try {
    const result = await act(scheduler)
    if (failure) throw failure.error
    return result
  } finally {
    await scheduler.close({ mode: 'now' })
  }
}

function noWorker(): never {
  throw new Error('The command line runs no jobs.')
}

/**
 * These must hear of a move when it is made: flows, because what fell with a job comes back with it; batches, which count how a
 * member that is gone had ended; a history. The others look at the jobs as they are, when their program opens the store.
 */
function attach(scheduler: Scheduler, tables: ReadonlySet<string>, complain: (line: string) => unknown): void {
  flows(scheduler)
  batches(scheduler)
  const all = { count: Number.POSITIVE_INFINITY, ageMs: Number.POSITIVE_INFINITY }
  if (tables.has('history')) history(scheduler, { keep: all })
  extend(scheduler, addNothing)
  const others = [...tables].filter((table) => !table.startsWith('offstage:') && !known.includes(table))
  if (others.length === 0) return
  const names = others.map((table) => `'${printable(table)}'`).join(', ')
  complain(
    `Rows of ${names} stay as they are: that extension is not known here. It finds the jobs changed when it is attached.`,
  )
}

const known: readonly string[] = ['flows', 'batches', 'history', 'schedules', 'dedupe', 'topics']

/**
 * The callbacks of batches are jobs, whose defaults only their program knows. What cannot be added is owing, and is added when that
 * program opens the store.
 */
const addNothing: Extension<Record<never, never>> = {
  name: 'command line',
  moves: new Set(),
  open: () => ({}),
  admit: () => ({ refuse: new OffstageError('QUEUE_FULL', 'The command line adds no jobs.') }),
}

async function changeNamed(verb: Verb, scheduler: Scheduler, ids: readonly string[]): Promise<Changed> {
  const changed: string[] = []
  const refused: Refused[] = []
  for (const id of new Set(ids)) {
    const job = await scheduler.get(id)
    const state = job?.snapshot().state
    if (!state) refused.push({ id, reason: 'because there is no such job' })
    else if ((await scheduler[verb](id)) > 0) changed.push(id)
    else refused.push({ id, reason: `which is ${state}; only failed and cancelled jobs are` })
  }
  return { ids: changed, refused }
}

/** A commit for so many, so that the journal can be compacted between them. */
const atOnce = 1_000

async function changeFitting(
  verb: Verb,
  scheduler: Scheduler,
  isMeant: (job: Parameters<Selection['fits']>[0]) => boolean,
): Promise<Changed> {
  const jobs = await scheduler.find({ limit: Number.POSITIVE_INFINITY })
  const ids = jobs.filter((job) => isMeant(selectableOf(job))).map(({ id }) => id)
  const changed: string[] = []
  for (let from = 0; from < ids.length; from += atOnce) {
    const some = ids.slice(from, from + atOnce)
    const counts = await Promise.all(some.map((id) => scheduler[verb](id)))
    changed.push(...some.filter((_, index) => (counts[index] as number) > 0))
  }
  return { ids: changed, refused: [] }
}

function selectableOf(job: Job): Parameters<Selection['fits']>[0] {
  const { id, name, queue, state, tags } = job.snapshot()
  return {
    seq: 0,
    id,
    name,
    queue,
    state,
    rules: { tags },
    // Copied only if it is searched.
    get input() {
      return job.input
    },
  }
}

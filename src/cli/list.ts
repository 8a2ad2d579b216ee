import { finishedAt, type JobRecord, plus } from '../job/record.ts'
import { printable } from '../shared/printable.ts'
import type { Salvage } from '../store/salvage.ts'
import type { Row } from '../store/store.ts'
import { type Values, wrong } from './arguments.ts'
import { damage } from './damage.ts'
import { keepNone, readFolder } from './journal-folder.ts'
import { json } from './json.ts'
import { Selection } from './selection.ts'
import { counted, isMoment, moment, table } from './text.ts'

/** What `--columns` and `--json` know of a job, under the names that `job.snapshot()` has for them. */
const columns = {
  id: ({ id }) => id,
  name: ({ name }) => name,
  state: ({ state }) => state,
  queue: ({ queue }) => queue,
  group: ({ group }) => group,
  tags: ({ rules }) => rules.tags,
  priority: ({ priority }) => priority,
  attempt: ({ attempt }) => attempt,
  failures: ({ failures }) => failures,
  interruptions: ({ interruptions }) => interruptions,
  addedAt: ({ addedAt }) => addedAt,
  runAt: ({ runAt }) => runAt,
  startedAt: ({ startMs, addedAt }) => plus(startMs, addedAt),
  finishedAt: (record) => finishedAt(record),
} satisfies Record<string, (record: JobRecord) => unknown>
type Column = keyof typeof columns

const allColumns = Object.keys(columns) as Column[]

/** Returns what can be seen of a job without its values. */
export const rowOf = (record: JobRecord, of: readonly Column[] = allColumns): Record<string, unknown> =>
  Object.fromEntries(of.map((column) => [column, (columns[column] as (record: JobRecord) => unknown)(record)]))

/** `offstage ls`. */
export function* list(folder: string, values: Values, complain: (line: string) => void): Iterable<string> {
  const shown = columnsOf(values.columns)
  const limit = limitOf(values.limit)
  const selection = new Selection(values)
  const found = readFolder(folder, { ...keepNone, outline: selection.outline })
  const fitting = found.records.filter(selection.fits)
  const records = fitting.slice(0, limit)
  if (values.json) {
    yield* jsonList(records, (record) => json(rowOf(record, shown)))
    for (const line of damage(found)) complain(line)
    return
  }
  yield* shown ? columnTable(records, shown) : table(records, usualCells)
  if (selection.isLimited || limit < found.records.length) {
    yield `${records.length} of ${counted(found.records.length, 'job')}${fitting.length > records.length ? `; ${fitting.length} fit` : ''}`
  } else {
    yield* table(found.rows.filter(isListed), ({ table, key }) => ['row', printable(table), printable(key)])
    yield summary(found)
  }
  yield* damage(found)
}

const usualCells = ({ id, name, state, queue, priority, attempt, addedAt }: JobRecord): readonly string[] => [
  printable(id),
  printable(name),
  state,
  printable(queue),
  `priority ${priority}`,
  `attempt ${attempt}`,
  moment(addedAt),
]

/** One element in each line, so that it can be read line by line as well. */
function* jsonList<Item>(items: readonly Item[], jsonOf: (item: Item) => string): Iterable<string> {
  yield '['
  for (const [index, item] of items.entries()) yield `${jsonOf(item)}${index + 1 < items.length ? ',' : ''}`
  yield ']'
}

function columnTable(records: readonly JobRecord[], shown: readonly Column[]): Iterable<string> {
  const cell = (record: JobRecord) => (column: Column) => cellText(column, columns[column](record as never))
  const header = undefined
  return table<JobRecord | undefined>([header, ...records], (record) => (record ? shown.map(cell(record)) : shown))
}

function cellText(column: string, value: unknown): string {
  if (value === undefined) return '-'
  if (isMoment(column, value)) return moment(value)
  return printable(Array.isArray(value) ? value.join(',') || '-' : String(value))
}

function columnsOf(given: string | undefined): readonly Column[] | undefined {
  const names = given?.split(',').map((name) => name.trim())
  const unknown = names?.find((name) => !(allColumns as string[]).includes(name))
  if (unknown !== undefined) throw wrong('ls', `There is no column '${unknown}'; there are: ${allColumns.join(', ')}.`)
  return names as Column[] | undefined
}

function limitOf(given: string | undefined): number {
  if (given === undefined) return Number.POSITIVE_INFINITY
  if (!/^[1-9]\d{0,14}$/.test(given)) throw wrong('ls', `'--limit' is a whole number from 1, not '${given}'.`)
  return Number(given)
}

/** The values that jobs keep are counted, not listed: there may be very many. */
const isListed = ({ table }: Row): boolean => table !== 'offstage:values'

/** Returns what a store holds, in a line. */
export function summary({ records, rows }: Pick<Salvage, 'records' | 'rows'>): string {
  const counts = new Map<string, number>()
  for (const { state } of records) counts.set(state, (counts.get(state) ?? 0) + 1)
  const byState = [...counts].map(([state, count]) => `${count} ${state}`).join(', ')
  // Tables of offstage itself hold the values that jobs keep, and what queues are set to.
  const values = rows.length - rows.filter(isListed).length
  const settings = rows.filter(({ table }) => table.startsWith('offstage:')).length - values
  const others = rows.length - settings - values
  const ofJobs = values > 0 ? `; ${counted(values, 'value')} that jobs keep` : ''
  const ofQueues = settings > 0 ? `; settings of ${counted(settings, 'queue')}` : ''
  const ofExtensions = others > 0 ? `; ${counted(others, 'row')} of extensions` : ''
  return `${counted(records.length, 'job')}${byState && `: ${byState}`}${ofJobs}${ofQueues}${ofExtensions}`
}

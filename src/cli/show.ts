import { finishedAt, type JobRecord, plus } from '../job/record.ts'
import { printable } from '../shared/printable.ts'
import { keepNone, readFolder } from './journal-folder.ts'
import { json } from './json.ts'
import { rowOf } from './list.ts'
import { field, inspect, isMoment, moment } from './text.ts'

/** `offstage show <folder> <id>`. The id may be given as it is, or as `ls` prints it. */
export function* show(folder: string, id: string, isJson: boolean | undefined): Iterable<string> {
  const isMeant = (record: JobRecord) => isText(record.id, id)
  const { records } = readFolder(folder, { ...keepNone, keeps: isMeant })
  const record = records.find((each) => each.id === id) ?? records.find(isMeant)
  if (!record) throw new Error(`There is no job '${id}'.`)
  if (isJson) return yield json(wholeOf(record))
  const { startMs, finishMs, ...rest } = record
  const fields = { ...rest, startedAt: plus(startMs, record.addedAt), finishedAt: finishedAt(record) }
  for (const [key, value] of Object.entries(fields))
    if (value !== undefined) yield field(key, isMoment(key, value) ? moment(value) : inspect(value))
}

function wholeOf(record: JobRecord): object {
  const { rules, expiresAt, input, result, error, checkpoint, steps } = record
  const { headers, tags, ...options } = rules
  const values = { input, result, error, checkpoint, steps: steps && Object.fromEntries(steps) }
  return { ...rowOf(record), expiresAt, headers, options, ...values }
}

/** `offstage show <folder> <table> <key>`. */
export function* showRow(folder: string, table: string, key: string, isJson: boolean | undefined): Iterable<string> {
  const keepsRow = (ofTable: string, ofKey: string) => isText(ofTable, table) && isText(ofKey, key)
  const { rows } = readFolder(folder, { ...keepNone, keepsRow })
  const row = rows.find((each) => keepsRow(each.table, each.key))
  if (!row) throw new Error(`There is no row '${key}' in a table '${table}'.`)
  if (isJson) return yield json(row)
  for (const [name, value] of Object.entries(row)) yield field(name, inspect(value))
}

const isText = (text: string, given: string): boolean => text === given || printable(text) === given

import type { JobSnapshot } from 'offstage'
import { scheduler } from '../uploads/scheduler.ts'
import { element } from './element.ts'

const input = element('input')
const output = element('output')
const list = element('ul')

input.addEventListener('change', async () => {
  const uploads = Array.from(input.files ?? [], (file) => ({
    name: 'upload' as const,
    input: file,
    options: { headers: { file: file.name } },
  }))
  try {
    await scheduler.addMany(uploads)
    output.value = ''
  } catch (error) {
    output.value = String(error) // The disk is full, perhaps.
  }
  input.value = ''
})

type Row = (job: JobSnapshot<number>) => void

/** What shows a job in its row, by the job's id. */
const rows = new Map<string, Row>()

const uploads = scheduler.watch({ name: 'upload' })
uploads.subscribe(() => {
  for (const job of uploads.snapshot()) rowOf(job)(job)
})

function rowOf({ id, headers }: JobSnapshot): Row {
  const known = rows.get(id)
  if (known) return known
  const bar = document.createElement('progress')
  const outcome = document.createElement('output')
  const cancel = button('Cancel', () => scheduler.cancel(id))
  const retry = button('Retry', () => scheduler.retry(id))
  const element = document.createElement('li')
  element.append(`${headers.file} `, bar, outcome, cancel, retry)
  list.append(element)
  const row: Row = ({ state, progress, error, finishedAt }) => {
    bar.value = state === 'completed' ? 1 : (progress ?? 0)
    outcome.value = state === 'failed' ? String(error) : state
    cancel.hidden = finishedAt !== undefined
    retry.hidden = state !== 'failed' && state !== 'cancelled'
  }
  rows.set(id, row)
  return row
}

function button(text: string, onclick: () => void) {
  return Object.assign(document.createElement('button'), { textContent: text, onclick })
}

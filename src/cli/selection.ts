import type { JobRecord } from '../job/record.ts'
import { states } from '../job/record.ts'
import { printable } from '../shared/printable.ts'
import { withoutValues } from '../store/salvage.ts'
import { inspect } from './text.ts'
import { UsageError } from './usage-error.ts'

/** The options that select jobs, as they are given. */
export interface SelectionValues {
  readonly state?: readonly string[] | undefined
  readonly name?: readonly string[] | undefined
  readonly queue?: readonly string[] | undefined
  readonly tag?: readonly string[] | undefined
  readonly id?: string | undefined
  readonly search?: string | undefined
}

/** What a selection looks at. */
export type Selectable = Pick<JobRecord, 'seq' | 'id' | 'name' | 'queue' | 'state' | 'input'> & {
  readonly rules: Pick<JobRecord['rules'], 'tags'>
}

/** Which jobs are meant: those that fit every option that is given. */
export class Selection {
  readonly #values: SelectionValues
  readonly #text: string | undefined
  /** By `seq`: whether the input has the text. Inputs themselves are not kept, because there may be very many. */
  readonly #isInInput = new Map<number, boolean>()

  /** Other options may be among `values`. */
  constructor({ state, name, queue, tag, id, search }: SelectionValues) {
    this.#values = { state: listed(state), name, queue, tag, id, search }
    this.#text = search?.toLowerCase()
    for (const state of this.#values.state ?? [])
      if (!(states as readonly string[]).includes(state))
        throw new UsageError(`There is no state '${printable(state)}'; there are: ${states.join(', ')}.`)
  }

  /** Whether some option is given. */
  get isLimited(): boolean {
    return Object.values(this.#values).some((value) => value !== undefined)
  }

  /** For the reading of a journal: leaves the values out of a record, and notes what the search has to know of them. */
  readonly outline = (record: JobRecord): JobRecord => {
    // A later change of the job has no input any more, unless that is what has changed.
    if (this.#text !== undefined && record.input !== undefined)
      this.#isInInput.set(record.seq, this.#has(inspect(record.input)))
    return withoutValues(record)
  }

  readonly fits = (job: Selectable): boolean => {
    const { state, name, queue, tag, id } = this.#values
    if (state && !state.includes(job.state)) return false
    if (name && !name.includes(job.name)) return false
    if (queue && !queue.includes(job.queue)) return false
    if (tag && !tag.some((each) => job.rules.tags.includes(each))) return false
    if (id !== undefined && !job.id.startsWith(id)) return false
    return this.#isFound(job)
  }

  #isFound({ seq, id, rules, input }: Selectable): boolean {
    if (this.#text === undefined || this.#has(id) || rules.tags.some((tag) => this.#has(tag))) return true
    return input === undefined ? this.#isInInput.get(seq) === true : this.#has(inspect(input))
  }

  #has(text: string): boolean {
    return text.toLowerCase().includes(this.#text as string)
  }
}

/** A list may also be given as one text, with commas. */
const listed = (values: readonly string[] | undefined): string[] | undefined =>
  values?.flatMap((value) => value.split(',')).map((value) => value.trim())

import { states } from '../job/record.ts'
import { nodeModule } from '../platform/host.ts'
import { printable } from '../shared/printable.ts'
import type { SelectionValues } from './selection.ts'
import { UsageError } from './usage-error.ts'

export const verbs = ['ls', 'show', 'watch', 'stats', 'retry', 'remove', 'salvage'] as const
export type Verb = (typeof verbs)[number]

interface Option {
  readonly type: 'string' | 'boolean'
  readonly multiple?: boolean
  readonly short?: string
  /** What stands for its value in the help. */
  readonly value?: string
  readonly help: string
}

type Options = Readonly<Record<string, Option>>

/** Everything that options may say. Which of them a verb has is in `manual`. */
export interface Values extends SelectionValues {
  readonly json?: boolean
  readonly help?: boolean
  readonly columns?: string
  readonly limit?: string
  readonly all?: boolean
  readonly 'dry-run'?: boolean
}

export interface Arguments {
  readonly verb: Verb
  readonly folder: string
  /** What stands behind the folder. */
  readonly rest: readonly string[]
  readonly values: Values
}

const selection: Options = {
  state: { type: 'string', multiple: true, value: 'state', help: `${states.join(', ')}; several with commas` },
  name: { type: 'string', multiple: true, value: 'type', help: 'the job type' },
  queue: { type: 'string', multiple: true, value: 'queue', help: 'the name of the queue' },
  tag: { type: 'string', multiple: true, value: 'tag', help: 'a tag that the job has' },
  id: { type: 'string', value: 'prefix', help: 'ids that begin like this' },
  search: {
    type: 'string',
    value: 'text',
    help: 'a text in the id, a tag or the input; small and capital letters are alike',
  },
}
const common: Options = {
  json: { type: 'boolean', help: 'prints JSON, for other programs' },
  help: { type: 'boolean', short: 'h', help: 'prints this' },
}
const dryRun: Options = {
  all: { type: 'boolean', help: 'all jobs' },
  'dry-run': { type: 'boolean', help: 'changes nothing: prints which jobs are meant' },
}

interface Page {
  readonly usage: readonly string[]
  readonly about: string
  readonly options: Options
  readonly examples: readonly string[]
  /** How many arguments it takes behind the folder. */
  readonly rest: readonly [min: number, max: number]
}

const writes =
  'It opens the store as a scheduler does, runs no job, and closes it. A store that is open elsewhere is refused (STORE_LOCKED).'

const manual: Readonly<Record<Verb, Page>> = {
  ls: {
    usage: ['offstage ls <folder> [options]'],
    about: 'Lists jobs, in the order in which they were added, and without any filter the rows of extensions as well.',
    options: {
      ...selection,
      limit: { type: 'string', value: 'n', help: 'at most so many jobs, the oldest first' },
      columns: { type: 'string', value: 'a,b,…', help: 'which fields to print, under a line that names them' },
      ...common,
    },
    examples: ['offstage ls ./jobs --state failed --name mail', 'offstage ls ./jobs --columns id,state,finishedAt'],
    rest: [0, 0],
  },
  show: {
    usage: ['offstage show <folder> <id> [options]', 'offstage show <folder> <table> <key> [options]'],
    about: 'Prints all there is to know of a job, or one row of an extension.',
    options: common,
    examples: ['offstage show ./jobs order:17', 'offstage show ./jobs schedules nightly'],
    rest: [1, 2],
  },
  watch: {
    usage: ['offstage watch <folder> [options]'],
    about: 'Prints each change of a job as it is committed, until it is interrupted (Ctrl-C).',
    options: { ...selection, ...common },
    examples: ['offstage watch ./jobs --state failed', 'offstage watch ./jobs --json | jq .job.id'],
    rest: [0, 0],
  },
  stats: {
    usage: ['offstage stats <folder> [options]'],
    about:
      'Counts jobs by state, type and queue, and failures by error; says what waits longest, who has the store open, and how large it is.',
    options: common,
    examples: ['offstage stats ./jobs'],
    rest: [0, 0],
  },
  retry: {
    usage: ['offstage retry <folder> <id>… [options]', 'offstage retry <folder> [filter] [options]'],
    about: `Lets failed and cancelled jobs run again, with all their attempts, when a scheduler opens the store next. ${writes}`,
    options: { ...selection, ...dryRun, ...common },
    examples: ['offstage retry ./jobs order:17', 'offstage retry ./jobs --state failed --name mail --dry-run'],
    rest: [0, Number.POSITIVE_INFINITY],
  },
  remove: {
    usage: ['offstage remove <folder> <id>… [options]', 'offstage remove <folder> [filter] [options]'],
    about: `Removes jobs for good; one that has not ended is cancelled first. ${writes}`,
    options: { ...selection, ...dryRun, ...common },
    examples: ['offstage remove ./jobs order:17', 'offstage remove ./jobs --state completed,cancelled --tag nightly'],
    rest: [0, Number.POSITIVE_INFINITY],
  },
  salvage: {
    usage: ['offstage salvage <folder> [options]'],
    about:
      'Recovers what is intact of a damaged store. The damaged journal is copied first, and kept beside the new one. A store that is open elsewhere is refused (STORE_LOCKED).',
    options: common,
    examples: ['offstage salvage ./jobs'],
    rest: [0, 0],
  },
}

const usage = `usage:
  offstage ls <folder>                    the jobs in a store, and the rows of its extensions
  offstage show <folder> <id>             all there is to know of a job
  offstage show <folder> <table> <key>    one row of an extension
  offstage watch <folder>                 what happens to the jobs, as it happens
  offstage stats <folder>                 counts, failures by error, sizes
  offstage retry <folder> <id>…           lets failed and cancelled jobs run again
  offstage remove <folder> <id>…          removes jobs
  offstage salvage <folder>               recovers what is intact of a damaged store; the damaged journal is kept beside it

  offstage <verb> --help                  the options of each: filters, --columns, --json
  offstage --version`

/** Returns the help of a verb. */
function helpOf(verb: Verb): string {
  const { usage, about, options, examples } = manual[verb]
  const rows = Object.entries(options).map(([name, { short, value, help }]) => {
    const label = `${short ? `-${short}, ` : ''}--${name}${value ? ` <${value}>` : ''}`
    return `  ${label.padEnd(22)}${help}`
  })
  return ['usage:', ...usage.map((line) => `  ${line}`), '', about, '', 'options:', ...rows, '', 'examples:', ...examples.map((line) => `  ${line}`)].join('\n') // biome-ignore format: one line.
}

const isVerb = (text: string | undefined): text is Verb => (verbs as readonly (string | undefined)[]).includes(text)

/** Returns what is asked for: a verb with its arguments, a help, or the version. */
export function parse(args: readonly string[]): Arguments | { readonly help: string } | 'version' {
  const [verb, ...others] = args
  if (verb === '--help' || verb === '-h' || verb === 'help')
    return { help: isVerb(others[0]) ? helpOf(others[0]) : usage }
  if (verb === '--version' || verb === '-v') return 'version'
  if (verb === undefined) throw new UsageError(usage)
  if (!isVerb(verb)) throw new UsageError(`There is no verb '${printable(verb)}'.\n${usage}`)
  const { values, positionals } = parsed(verb, others)
  if (values.help) return { help: helpOf(verb) }
  const [folder, ...rest] = positionals
  const [min, max] = manual[verb].rest
  if (!folder || rest.length < min || rest.length > max) throw wrong(verb, undefined)
  for (const [name, value] of Object.entries(values))
    if ([value].flat().includes('')) throw wrong(verb, `The value of '--${name}' is empty.`)
  if (rest.includes('')) throw wrong(verb, 'An id is empty.')
  return { verb, folder, rest, values }
}

function parsed(verb: Verb, args: readonly string[]): { values: Values; positionals: readonly string[] } {
  const util = nodeModule<typeof import('node:util')>('util')
  if (!util) throw new Error('offstage needs Node, Bun or Deno here.')
  const options = Object.fromEntries(
    Object.entries(manual[verb].options).map(([name, { type, multiple = false, short }]) => [
      name,
      { type, multiple, ...(short && { short }) },
    ]),
  )
  try {
    return util.parseArgs({ args: [...args], options, allowPositionals: true }) as ReturnType<typeof parsed>
  } catch (error) {
    // Node goes on to say what else may be meant.
    throw wrong(verb, (error as Error).message.split(/\. |\n/)[0])
  }
}

export const wrong = (verb: Verb, what: string | undefined): UsageError =>
  new UsageError(`${what === undefined ? '' : `${printable(what)}\n`}usage:\n${manual[verb].usage.map((line) => `  ${line}`).join('\n')}\n'offstage ${verb} --help' says more.`) // biome-ignore format: one line.

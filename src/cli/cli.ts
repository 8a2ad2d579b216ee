/**
 * The command `offstage ls | show | watch | stats | retry | remove | salvage <folder>`: looks into a file store from outside,
 * changes jobs in it while no program has it open, and recovers what is intact of a damaged one. The first four only read, so they
 * may be used while the store is open.
 *
 * Nothing is printed before all work is done, because the reader may leave at any time (`offstage ls x | head -1`); but `watch`
 * prints as it goes.
 */

import { printable } from '../shared/printable.ts'
import { parse } from './arguments.ts'
import { change } from './change.ts'
import { json } from './json.ts'
import { list } from './list.ts'
import { salvageFolder } from './salvage-folder.ts'
import { show, showRow } from './show.ts'
import { stats } from './stats.ts'
import { UsageError } from './usage-error.ts'
import { watch } from './watch.ts'

/** What the commands need from outside. */
export interface CliHost {
  readonly args: readonly string[]
  /** Prints one or several lines. May return a promise, which rejects when the reader has gone. */
  print(lines: string): unknown
  complain(line: string): unknown
  /** Returns a signal that is aborted when the user has seen enough. Called by what goes on until then. */
  untilStopped?(): AbortSignal
  /** Returns the version of the package. */
  version?(): string
}

/** Lines are joined until they have about this many characters, then printed together. */
const printLengthMin = 64 * 1024
/** The codes by which the system says that the reader has gone. */
const closedCodes: readonly unknown[] = ['EPIPE', 'EOF', 'ECONNRESET']

/** Returns the exit code: 0 for success, 1 for a failure, 2 for a wrong call. */
export async function runCli(host: CliHost): Promise<number> {
  try {
    const { lines = [], isComplete = true } = await carryOut(host)
    await printAll(lines, host.print)
    return isComplete ? 0 : 1
  } catch (error) {
    if (closedCodes.includes((error as { code?: unknown })?.code)) return 0
    const message = error instanceof Error ? error.message : String(error)
    await host.complain(error instanceof UsageError ? message : printable(message))
    return error instanceof UsageError ? 2 : 1
  }
}

async function printAll(lines: Iterable<string>, print: CliHost['print']): Promise<void> {
  let waiting: string[] = []
  let length = 0
  for (const line of lines) {
    waiting.push(line)
    length += line.length
    if (length < printLengthMin) continue
    await print(waiting.join('\n'))
    waiting = []
    length = 0
  }
  if (waiting.length > 0) await print(waiting.join('\n'))
}

interface Answer {
  readonly lines?: Iterable<string>
  /** Whether all that was asked for is done. */
  readonly isComplete?: boolean
}

async function carryOut(host: CliHost): Promise<Answer> {
  const asked = parse(host.args)
  if (asked === 'version') return { lines: [host.version?.() ?? 'unknown'] }
  if ('help' in asked) return { lines: [asked.help] }
  const { verb, folder, rest, values } = asked
  const [first = '', second] = rest
  const complain = (line: string) => host.complain(printable(line))
  switch (verb) {
    case 'ls':
      return { lines: list(folder, values, complain) }
    case 'show':
      return { lines: second === undefined ? show(folder, first, values.json) : showRow(folder, first, second, values.json) } // biome-ignore format: one line.
    case 'stats':
      return { lines: await stats(folder, values.json, complain) }
    case 'watch':
      await watch(folder, values, host.print, host.untilStopped?.() ?? new AbortController().signal)
      return {}
    case 'retry':
    case 'remove':
      return change(verb, folder, rest, values, complain)
    case 'salvage': {
      const { lines, report } = await salvageFolder(folder)
      return { lines: values.json ? [json({ ...report, messages: lines })] : lines }
    }
  }
}

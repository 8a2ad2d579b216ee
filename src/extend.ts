import type { CommandTable, Extension } from './engine/extension.ts'
import type { EngineParts, RequestOf } from './engine/extension-parts.ts'
import { Extensions } from './engine/extensions.ts'
import { isExtensionEvent } from './events/event-map.ts'
import { type Extensible, type ExtensionPoint, extensionPointOf } from './extension-point.ts'
import { nameCheck, takeJobOptions } from './job/job-options.ts'
import { byName } from './shared/by-name.ts'
import * as check from './shared/check.ts'
import { copyValue } from './shared/clone.ts'
import { OffstageError } from './shared/errors.ts'

const extensionChecks: check.Checks = {
  name: (value) =>
    typeof value === 'string' && value !== '' && !value.startsWith('offstage:')
      ? nameCheck(value)
      : 'a name that does not begin with `offstage:`',
  moves: (value) => (value instanceof Set ? undefined : 'a Set of moves'),
  scope: check.oneOf('all', 'marked'),
  events: (value) =>
    Array.isArray(value) && value.every(isExtensionEvent)
      ? undefined
      : 'a list of event types with a colon in them, `flow:completed`, that do not begin with `worker:` or `store:`',
  open: check.callable,
  moved: check.callable,
  admit: check.callable,
  parentsOf: check.callable,
}

/**
 * Attaches an extension and returns its commands. Attaching the same extension twice returns the same commands; another
 * extension with the same name throws `INVALID_OPTION`. All pages that share a store have to attach the same extensions,
 * because commands are carried out where the jobs run, which may be another tab.
 *
 * Arguments and results are always copied, as if they went to another tab. A command resolves when everything that it did and
 * saw is committed. It rejects with what the command throws, or with `EXTENSION_MISSING` if the extension is not attached where
 * the jobs run. If the leading tab is lost before it has replied, the next leader carries the command out again. So let the
 * caller make the ids, so that nothing is done twice.
 *
 * @example
 * ```ts
 * import { extend } from 'offstage/extension'
 *
 * const counts = extend(scheduler, tally)
 * await counts.of('resize')
 * ```
 */
export function extend<Commands>(scheduler: Extensible, extension: Extension<Commands>): Commands {
  const point = extensionPointOf(scheduler)
  check.checkArgument('extension', check.object, extension)
  const { name, moves, scope, events, open, moved, admit, parentsOf } = extension
  check.checkOptions({ name, moves, scope, events, open, moved, admit, parentsOf }, extensionChecks, 'extension.')
  const there = point.attached.get(name)
  if (there?.extension === extension) return there.commands as Commands
  if (there)
    throw new OffstageError('INVALID_OPTION', `Another extension '${name}' is attached to this scheduler already.`)
  const commands = commandsOf(point, name)
  point.attached.set(name, { extension: extension as Extension<never>, commands })
  const requestOf = requestsOf(point)
  // The engine passes on the parts and rows without knowing the types of extensions.
  point.engine.attach(extension, (parts, rows) => new Extensions(parts as EngineParts, requestOf, rows))
  return commands as Commands
}

function commandsOf({ engine }: ExtensionPoint, extension: string): CommandTable {
  return byName((name) => async (...args: unknown[]) => {
    const copies = copyValue(args, `arguments of \`${name}\``) as unknown[]
    if (engine.isEnded) throw engine.closedError()
    const { opening } = engine
    if (opening) await opening
    return copyValue(await engine.command(extension, name, copies), `result of \`${name}\``)
  }) as CommandTable
}

/** Options that belong to a page or process. A job that an extension adds has no caller there. */
const callersOwn = /^(transfer|signal|on[A-Z].*)$/

function requestsOf({ engine, defaultsOf }: ExtensionPoint): RequestOf {
  return (name, input, given) => {
    check.checkArgument('name', nameCheck, name)
    const options = takeJobOptions(given)
    const own = Object.keys(options ?? {}).find((option) => callersOwn.test(option))
    if (own) throw new OffstageError('INVALID_OPTION', `The option \`${own}\` is not for jobs that an extension adds.`)
    const copy = copyValue(input, 'input', (value, what) => engine.check(value, what))
    return { name, input: copy, options, defaults: defaultsOf(name), transfer: undefined, attach: undefined }
  }
}

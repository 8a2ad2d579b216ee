// What the built declarations say: every public name and member has a sentence, and no part of the engine is among them.
import { readdirSync } from 'node:fs'
import { basename, join } from 'node:path'
import ts from 'typescript'

/** Parts of the engine. A user who meets one of them in an editor has met something that may change with every version. */
const internals = new Set([
  'Engine',
  'LocalEngine',
  'LiveJob',
  'JobView',
  'Jobs',
  'Step',
  'Line',
  'Limiter',
  'PoolWorker',
])

/** Returns what is wrong with the declarations in this folder, a line each. @param {string} dist */
export function faultsOfDeclarations(dist) {
  const files = readdirSync(dist).filter((file) => file.endsWith('.d.ts'))
  const program = ts.createProgram(
    files.map((file) => join(dist, file)),
    { strict: true, noEmit: true, target: ts.ScriptTarget.ESNext, types: [] },
  )
  const checker = program.getTypeChecker()
  /** @type {Set<string>} */
  const faults = new Set()

  /** @param {ts.Symbol} symbol */
  const isOurs = (symbol) =>
    symbol.declarations?.some((node) => node.getSourceFile().fileName.startsWith(dist)) ?? false
  /** @param {ts.Symbol} symbol */
  const hasSentence = (symbol) =>
    symbol.getDocumentationComment(checker).length > 0 ||
    // What is only for ourselves: an opaque member, or one whose name is a symbol of ours.
    symbol.getJsDocTags().some(({ name }) => name === 'internal') ||
    symbol.name.startsWith('__@')

  for (const file of files) {
    const source = /** @type {ts.SourceFile} */ (program.getSourceFile(join(dist, file)))
    for (const statement of source.statements) {
      const name = /** @type {{ name?: ts.Node }} */ (/** @type {unknown} */ (statement)).name?.getText()
      if (name && internals.has(name)) faults.add(`dist/${file} has the internal \`${name}\`.`)
    }
    const module = checker.getSymbolAtLocation(source)
    // In a chunk, what several entries share; what they do not export is no public name.
    if (!module || /-[\w-]{8}\.d\.ts$/.test(file)) continue
    for (const exported of checker.getExportsOfModule(module)) {
      const symbol = exported.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(exported) : exported
      if (!isOurs(symbol)) continue
      const where = `${basename(file, '.d.ts')}: \`${exported.name}`
      if (!hasSentence(symbol)) faults.add(`${where}\` has no sentence.`)
      if (!(symbol.flags & (ts.SymbolFlags.Interface | ts.SymbolFlags.Class))) continue
      for (const member of checker.getPropertiesOfType(checker.getDeclaredTypeOfSymbol(symbol)))
        if (isOurs(member) && !hasSentence(member)) faults.add(`${where}.${member.name}\` has no sentence.`)
    }
  }
  return [...faults]
}

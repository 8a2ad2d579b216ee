// What the built declarations say: every public name and member has a sentence, also in types that only other public ones name,
// and no part of the engine is among them.
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

  /** @param {ts.Symbol} symbol */
  const target = (symbol) => (symbol.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(symbol) : symbol)

  /** @type {Set<ts.Symbol>} */
  const seen = new Set()
  /** @param {ts.Symbol} symbol @param {string} where */
  const visit = (symbol, where) => {
    if (seen.has(symbol) || !isOurs(symbol)) return
    seen.add(symbol)
    if (symbol.flags & (ts.SymbolFlags.Interface | ts.SymbolFlags.Class))
      for (const member of checker.getPropertiesOfType(checker.getDeclaredTypeOfSymbol(symbol)))
        if (isOurs(member) && !hasSentence(member)) faults.add(`${where}.${member.name}\` has no sentence.`)
    for (const node of symbol.declarations ?? []) ts.forEachChild(node, (child) => visitNamed(child, where))
  }
  /** What the declaration of a public name names, users meet too. @param {ts.Node} node @param {string} where */
  const visitNamed = (node, where) => {
    const named = ts.isTypeReferenceNode(node) ? checker.getSymbolAtLocation(node.typeName) : undefined
    if (named && !(named.flags & ts.SymbolFlags.TypeParameter)) {
      const symbol = target(named)
      visit(symbol, `${where.slice(0, where.indexOf('`'))}\`${symbol.name}`)
    }
    ts.forEachChild(node, (child) => visitNamed(child, where))
  }

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
      const symbol = target(exported)
      if (!isOurs(symbol)) continue
      const where = `${basename(file, '.d.ts')}: \`${exported.name}`
      if (!hasSentence(symbol)) faults.add(`${where}\` has no sentence.`)
      visit(symbol, where)
    }
  }
  return [...faults]
}

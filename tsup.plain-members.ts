/**
 * Private members as plain ones with short names. Bundlers that build for targets below ES2022 turn each `#member` into a
 * `WeakMap`, and each class field into a call of `Object.defineProperty`; that made offstage ten times slower. The names are
 * short because no minifier shortens the names of plain members.
 */
import { readFile } from 'node:fs/promises'
import type { Plugin } from 'esbuild'
import ts from 'typescript'

/** The most frequent letters of minified code come first, which compresses best. */
const letters = [...'etrnsioacdlhumpfgbvywkxqjzETRNSIOACDLHUMPFGBVYWKXQJZ']

/** By the name of a class, what it extends. */
type Parents = Map<string, string>

export const plainMembers: Plugin = {
  name: 'plain-members',
  setup({ onLoad, onEnd }) {
    const parents: Parents = new Map()
    onLoad({ filter: /[\\/]src[\\/].*\.ts$/ }, async ({ path }) => ({
      contents: withPlainMembers(path, await readFile(path, 'utf8'), parents),
      loader: 'ts',
    }))
    onEnd(() => checkParents(parents))
  },
}

/**
 * Returns a module without types and private members, and with its source map. Its class fields become assignments when it is
 * loaded as TypeScript with `useDefineForClassFields: false`. Puts what its classes extend into `parents`.
 */
export function withPlainMembers(path: string, text: string, parents: Parents = new Map()): string {
  const { outputText } = ts.transpileModule(text, {
    fileName: path,
    compilerOptions: {
      target: ts.ScriptTarget.ES2022,
      module: ts.ModuleKind.ESNext,
      verbatimModuleSyntax: true,
      allowJs: true,
      removeComments: true,
      inlineSourceMap: true,
      inlineSources: true,
    },
    transformers: { before: [transformerFor(parents)] },
  })
  return outputText
}

/** Throws if a class extends one that extends one: their members would have the same names. */
export function checkParents(parents: Parents): void {
  for (const [child, parent] of parents) {
    if (parents.has(parent)) throw new Error(`${child} extends ${parent}, which extends ${parents.get(parent)}`)
  }
}

const transformerFor =
  (parents: Parents): ts.TransformerFactory<ts.SourceFile> =>
  (context) => {
    const { factory } = context
    const visitWith = (names: ReadonlyMap<string, string>): ts.Visitor => {
      const visit: ts.Visitor = (node) => {
        if (ts.isClassLike(node)) {
          const inner = visitWith(new Map([...names, ...plainNames(node, parents)]))
          return ts.visitEachChild(node, inner, context)
        }
        if (ts.isPrivateIdentifier(node)) {
          // `#member in object`
          if (ts.isBinaryExpression(node.parent)) throw new Error(`\`${node.parent.getText()}\` needs a private member`)
          return ts.setTextRange(factory.createIdentifier(names.get(node.text) as string), node)
        }
        const visited = ts.visitEachChild(node, visit, context)
        if (!ts.isPropertyDeclaration(visited) || !isUnset(node as ts.PropertyDeclaration)) return visited
        const { modifiers, name, type } = visited
        // As in ES2022: all objects of a class have the same fields from the start. Engines are faster with those.
        return factory.updatePropertyDeclaration(visited, modifiers, name, undefined, type, factory.createVoidZero())
      }
      return visit
    }
    return (file) => ts.visitNode(file, visitWith(new Map())) as ts.SourceFile
  }

/** Returns a plain name for each private member of a class. It is another in a class that extends one. */
function plainNames(node: ts.ClassLikeDeclaration, parents: Parents): Map<string, string> {
  const name = node.name?.text ?? 'a class without a name'
  const parent = parentOf(node)
  if (parent) parents.set(name, parent)
  const members = [...new Set(node.members.flatMap((member) => nameOf(member) ?? []))]
  const taken = members.find((member) => /^\$?[a-z]$/i.test(member))
  if (taken) throw new Error(`\`${taken}\` of ${name} may be the plain name of a private member, so it must be longer`)
  const own = members.filter((member) => member.startsWith('#'))
  if (own.length > letters.length) throw new Error(`There are more private members in ${name} than letters`)
  return new Map(own.map((member, index) => [member, `${parent ? '$' : ''}${letters[index]}`]))
}

function parentOf({ heritageClauses }: ts.ClassLikeDeclaration): string | undefined {
  const clause = heritageClauses?.find(({ token }) => token === ts.SyntaxKind.ExtendsKeyword)
  const parent = clause?.types[0]?.expression.getText()
  // All members of `Error` have long names.
  return parent === 'Error' ? undefined : parent
}

const nameOf = ({ name }: ts.ClassElement): string | undefined =>
  name && ts.isMemberName(name) ? name.text : undefined

/** Whether neither a value nor the constructor sets this field. */
function isUnset({ initializer, modifiers, name, parent }: ts.PropertyDeclaration): boolean {
  if (initializer || modifiers?.some(({ kind }) => kind === ts.SyntaxKind.DeclareKeyword)) return false
  const body = parent.members.find(ts.isConstructorDeclaration)?.body
  return !body?.statements.some((statement) => statement.getText().startsWith(`this.${name.getText()} = `))
}

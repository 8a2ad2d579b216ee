import { element } from './dom.ts'

const keywords =
  'as async await break case catch class const continue default else export extends finally for from function get if import in ' +
  'instanceof interface let new of override private readonly return satisfies static switch this throw try type typeof ' +
  'undefined void while yield'

/** What begins first is found first, so that a quote in a comment is no string. */
const token = new RegExp(
  [
    String.raw`(?<comment>//.*|/\*[\s\S]*?\*/)`,
    String.raw`(?<string>'(?:\\.|[^'\\\n])*'|"(?:\\.|[^"\\\n])*"|\`(?:\\.|[^\`\\])*\`)`,
    String.raw`(?<keyword>(?<![.\w#$])(?:${keywords.replaceAll(' ', '|')})(?![\w$]))`,
    String.raw`(?<number>\b\d[\d_.]*(?:e[+-]?\d+)?\b)`,
  ].join('|'),
  'g',
)

/** TypeScript with its words marked: enough to read by, not a parser. */
export function* highlighted(source: string): Generator<Node | string> {
  let from = 0
  for (const match of source.matchAll(token)) {
    const [className] = Object.entries(match.groups ?? {}).find(([, text]) => text !== undefined) ?? ['']
    yield source.slice(from, match.index)
    yield element('span', { className, textContent: match[0] })
    from = match.index + match[0].length
  }
  yield source.slice(from)
}

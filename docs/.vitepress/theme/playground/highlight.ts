const keywords =
  'as|async|await|break|case|catch|const|continue|default|do|else|export|extends|finally|for|from|function|if|import|in|interface|let|new|of|return|satisfies|static|switch|throw|try|type|typeof|var|while|yield|true|false|null|undefined|this'

const tokens = new RegExp(
  `(?<comment>//.*|/\\*[\\s\\S]*?\\*/)|(?<string>'(?:\\\\.|[^'\\\\\\n])*'|"(?:\\\\.|[^"\\\\\\n])*"|\`(?:\\\\.|[^\`\\\\])*\`)|(?<keyword>\\b(?:${keywords})\\b)|(?<number>\\b\\d[\\d_.]*(?:e\\d+)?\\b)`,
  'g',
)

const escaped = (text: string) =>
  text.replace(/[&<>]/g, (sign) => ({ '&': '&amp;', '<': '&lt;', '>': '&gt;' })[sign] ?? sign)

/** Code as HTML, with its comments, strings, keywords and numbers marked: enough to read it by. */
export function highlight(code: string): string {
  let [html, end] = ['', 0]
  for (const match of code.matchAll(tokens)) {
    const kind = Object.entries(match.groups ?? {}).find(([, text]) => text !== undefined)?.[0]
    html += `${escaped(code.slice(end, match.index))}<span class="is-${kind}">${escaped(match[0])}</span>`
    end = match.index + match[0].length
  }
  return html + escaped(code.slice(end))
}

// The pages that users read, and the blocks of code in them.
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

/**
 * @typedef {object} MarkedBlock
 * @property {string} page
 * @property {number} line on the page
 * @property {string} language
 * @property {string} code
 * @property {string | undefined} name a file name, from its first line
 * @property {Readonly<Record<string, string>>} marks what is said behind the language:
 *   `jobs=<file>`: an excerpt, which goes on from a scheduler of the jobs in this file;
 *   `recipe=<name>`: a whole program, `with=<name>` together with a `part=<name>`;
 *   `playground=<name>`: a file of a program of the playground;
 *   `peer=<package>`: the code of another library;
 *   `typecheck-only: <reason>`: why it is not run
 */

/** For people who change offstage: they have drawings, and no code. */
const ofContributors = ['docs/ARCHITECTURE.md', 'docs/HOW-TO-ADD.md']

/**
 * The README, and all pages of docs/ that somebody has written. What TypeDoc writes is checked where it comes from.
 *
 * @param {string} root
 */
export function pagesOf(root) {
  return ['README.md', ...pagesIn(root, 'docs')].filter((page) => !ofContributors.includes(page))
}

/**
 * @param {string} root
 * @param {string} folder
 * @returns {string[]}
 */
export function pagesIn(root, folder) {
  return readdirSync(join(root, folder), { withFileTypes: true }).flatMap((entry) => {
    const path = `${folder}/${entry.name}`
    if (entry.isDirectory())
      return /^(node_modules|\.vitepress|public|api)$/.test(entry.name) ? [] : pagesIn(root, path)
    return entry.name.endsWith('.md') ? [path] : []
  })
}

/**
 * @param {string} root
 * @param {string} page
 * @returns {MarkedBlock[]}
 */
export function blocksOf(root, page) {
  const text = readFileSync(join(root, page), 'utf8')
  return Array.from(
    text.matchAll(/^```(\S+)(.*)\n([\s\S]*?)^```$/gm),
    ({ 1: language = '', 2: info = '', 3: code = '', index }) => ({
      page,
      line: text.slice(0, index).split('\n').length,
      language,
      code,
      name: code.match(/^\/\/ (\S+\.[jt]s)\n/)?.[1],
      marks: marksOf(info),
    }),
  )
}

/** @param {string} info */
function marksOf(info) {
  const [marks = '', reason] = info.split('typecheck-only: ')
  /** @type {Record<string, string>} */
  const all = Object.fromEntries(Array.from(marks.matchAll(/(\w+)=(\S+)/g), ([, key, value]) => [key, value]))
  return reason ? { ...all, 'typecheck-only': reason } : all
}

/** @param {MarkedBlock} block */
export const isCode = ({ language }) => language === 'ts' || language === 'js'

/**
 * What the comments say that it prints: behind each `console.log`, or on lines of their own behind the code.
 *
 * @param {Pick<MarkedBlock, 'code'>} block
 */
export function printedBy({ code }) {
  const withoutName = code.replace(/^\/\/ \S+\.[jt]s\n/, '')
  return Array.from(withoutName.matchAll(/^(?:.*console\.log\(.*\S +)?\/\/ (.+)$/gm), ([, text]) => text).join('\n')
}

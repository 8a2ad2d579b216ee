// Prints results as tables: one for each measure, a line for each contestant.
import { leads, spread } from './stats.js'

/** @import { Measure, Result, Row } from './case.js' */

/** @param {Result} result @param {string} [host] whom the others are held against */
export function printResult(result, host = 'offstage') {
  const { number, title, variant, where, measures, rows, shows } = result
  console.log(`\n${number}. ${title}${variant && ` · ${variant}`}${where === 'node' ? '' : ` · ${where}`}`)
  console.log(`   ${shows}\n`)
  for (const measure of measures) printMeasure(measure, rows, host)
  for (const { contestant, skipped, failed } of rows) {
    if (skipped) console.log(`   ${contestant} is left out: ${skipped}`)
    if (failed) console.log(`   ${contestant} FAILED: ${failed}`)
  }
}

/** @param {Measure} measure @param {readonly Row[]} rows @param {string} host */
function printMeasure(measure, rows, host) {
  const { key, label, better } = measure
  const taking = rows.filter(({ samples }) => samples[key]?.length)
  if (taking.length === 0) return
  const ours = rows.find(({ contestant }) => contestant === host)?.samples[key] ?? []
  const saysWhere = taking.some(({ acknowledged }) => acknowledged)
  const lines = taking.map(({ contestant, acknowledged, samples }) => {
    const figures = samples[key] ?? []
    const { median: middle, min, max } = spread(figures)
    const ratios = contestant === host || !better ? [] : leads(ours, figures, better)
    const line = [contestant, format(middle, measure), range(min, max, measure), lead(ratios)]
    return saysWhere ? [...line, acknowledged ?? ''] : line
  })
  const title = better
    ? [`${label} (${better} is better)`, 'median', 'spread', `${host} is ahead by`]
    : [label, 'median', 'spread', '']
  if (saysWhere) title.push('once answered, a job is')
  printTable(title, lines, [0, 4])
  console.log()
}

/** @param {readonly number[]} ratios */
function lead(ratios) {
  if (ratios.length === 0) return ''
  const { median: middle, min, max } = spread(ratios)
  return `${times(middle)} (${times(min)} – ${times(max)})`
}

/** @param {number} ratio */
export const times = (ratio) => `${ratio.toFixed(ratio < 10 ? 2 : 1)}×`

/** @param {number} min @param {number} max @param {Measure} measure */
const range = (min, max, measure) => `${format(min, measure)} – ${format(max, measure)}`

/** @param {number} figure @param {Pick<Measure, 'digits'>} measure */
export function format(figure, { digits }) {
  if (!Number.isFinite(figure)) return '–'
  const magnitude = Math.abs(figure)
  const fraction = digits ?? (magnitude >= 100 || figure === 0 ? 0 : magnitude >= 10 ? 1 : magnitude >= 1 ? 2 : 3)
  return figure.toLocaleString('en-US', { minimumFractionDigits: fraction, maximumFractionDigits: fraction })
}

/**
 * @param {readonly string[]} head
 * @param {readonly string[][]} lines
 * @param {readonly number[]} texts the columns that are text; the others are figures
 */
export function printTable(head, lines, texts = [0]) {
  const widths = head.map((title, column) => Math.max(title.length, ...lines.map((line) => line[column]?.length ?? 0)))
  const print = (/** @type {readonly string[]} */ line) =>
    console.log(
      `   ${line.map((cell, column) => (texts.includes(column) ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0))).join('  ')}`.trimEnd(),
    )
  print(head)
  print(widths.map((width) => '─'.repeat(width)))
  for (const line of lines) print(line)
}

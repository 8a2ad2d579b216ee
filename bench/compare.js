// `node bench/compare.js before.json after.json`: what changed between two runs of the bench.
import { readFileSync } from 'node:fs'
import { median, spread } from './lib/stats.js'
import { format, printTable, times } from './lib/table.js'

/** @import { Measure, Result } from './lib/case.js' */
/** @typedef {{ about: Record<string, any>, results: Result[] }} Run */

const host = 'offstage'

/** @param {string | undefined} file @returns {Run} */
function read(file) {
  if (!file) throw new Error('Usage: node bench/compare.js before.json after.json')
  return JSON.parse(readFileSync(file, 'utf8'))
}

/**
 * By how much the later run is better, for each contestant that has figures in both.
 *
 * @param {Measure} measure
 * @param {Result} before
 * @param {Result} after
 */
function changes({ key, better }, before, after) {
  if (!better) return []
  return after.rows.flatMap(({ contestant, samples }) => {
    const old = before.rows.find((row) => row.contestant === contestant)?.samples[key]
    const now = samples[key]
    if (!old?.length || !now?.length) return []
    const [a, b] = [spread(old), spread(now)]
    const gain = better === 'more' ? b.median / a.median : a.median / b.median
    return [{ contestant, a, b, gain, isClear: a.max < b.min || b.max < a.min }]
  })
}

/** @param {Run} before @param {Run} after */
function compare(before, after) {
  for (const { about } of [before, after])
    console.log(`${about.revision} of ${about.at} on ${about.cpu}, Node ${about.node}${about.isQuick ? ', QUICK' : ''}`)
  console.log(
    '\nGain: above 1 is better. `beside the peers` divides it by what the peers gained meanwhile, which is the machine.\n' +
      'A gain is marked `*` when the spreads of the two runs do not touch.\n',
  )
  for (const result of after.results) {
    const old = before.results.find(
      (other) => other.case === result.case && other.variant === result.variant && other.where === result.where,
    )
    if (!old) continue
    const lines = result.measures.flatMap((measure) => linesOf(measure, changes(measure, old, result)))
    if (lines.length === 0) continue
    console.log(`${result.number}. ${result.title} · ${[result.variant, result.where].filter(Boolean).join(' · ')}`)
    printTable(['', 'before', 'after', 'gain', 'beside the peers'], lines)
    console.log()
  }
}

/** @param {string} contestant */
const isOurs = (contestant) => contestant.startsWith(host) || contestant === 'baseline'

/** @param {Measure} measure @param {ReturnType<typeof changes>} all */
function linesOf(measure, all) {
  const drift = median(all.filter(({ contestant }) => !isOurs(contestant)).map(({ gain }) => gain))
  return all
    .filter(({ contestant }) => contestant.startsWith(host))
    .map(({ contestant, a, b, gain, isClear }) => [
      `${measure.label}${contestant === host ? '' : ` (${contestant})`}`,
      format(a.median, measure),
      format(b.median, measure),
      `${isClear ? '* ' : ''}${Number.isFinite(gain) ? times(gain) : '–'}`,
      Number.isFinite(gain / drift) ? times(gain / drift) : '–',
    ])
}

compare(read(process.argv[2]), read(process.argv[3]))

// What came out of it all.
import { relative } from 'node:path'
import { color } from './color.js'
import { bytesOf } from './files.js'
import { bytes, count, percent, seconds } from './text.js'

/** @typedef {typeof import('./jobs.js').jobs} Jobs */
/** @template {keyof Jobs} Name @typedef {import('offstage/worker').ResultOf<Jobs[Name]>} ResultOf */

/**
 * @typedef {object} Outcome
 * @property {string} folder
 * @property {import('./files.js').FileEntry[]} files
 * @property {number} unreadable folders below it that could not be listed
 * @property {number} workers
 * @property {number} wallMs
 * @property {import('offstage').Stats['latencies']} latencies
 * @property {Map<string, import('./tally.js').Outcomes>} types
 * @property {string | undefined} earlier what became of the jobs of an earlier life
 * @property {string} pulse what the job saw that comes again and again
 * @property {string} waiting why a job had to wait
 * @property {ResultOf<'compress'>[]} compressed
 * @property {ResultOf<'count'>[]} counted
 * @property {ResultOf<'hash'>[]} hashed
 * @property {ResultOf<'survey'>} surveyed
 * @property {ResultOf<'index'>} indexed
 */

/** @param {Outcome} outcome */
export function printSummary(outcome) {
  console.log(color('green', `\nDone in ${seconds(outcome.wallMs)} on ${outcome.workers} worker threads.\n`))
  for (const [name, ...lines] of facts(outcome)) {
    console.log(`  ${color('bold', String(name).padEnd(12))}${lines.join(`\n${' '.repeat(14)}`)}`)
  }
  console.log(`\n${table(outcome.types)}\n`)
  console.log('The same library in a browser: npm run demo:web, then open the address that it prints.')
}

/** @param {Outcome} outcome */
function facts({
  folder,
  files,
  unreadable,
  latencies,
  earlier,
  pulse,
  waiting,
  compressed,
  counted,
  hashed,
  surveyed,
  indexed,
}) {
  const digests = hashed.flatMap(({ digests }) => digests)
  const { bytes: unpacked, packed } = sum(compressed)
  const text = sum(counted)
  const skipped = unreadable + digests.filter((digest) => digest === undefined).length
  const show = (/** @type {string} */ path) => relative(folder, path)
  return [
    ...(earlier ? [['resumed', earlier]] : []),
    [
      'files',
      `${count(files.length)} files, ${bytes(bytesOf(files))}${skipped ? `; ${count(skipped)} unreadable` : ''}`,
    ],
    ['', typesLine(surveyed.types)],
    ['', `newest: ${surveyed.newest ? show(surveyed.newest.path) : 'none'}`],
    ['survey', `second attempt went on at file ${count(surveyed.resumedAt + 1)} of ${count(files.length)}`],
    ['hash', duplicatesLine(files, digests)],
    ['count', `${count(text.lines)} lines, ${count(text.words)} words in ${count(text.files)} text files`],
    ['compress', `${bytes(unpacked)} of text to ${bytes(packed)}, ${percent(packed, unpacked)}`],
    ['index', `${count(indexed.documents)} documents, ${count(indexed.terms)} terms; top hits for "${indexed.query}":`],
    ...indexed.hits.map(({ path }, index) => ['', `${index + 1}. ${show(path)}`]),
    ['pulse', pulse],
    ['waiting', waiting],
    [
      'latency',
      `wait p50 ${seconds(latencies.wait.p50)}, run p50 ${ms(latencies.run.p50)}, p95 ${ms(latencies.run.p95)}`,
    ],
  ]
}

const ms = (/** @type {number} */ value) => `${Math.round(value)} ms`

/** @param {Map<string, { files: number, bytes: number }>} types */
function typesLine(types) {
  const largest = [...types].sort(([, a], [, b]) => b.bytes - a.bytes).slice(0, 4)
  return largest.map(([type, { files, bytes: size }]) => `${type} ${count(files)} (${bytes(size)})`).join(', ')
}

/**
 * @param {readonly import('./files.js').FileEntry[]} files
 * @param {readonly (string | undefined)[]} digests in the order of the files
 */
function duplicatesLine(files, digests) {
  const seen = new Set()
  let copies = 0
  let wasted = 0
  for (const [index, digest] of digests.entries()) {
    if (digest !== undefined && seen.has(digest)) {
      copies++
      wasted += files[index]?.size ?? 0
    }
    seen.add(digest)
  }
  return `${count(copies)} files are copies of others, ${bytes(wasted)}`
}

/**
 * Adds up records of numbers, field by field.
 * @template {Record<string, number>} Numbers
 * @param {readonly Numbers[]} records
 * @returns {Numbers}
 */
function sum(records) {
  /** @type {Record<string, number>} */
  const total = {}
  for (const record of records) {
    for (const [key, value] of Object.entries(record)) total[key] = (total[key] ?? 0) + value
  }
  return /** @type {Numbers} */ (total)
}

/** @param {Map<string, import('./tally.js').Outcomes>} types */
function table(types) {
  const all = [...types].sort(([a], [b]) => (a < b ? -1 : 1))
  const rows = all.map(([name, { completed, failed, cancelled, retries }]) => [
    name,
    completed,
    failed,
    cancelled,
    retries,
  ])
  const totals = rows[0]?.slice(1).map((_, column) => rows.reduce((sum, row) => sum + Number(row[column + 1]), 0)) ?? []
  const head = ['jobs', 'completed', 'failed', 'cancelled', 'retries']
  return [head, ...rows, ['all', ...totals]]
    .map(([name, ...cells]) => `  ${String(name).padEnd(12)}${cells.map((cell) => cellOf(cell)).join('')}`)
    .join('\n')
}

const cellOf = (/** @type {string | number} */ cell) => (typeof cell === 'number' ? count(cell) : cell).padStart(11)

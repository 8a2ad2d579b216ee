// Adds up Vitest's JSON reports in a folder, and prints them as one line: `12 passed, 0 failed, 1 skipped`.
import { readdirSync, readFileSync } from 'node:fs'

const folder = process.argv[2] ?? '.'
const total = { passed: 0, failed: 0, skipped: 0 }

for (const file of readdirSync(folder).filter((name) => name.endsWith('.json'))) {
  const report = JSON.parse(readFileSync(`${folder}/${file}`, 'utf8'))
  total.passed += report.numPassedTests
  total.failed += report.numFailedTests + brokenFiles(report)
  total.skipped += report.numPendingTests + report.numTodoTests
}
console.log(`${total.passed} passed, ${total.failed} failed${total.skipped ? `, ${total.skipped} skipped` : ''}`)

/**
 * A file that could not even be loaded has no failed test; it counts as one.
 *
 * @param {{ testResults: { status: string, assertionResults: { status: string }[] }[] }} report
 */
function brokenFiles({ testResults }) {
  return testResults.filter(
    ({ status, assertionResults }) => status === 'failed' && assertionResults.every((test) => test.status !== 'failed'),
  ).length
}

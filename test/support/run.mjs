// `npm test`: everything that runs on this machine's Node, and in its browsers. Arguments go to Vitest, and then nothing
// else is run: `npm test -- test/unit/retry.test.ts --project unit`.
import { ensureBrowsers } from './browsers.mjs'
import { run, vitest } from './process.mjs'

const vitestArgs = process.argv.slice(2)

ensureBrowsers()
const isBuilt = vitestArgs.length > 0 || run('npm', ['run', '--silent', 'build', '--', '--silent'])
const areTypesRight = vitestArgs.length > 0 || (isBuilt && run('node', ['test/support/types.mjs']))
const isGreen = run('node', [vitest, 'run', ...vitestArgs])

// What comes before the tests is far up by now.
if (!isBuilt) console.error('FAILED: npm run build')
else if (!areTypesRight) console.error('FAILED: node test/support/types.mjs')
process.exitCode = isBuilt && areTypesRight && isGreen ? 0 : 1

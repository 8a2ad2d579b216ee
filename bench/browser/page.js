// The page: plays the cases by itself and sends what comes out to the server that it came from.
import { burst } from '../cases/burst.js'
import { callers } from '../cases/callers.js'
import { oneByOne } from '../cases/one-by-one.js'
import { runCase } from '../lib/run-case.js'
import { copies } from './copies.js'
import { durableIdb } from './durable-idb.js'
import { mainThread } from './main-thread.js'
import { browserField } from './pools.js'

/** What the command line calls them. @type {Record<string, import('../lib/case.js').Case[]>} */
const casesByName = { browser: [burst, callers, oneByOne, mainThread], copies: [copies], 'durable-idb': [durableIdb] }
const roundMsMax = 60_000
const roundsMax = 5
const settle = () => new Promise((resolve) => setTimeout(resolve, 20))

async function play() {
  if (!crossOriginIsolated) throw new Error('The page is not isolated: its clocks are coarse.')
  const { searchParams } = new URL(location.href)
  const isQuick = searchParams.has('quick')
  for (const benchCase of searchParams.getAll('case').flatMap((name) => casesByName[name] ?? [])) {
    for (const variant of benchCase.variants(isQuick)) {
      const rounds = isQuick ? 2 : Math.min(benchCase.rounds, roundsMax)
      const contestants = await benchCase.contestants(browserField, variant)
      const rows = await runCase(benchCase, variant, contestants, { rounds, roundMsMax, settle })
      const { name, number, title, shows, measures } = benchCase
      await send('result', { case: name, number, title, shows, variant: variant.label, measures, rows })
    }
  }
}

/** @param {'result' | 'end'} what @param {unknown} body */
async function send(what, body) {
  await fetch(`/${what}`, { method: 'POST', body: JSON.stringify(body) })
}

play().then(
  () => send('end', {}),
  (error) => send('end', { error: `${error}\n${error.stack}` }),
)

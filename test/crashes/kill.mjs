// `node test/crashes/kill.mjs [--cycles 200] [--seed N]`: a program that adds, runs, cancels and removes jobs in a file
// store is killed with SIGKILL at a moment that the seed decides, again and again; each next life finds in the store what
// was acknowledged to the lives before it, or this fails.
//
// What is killed when follows from the seed; what the program has done by then does not.
import { parseArgs } from 'node:util'
import { Campaign } from './campaign.mjs'

const { values } = parseArgs({ options: { cycles: { type: 'string' }, seed: { type: 'string' } } })
const cycles = Number(values.cycles ?? 200)
const seed = values.seed ?? String(Math.floor(Math.random() * 2 ** 32))
console.log(`kill -9: --cycles ${cycles} --seed ${seed}`)

const campaign = new Campaign({ seed })
try {
  const startedAt = performance.now()
  for (let cycle = 1; cycle <= cycles && !campaign.isLost; cycle++) {
    await campaign.liveAndDie()
    if (cycle % 50 === 0 && cycle < cycles) console.log(`  ${cycle} …`)
  }
  const perSecond = (cycles * 1_000) / (performance.now() - startedAt)
  await campaign.settle()
  if (!campaign.report()) process.exitCode = 1
  console.log(`  ${perSecond.toFixed(1)} a second`)
} finally {
  await campaign.end()
}

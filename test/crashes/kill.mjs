// `node test/crashes/kill.mjs [--cycles 200] [--operations 80] [--seed N]`: a program that adds, runs, cancels and removes
// jobs in a file store is killed with SIGKILL at a moment that the seed decides, again and again; each next life finds in the
// store what was acknowledged to the lives before it, or this fails. Then the same with lives that end at their first operation
// on the disk, at their second, and so on. (`test/unit/blob-crashes.test.ts` does that on a simulated disk, for all of a run.)
//
// What is killed when follows from the seed; what the program has done by then does not.
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { Campaign } from './campaign.mjs'

const options = /** @type {const} */ ({
  cycles: { type: 'string' },
  operations: { type: 'string' },
  seed: { type: 'string' },
})
const { values } = parseArgs({ options })
const cycles = Number(values.cycles ?? 200)
const operations = Number(values.operations ?? 80)
const seed = values.seed ?? String(Math.floor(Math.random() * 2 ** 32))
console.log(`kill -9: --cycles ${cycles} --operations ${operations} --seed ${seed}`)

const killAt = fileURLToPath(new URL('kill-at.mjs', import.meta.url))

await campaignOf(cycles, {}, (campaign) => campaign.liveAndDie())
await campaignOf(operations, { nodeArgs: ['--import', killAt] }, async (campaign, life) => {
  await campaign.liveUntil(life)
  // So short are these lives that otherwise there would soon be only jobs that were running when some of them ended.
  if (life % 10 === 0) await campaign.settle()
})

/**
 * @param {number} lives
 * @param {Partial<import('./campaign.mjs').CampaignOptions>} more
 * @param {(campaign: Campaign, life: number) => Promise<void>} liveOne
 */
async function campaignOf(lives, more, liveOne) {
  const campaign = new Campaign({ seed, ...more })
  try {
    const startedAt = performance.now()
    for (let life = 1; life <= lives && !campaign.isLost; life++) {
      await liveOne(campaign, life)
      if (life % 50 === 0 && life < lives) console.log(`  ${life} …`)
    }
    const perSecond = (lives * 1_000) / (performance.now() - startedAt)
    await campaign.settle()
    if (!campaign.report()) process.exitCode = 1
    console.log(`  ${perSecond.toFixed(1)} a second`)
  } finally {
    await campaign.end()
  }
}

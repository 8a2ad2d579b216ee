// A real process on a real disk, killed at moments that a seed decides. `npm run test:crashes` does it 200 times, and cuts
// the power as well; here it is only often enough to notice what is plainly broken.
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { expect, onTestFinished, test } from 'vitest'
import { Campaign } from '../crashes/campaign.mjs'

const seed = process.env.OFFSTAGE_SEED ?? String(Math.floor(Math.random() * 2 ** 32))

test(`kill -9, ten times: nothing that was acknowledged is lost, nothing runs twice (OFFSTAGE_SEED=${seed})`, async () => {
  const dist = fileURLToPath(new URL('../../dist/file.js', import.meta.url))
  if (!existsSync(dist)) throw new Error('This runs on the build: `npm run build` first.')
  const campaign = new Campaign({ seed })
  onTestFinished(() => campaign.end())
  for (let cycle = 1; cycle <= 10 && !campaign.isLost; cycle++) await campaign.liveAndDie()
  await campaign.settle()
  expect(campaign.witness.violations).toEqual([])
  expect(campaign.witness.figures.added).toBeGreaterThan(0)
  expect(campaign.witness.figures.completed).toBeGreaterThan(0)
}, 120_000)

// A real process on a real disk, killed at moments that a seed decides. `npm run test:crashes` does it 200 times, and cuts
// the power as well; here it is only often enough to notice what is plainly broken.
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { killAgainAndAgain } from '../crashes/kill.mjs'

const seed = process.env.OFFSTAGE_SEED ?? String(Math.floor(Math.random() * 2 ** 32))

test(`kill -9, ten times: nothing that was acknowledged is lost, nothing runs twice (OFFSTAGE_SEED=${seed})`, async () => {
  const dist = fileURLToPath(new URL('../../dist/file.js', import.meta.url))
  if (!existsSync(dist)) throw new Error('This runs on the build: `npm run build` first.')
  const { violations, kills, added, completed } = await killAgainAndAgain({ cycles: 10, seed })
  expect(violations).toEqual([])
  expect(Object.values(kills).reduce((sum, count) => sum + count)).toBe(10)
  expect(added).toBeGreaterThan(10)
  expect(completed).toBeGreaterThan(0)
}, 120_000)

// A small share of the deterministic simulation (test/simulation/run.mjs); CI runs all of it.
import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'

const program = fileURLToPath(new URL('../simulation/run.mjs', import.meta.url))

// It runs microtasks by a hook that only Node has.
const elsewhere = 'Bun' in globalThis || 'Deno' in globalThis ? ' (on Node alone: it drives the microtasks)' : ''
const name = `a scheduler over a journal over a disk that fails: no promise is broken${elsewhere}`
test.skipIf(elsewhere)(name, { timeout: 120_000 }, async () => {
  const args = [program, '--steps', '30000', '--processes', '1']
  // A violation ends the program with a code, and then this rejects, and shows the seed.
  const { stdout } = await promisify(execFile)(process.execPath, args)
  expect(stdout).toContain('0 violations')
})

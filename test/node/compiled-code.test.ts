// What V8 has compiled for jobs stays compiled when all garbage is collected while there is no job.
import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { expect, test } from 'vitest'

const dist = fileURLToPath(new URL('../../dist', import.meta.url))
const entry = (name: string): string => JSON.stringify(pathToFileURL(join(dist, name)).href)

const jobs = `
  import { defineJobs } from ${entry('worker.js')}
  export const jobs = defineJobs({ same: (n) => n })
`
/** In the second half of its rounds everything has been compiled. */
const program = `
  import { createScheduler } from ${entry('index.js')}
  const scheduler = createScheduler(new URL('./jobs.mjs', import.meta.url), { workers: 1 })
  const call = async (count) => {
    for (let n = 0; n < count; n++) await scheduler.run.same(n)
  }
  for (let round = 0; round < 12; round++) {
    if (round === 6) console.log('compiled')
    await Promise.all(Array.from({ length: 100 }, () => call(200)))
    gc()
  }
  await scheduler.close()
`

test('the shapes of jobs and attempts do not go with the last of them', () => {
  expect(existsSync(dist), 'This runs on the build: `npm run build` first.').toBe(true)
  const folder = mkdtempSync(join(tmpdir(), 'offstage-compiled-'))
  try {
    writeFileSync(join(folder, 'jobs.mjs'), jobs)
    writeFileSync(join(folder, 'program.mjs'), program)
    const flags = ['--expose-gc', '--trace-deopt']
    const { stdout, stderr, status } = spawnSync(process.execPath, [...flags, join(folder, 'program.mjs')], {
      encoding: 'utf8',
      maxBuffer: 64 * 1024 * 1024,
    })
    expect(status, stderr).toBe(0)
    const [before, after] = stdout.split('compiled\n') as [string, string]
    // V8 says what it throws away, and why.
    expect(before).toContain('reason:')
    expect(after.split('\n').filter((line) => line.includes('reason: weak objects'))).toEqual([])
  } finally {
    rmSync(folder, { recursive: true })
  }
})

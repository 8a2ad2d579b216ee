// The terminal demo, run as a user runs it, on a small folder whose numbers are known.
import { spawn, spawnSync } from 'node:child_process'
import { chmodSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createScreen } from '../../demo/terminal/screen.js'

const root = fileURLToPath(new URL('../..', import.meta.url))
const main = join(root, 'demo/terminal/main.js')
let folder = ''

beforeAll(() => {
  if (!existsSync(join(root, 'dist/index.js'))) throw new Error('The demo runs on the build: `npm run build` first.')
  folder = mkdtempSync(join(tmpdir(), 'offstage-demo-'))
  mkdirSync(join(folder, 'docs'))
  mkdirSync(join(folder, 'empty'))
  writeFileSync(join(folder, 'docs/whales.md'), '# Whales\n\nWhales sing. A whale is no fish.\n')
  writeFileSync(join(folder, 'docs/fish.md'), '# Fish\n\nFish do not sing.\n')
  writeFileSync(join(folder, 'copy.md'), '# Fish\n\nFish do not sing.\n')
  writeFileSync(join(folder, 'many.log'), 'the same line again\n'.repeat(50_000))
  writeFileSync(join(folder, 'pixels.bin'), new Uint8Array(5_000_000))
  writeFileSync(join(folder, 'nothing'), '')
  mkdirSync(join(folder, '.hidden'))
  writeFileSync(join(folder, '.hidden/file'), 'not looked at')
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

function demo(args: string[], options: { env?: NodeJS.ProcessEnv; launcher?: string[] } = {}) {
  const [command, ...rest] = [...(options.launcher ?? []), process.execPath, main, ...args] as [string, ...string[]]
  return spawnSync(command, rest, { encoding: 'utf8', env: { ...process.env, ...options.env } })
}

describe('the summary', () => {
  let output = ''
  beforeAll(() => {
    const { status, stdout, stderr } = demo([folder, '--search', 'whale'])
    expect(stderr).toBe('')
    expect(status).toBe(0)
    output = stdout
  }, 60_000)

  test('counts files and bytes', () => {
    // 41 + 26 + 26 + 1,000,000 + 5,000,000 + 0
    expect(output).toContain(`6 files, 6.0 MB, in ${folder}`)
    expect(output).toMatch(/\.bin 1 \(5\.0 MB\), \.log 1 \(1\.0 MB\), \.md 3 \(\d+ B\)/)
  })

  test('finds copies by their hash', () => expect(output).toContain('1 files are copies of others, 26 B'))

  test('counts lines and words of text, and leaves the rest out', () => {
    // Lines 3 + 3 + 3 + 50,000; words 9 + 6 + 6 + 200,000; an empty file is a text too.
    expect(output).toContain('50,009 lines, 200,021 words in 5 text files')
  })

  test('compresses what is text', () => {
    const [, packed, percent] = output.match(/1\.0 MB of text to ([\d.]+) kB, ([\d.]+) %/) ?? []
    expect(Number(packed)).toBeGreaterThan(1)
    expect(Number(packed)).toBeLessThan(60)
    expect(Number(percent)).toBeCloseTo((Number(packed) / 1_000) * 100, 0)
  })

  test('searches the documents, the best first', () => {
    expect(output).toContain('top hits for "whale":')
    expect(output).toMatch(/1\. docs[\\/]whales\.md/)
  })

  test('shows a job that fails and is tried again, from its checkpoint', () => {
    expect(output).toContain('↻ survey failed in attempt 1: the plug was pulled, on purpose; tried again in 0.5 s')
    expect(output).toContain('second attempt went on at file 4 of 6')
  })

  test('shows a job that is cancelled', () =>
    expect(output).toMatch(/■ stamp was cancelled: it would never have ended/))

  test('adds the jobs up by type', () => {
    const row = (name: string) => output.match(new RegExp(`^ +${name} +(\\d+) +(\\d+) +(\\d+) +(\\d+)$`, 'm'))?.slice(1)
    // The large file is a batch of its own, and what comes behind it another.
    for (const name of ['compress', 'count', 'hash']) expect(row(name)).toEqual(['2', '0', '0', '0'])
    expect(row('index')).toEqual(['1', '0', '0', '0'])
    expect(row('stamp')).toEqual(['0', '0', '1', '0'])
    expect(row('survey')).toEqual(['1', '0', '0', '1'])
    expect(row('all')).toEqual(['8', '0', '1', '1'])
  })

  test('says how long it took and where to go on', () => {
    expect(output).toMatch(/Done in \d+\.\d s on \d+ worker threads\./)
    expect(output).toContain('npm run demo:web')
  })

  test('is plain text where there is no terminal', () => {
    expect(output).not.toContain('\u001b')
    expect(output).not.toContain('\r')
  })
})

test('searches for the most frequent word when the words asked for are nowhere', () => {
  expect(demo([folder, '--search', 'submarine']).stdout).toContain('top hits for "whales":')
}, 60_000)

test('a folder is meant from where npm was called', () => {
  const env = { npm_lifecycle_event: 'demo', INIT_CWD: dirname(folder) }
  expect(demo([basename(folder)], { env }).stdout).toContain(`in ${folder}\n`)
}, 60_000)

describe('one line and exit code 1', () => {
  const fails = (args: string[], line: string, launcher: string[] = []) => {
    const { status, stdout, stderr } = demo(args, { launcher })
    expect({ status, stdout, stderr }).toEqual({ status: 1, stdout: '', stderr: `${line}\n` })
  }

  test('no such folder', () => {
    const missing = join(folder, 'missing')
    fails([missing], `There is no folder '${missing}'.`)
  })

  test('a file', () => {
    const file = join(folder, 'many.log')
    fails([file], `'${file}' is not a folder.`)
  })

  test('an empty folder', () => {
    const empty = join(folder, 'empty')
    fails([empty], `There are no files in '${empty}'.`)
  })

  test('two folders', () => fails([folder, folder], 'Expected one folder, got 2.'))

  test('an unknown option', () => {
    const { status, stderr } = demo(['--colour'])
    expect(status).toBe(1)
    expect(stderr.trimEnd().split('\n')).toHaveLength(1)
    expect(stderr).toContain("'--colour'")
  })

  // Root reads everything, unless it gives up that right first, for which Linux has a command.
  const isRoot = process.getuid?.() === 0
  const dropsRights = ['setpriv', '--bounding-set=-dac_override,-dac_read_search', '--inh-caps=-all']
  const canDropRights = spawnSync(dropsRights[0] as string, [...dropsRights.slice(1), 'true']).status === 0

  test.skipIf(isRoot && !canDropRights)('no permission (skipped for root without setpriv)', () => {
    const locked = join(folder, 'locked')
    mkdirSync(locked, { mode: 0o000 })
    try {
      fails([locked], `No permission to read the folder '${locked}'.`, isRoot ? dropsRights : [])
    } finally {
      chmodSync(locked, 0o700)
      rmSync(locked, { recursive: true })
    }
  })
})

test('Ctrl-C ends the threads and leaves a line', async () => {
  const child = spawn(process.execPath, [main, folder])
  let stdout = ''
  let stderr = ''
  child.stderr.on('data', (data) => {
    stderr += data
  })
  child.stdout.on('data', (data) => {
    const hadRetry = stdout.includes('↻')
    stdout += data
    // Now `stamp` is running or about to, and will be for more than a second.
    if (!hadRetry && stdout.includes('↻')) child.kill('SIGINT')
  })
  const code = await new Promise((resolve) => child.on('close', resolve))
  expect(stderr).toBe('')
  expect(code).toBe(130)
  expect(stdout).toMatch(/\nStopped by SIGINT: \d+ jobs had ended, the others were dropped, all threads are ended\.\n$/)
  expect(stdout).not.toContain('Done in')
}, 60_000)

test('in a terminal there is a bar for each worker and one in total, and lines that stay', () => {
  let output = ''
  const write = (text: string) => {
    output += text
    return true
  }
  const stream = { isTTY: true, columns: 100, write } as unknown as NodeJS.WriteStream
  const screen = createScreen(stream, { folder: '/data', workers: 2, bytes: 2_000_000, jobs: 8 })
  screen.work('hash', { worker: 7, file: '/data/a/b.txt', done: 50, of: 100 })
  screen.work('stamp', { worker: 9, file: '', done: 12_000, of: 0 })
  screen.say('a line that stays')
  screen.total(1_000_000, 3)
  screen.stop()
  expect(output).toContain('worker 1')
  expect(output).toContain('worker 2')
  expect(output).toContain('a line that stays\n')
  expect(output).toContain('50 %  3 of 8 jobs, 1.0 MB')
})

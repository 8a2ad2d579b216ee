// The terminal demo, run as a user runs it, on a small folder whose numbers are known.
import { spawn, spawnSync } from 'node:child_process'
import { chmodSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
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

  test('shows a job that comes again and again', () => {
    const [, times] = output.match(/a schedule had the memory looked at (\d+) times; [\d.]+ MB at most/) ?? []
    // The job that is cancelled takes a second and a half.
    expect(Number(times)).toBeGreaterThan(0)
  })

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
    expect({ status, stderr }).toEqual({ status: 1, stderr: `${line}\n` })
    expect(stdout).not.toMatch(/\d/)
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
    expect(stderr).toBe("Unknown option '--colour'. See npm run demo -- --help.\n")
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

describe('with a store', () => {
  /** Until it has said this much; then it is killed, or asked to stop. */
  async function demoUntil(said: string, signal: NodeJS.Signals, args: string[]): Promise<string> {
    const child = spawn(process.execPath, [main, ...args])
    let output = ''
    for (const stream of [child.stdout, child.stderr]) {
      stream.on('data', (data) => {
        output += data
        if (output.includes(said)) child.kill(signal)
      })
    }
    await new Promise((resolve) => child.on('close', resolve))
    return output
  }
  /** How many jobs have completed, failed, were cancelled. */
  const totals = (output: string) => output.match(/^ +all +(\d+) +(\d+) +(\d+) /m)?.slice(1)
  const numbers = (output: string, pattern: RegExp) => output.match(pattern)?.slice(1).map(Number) ?? []

  test.each(['SIGKILL', 'SIGINT'] as const)(
    'ended by %s, it goes on where it was, and says so',
    async (signal) => {
      const args = [folder, '--store', join(folder, `.store ${signal}`)]
      const first = await demoUntil('↻', signal, args)
      expect(first).not.toContain('Done in')
      if (signal === 'SIGINT') expect(first).toContain(`the others are in ${args[2]}, where the same command goes on,`)
      // What it was about is in the store: files that have come since are none of its business.
      writeFileSync(join(folder, 'later.md'), 'written since')
      onTestFinished(() => rmSync(join(folder, 'later.md')))

      const second = demo(args)
      expect({ status: second.status, stderr: second.stderr }).toEqual({ status: 0, stderr: '' })
      const [finished, underWay, waiting] = numbers(
        second.stdout,
        new RegExp(
          `Going on with what is in ${args[2]}: (\\d+) jobs finished, (\\d+) under way, (\\d+) not started\\.`,
        ),
      )
      expect((finished ?? 0) + (underWay ?? 0) + (waiting ?? 0)).toBe(9)
      // The survey was between two attempts, and had left a checkpoint.
      expect(second.stdout).toContain('↷ survey goes on behind file 3, from its checkpoint')
      const resumed =
        /resumed +(\d+) jobs had finished before, (\d+) were under way, (\d+) of them went on from a checkpoint/
      const [finishedBefore, wentOn, fromCheckpoint] = numbers(second.stdout, resumed)
      expect([finishedBefore, wentOn]).toEqual([finished, underWay])
      expect(fromCheckpoint).toBeGreaterThanOrEqual(1)
      expect(second.stdout).toContain('second attempt went on at file 4 of 6')
      expect(second.stdout).toContain('50,009 lines, 200,021 words in 5 text files')
      // Each once: a job that had finished and ran again would be counted twice.
      expect(totals(second.stdout)).toEqual(['8', '0', '1'])

      const third = demo(args)
      expect(third.stdout).toContain('9 jobs finished, 0 under way, 0 not started')
      expect(third.stdout).toContain('50,009 lines, 200,021 words in 5 text files')
      expect(totals(third.stdout)).toEqual(['8', '0', '1'])
      expect(third.status).toBe(0)
    },
    60_000,
  )

  const fails = (args: string[], ...words: string[]) => {
    const { status, stdout, stderr } = demo(args)
    expect(status).toBe(1)
    expect(stdout).not.toMatch(/\d/)
    expect(stderr.trimEnd().split('\n')).toHaveLength(1)
    for (const word of words) expect(stderr).toContain(word)
  }

  test('that is in use: names the process', async () => {
    const store = join(folder, '.store in use')
    const child = spawn(process.execPath, [main, folder, '--store', store])
    onTestFinished(() => void child.kill('SIGKILL'))
    // Its store is open when it says how many jobs there are.
    await new Promise<void>((resolve) => child.stdout.on('data', (data) => /jobs of/.test(String(data)) && resolve()))
    fails([folder, '--store', store], `The folder '${store}' is open in process ${child.pid}`)
  }, 60_000)

  test('that is damaged: says so', () => {
    const store = join(folder, '.store damaged')
    mkdirSync(store)
    writeFileSync(join(store, 'journal'), 'no journal')
    fails([folder, '--store', store], `${store}/journal is not a journal of offstage`)
  })

  test('that is no folder', () => {
    const file = join(folder, 'many.log')
    fails([folder, '--store', file], `The folder '${file}' cannot hold jobs: it is not a folder.`)
  })

  test('that is about something else', async () => {
    const store = join(folder, '.store taken')
    await demoUntil('↻', 'SIGKILL', [join(folder, 'docs'), '--store', store])
    fails([folder, '--store', store], `about ${join(folder, 'docs')}, searched for "worker thread"`)
  }, 60_000)
})

describe('a first look', () => {
  test('says first what it does', () => {
    expect(demo([folder]).stdout).toMatch(
      /^Hashes, counts, indexes and compresses the files of a folder, in worker threads\.\n/,
    )
  }, 60_000)

  test.each(['--help', '-h'])('%s says what can be asked for, and is no error', (option) => {
    const { status, stdout, stderr } = demo([option])
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
    for (const word of ['folder', '--search', '--store', '--no-color', '--help', 'Exit code'])
      expect(stdout).toContain(word)
  })

  test('whoever closes the pipe has seen enough: no error', async () => {
    const child = spawn(process.execPath, [main, folder])
    let stderr = ''
    child.stderr.on('data', (data) => {
      stderr += data
    })
    child.stdout.once('data', () => child.stdout.destroy())
    const code = await new Promise((resolve) => child.on('close', resolve))
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
  }, 60_000)
})

describe('colors', () => {
  // `script` gives the program a terminal.
  const hasTerminals = spawnSync('script', ['--version']).status === 0
  const inTerminal = (args: string, env: NodeJS.ProcessEnv = {}) =>
    spawnSync('script', ['-qec', `'${process.execPath}' '${main}' '${folder}' ${args}`, '/dev/null'], {
      encoding: 'utf8',
      env: {
        ...process.env,
        TERM: 'xterm-256color',
        NO_COLOR: undefined,
        FORCE_COLOR: undefined,
        CI: undefined,
        ...env,
      },
    }).stdout
  const hasColors = (output: string) => output.split('\u001b').some((part) => /^\[\d+m/.test(part))

  test.skipIf(!hasTerminals).each([
    ['in a terminal', '', {}, true],
    ['not with --no-color', '--no-color', {}, false],
    ['not with NO_COLOR', '', { NO_COLOR: '1' }, false],
  ] as const)(
    '%s',
    (_, args, env, isColored) => {
      const output = inTerminal(args, env)
      expect(output).toContain('Done in')
      expect(hasColors(output)).toBe(isColored)
    },
    60_000,
  )
})

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

// A file store and all that may be wrong with its folder, its journal, its disk, its neighbours and what it is given: one
// row a case. Every call settles, with an error that names the thing; nothing is changed that is not ours; the next good
// job runs; and the host hears of nothing that nobody caught.
import { execFileSync, spawn, spawnSync } from 'node:child_process'
import {
  appendFileSync,
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { Worker as NodeThread } from 'node:worker_threads'
import { createScheduler, inline, type OffstageError, type Scheduler, type SchedulerOptions } from 'offstage'
import { type FileStoreOptions, fileStore } from 'offstage/file'
import type { JobTable } from 'offstage/worker'
import { afterEach, beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest'
import { crc32 } from '../../src/platform/crc32.ts'
import { nodeDisk } from '../../src/platform/node-disk.ts'
import { FileMedium } from '../../src/store/file-medium.ts'
import { formatVersion, headerBytes, readFrame } from '../../src/store/frame.ts'
import type { Store } from '../../src/store/store.ts'
import { jobs } from '../fixtures/stored.ts'
import { heard, turn, watchHost } from '../support/testing.ts'
import { builtWorker } from '../support/workers.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))
type Jobs = typeof jobs
type Bench = Scheduler<Jobs>

let folder: string
let host: ReturnType<typeof watchHost>
/** What has to be undone before the folder can go, the last first. */
const undo: (() => void)[] = []
const schedulers: Bench[] = []
beforeEach(() => {
  folder = realpathSync(mkdtempSync(join(tmpdir(), 'offstage-store-')))
  host = watchHost()
})
afterEach(async () => {
  await Promise.all(schedulers.splice(0).map((scheduler) => scheduler.close({ mode: 'now' })))
  await turn()
  host.stop()
  for (const act of undo.splice(0).reverse()) act()
  rmSync(folder, { recursive: true, force: true })
  expect(host.uncaught).toEqual([])
})

const at = (name: string): string => join(folder, name)
const journal = (): string => at('jobs/journal')

function open(place: string | Store = at('jobs'), options: FileStoreOptions = {}, more: SchedulerOptions<never> = {}) {
  const store = typeof place === 'string' ? fileStore(place, options) : place
  const scheduler = createScheduler<Jobs>(inline(jobs as JobTable), { store, workers: 1, ...more } as never)
  schedulers.push(scheduler)
  return scheduler
}

/** The same with a thread of its own, for jobs that go on while the test does. */
function openWithThread(place = at('jobs'), options: FileStoreOptions = {}): Bench {
  const worker = () => new Worker(builtWorker('stored'), { type: 'module' })
  const scheduler = createScheduler<Jobs>(worker, { store: fileStore(place, options), workers: 1 })
  schedulers.push(scheduler)
  return scheduler
}

const refused = (call: Promise<unknown>): Promise<OffstageError> =>
  call.then(
    (value) => expect.unreachable(`resolved with ${String(value)}`),
    (error: OffstageError) => error,
  )

/** Some system's error is the reason, somewhere down there. */
function codes(error: unknown): unknown[] {
  const { code, cause } = (error ?? {}) as { code?: unknown; cause?: unknown }
  return [code, ...(cause === undefined ? [] : codes(cause))]
}

const later = { delayMs: 3_600_000 }

/** A store in `folder/jobs` with these jobs, closed. Each is a commit of its own. */
async function fill(ids: readonly string[], value: unknown = 'small'): Promise<void> {
  const scheduler = open()
  for (const id of ids) await scheduler.add.echo(value, { id, ...later })
  await scheduler.close()
}

async function idsOf(scheduler: Bench): Promise<string[]> {
  return (await scheduler.find()).map(({ id }) => id).sort()
}

/** Name, and content of files. Sockets that tell who is the owner are no content. */
function picture(path: string): Record<string, string> {
  const entries = readdirSync(path, { withFileTypes: true }).filter(({ name }) => !name.startsWith('owner'))
  return Object.fromEntries(
    entries.map((entry) => [
      entry.name,
      entry.isFile() ? readFileSync(join(path, entry.name)).toString('hex') : 'other',
    ]),
  )
}

/** Where each frame of a journal begins, and where the last one ends. */
function framesOf(bytes: Uint8Array): number[] {
  const starts = [0]
  for (;;) {
    const frame = readFrame(bytes, starts.at(-1) as number, undefined)
    if (!frame) return starts
    starts.push(frame.at + frame.bytes)
  }
}

/** Root can do what others cannot, if this machine lets it. Answers why not. */
function cannot(command: string, ...args: string[]): string | false {
  const { status, error, stderr } = spawnSync(command, args, { encoding: 'utf8' })
  return status === 0 ? false : `${command}: ${error?.message ?? stderr.trim()}`
}

const canMount =
  process.platform === 'linux' &&
  process.getuid?.() === 0 &&
  !cannot('unshare', '--mount', 'mount', '-t', 'tmpfs', 'offstage-test', tmpdir())

/** Until the test is over. */
function mount(...args: string[]): void {
  execFileSync('mount', args)
  undo.push(() => execFileSync('umount', [args.at(-1) as string]))
}

/** Each call on a scheduler whose store does not open gives this error, and the scheduler can be closed. */
async function refusesAll(scheduler: Bench, code: string, words: readonly string[]): Promise<OffstageError> {
  const error = await refused(scheduler.add.double(1))
  expect(error).toMatchObject({ name: 'OffstageError', code })
  for (const word of words) expect(error.message).toContain(word)
  const calls = [
    scheduler.add.double(1, later),
    scheduler.run.double(1),
    scheduler.addMany([{ name: 'double', input: 1 }]),
    scheduler.get('one'),
    scheduler.find(),
    scheduler.counts(),
    scheduler.cancel('one'),
    scheduler.remove({ state: 'queued' }),
    scheduler.onIdle(),
  ]
  for (const call of calls) expect(await refused(call)).toBe(error)
  await scheduler.close()
  await refused(scheduler.add.double(1))
  return error
}

describe('the folder', () => {
  const foreign = (name: string) => `The folder '${at(name)}' cannot hold jobs`
  const rows: [name: string, make: () => unknown, words: () => string[]][] = [
    ['a file', () => writeFileSync(at('jobs'), 'mine'), () => [foreign('jobs'), 'it is not a folder']],
    ['a FIFO', () => execFileSync('mkfifo', [at('jobs')]), () => [foreign('jobs'), 'it is not a folder']],
    ['a link to a device', () => symlinkSync('/dev/null', at('jobs')), () => [foreign('jobs'), 'it is not a folder']],
    ['a link to nothing', () => symlinkSync(at('nowhere'), at('jobs')), () => [foreign('jobs'), 'it is not a folder']],
  ]
  test.each(rows)('is %s', async (_name, make, words) => {
    make()
    const before = picture(folder)
    await refusesAll(open(), 'STORE_WRITE_FAILED', words())
    expect(picture(folder)).toEqual(before)
  })

  test('is a device', async () => {
    await refusesAll(open('/dev/null'), 'STORE_WRITE_FAILED', [`The folder '/dev/null' cannot hold jobs`])
    expect(statSync('/dev/null').isCharacterDevice()).toBe(true)
  })

  test('lies below a file', async () => {
    writeFileSync(at('file'), 'mine')
    await refusesAll(open(at('file/jobs')), 'STORE_WRITE_FAILED', [at('file/jobs'), 'ENOTDIR'])
    expect(readFileSync(at('file'), 'utf8')).toBe('mine')
  })

  test('is a link to a folder: works', async () => {
    mkdirSync(at('real'))
    symlinkSync(at('real'), at('jobs'))
    await fill(['one'])
    expect(existsSync(at('real/journal'))).toBe(true)
    expect(await idsOf(open(at('real')))).toEqual(['one'])
  })

  test('is missing, with all above it: is made', async () => {
    const scheduler = open(at('a/b/c'))
    expect(await scheduler.run.double(21)).toBe(42)
    expect(existsSync(at('a/b/c/journal'))).toBe(true)
  })

  test('has a name that is hard to read: works', async () => {
    const place = at(`${'long '.repeat(20)} naïve 🐳 'quoted'`)
    const scheduler = open(place)
    await scheduler.add.double(1, { id: 'one', ...later })
    await scheduler.close()
    expect(await idsOf(open(place))).toEqual(['one'])
  })

  test('other things in it are left alone', async () => {
    mkdirSync(at('jobs'))
    writeFileSync(at('jobs/notes.txt'), 'mine')
    await fill(['one'])
    expect(readFileSync(at('jobs/notes.txt'), 'utf8')).toBe('mine')
  })

  /** Root may do everything, but for what is marked so or mounted so. */
  const immutable = (path: string, context: { skip(reason: string): void }) => {
    const reason = cannot('chattr', '+i', path)
    if (reason) context.skip(`this needs chattr +i: ${reason}`)
    undo.push(() => execFileSync('chattr', ['-i', path]))
  }

  test('may not be written, and has no journal', async (context) => {
    mkdirSync(at('jobs'))
    immutable(at('jobs'), context)
    const error = await refusesAll(open(), 'STORE_WRITE_FAILED', [at('jobs'), 'EPERM'])
    expect(codes(error)).toContain('EPERM')
    expect(readdirSync(at('jobs'))).toEqual([])
  })

  test('the journal in it may not be written', async (context) => {
    await fill(['one'])
    const before = picture(at('jobs'))
    immutable(journal(), context)
    await refusesAll(open(), 'STORE_WRITE_FAILED', [at('jobs'), 'no permission to write there (EPERM)'])
    expect(picture(at('jobs'))).toEqual(before)
  })

  test.skipIf(!canMount).each(['with', 'without'])(
    'is on a disk that is mounted read-only, %s a journal (skipped where nothing may be mounted)',
    async (has) => {
      if (has === 'with') await fill(['one'])
      else mkdirSync(at('jobs'))
      const before = picture(at('jobs'))
      mount('--bind', at('jobs'), at('jobs'))
      execFileSync('mount', ['-o', 'remount,bind,ro', at('jobs')])
      const error = await refusesAll(open(), 'STORE_WRITE_FAILED', [at('jobs'), 'EROFS'])
      expect(codes(error)).toContain('EROFS')
      expect(picture(at('jobs'))).toEqual(before)
    },
  )

  test('belongs to somebody else', async (context) => {
    // Root gives up its right to write everywhere, for which Linux has a command.
    const rights = ['--bounding-set=-dac_override,-dac_read_search', '--inh-caps=-all']
    const isRoot = process.getuid?.() === 0
    const reason = isRoot && cannot('setpriv', ...rights, 'true')
    if (reason) context.skip(`this needs setpriv: ${reason}`)
    mkdirSync(at('jobs'), { mode: 0o500 })
    if (isRoot) execFileSync('chown', ['12345', at('jobs')])
    const script = program(
      at('program.mjs'),
      `scheduler.add.double(1).catch((error) => console.log(error.code, error.message))`,
    )
    const command = [process.execPath, script, at('jobs')]
    const [file = '', ...args] = isRoot ? ['setpriv', ...rights, ...command] : command
    const { stdout } = spawnSync(file, args, { encoding: 'utf8' })
    expect(stdout).toContain('STORE_WRITE_FAILED')
    expect(stdout).toContain(at('jobs'))
    expect(stdout).toContain('EACCES')
  })
})

/** A program that has a scheduler on the folder it is given, with what was last built. */
function program(file: string, text: string): string {
  if (!existsSync(join(root, 'dist/file.js'))) throw new Error('This runs on the build: `npm run build` first.')
  const library = join(folder, 'node_modules/offstage')
  if (!existsSync(library)) {
    mkdirSync(library, { recursive: true })
    copyFileSync(join(root, 'package.json'), join(library, 'package.json'))
    cpSync(join(root, 'dist'), join(library, 'dist'), { recursive: true })
  }
  const isCommonJs = file.endsWith('.cjs')
  const load = (name: string, from: string) =>
    isCommonJs ? `const { ${name} } = require('${from}')` : `import { ${name} } from '${from}'`
  writeFileSync(
    file,
    `${load('createScheduler, inline', 'offstage')}
${load('fileStore', 'offstage/file')}
${load('defineJobs', 'offstage/worker')}
const jobs = defineJobs({ double: (value) => value * 2 })
const scheduler = createScheduler(inline(jobs), { store: fileStore(process.argv[2]) })
${text}`,
  )
  return file
}

describe('the journal is no journal', () => {
  const sqlite = Buffer.concat([Buffer.from('SQLite format 3\0\x10\0\x01\x01\0\x40\x20\x20'), Buffer.alloc(8_168)])
  const rows: [name: string, make: () => unknown, words: string[]][] = [
    ['but a folder', () => mkdirSync(journal()), ['is not a file']],
    ['but a FIFO', () => execFileSync('mkfifo', [journal()]), ['is not a file']],
    ['but a link to a device', () => symlinkSync('/dev/zero', journal()), ['is not a file']],
    ['but a link to nothing', () => symlinkSync(at('nowhere'), journal()), ['is not a file']],
    ['but an empty file', () => writeFileSync(journal(), ''), ['is empty', 'it was left as it is']],
    ['but a text', () => writeFileSync(journal(), 'Dear diary,\n'.repeat(500)), ['is not a journal', 'left as it is']],
    ['but one byte', () => writeFileSync(journal(), 'o'), ['is not a journal']],
    ['but its own magic over and over', () => writeFileSync(journal(), 'off1'.repeat(9_999)), ['left as it is']],
    ['but an SQLite database', () => writeFileSync(journal(), sqlite), ['is not a journal']],
    ['but zeros', () => writeFileSync(journal(), Buffer.alloc(3_000_000)), ['is not a journal']],
  ]
  test.each(rows)('%s', async (_name, make, words) => {
    mkdirSync(at('jobs'))
    make()
    const before = picture(at('jobs'))
    await refusesAll(open(), 'STORE_CORRUPT', [journal(), ...words])
    expect(picture(at('jobs'))).toEqual(before)
    // What was in the way is gone: the same folder works.
    rmSync(journal(), { recursive: true })
    expect(await open().run.double(21)).toBe(42)
  })

  test.skipIf(!canMount)('but a device (skipped for whoever may not make one)', async () => {
    mkdirSync(at('jobs'))
    execFileSync('mknod', [journal(), 'c', '1', '5'])
    await refusesAll(open(), 'STORE_CORRUPT', [journal(), 'is not a file'])
    expect(statSync(journal()).isCharacterDevice()).toBe(true)
  })

  test('but a link to one: what it leads to is not ours', async () => {
    await fill(['one'])
    renameSync(journal(), at('elsewhere'))
    symlinkSync(at('elsewhere'), journal())
    const before = readFileSync(at('elsewhere'))
    await refusesAll(open(), 'STORE_CORRUPT', [journal(), 'is not a file'])
    expect(readFileSync(at('elsewhere')).equals(before)).toBe(true)
  })

  test('but the beginning of one, cut at any byte of its first header', async () => {
    await fill(['one'])
    const whole = readFileSync(journal())
    for (let size = 1; size < headerBytes; size++) {
      writeFileSync(journal(), whole.subarray(0, size))
      const scheduler = open()
      expect(await refused(scheduler.counts()), `${size} bytes`).toMatchObject({ code: 'STORE_CORRUPT' })
      await scheduler.close()
      expect(readFileSync(journal()).equals(whole.subarray(0, size))).toBe(true)
    }
  }, 60_000)
})

describe('the journal is of a newer version', () => {
  test.each(['first', 'last'])('from its %s batch on', async (which) => {
    await fill(['one', 'two'])
    const bytes = readFileSync(journal())
    const starts = framesOf(bytes)
    const start = which === 'first' ? 0 : (starts.at(-2) as number)
    const frame = bytes.subarray(start, which === 'first' ? starts[1] : undefined)
    frame.writeUInt32LE(formatVersion + 1, 4)
    if (which === 'last') restamp(frame)
    writeFileSync(journal(), bytes)
    const before = picture(at('jobs'))
    await refusesAll(open(), 'STORE_CORRUPT', [journal(), `newer version of offstage (format ${formatVersion + 1})`])
    expect(picture(at('jobs'))).toEqual(before)
  })
})

/** Makes a frame whole again after its header was changed. */
function restamp(frame: Buffer): void {
  frame.writeUInt32LE(crc32(frame.subarray(headerBytes), crc32(frame.subarray(0, 40))), 40)
}

describe('a flipped bit', () => {
  test('in the middle: what, where and how far it is good is said, and nothing is changed', async () => {
    await fill(['one', 'two', 'three'])
    const whole = readFileSync(journal())
    const starts = framesOf(whole)
    for (const [index, start] of starts.slice(0, -2).entries()) {
      const end = starts[index + 1] as number
      // In each field of the header, and in the first, a middle and the last byte of the payload.
      for (const offset of [
        0,
        8,
        16,
        24,
        32,
        36,
        40,
        43,
        headerBytes,
        Math.floor((end - start) / 2),
        end - start - 1,
      ]) {
        if (start + offset >= end) continue
        const bytes = Buffer.from(whole)
        bytes.writeUInt8(bytes.readUInt8(start + offset) ^ 1, start + offset)
        writeFileSync(journal(), bytes)
        const scheduler = open()
        const error = await refused(scheduler.counts())
        expect(error, `byte ${start + offset}`).toMatchObject({ code: 'STORE_CORRUPT' })
        expect(error.message).toContain(`${journal()} is damaged at byte ${start}`)
        expect(error.message).toContain(`the last good batch is ${index}`)
        expect(error.message).toContain('Nothing was changed')
        await scheduler.close()
        expect(readFileSync(journal()).equals(bytes)).toBe(true)
        expect(existsSync(at('jobs/journal.torn'))).toBe(false)
      }
    }
    writeFileSync(journal(), whole)
    expect(await idsOf(open())).toEqual(['one', 'three', 'two'])
  }, 60_000)
})

describe('relaxed', () => {
  const relaxed = { durability: 'relaxed' } as const

  test('a flipped bit before what a clean close has sealed is refused, and nothing is changed', async () => {
    const scheduler = open(at('jobs'), relaxed)
    for (let index = 0; index < 50; index++) await scheduler.add.echo(index, later)
    await scheduler.close()
    const whole = readFileSync(journal())
    for (const place of [100, 400, Math.floor(whole.length / 2), whole.length - headerBytes - 1]) {
      const bytes = Buffer.from(whole)
      bytes.writeUInt8(bytes.readUInt8(place) ^ 1, place)
      writeFileSync(journal(), bytes)
      const again = open(at('jobs'), relaxed)
      expect(await refused(again.counts()), `byte ${place}`).toMatchObject({ code: 'STORE_CORRUPT' })
      await again.close()
      expect(readFileSync(journal()).equals(bytes)).toBe(true)
    }
    writeFileSync(journal(), whole)
    expect(await open(at('jobs'), relaxed).counts()).toMatchObject({ scheduled: 50 })
  })

  test('what no seal protects is lost behind a flipped bit, and reported: how much, and where a copy is', async () => {
    const scheduler = open(at('jobs'), relaxed)
    for (let index = 0; index < 50; index++) await scheduler.add.echo(index, { id: `job ${index}`, ...later })
    const bytes = readFileSync(journal())
    await scheduler.close()
    const starts = framesOf(bytes)
    const place = starts[11] as number
    bytes.writeUInt8(bytes.readUInt8(place + headerBytes) ^ 1, place + headerBytes)
    writeFileSync(journal(), bytes)
    const again = open(at('jobs'), relaxed)
    const told = heardErrors(again)
    expect((await again.counts()).scheduled).toBeLessThan(50)
    expect(told).toMatchObject([{ name: 'OffstageError', code: 'STORE_CORRUPT' }])
    const { message } = told[0] as OffstageError
    expect(message).toContain(`at least ${starts.length - 1 - 11} batches`)
    expect(message).toContain(`${bytes.length - place} bytes, from byte ${place} on`)
    expect(message).toContain(at('jobs/journal.torn'))
    expect(readFileSync(at('jobs/journal.torn')).equals(bytes.subarray(place))).toBe(true)
  })
})

/** The errors of its `store:error` events from now on. */
function heardErrors(scheduler: Bench): unknown[] {
  const errors: unknown[] = []
  scheduler.on('store:error', ({ error }) => errors.push(error))
  return errors
}

describe('a large batch', () => {
  const mebibyte = 1024 * 1024
  const addMany = (scheduler: Bench) =>
    scheduler.addMany(
      Array.from({ length: 40 }, (_, index) => ({
        name: 'echo' as const,
        input: new Uint8Array(mebibyte).fill(index),
        options: { id: `large ${index}`, ...later },
      })),
    )

  test('is written in frames of a few MiB, and is there again', async () => {
    const scheduler = open()
    await addMany(scheduler)
    await scheduler.close()
    const starts = framesOf(readFileSync(journal()))
    const lengths = starts.slice(1).map((end, index) => end - (starts[index] as number))
    expect(Math.max(...lengths)).toBeLessThan(5.1 * mebibyte)
    const again = open()
    expect((await again.find()).map(({ input }) => (input as Uint8Array)[7])).toEqual([...Array(40).keys()])
  })

  test('of which only a part was written before a kill was never added, and that is reported', async () => {
    const scheduler = open()
    await scheduler.add.echo('small', { id: 'before', ...later })
    const begins = statSync(journal()).size
    await addMany(scheduler)
    const whole = readFileSync(journal())
    await scheduler.close()
    // A seal may follow: the machine may have been busy for an idle moment.
    const starts = framesOf(whole).filter((start, index, all) => (all[index + 1] ?? start) - start > mebibyte)
    const [third, , last] = starts.slice(-3) as [number, number, number]
    // In the middle of a frame, and between two.
    for (const size of [last, last + 100, third - 1]) {
      rmSync(at('jobs/journal.torn'), { force: true })
      writeFileSync(journal(), whole.subarray(0, size))
      const again = open()
      const told = heardErrors(again)
      expect(await idsOf(again)).toEqual(['before'])
      expect(told).toMatchObject([{ code: 'STORE_WRITE_FAILED' }])
      expect((told[0] as OffstageError).message).toContain(`${size - begins} bytes, from byte ${begins} on`)
      expect(statSync(at('jobs/journal.torn')).size).toBe(size - begins)
      await again.close()
    }
  }, 60_000)
})

describe('a torn end', () => {
  /** As a kill leaves it: without the seal of a close. */
  async function killed(ids: readonly string[]): Promise<Buffer> {
    const scheduler = open()
    for (const id of ids) await scheduler.add.echo('small', { id, ...later })
    const bytes = readFileSync(journal())
    await scheduler.close()
    return bytes
  }

  test.each([
    ['garbage', () => Buffer.from('garbage '.repeat(200))],
    ['zeros', () => Buffer.alloc(10_000)],
    ['one byte', () => Buffer.from([0])],
    ['its own magic', () => Buffer.from('off1')],
  ])('of %s is set aside, and all that was acknowledged is there', async (_name, make) => {
    const whole = await killed(['one', 'two'])
    writeFileSync(journal(), Buffer.concat([whole, make()]))
    const scheduler = open()
    const told = heardErrors(scheduler)
    expect(await idsOf(scheduler)).toEqual(['one', 'two'])
    expect(readFileSync(at('jobs/journal.torn')).equals(make())).toBe(true)
    expect(told).toMatchObject([{ name: 'OffstageError', code: 'STORE_WRITE_FAILED' }])
    const { message } = told[0] as OffstageError
    expect(message).toContain(`${make().length} bytes, from byte ${whole.length} on`)
    expect(message).toContain(`a copy is in ${at('jobs/journal.torn')}`)
    await scheduler.add.double(1, { id: 'three', ...later })
    await scheduler.close()
    expect(await idsOf(open())).toEqual(['one', 'three', 'two'])
  })

  test('wherever it is torn', async () => {
    const whole = await killed(['one', 'two', 'three'])
    const starts = framesOf(whole)
    const last = starts.at(-2) as number
    for (let size = last + 1; size < whole.length; size += 7) {
      rmSync(at('jobs/journal.torn'), { force: true })
      writeFileSync(journal(), whole.subarray(0, size))
      const scheduler = open()
      expect(await idsOf(scheduler), `${size} of ${whole.length} bytes`).toEqual(['one', 'two'])
      expect(readFileSync(at('jobs/journal.torn')).equals(whole.subarray(last, size))).toBe(true)
      await scheduler.close()
    }
  }, 60_000)

  test('is set aside again when the first time was cut short', async () => {
    const whole = await killed(['one'])
    writeFileSync(journal(), Buffer.concat([whole, Buffer.from('garbage')]))
    writeFileSync(at('jobs/journal.torn'), 'what an earlier recovery set aside, and it was longer')
    expect(await idsOf(open())).toEqual(['one'])
    expect(readFileSync(at('jobs/journal.torn'), 'utf8')).toBe('garbage')
  })

  test('does not replace what earlier ones left, but for the newest of ten', async () => {
    const whole = await killed(['one'])
    const torn = () => readdirSync(at('jobs')).filter((name) => name.startsWith('journal.torn'))
    for (let turn = 1; turn <= 12; turn++) {
      writeFileSync(journal(), Buffer.concat([whole, Buffer.from(`garbage ${turn}`)]))
      const scheduler = open()
      expect(await idsOf(scheduler)).toEqual(['one'])
      await scheduler.close()
    }
    expect(torn()).toHaveLength(10)
    for (const [index, name] of torn().slice(1).entries())
      expect(readFileSync(at(`jobs/${name}`), 'utf8')).toBe(`garbage ${index + 1}`)
    expect(readFileSync(at('jobs/journal.torn'), 'utf8')).toBe('garbage 12')
  }, 60_000)

  test('is not reported twice, and nothing is after a clean close', async () => {
    const whole = await killed(['one'])
    writeFileSync(journal(), Buffer.concat([whole, Buffer.from('garbage')]))
    const counts = []
    for (let times = 0; times < 3; times++) {
      const scheduler = open()
      const told = heardErrors(scheduler)
      await scheduler.add.echo('small', later)
      await scheduler.close()
      counts.push(told.length)
    }
    expect(counts).toEqual([1, 0, 0])
  })

  test('drafts that a crash left behind go', async () => {
    await fill(['one'])
    writeFileSync(at('jobs/journal.next1'), 'half a snapshot')
    writeFileSync(at('jobs/journal.next77'), '')
    expect(await idsOf(open())).toEqual(['one'])
    expect(readdirSync(at('jobs')).filter((name) => name.startsWith('journal.next'))).toEqual([])
  })
})

describe.skipIf(!canMount)('a disk that is full (skipped where nothing may be mounted)', () => {
  /** Fills it to the last byte; answers how to make room. */
  function fillDisk(place: string): () => void {
    const filler = join(place, 'filler')
    for (let size = 65_536; size >= 1; size = Math.floor(size / 2)) {
      try {
        for (;;) appendFileSync(filler, Buffer.alloc(size))
      } catch (error) {
        expect(error).toMatchObject({ code: 'ENOSPC' })
      }
    }
    return () => unlinkSync(filler)
  }

  const big = new Uint8Array(60_000).fill(7)
  /** More than what is left of the last block. */
  const large = new Uint8Array(10_000)

  test('rejects what was to be added, keeps what there is, and takes more as soon as there is room', async () => {
    mkdirSync(at('jobs'))
    mount('-t', 'tmpfs', '-o', 'size=1m', 'offstage-test', at('jobs'))
    const scheduler = openWithThread()
    const errors: unknown[] = []
    scheduler.on('store:error', ({ error }) => errors.push(error))
    await scheduler.add.echo('early', { id: 'early', ...later })
    const running = await scheduler.add.until(at('go'), { id: 'running' })
    const result = running.result()
    await heard(scheduler, 'progress')

    // By its own jobs, until there is no room for another.
    let added = 0
    let error: OffstageError | undefined
    while (!error) {
      const adding = scheduler.add.echo(big, { id: `big ${added}`, ...later })
      error = await adding.then(
        () => undefined,
        (thrown: OffstageError) => thrown,
      )
      if (!error) added++
    }
    expect(added).toBeGreaterThan(5)
    expect(error).toMatchObject({ name: 'OffstageError', code: 'STORE_WRITE_FAILED' })
    expect(error.message).toContain(journal())
    expect(error.cause).toMatchObject({ code: 'ENOSPC' })
    expect(errors).toContain(error)
    expect(await scheduler.get(`big ${added}`)).toBeUndefined()

    // To the last byte: what the running job comes to cannot be recorded either, and so is not announced.
    const makeRoom = fillDisk(at('jobs'))
    const told = vi.fn()
    scheduler.on('completed', told)
    writeFileSync(at('go'), '')
    await vi.waitFor(() => expect(errors.length).toBeGreaterThan(1), 5_000)
    expect(told).not.toHaveBeenCalled()
    const refusedToo = await refused(scheduler.add.echo(large))
    expect(codes(refusedToo)).toContain('ENOSPC')

    makeRoom()
    expect(await result).toHaveLength(10_000)
    expect(await scheduler.remove('big 0')).toBe(1)
    expect(await scheduler.run.double(21)).toBe(42)
    await scheduler.close()
    const again = open()
    const kept = Array.from({ length: added - 1 }, (_, index) => `big ${index + 1}`)
    expect(await idsOf(again)).toEqual(expect.arrayContaining(['early', 'running', ...kept]))
    expect(await (await again.get('running'))?.result()).toHaveLength(10_000)
    expect((await again.get('big 1'))?.input).toEqual(big)
    expect(await again.get('big 0')).toBeUndefined()
  }, 30_000)

  test('refuses to open without a journal, and opens with one', async () => {
    mkdirSync(at('jobs'))
    mount('-t', 'tmpfs', '-o', 'size=1m', 'offstage-test', at('jobs'))
    await fill(['one'])
    const makeRoom = fillDisk(at('jobs'))
    const full = open()
    expect(await idsOf(full)).toEqual(['one'])
    expect(codes(await refused(full.add.echo(large)))).toContain('ENOSPC')
    await full.close()
    makeRoom()
    expect(await idsOf(open())).toEqual(['one'])
  })

  test('has no room for the first byte', async () => {
    mkdirSync(at('jobs'))
    mount('-t', 'tmpfs', '-o', 'size=1m', 'offstage-test', at('jobs'))
    const makeRoom = fillDisk(at('jobs'))
    const error = await refusesAll(open(), 'STORE_WRITE_FAILED', [at('jobs')])
    expect(codes(error)).toContain('ENOSPC')
    makeRoom()
    expect(await open().run.double(21)).toBe(42)
  })
})

describe('somebody else writes to the journal while it is open', () => {
  const rows: [name: string, act: () => void][] = [
    ['appends', () => appendFileSync(journal(), 'foreign')],
    ['cuts it', () => truncateSync(journal(), 50)],
    [
      'puts a copy in its place',
      () => {
        copyFileSync(journal(), at('copy'))
        renameSync(at('copy'), journal())
      },
    ],
    ['removes it', () => unlinkSync(journal())],
    ['moves the folder away', () => renameSync(at('jobs'), at('moved'))],
  ]
  test.each(rows)('%s: it stops, all promises settle, nothing more is written', async (_name, act) => {
    const scheduler = openWithThread()
    const errors: unknown[] = []
    scheduler.on('store:error', ({ error }) => errors.push(error))
    const waiting = await scheduler.add.echo(1, { id: 'waiting', ...later })
    const running = await scheduler.add.until(at('go'))
    await heard(scheduler, 'progress')
    const results = [waiting.result(), running.result()].map(refused)
    act()
    const place = existsSync(at('moved')) ? at('moved') : at('jobs')
    const before = picture(place)

    const error = await refused(scheduler.add.double(1))
    expect(error).toMatchObject({ name: 'OffstageError', code: 'STORE_LOCKED' })
    expect(error.message).toContain(journal())
    expect(error.message).toContain('somebody else')
    for (const result of results) expect(await result).toBe(error)
    expect(errors).toContain(error)
    for (const call of [scheduler.run.double(1), scheduler.counts(), scheduler.cancel('waiting'), scheduler.find()])
      expect(await refused(call)).toBe(error)
    await scheduler.close()
    expect(picture(place)).toEqual(before)
  })

  // The folder itself is not looked at before a draft takes its place.
  test.each(rows.slice(0, 4))('%s while it is written anew: nothing takes the place of that', async (_name, act) => {
    const scheduler = openWithThread()
    await scheduler.add.echo(1, { id: 'waiting', ...later })
    await scheduler.close()
    const medium = new FileMedium(nodeDisk, at('jobs'), { durability: 'strict' })
    onTestFinished(() => medium.close())
    await medium.open(() => {})
    const draft = await medium.draft()
    await draft.append(new Uint8Array(100))
    act()
    const before = existsSync(journal()) && readFileSync(journal())
    await expect(draft.publish()).rejects.toMatchObject({ failure: 'lost' })
    expect(existsSync(journal()) && readFileSync(journal())).toEqual(before)
  })
})

describe('too large', () => {
  const options = { valueBytesMax: 2_000 }
  const limit = '`valueBytesMax` is 2000 bytes'

  test('an input: refused, and the next good job runs', async () => {
    const scheduler = open(at('jobs'), options)
    const error = await refused(scheduler.add.echo(new Uint8Array(2_001)))
    expect(error).toMatchObject({ name: 'OffstageError', code: 'DATA_CLONE' })
    expect(error.message).toContain('The input cannot be stored')
    expect(error.message).toContain(limit)
    expect(await refused(scheduler.run.echo('x'.repeat(2_001)))).toMatchObject({ code: 'DATA_CLONE' })
    const many = scheduler.addMany([
      { name: 'echo', input: 1 },
      { name: 'echo', input: new Uint8Array(2_001) },
    ])
    expect(await refused(many)).toMatchObject({ code: 'DATA_CLONE' })
    expect(await scheduler.find()).toEqual([])
    expect(await scheduler.run.echo(new Uint8Array(1_900))).toHaveLength(1_900)
  })

  const rows = [
    ['result', 'The result cannot be stored'],
    ['checkpoint', 'The checkpoint cannot be stored'],
    ['step', "The value of step 'buy' cannot be stored"],
  ] as const
  test.each(rows)('a %s: the job fails, at once and for good, and the next good job runs', async (name, words) => {
    const scheduler = openWithThread(at('jobs'), options)
    const job = await scheduler.add[name]('2001', { attempts: 5 })
    const error = await refused(job.result())
    expect(error).toMatchObject({ name: 'OffstageError', code: 'DATA_CLONE' })
    expect(error.message).toContain(words)
    expect(error.message).toContain(limit)
    expect(job.snapshot()).toMatchObject({ state: 'failed', attempt: 1 })
    expect(await scheduler.run.double(21)).toBe(42)
    const after = job.id
    await scheduler.close()
    const found = await open(at('jobs'), options).get(after)
    expect(await refused(found?.result() as Promise<unknown>)).toMatchObject({
      code: 'DATA_CLONE',
      message: error.message,
    })
  })

  test('a limit may be raised and lowered: what is there stays', async () => {
    const first = open()
    await first.add.echo('x'.repeat(5_000), { id: 'large', ...later })
    await first.close()
    const second = open(at('jobs'), options)
    expect((await second.get('large'))?.input).toHaveLength(5_000)
    expect(await refused(second.add.echo('x'.repeat(5_000)))).toMatchObject({ code: 'DATA_CLONE' })
  })
})

describe('what cannot be kept, although it can cross threads', () => {
  const unstorable: [what: string, make: () => unknown][] = [
    ['shared', () => new SharedArrayBuffer(8)],
    ['module', () => new WebAssembly.Module(new Uint8Array([0, 0x61, 0x73, 0x6d, 1, 0, 0, 0]))],
  ]
  test.each(unstorable)('an input with a %s', async (_what, make) => {
    const scheduler = open()
    const error = await refused(scheduler.add.echo({ list: [1, { what: make() }] }))
    expect(error).toMatchObject({ name: 'OffstageError', code: 'DATA_CLONE' })
    expect(error.message).toContain('`input.list[1].what`')
    expect(await scheduler.find()).toEqual([])
    expect(await scheduler.run.double(21)).toBe(42)
  })

  const places = [
    ['result', '`result.list[1].what`'],
    ['checkpoint', '`checkpoint.list[1].what`'],
    ['step', '.list[1].what`'],
  ] as const
  for (const [what] of unstorable) {
    test.each(places)(`a %s with a ${what}`, async (name, place) => {
      const scheduler = openWithThread()
      const error = await refused(scheduler.run[name](what, { attempts: 3 }))
      expect(error).toMatchObject({ name: 'OffstageError', code: 'DATA_CLONE' })
      expect(error.message).toContain(place)
      expect(error.message).toContain(name === 'step' ? "step 'buy'" : `The ${name} cannot be stored`)
      expect(await scheduler.run.double(21)).toBe(42)
    })
  }
})

describe('somebody else has it open', () => {
  const locked =
    (since: number, pid = process.pid) =>
    async (scheduler: Bench) => {
      const error = await refusesAll(scheduler, 'STORE_LOCKED', [
        `The folder '${at('jobs')}' is open in process ${pid}`,
      ])
      const [, text = ''] = /since (\S+)\.$/.exec(error.message) ?? []
      expect(Date.parse(text)).toBeGreaterThanOrEqual(since - 60_000)
      expect(Date.parse(text)).toBeLessThanOrEqual(Date.now() + 1_000)
    }
  const say = `scheduler.add.double(1, { id: 'theirs', delayMs: 1e9 }).then(() => console.log('open'), (error) => console.log(error.code, error.message))\n`

  async function says(stream: NodeJS.ReadableStream): Promise<string> {
    for await (const line of createInterface({ input: stream })) return line
    return ''
  }

  test('another scheduler of this process', async () => {
    const since = Date.now()
    const first = open()
    await first.add.double(1, { id: 'ours', ...later })
    const before = picture(at('jobs'))
    await locked(since)(open())
    expect(picture(at('jobs'))).toEqual(before)
    expect(await idsOf(first)).toEqual(['ours'])
    await first.close()
    expect(await idsOf(open())).toEqual(['ours'])
  })

  test('under another name of the same folder', async () => {
    const first = open()
    await first.counts()
    symlinkSync(at('jobs'), at('link'))
    const error = await refused(open(at('link')).counts())
    expect(error).toMatchObject({ code: 'STORE_LOCKED' })
    expect(error.message).toContain(at('link'))
  })

  test.each(['mjs', 'cjs'])('another process, which loads us as .%s; killed, it has not', async (extension) => {
    const since = Date.now()
    const file = program(at(`program.${extension}`), `${say}setInterval(() => {}, 1000)`)
    const child = spawn(process.execPath, [file, at('jobs')], { stdio: ['ignore', 'pipe', 'inherit'] })
    onTestFinished(() => void child.kill('SIGKILL'))
    expect(await says(child.stdout)).toBe('open')
    await locked(since, child.pid as number)(open())
    child.kill('SIGKILL')
    await new Promise((resolve) => child.on('exit', resolve))
    const after = open()
    expect(await idsOf(after)).toEqual(['theirs'])
  })

  test('we have it, and another process asks', async () => {
    const first = open()
    await first.counts()
    const file = program(at('program.mjs'), say)
    const { stdout } = spawnSync(process.execPath, [file, at('jobs')], { encoding: 'utf8' })
    expect(stdout).toContain(`STORE_LOCKED The folder '${at('jobs')}' is open in process ${process.pid} since 2`)
  })

  test('CommonJS and ESM copies of us in one process', async () => {
    program(at('first.cjs'), `${say}module.exports = scheduler`)
    const file = program(
      at('second.mjs'),
      `await import(${JSON.stringify(pathToFileURL(at('first.cjs')).href)}).then((first) => first.default.counts())
await scheduler.counts().catch((error) => console.log('second', error.code))
process.exit()`,
    )
    const { stdout } = spawnSync(process.execPath, [file, at('jobs')], { encoding: 'utf8' })
    // Whichever came first: one has it, one has not.
    expect(stdout.match(/STORE_LOCKED/g)).toHaveLength(1)
  })

  test('a thread of this process; ended, it has not', async () => {
    const since = Date.now()
    const file = program(
      at('thread.mjs'),
      `import { parentPort } from 'node:worker_threads'
await scheduler.counts()
parentPort.on('message', () => {}) // It is not the scheduler that keeps it alive.
parentPort.postMessage('open')`,
    )
    const thread = new NodeThread(file, { argv: [at('jobs')] })
    onTestFinished(() => void thread.terminate())
    await new Promise((resolve, reject) => thread.once('message', resolve).once('error', reject))
    await locked(since)(open())
    await thread.terminate()
    // Its files and sockets go with its own threads, a moment later.
    await vi.waitFor(async () => expect(await open().counts()).toBeDefined(), { timeout: 5_000, interval: 50 })
  })
})

describe('one store object', () => {
  // The engine closes a store that it could not open: it is the first scheduler's.
  test('for two schedulers at a time: the second is refused, and its end is not that of the first', async () => {
    const store = fileStore(at('jobs'))
    const first = open(store)
    await first.add.double(1, { id: 'one', ...later })
    await refusesAll(open(store), 'STORE_LOCKED', [journal(), 'another scheduler here'])
    expect(await first.run.double(21)).toBe(42)
    await first.add.double(1, { id: 'two', ...later })
    await first.close()
    expect(await idsOf(open())).toEqual(expect.arrayContaining(['one', 'two']))
  })

  test('for one scheduler after the other', async () => {
    const store = fileStore(at('jobs'))
    const first = open(store)
    await first.add.double(1, { id: 'one', ...later })
    await first.close()
    const second = open(store)
    expect(await idsOf(second)).toEqual(['one'])
    await second.close()
    expect(await idsOf(open(store))).toEqual(['one'])
  })

  test.each([true, false])(
    'can be opened once what was in its way is gone; the first was closed: %s',
    async (isClosed) => {
      const store = fileStore(at('jobs'))
      writeFileSync(at('jobs'), 'mine')
      const first = open(store)
      expect(await refused(first.counts())).toMatchObject({ code: 'STORE_WRITE_FAILED' })
      if (isClosed) await first.close()
      unlinkSync(at('jobs'))
      expect(await open(store).run.double(21)).toBe(42)
    },
  )
})

describe('while it opens', () => {
  test('jobs may be added, looked up and cancelled: all of it happens, in order', async () => {
    await fill(['old'])
    const scheduler = open()
    const [job, result, many, found, cancelled] = await Promise.all([
      scheduler.add.double(1, { id: 'new', ...later }),
      scheduler.run.double(21),
      scheduler.addMany([{ name: 'double', input: 1, options: { id: 'many', ...later } }]),
      scheduler.get('old'),
      scheduler.cancel('old'),
    ])
    expect([job.id, result, many.length, found?.id, cancelled]).toEqual(['new', 42, 1, 'old', 1])
    await scheduler.close()
    expect(await idsOf(open())).toEqual(expect.arrayContaining(['many', 'new', 'old']))
  })

  test.each(['finish', 'now', 'drain'] as const)('close({ mode: %j }) ends it, and frees the folder', async (mode) => {
    await fill(['old'])
    const scheduler = open()
    const adding = scheduler.add.double(1, { id: 'new', ...later }).then(
      () => 'added',
      (error: OffstageError) => error.code,
    )
    await scheduler.close({ mode })
    const outcome = await adding
    expect(['added', 'SCHEDULER_CLOSED']).toContain(outcome)
    const again = open()
    expect(await idsOf(again)).toEqual(outcome === 'added' ? ['new', 'old'] : ['old'])
  })

  test('nobody asked for anything, and it cannot be opened: the host hears nothing, and close resolves', async () => {
    writeFileSync(at('jobs'), 'mine')
    const scheduler = open()
    // By the time that two others have learnt of it, one after the other, so has the first.
    for (const other of [open, open]) await refused(other().counts())
    await turn()
    expect(host.uncaught).toEqual([])
    await scheduler.close()
    await scheduler.close({ mode: 'now' })
  })
})

describe('options', () => {
  const wrong = (call: unknown) => call as never
  test.each([
    ['no folder', () => fileStore(wrong(undefined)), 'folder'],
    ['an empty folder', () => fileStore(''), 'folder'],
    ['a folder that is a URL', () => fileStore(wrong(new URL('file:///tmp'))), 'folder'],
    ['a durability of our own', () => fileStore('jobs', wrong({ durability: 'eventual' })), '`durability`'],
    ['a limit of nothing', () => fileStore('jobs', { valueBytesMax: 0 }), '`valueBytesMax`'],
    ['an option that there is not', () => fileStore('jobs', wrong({ sync: true })), '`sync`'],
  ])('%s: refused at once, by name', (_name, call, word) => {
    expect(call).toThrow(expect.objectContaining({ code: 'INVALID_OPTION', message: expect.stringContaining(word) }))
  })

  test('a NUL in the name', async () => {
    await refusesAll(open(at('a\0b')), 'STORE_WRITE_FAILED', ['cannot hold jobs'])
  })
})

// The command line among things that are larger, stranger or more hostile than it expects: what is printed is only text,
// who reads may leave, and what belongs to somebody stays theirs.
import { spawnSync } from 'node:child_process'
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  realpathSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { createScheduler, inline } from 'offstage'
import { fileStore } from 'offstage/file'
import { defineJobs } from 'offstage/worker'
import { beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { withStep } from '../../src/job/steps.ts'
import { printable } from '../../src/shared/printable.ts'
import { buildProgram, run } from '../support/cli.ts'
import { JournalBuilder, jobRecord } from '../support/journals.ts'
import { skipUnless, skipUnlessRunsAs } from '../support/skips.ts'
import { temporaryFolder } from '../support/testing.ts'

const folders = temporaryFolder()
const isUnix = process.platform !== 'win32'
let folder: string
let last = 0
/** The program, where all users find it. */
const program = join(folders, 'bin.mjs')
beforeAll(async () => {
  chmodSync(folders, 0o755)
  await buildProgram(program)
})
beforeEach(() => {
  folder = join(realpathSync(folders), `store-${++last}`)
  mkdirSync(folder)
})

const write = (journal: JournalBuilder) => writeFileSync(join(folder, 'journal'), journal.bytes)

/** A bit is wrong there. */
function flip(bytes: Uint8Array, at: number): void {
  bytes[at] = (bytes[at] as number) ^ 1
}

const hostile = 'a\x1b[2J\x07\x9b31m\r\n\u2028\u202e\u2066b\ud800'
// biome-ignore lint/suspicious/noControlCharactersInRegex: that is what is looked for
const controls = /[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u2029\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800]/

describe('what a terminal would obey is shown, and never sent', () => {
  test('text is escaped, and left alone where it is only strange', () => {
    expect(printable(hostile)).toBe(String.raw`a\x1b[2J\x07\x9b31m\x0d\x0a\u2028\u202e\u2066b\ud800`)
    expect(printable('ü € 👩‍🚀 שלום C:\\jobs')).toBe('ü € 👩‍🚀 שלום C:\\jobs')
  })

  const strange = jobRecord(1, hostile, {
    name: hostile,
    queue: hostile,
    state: 'failed',
    input: { [hostile]: hostile, of: /\u202e/, set: new Set([hostile]) },
    error: Object.assign(new Error(hostile), { stack: `${hostile}\nstate         'completed'` }),
    checkpoint: new Map([[hostile, hostile]]),
    steps: new Map([[hostile, 1]]),
    rules: { ...jobRecord(0, '').rules, tags: [hostile] },
  })

  test('by ls and show, wherever it stands; and no text looks like another field', async () => {
    write(new JournalBuilder(1).insert(strange).seal())
    const listed = await run('ls', folder)
    expect(listed.out).not.toMatch(controls)
    expect(listed.out.split('\n')).toHaveLength(2)
    for (const id of [hostile, printable(hostile)]) {
      const { code, out } = await run('show', folder, id)
      expect(code).toBe(0)
      expect(out).not.toMatch(controls)
      expect(out.match(/^state/gm)).toHaveLength(1)
    }
  })

  test('in complaints: the names of folders and of jobs', async () => {
    write(new JournalBuilder(1).insert(strange).seal())
    for (const args of [
      ['ls', hostile],
      ['salvage', hostile],
      ['show', folder, `${hostile}?`],
    ] as const) {
      const { code, complaints } = await run(...args)
      expect(code).toBe(1)
      expect(complaints).not.toMatch(controls)
      expect(complaints.split('\n')).toHaveLength(1)
    }
  })

  test('by salvage: names of jobs and of the copy', async () => {
    const before = { ...strange, state: 'running' as const, steps: undefined }
    const first = { ...before, steps: withStep(undefined, 'a', 1) }
    const journal = new JournalBuilder(1)
      .insert(before)
      .batch({ before, after: first })
      .batch({ before: first, after: { ...before, steps: withStep(first.steps, 'b', 2) } })
    const { bytes } = journal.seal()
    flip(bytes, (journal.batches[1]?.at as number) + 45)
    folder = join(folder, isUnix ? 'x\x1b[31m' : 'x')
    mkdirSync(folder)
    writeFileSync(join(folder, 'journal'), bytes)
    const { code, out } = await run('salvage', folder)
    expect(code).toBe(0)
    expect(out).toMatch(/first recorded steps are lost.*a\\x1b\[2J/)
    expect(out).not.toMatch(controls)
  })
})

test('what was left out of a journal is named: another one that lay in what is damaged', async () => {
  const upload = new JournalBuilder(9).insert(jobRecord(1, 'fake')).seal().bytes
  const journal = new JournalBuilder(1).insert(jobRecord(1, 'one')).insert(jobRecord(2, 'two', { input: upload }))
  const { bytes } = journal.insert(jobRecord(3, 'three')).seal()
  flip(bytes, journal.batches[1]?.at as number)
  writeFileSync(join(folder, 'journal'), bytes)
  const { out } = await run('salvage', folder)
  expect(out).toMatch(/left out: 2 batches of another journal, \d+ bytes from byte \d+ on/)
  expect(out).toMatch(/recovered: 2 jobs/)
  expect((await run('ls', folder)).out).toMatch(/^one .*\nthree .*\n2 jobs: 2 queued$/)
})

test('where none of it is intact but what an upload contains nothing is changed', async () => {
  const upload = new JournalBuilder(9).insert(jobRecord(1, 'fake')).seal().bytes
  const { bytes } = new JournalBuilder(1).insert(jobRecord(2, 'two', { input: upload }))
  flip(bytes, 60)
  writeFileSync(join(folder, 'journal'), bytes)
  const { code, complaints } = await run('salvage', folder)
  expect(code).toBe(1)
  expect(complaints).toMatch(/no batch is intact; nothing was changed.*another journal/)
  expect(readFileSync(join(folder, 'journal'))).toEqual(Buffer.from(bytes))
  expect(readdirSync(folder)).toEqual(['journal'])
})

test('ls lists any number of jobs, some at a time, and one with a giant name does not make all lines long', async () => {
  const journal = new JournalBuilder(1).insert(jobRecord(0, 'x'.repeat(10_000)))
  const count = 150_000
  for (let seq = 1; seq <= count; seq += 10_000)
    journal.insert(...Array.from({ length: 10_000 }, (_, index) => jobRecord(seq + index, `job ${seq + index}`)))
  write(journal.seal())
  const { code, out, prints } = await run('ls', folder)
  expect(code).toBe(0)
  expect(out.split('\n')).toHaveLength(count + 2)
  expect(out.length).toBeLessThan(count * 200)
  expect(prints).toBeGreaterThan(100)
})

describe('as a program', () => {
  test('it ends in peace when who reads has had enough', async (context) => {
    skipUnless(context, isUnix, 'there is no shell for it')
    const journal = new JournalBuilder(1)
    for (let batch = 0; batch < 50; batch++)
      journal.insert(...Array.from({ length: 1_000 }, (_, index) => jobRecord(batch * 1_000 + index, `job ${index}`)))
    write(journal.seal())
    const command = `'${process.execPath}' '${program}' ls '${folder}' | head -1; echo "\${PIPESTATUS[0]}"`
    const { stdout, stderr } = spawnSync('bash', ['-c', command], { encoding: 'utf8' })
    expect(stderr).toBe('')
    expect(stdout).toMatch(/^job 0 .*\n0\n$/)
  })

  test('but says so when what it prints goes onto a full disk', async (context) => {
    skipUnless(context, existsSync('/dev/full'), 'there is no /dev/full')
    write(new JournalBuilder(1).insert(jobRecord(1, 'one')).seal())
    const command = `'${process.execPath}' '${program}' ls '${folder}' > /dev/full`
    const { status, stderr } = spawnSync('bash', ['-c', command], { encoding: 'utf8' })
    expect(status).toBe(1)
    expect(stderr).toContain('ENOSPC')
  })
})

test('a backslash is a letter of a name where it is none between names', async (context) => {
  skipUnless(context, isUnix, 'on Windows it is what stands between names')
  const jobs = defineJobs({ double: (n: number) => n * 2 })
  const place = join(folder, 'a\\b')
  const scheduler = createScheduler<typeof jobs>(inline(jobs), { store: fileStore(place) })
  expect(await scheduler.run.double(2, { id: 'two' })).toBe(4)
  await scheduler.close()
  expect(readdirSync(folder)).toEqual(['a\\b'])
  const bytes = readFileSync(join(place, 'journal'))
  flip(bytes, bytes.length - 1)
  writeFileSync(join(place, 'journal'), bytes)
  expect(await run('salvage', place)).toMatchObject({ code: 0, out: expect.stringContaining('recovered: 1 job') })
})

describe('salvage and whose store it is', () => {
  const [user, group] = [12_345, 23_456]
  const damaged = () => {
    const journal = new JournalBuilder(1).insert(jobRecord(1, 'one')).insert(jobRecord(2, 'two'))
    const { bytes } = journal.insert(jobRecord(3, 'three')).seal()
    flip(bytes, (journal.batches[1]?.at as number) + 50)
    return bytes
  }
  const rights = (name: string) => {
    const { uid, gid, mode } = statSync(join(folder, name))
    return [uid, gid, mode & 0o777]
  }

  test('a healthy one is not touched: no name, no byte, no time', async () => {
    write(new JournalBuilder(1).insert(jobRecord(1, 'one')).seal())
    const picture = () => readdirSync(folder).map((name) => [name, statSync(join(folder, name)).mtimeMs])
    const before = [picture(), statSync(folder).mtimeMs]
    expect(await run('salvage', folder)).toMatchObject({ code: 0, out: expect.stringContaining('is not damaged') })
    expect([picture(), statSync(folder).mtimeMs]).toEqual(before)
  })

  test('run as root it leaves a damaged one to whom it belongs, with the copy', async (context) => {
    skipUnless(context, process.getuid?.() === 0, 'only root can give files to others')
    writeFileSync(join(folder, 'journal'), damaged())
    chownSync(join(folder, 'journal'), user, group)
    chmodSync(join(folder, 'journal'), 0o640)
    chownSync(folder, user, user)
    chmodSync(folder, 0o750)
    expect(await run('salvage', folder)).toMatchObject({ code: 0 })
    const names = readdirSync(folder).sort()
    expect(names).toEqual(['journal', expect.stringMatching(/^journal\.damaged-/), 'owner.1'])
    expect(rights('.')).toEqual([user, user, 0o750])
    expect(rights('journal')).toEqual([user, group, 0o640])
    expect(rights(names[1] as string)).toEqual([user, group, 0o640])
    expect(rights('owner.1').slice(0, 2)).toEqual([user, user])
    expect(statSync(join(folder, 'owner.1')).isFile()).toBe(true)
  })

  test('who could not leave it to its owner is refused', async (context) => {
    skipUnlessRunsAs(context, { uid: user, gid: group })
    writeFileSync(join(folder, 'journal'), damaged())
    chmodSync(join(folder, 'journal'), 0o644)
    chmodSync(folder, 0o777)
    const before = readdirSync(folder)
    const { status, stderr } = spawnSync(process.execPath, [program, 'salvage', folder], {
      encoding: 'utf8',
      uid: user,
      gid: group,
    })
    expect(stderr).toMatch(/belongs to another user \(0\): only that user or root can replace it/)
    expect(status).toBe(1)
    expect(readdirSync(folder)).toEqual(before)
  })

  test('run as root a scheduler leaves what it compacts to whom it belongs', async (context) => {
    skipUnless(context, process.getuid?.() === 0, 'only root can give files to others')
    const jobs = defineJobs({ echo: (text: string) => text })
    const open = () => createScheduler<typeof jobs>(inline(jobs), { store: fileStore(folder) })
    chownSync(folder, user, group)
    const first = open()
    await first.add.echo('x', { id: 'kept', delayMs: 1e8 })
    await first.close()
    expect(rights('journal')).toEqual([user, group, 0o600])
    chmodSync(join(folder, 'journal'), 0o660)
    const { ino } = statSync(join(folder, 'journal'))
    const second = open()
    for (let n = 0; n < 4; n++) {
      await second.add.echo('x'.repeat(1e6), { id: `big ${n}`, delayMs: 1e8 })
      await second.remove(`big ${n}`)
    }
    await expect.poll(() => statSync(join(folder, 'journal')).ino).not.toBe(ino)
    await second.close()
    expect(rights('journal')).toEqual([user, group, 0o660])
  })
})

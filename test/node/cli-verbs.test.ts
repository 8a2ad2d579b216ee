// `offstage ls | show | watch | stats | retry | remove`: filters and forms of what is read, and changes that are the engine's own.
import { type ChildProcess, spawn } from 'node:child_process'
import {
  appendFileSync,
  mkdirSync,
  readFileSync,
  renameSync,
  statSync,
  truncateSync,
  watch,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { createScheduler, inline, type Scheduler } from 'offstage'
import { extend } from 'offstage/extension'
import { fileStore } from 'offstage/file'
import { batches, flows } from 'offstage/flows'
import { history } from 'offstage/history'
import { schedules } from 'offstage/schedules'
import { defineJobs } from 'offstage/worker'
import { beforeAll, beforeEach, describe, expect, onTestFinished, test } from 'vitest'
import { verbs } from '../../src/cli/arguments.ts'
import { runCli } from '../../src/cli/cli.ts'
import { JournalFollower } from '../../src/cli/follow-journal.ts'
import { buildProgram, run } from '../support/cli.ts'
import { JournalBuilder, jobRecord } from '../support/journals.ts'
import { skipUnless } from '../support/skips.ts'
import { temporaryFolder } from '../support/testing.ts'

const jobs = defineJobs({
  double: (n: number) => n * 2,
  mail: ({ to }: { to: string }) => {
    throw Object.assign(new TypeError(`no such user: ${to}`), { code: 'ENOUSER' })
  },
  fails: () => {
    throw new Error('no')
  },
})
const folders = temporaryFolder()
let folder: string
let last = 0

function open(path = folder): Scheduler<typeof jobs> {
  const keep = { count: Number.POSITIVE_INFINITY, ageMs: Number.POSITIVE_INFINITY }
  const scheduler = createScheduler<typeof jobs>(inline(jobs), {
    store: fileStore(path),
    keep: { completed: keep, failed: keep, cancelled: keep },
  })
  onTestFinished(() => scheduler.close({ mode: 'now' }))
  return scheduler
}

const later = { delayMs: 3_600_000 }

/** Two that are completed, two that have failed, one that waits and one that is cancelled. */
async function fill(): Promise<void> {
  const scheduler = open()
  await scheduler.run.double(1, { id: 'double:1', tags: ['small'] })
  await scheduler.run.double(2, { id: 'double:2', queue: 'maths', priority: 5 })
  for (const to of ['Ann', 'Bob']) await scheduler.run.mail({ to }, { id: `mail:${to}`, queue: 'mail' }).catch(() => {})
  await scheduler.add.mail({ to: 'Carl' }, { id: 'mail:Carl', queue: 'mail', ...later })
  const job = await scheduler.add.double(3, { id: 'other', tags: ['small', 'odd'], ...later })
  await job.cancel('no need')
  await scheduler.close()
}

beforeEach(() => {
  folder = join(folders, `store-${++last}`)
})

const idsIn = (out: string): string[] => JSON.parse(out).map(({ id }: { id: string }) => id)

describe('ls', () => {
  beforeEach(fill)

  test.each<[options: string[], ids: string[]]>([
    [[], ['double:1', 'double:2', 'mail:Ann', 'mail:Bob', 'mail:Carl', 'other']],
    [
      ['--state', 'failed'],
      ['mail:Ann', 'mail:Bob'],
    ],
    [
      ['--state', 'completed, cancelled'],
      ['double:1', 'double:2', 'other'],
    ],
    [
      ['--state', 'failed', '--state', 'scheduled'],
      ['mail:Ann', 'mail:Bob', 'mail:Carl'],
    ],
    [
      ['--name', 'double'],
      ['double:1', 'double:2', 'other'],
    ],
    [['--queue', 'maths'], ['double:2']],
    [
      ['--tag', 'small'],
      ['double:1', 'other'],
    ],
    [
      ['--id', 'mail:'],
      ['mail:Ann', 'mail:Bob', 'mail:Carl'],
    ],
    [['--search', 'BOB'], ['mail:Bob']],
    [['--search', "to: 'c"], ['mail:Carl']],
    [['--search', 'odd'], ['other']],
    [
      ['--name', 'mail', '--limit', '2'],
      ['mail:Ann', 'mail:Bob'],
    ],
    [['--name', 'nobody'], []],
  ])('%j', async (options, ids) => {
    const { code, out } = await run('ls', folder, ...options, '--json')
    expect(code).toBe(0)
    expect(idsIn(out)).toEqual(ids)
  })

  test('as JSON: what a snapshot says of a job, one in a line', async () => {
    const { out } = await run('ls', folder, '--json', '--queue', 'maths')
    expect(out.split('\n')).toHaveLength(3)
    expect(JSON.parse(out)).toEqual([
      {
        id: 'double:2',
        name: 'double',
        state: 'completed',
        queue: 'maths',
        tags: [],
        priority: 5,
        attempt: 1,
        failures: 0,
        interruptions: 0,
        addedAt: expect.any(Number),
        startedAt: expect.any(Number),
        finishedAt: expect.any(Number),
      },
    ])
  })

  test('columns are those that are asked for, under a line that names them', async () => {
    const { out } = await run('ls', folder, '--columns', 'id, tags,runAt', '--tag', 'small')
    const lines = out.split('\n').map((line) => line.split(/ +/))
    expect(lines.slice(0, 2)).toEqual([
      ['id', 'tags', 'runAt'],
      ['double:1', 'small', '-'],
    ])
    expect(lines[2]).toEqual(['other', 'small,odd', expect.stringMatching(/^(-|\d{4}-\d\d-\d\dT.*)$/)])
    expect(out).toMatch(/^2 of 6 jobs$/m)
    expect(JSON.parse((await run('ls', folder, '--columns', 'id', '--state', 'cancelled', '--json')).out)).toEqual([
      { id: 'other' },
    ])
  })

  test('says how many fit if it does not list all of them', async () => {
    expect((await run('ls', folder, '--name', 'mail', '--limit', '1')).out).toMatch(/\n1 of 6 jobs; 3 fit$/)
  })
})

describe('show', () => {
  beforeEach(fill)

  test('as JSON', async () => {
    const { out } = await run('show', folder, 'mail:Ann', '--json')
    expect(JSON.parse(out)).toMatchObject({
      id: 'mail:Ann',
      state: 'failed',
      input: { to: 'Ann' },
      options: { attempts: 1 },
      error: { name: 'TypeError', message: 'no such user: Ann', code: 'ENOUSER', stack: expect.any(String) },
    })
  })

  test('what JSON cannot say is told as well as it can be', async () => {
    folder = `${folder}-values`
    const cycle: Record<string, unknown> = { at: new Date(5), big: 7n, bytes: new Uint8Array([1, 2]), gone: undefined }
    cycle.self = cycle
    const input = {
      cycle,
      map: new Map([['a', new Set([1])]]),
      not: [Number.NaN, -0],
      re: /x\u202e/g,
      '\x9b\u202e"\\': 1,
    }
    mkdirSync(folder)
    writeFileSync(join(folder, 'journal'), new JournalBuilder(1).insert(jobRecord(1, 'odd', { input })).seal().bytes)
    const { out } = await run('show', folder, 'odd', '--json')
    // biome-ignore lint/suspicious/noControlCharactersInRegex: that is what is looked for
    expect(out).not.toMatch(/[\x00-\x1f\x7f-\x9f\u202e]/)
    expect(JSON.parse(out).input).toEqual({
      cycle: { at: '1970-01-01T00:00:00.005Z', big: '7', bytes: [1, 2], self: '[circular]' },
      map: [['a', [1]]],
      not: ['NaN', 0],
      re: String.raw`/x\u202e/g`,
      '\x9b\u202e"\\': 1,
    })
  })

  test('a value may be nested as deep as a store lets it be', async () => {
    folder = `${folder}-deep`
    let input: unknown = 1
    for (let depth = 0; depth < 999; depth++) input = [input]
    mkdirSync(folder)
    writeFileSync(join(folder, 'journal'), new JournalBuilder(1).insert(jobRecord(1, 'deep', { input })).seal().bytes)
    const { code, out } = await run('show', folder, 'deep', '--json')
    expect(code).toBe(0)
    expect(JSON.parse(out).input).toEqual(input)
  })
})

describe('stats', () => {
  test('counts by state, type, queue and error, and knows what waits longest and how large it is', async () => {
    await fill()
    const scheduler = open()
    scheduler.pause()
    await scheduler.add.double(1, { id: 'first' })
    await scheduler.add.double(2, { id: 'second', priority: 9 })
    await scheduler.queue('mail').pause()
    const { out, code } = await run('stats', folder, '--json')
    expect(code).toBe(0)
    const figures = JSON.parse(out)
    expect(figures).toMatchObject({
      jobs: { total: 8, byState: { completed: 2, failed: 2, queued: 2, scheduled: 1, cancelled: 1 } },
      types: [
        { name: 'double', total: 5 },
        { name: 'mail', total: 3, byState: { failed: 2, scheduled: 1 } },
      ],
      oldestQueued: { id: 'first', name: 'double', queue: 'default', waitedMs: expect.any(Number) },
      failures: { ENOUSER: 2 },
      journal: { bytes: statSync(join(folder, 'journal')).size, isDamaged: false },
      attachments: { files: 0, bytes: 0 },
      rows: { 'offstage:queues': 1 },
      openIn: { pid: process.pid },
    })
    const text = await run('stats', folder)
    expect(text.out).toMatch(/^jobs +8: 2 completed, 2 failed/m)
    expect(text.out).toMatch(/^oldest +'first' \(double\) has waited /m)
    expect(text.out).toMatch(/^failures +2 ENOUSER$/m)
    expect(text.out).toMatch(new RegExp(`^open +in process ${process.pid} since `, 'm'))
    await scheduler.close()
    expect((await run('stats', folder)).out).toMatch(/^open +no$/m)
  })

  test('of an empty store', async () => {
    const scheduler = open()
    await scheduler.run.double(1, { id: 'x' })
    await scheduler.remove('x')
    await scheduler.close()
    const { out } = await run('stats', folder)
    expect(out).toMatch(/^jobs +0$/m)
    expect(JSON.parse((await run('stats', folder, '--json')).out)).toMatchObject({ oldestQueued: null, openIn: null })
  })

  test('a retried job is no failure any more', async () => {
    await fill()
    await run('retry', folder, 'mail:Ann')
    expect(JSON.parse((await run('stats', folder, '--json')).out).failures).toEqual({ ENOUSER: 1 })
  })
})

const statesIn = async (): Promise<Record<string, string>> => {
  const { out } = await run('ls', folder, '--json')
  return Object.fromEntries(JSON.parse(out).map(({ id, state }: { id: string; state: string }) => [id, state]))
}

describe('retry', () => {
  beforeEach(fill)

  test('by id: it runs when a scheduler opens the store next', async () => {
    expect(await run('retry', folder, 'mail:Ann', 'other')).toMatchObject({ code: 0, out: 'retried: 2 jobs' })
    expect(await statesIn()).toMatchObject({ 'mail:Ann': 'queued', 'mail:Bob': 'failed', other: 'queued' })
    const scheduler = open()
    expect(await (await scheduler.get<'double'>('other'))?.result()).toBe(6)
    await scheduler.close()
  })

  test('by filter, as JSON', async () => {
    const { code, out } = await run('retry', folder, '--queue', 'mail', '--json')
    expect(code).toBe(0)
    expect(JSON.parse(out)).toEqual({ retried: ['mail:Ann', 'mail:Bob'], refused: [], isDryRun: false })
    expect(await statesIn()).toMatchObject({ 'mail:Ann': 'queued', 'mail:Bob': 'queued', 'mail:Carl': 'scheduled' })
  })

  test('what cannot be retried is named, and the rest is retried', async () => {
    const { code, out } = await run('retry', folder, 'double:1', 'nobody', 'mail:Bob')
    expect(code).toBe(1)
    expect(out).toBe(
      [
        'retried: 1 job',
        "not retried: 'double:1', which is completed; only failed and cancelled jobs are",
        "not retried: 'nobody', because there is no such job",
      ].join('\n'),
    )
    expect((await statesIn())['mail:Bob']).toBe('queued')
  })

  test('with --dry-run nothing is changed', async () => {
    const before = readFileSync(join(folder, 'journal'))
    const { code, out } = await run('retry', folder, '--search', 'ann', '--dry-run')
    expect([code, out]).toEqual([0, 'mail:Ann\nto be retried: 1 job'])
    expect(readFileSync(join(folder, 'journal'))).toEqual(before)
  })
})

describe('remove', () => {
  beforeEach(fill)

  test('by id and by filter; nothing else goes', async () => {
    expect(await run('remove', folder, 'mail:Carl')).toMatchObject({ code: 0, out: 'removed: 1 job' })
    expect(await run('remove', folder, '--state', 'failed', '--search', 'bob')).toMatchObject({ out: 'removed: 1 job' })
    expect(Object.keys(await statesIn())).toEqual(['double:1', 'double:2', 'mail:Ann', 'other'])
    expect(await run('remove', folder, '--all')).toMatchObject({ out: 'removed: 4 jobs' })
    expect(await statesIn()).toEqual({})
  })

  test.each([
    [[], 'Which jobs? Give ids, a filter, or --all.'],
    [['--json'], 'Which jobs? Give ids, a filter, or --all.'],
    [['--dry-run'], 'Which jobs? Give ids, a filter, or --all.'],
    [['x', '--all'], 'Give either ids, or a filter, or --all.'],
    [['--name', 'mail', '--all'], 'Give either ids, or a filter, or --all.'],
    [['--id', ''], "The value of '--id' is empty."],
    [['--search='], "The value of '--search' is empty."],
    [[''], 'An id is empty.'],
    [['--state', 'done'], "There is no state 'done'"],
  ])('%j does not mean all jobs', async (args, complaint) => {
    const before = await statesIn()
    expect(await run('remove', folder, ...args)).toMatchObject({
      code: 2,
      complaints: expect.stringContaining(complaint),
    })
    expect(await statesIn()).toEqual(before)
  })
})

describe.each(['retry', 'remove'])('%s', (verb) => {
  test('is refused while the store is open, and says who has it', async () => {
    await fill()
    const scheduler = open()
    await scheduler.counts()
    const { code, complaints } = await run(verb, folder, 'mail:Ann')
    expect(code).toBe(1)
    expect(complaints).toMatch(new RegExp(`is open in process ${process.pid} since`))
    await scheduler.close()
  })

  test('makes no store where none is', async () => {
    expect(await run(verb, `${folder}-none`, 'x')).toMatchObject({
      code: 1,
      complaints: expect.stringContaining('no folder'),
    })
    expect(statSync(`${folder}-none`, { throwIfNoEntry: false })).toBeUndefined()
  })

  test('changes nothing in a damaged store, and says what helps', async () => {
    await fill()
    const path = join(folder, 'journal')
    const bytes = readFileSync(path)
    const at = bytes.indexOf('double:2')
    bytes[at] = (bytes[at] as number) ^ 1
    writeFileSync(path, bytes)
    expect(await run(verb, folder, 'mail:Ann')).toMatchObject({
      code: 1,
      complaints: expect.stringContaining('salvage'),
    })
    expect(readFileSync(path)).toEqual(bytes)
  })

  test('cuts off a torn end as a scheduler does, and says so', async () => {
    await fill()
    truncateSync(join(folder, 'journal'), statSync(join(folder, 'journal')).size - 3)
    const { code, complaints } = await run(verb, folder, 'mail:Ann')
    expect(code).toBe(0)
    expect(complaints).toMatch(/cut off; a copy is in .*journal\.torn/)
    expect(JSON.parse((await run('stats', folder, '--json')).out).journal.isDamaged).toBe(false)
  })

  test('drops nothing that its program keeps for longer than others would', async () => {
    mkdirSync(folder)
    const old = { state: 'completed' as const, finishMs: 1_000 }
    const records = Array.from({ length: 1_500 }, (_, n) => jobRecord(n + 1, `old ${n}`, old))
    const failed = jobRecord(2_000, 'failed', { state: 'failed', finishMs: 1_000, error: new Error('x') })
    writeFileSync(join(folder, 'journal'), new JournalBuilder(1).insert(...records, failed).seal().bytes)
    expect(await run(verb, folder, 'failed')).toMatchObject({ code: 0 })
    expect(Object.values(await statesIn()).filter((state) => state === 'completed')).toHaveLength(1_500)
  })
})

describe('what extensions keep stays in step', () => {
  test('flows: what fell with a job waits for it again, and what waits for one that is removed falls', async () => {
    const scheduler = open()
    const flow = await flows(scheduler).add({
      parent: { name: 'fails', options: { id: 'parent' } },
      child: { name: 'double', input: 4, after: ['parent'], options: { id: 'child' } },
    } as never)
    await flow.result().catch(() => {})
    await scheduler.close()
    expect(await statesIn()).toEqual({ parent: 'failed', child: 'failed' })
    expect(await run('retry', folder, 'parent')).toMatchObject({ code: 0, complaints: '' })
    expect(await statesIn()).toEqual({ parent: 'queued', child: 'blocked' })
    await run('remove', folder, 'parent')
    expect(await statesIn()).toEqual({ child: 'failed' })
  })

  test('batches: the counts go along, and a callback is left for the program that knows its defaults', async () => {
    const scheduler = open()
    const members = ['a', 'b'].map((id) => ({ name: 'double' as const, input: 1, options: { id, ...later } }))
    await batches(scheduler).add(
      members as never,
      {
        id: 'all',
        onComplete: { name: 'double', input: 21, options: { id: 'done' } },
      } as never,
    )
    await scheduler.close()
    await run('remove', folder, 'a', 'b')
    expect(await statesIn()).toEqual({})
    const again = open()
    const { get } = batches(again)
    await again.onIdle()
    expect((await get('all'))?.snapshot()).toMatchObject({ total: 2, cancelled: 2, pending: 0 })
    expect(await (await again.get<'double'>('done'))?.result()).toBe(42)
    await again.close()
  })

  test('a history has the very move; where none is kept, none begins', async () => {
    const scheduler = open()
    history(scheduler)
    await scheduler.run.fails(undefined, { id: 'x' }).catch(() => {})
    await scheduler.close()
    await run('retry', folder, 'x')
    await run('remove', folder, 'x')
    const again = open()
    const moves = (await history(again).of('x')).map(({ move }) => move)
    expect(moves).toEqual(expect.arrayContaining(['fail', 'retry', 'cancel', 'removed']))
    expect(moves).not.toContain('found')
    await again.close()
    folder = `${folder}-without`
    await fill()
    await run('retry', folder, 'mail:Ann')
    expect(JSON.parse((await run('stats', folder, '--json')).out).rows).toEqual({})
  })

  test('schedules do not come meanwhile, and their rows stay', async () => {
    const scheduler = open()
    await schedules(scheduler).set('often', { everyMs: 1_000 }, { name: 'double', input: 1 })
    await scheduler.run.fails(undefined, { id: 'x' }).catch(() => {})
    await scheduler.close()
    const before = (await run('show', folder, 'schedules', 'often')).out
    expect(await run('retry', folder, 'x')).toMatchObject({ code: 0, complaints: '' })
    expect((await run('show', folder, 'schedules', 'often')).out).toBe(before)
  })

  test('rows of an extension that is not known here stay, and that is said', async () => {
    const scheduler = open()
    const notes = extend<{ put(text: string): Promise<void> }>(scheduler, {
      name: 'notes',
      moves: new Set(),
      open: (host) => ({ put: (text) => host.turn((turn) => turn.put('note', text)) }),
    })
    await notes.put('keep me')
    await scheduler.run.fails(undefined, { id: 'x' }).catch(() => {})
    await scheduler.close()
    const { code, complaints } = await run('remove', folder, 'x')
    expect([code, complaints]).toEqual([0, expect.stringContaining("Rows of 'notes' stay as they are")])
    expect((await run('show', folder, 'notes', 'note')).out).toContain('keep me')
  })
})

describe('watch', () => {
  /** Follows the folder; `said` resolves when a line that fits has been printed. */
  function follow(...options: string[]) {
    const stopped = new AbortController()
    const printed: string[] = []
    const waiting = new Set<() => void>()
    const code = runCli({
      args: ['watch', folder, ...options],
      print: (lines) => {
        printed.push(...lines.split('\n'))
        for (const look of waiting) look()
      },
      complain: (line) => printed.push(`complaint: ${line}`),
      untilStopped: () => stopped.signal,
    })
    const said = (pattern: RegExp): Promise<void> =>
      new Promise((resolve) => {
        const look = () => {
          if (printed.some((line) => pattern.test(line))) resolve()
        }
        waiting.add(look)
        look()
      })
    const stop = () => {
      stopped.abort()
      return code
    }
    onTestFinished(() => stopped.abort())
    return { printed, said, stop, code }
  }

  test('prints each change, and ends with 0 when it is stopped', async () => {
    await fill()
    const { said, stop, printed } = follow()
    await said(/^6 jobs: .*; waiting for changes$/)
    const scheduler = open()
    await scheduler.run.double(5, { id: 'new\x1b[31m', queue: 'q' })
    await scheduler.remove('double:1')
    await said(/removed +double:1 +double/)
    expect(printed.join('\n')).toMatch(/Z {2}added {6}new\\x1b\[31m {2}double {2}q {2}attempt 0\n/)
    expect(printed.join('\n')).toMatch(/completed {2}new\\x1b/)
    await scheduler.close()
    expect(await stop()).toBe(0)
  })

  test('as JSON, and only what a filter lets through', async () => {
    await fill()
    const { said, stop, printed } = follow('--json', '--state', 'completed', '--name', 'double')
    const scheduler = open()
    await scheduler.run.fails().catch(() => {})
    await scheduler.run.double(5, { id: 'five' })
    await said(/five/)
    await scheduler.close()
    expect(await stop()).toBe(0)
    expect(printed.map((line) => JSON.parse(line))).toEqual([
      { at: expect.any(Number), change: 'completed', job: expect.objectContaining({ id: 'five', state: 'completed' }) },
    ])
  })

  test('goes on when another journal takes the place of the one that it reads', async () => {
    mkdirSync(folder)
    const path = join(folder, 'journal')
    const [one, two] = [jobRecord(1, 'one'), jobRecord(2, 'two')]
    writeFileSync(path, new JournalBuilder(1).insert(one, two).seal().bytes)
    const { said, stop, printed } = follow()
    await said(/^2 jobs/)
    const compacted = new JournalBuilder(2).insert({ ...one, state: 'running', attempt: 1 }, jobRecord(3, 'three'))
    writeFileSync(`${path}.next`, compacted.seal().bytes)
    renameSync(`${path}.next`, path)
    await said(/added +three/)
    expect(printed.slice(1).map((line) => line.split(/ {2,}/).slice(1, 3))).toEqual([
      ['running', 'one'],
      ['removed', 'two'],
      ['added', 'three'],
    ])
    expect(await stop()).toBe(0)
  })

  test('a batch counts when it is whole, and what its writer has taken back was never there', () => {
    mkdirSync(folder)
    const path = join(folder, 'journal')
    const one = jobRecord(1, 'one')
    const before = new JournalBuilder(1).insert(one).bytes
    writeFileSync(path, before)
    const follower = new JournalFollower(folder)
    onTestFinished(() => follower.close())
    const changes = () => follower.look().map(({ before, after }) => [before?.id, after?.id])
    expect(changes()).toEqual([])
    const begun = new JournalBuilder(1).insert(one).begun(jobRecord(2, 'never'))
    appendFileSync(path, begun.bytes.subarray(before.length))
    expect(changes()).toEqual([])
    // Its writer had no room for the rest, and writes another batch there.
    const longId = 'three'.repeat(100)
    const other = new JournalBuilder(1).insert(one).insert(jobRecord(3, longId))
    truncateSync(path, before.length)
    appendFileSync(path, other.bytes.subarray(before.length))
    expect(changes()).toEqual([[undefined, longId]])
    const goesOn = other.begun(jobRecord(4, 'four'))
    appendFileSync(path, goesOn.bytes.subarray(statSync(path).size))
    expect(changes()).toEqual([])
    appendFileSync(path, goesOn.insert(jobRecord(5, 'five')).bytes.subarray(statSync(path).size))
    expect(changes()).toEqual([
      [undefined, 'four'],
      [undefined, 'five'],
    ])
  })

  test('says that a journal is damaged', async () => {
    mkdirSync(folder)
    const { bytes, batches } = new JournalBuilder(1).insert(jobRecord(1, 'one')).insert(jobRecord(2, 'two')).seal()
    const at = (batches[0]?.at as number) + 50
    bytes[at] = (bytes[at] as number) ^ 1
    writeFileSync(join(folder, 'journal'), bytes)
    const { code, printed } = follow()
    expect(await code).toBe(1)
    expect(printed).toEqual([expect.stringMatching(/complaint: .*damaged at byte 0.*salvage/)])
  })
})

describe('help and bad calls', () => {
  test.each([['--help'], ['-h'], ['help']])('%s says what there is, and ends with 0', async (flag) => {
    const { code, out, complaints } = await run(flag)
    expect([code, complaints]).toEqual([0, ''])
    for (const verb of verbs) expect(out).toContain(`offstage ${verb} <folder>`)
  })

  test.each(verbs)('%s --help names its options, wherever it stands', async (verb) => {
    for (const args of [
      [verb, '--help'],
      [verb, 'x', '-h'],
      ['help', verb],
    ]) {
      const { code, out, complaints } = await run(...args)
      expect([code, complaints]).toEqual([0, ''])
      expect(out).toMatch(new RegExp(`^usage:\n  offstage ${verb} <folder>`))
      expect(out).toContain('--json')
      expect(
        Math.max(
          ...out
            .split('\n')
            .filter((line) => line.startsWith('  '))
            .map(({ length }) => length),
        ),
      ).toBeLessThan(120)
    }
  })

  test('--version prints the version', async () => {
    expect(await run('--version')).toMatchObject({ code: 0, out: '1.2.3' })
  })

  test.each([
    [['eat', 'x'], "There is no verb 'eat'."],
    [['ls', 'x', '--colour'], "Unknown option '--colour'\nusage:"],
    [['ls', 'x', '--name', '--tag'], "Option '--name' argument is ambiguous.\nusage:"],
    [['ls', 'x', '--limit'], 'argument missing'],
    [['ls', 'x', '--limit', '0'], "'--limit' is a whole number from 1, not '0'."],
    [['ls', 'x', '--limit', '1e3'], "'--limit' is a whole number from 1, not '1e3'."],
    [['ls', 'x', '--columns', 'id,colour'], "There is no column 'colour'; there are: id, name, state"],
    [['ls', 'x', '--state', 'done'], "There is no state 'done'; there are: scheduled, blocked"],
    [['watch', 'x', 'y'], 'usage:'],
    [['stats'], 'usage:'],
    [['stats', 'x', '--name', 'mail'], "Unknown option '--name'"],
    [['retry', 'x', '--limit', '3'], "Unknown option '--limit'"],
  ])('%j: says what is wrong', async (args, complaint) => {
    const { code, out, complaints } = await run(...args)
    expect([code, out]).toEqual([2, ''])
    expect(complaints).toContain(complaint)
  })
})

describe('as a program', () => {
  const program = join(folders, 'dist', 'bin.mjs')
  beforeAll(async () => {
    mkdirSync(join(folders, 'dist'))
    writeFileSync(join(folders, 'package.json'), '{ "version": "9.8.7" }')
    await buildProgram(program)
  })

  const start = (...args: string[]): ChildProcess => spawn(process.execPath, [program, ...args], { stdio: 'pipe' })
  const ended = (child: ChildProcess): Promise<readonly [code: number | null, out: string, errors: string]> => {
    let [out, errors] = ['', '']
    child.stdout?.on('data', (data) => (out += data))
    child.stderr?.on('data', (data) => (errors += data))
    return new Promise((resolve) => child.on('close', (code) => resolve([code, out, errors])))
  }

  test('--version is that of the package it lies in', async () => {
    expect(await ended(start('--version'))).toEqual([0, '9.8.7\n', ''])
  })

  test('a wrong call ends with 2, on stderr', async () => {
    expect(await ended(start('ls'))).toEqual([2, '', expect.stringContaining('usage:')])
  })

  test('watch ends with 0 at Ctrl-C', async (context) => {
    skipUnless(context, process.platform !== 'win32', 'there are no such signals')
    await fill()
    const child = start('watch', folder)
    child.stdout?.once('data', () => child.kill('SIGINT'))
    expect(await ended(child)).toEqual([0, expect.stringContaining('6 jobs'), ''])
  })

  test('a retry that is killed at any moment has happened as a whole, or not at all', async () => {
    await fill()
    for (let moment = 1; moment <= 8; moment++) {
      const child = start('retry', folder, '--state', 'failed')
      let changes = 0
      const watcher = watch(folder, () => ++changes === moment && child.kill('SIGKILL'))
      await ended(child)
      watcher.close()
      const { 'mail:Ann': ann, 'mail:Bob': bob, ...others } = await statesIn()
      expect([ann, bob].join()).toMatch(/^(failed,failed|queued,queued)$/)
      expect(Object.keys(others)).toEqual(['double:1', 'double:2', 'mail:Carl', 'other'])
    }
    const scheduler = open()
    await scheduler.onIdle()
    expect((await scheduler.counts()).completed).toBe(2)
    await scheduler.close()
  })
})

// `offstage ls | show | salvage`: looking into a store from outside, and getting out of a damaged one what is intact.
import { cpSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { basename } from 'node:path'
import { createScheduler, inline } from 'offstage'
import { fileStore } from 'offstage/file'
import { defineJobs, type JobContext } from 'offstage/worker'
import { beforeEach, describe, expect, test } from 'vitest'
import { manualClock } from '../../src/shared/manual-clock.ts'
import { seededRandom } from '../../src/shared/seeded-random.ts'
import { run } from '../support/cli.ts'
import { temporaryFolder } from '../support/testing.ts'

const jobs = defineJobs({
  double: (n: number) => n * 2,
  never: async () => new Promise<void>(() => {}),
  async send(count: number, job: JobContext<unknown, number>) {
    for (let n = 1; n <= count; n++) await job.send(n)
  },
})
const folders = temporaryFolder()
let folder: string
let last = 0

const open = (path = folder) => createScheduler<typeof jobs>(inline(jobs), { store: fileStore(path) })

/** Three finished jobs and one that waits, each in a batch of its own. */
beforeEach(async () => {
  folder = `${folders}/store-${++last}`
  const scheduler = open()
  for (const n of [1, 2, 3]) await scheduler.run.double(n, { id: `double-${n}` })
  await scheduler.add.double(4, { id: 'later', delayMs: 3_600_000, tags: ['slow'] })
  await scheduler.close()
})

test('ls lists the jobs, also while the store is open', async () => {
  const scheduler = open()
  await scheduler.counts()
  const { code, out } = await run('ls', folder)
  expect(code).toBe(0)
  expect(out).toMatch(/double-2 +double +completed +default/)
  expect(out).toMatch(/later +double +scheduled/)
  expect(out).toMatch(/4 jobs: 3 completed, 1 scheduled$/)
  await scheduler.close()
})

test('show says all there is to know of one job', async () => {
  const { code, out } = await run('show', folder, 'double-3')
  expect(code).toBe(0)
  expect(out).toMatch(/^input +3$/m)
  expect(out).toMatch(/^result +6$/m)
  expect(out).toMatch(/^finishedAt +\d{4}-\d\d-\d\dT/m)
  const waiting = await run('show', folder, 'later')
  expect(waiting.out).toMatch(/^runAt +\d{4}-\d\d-\d\dT/m)
  expect(waiting.out).not.toMatch(/^(startedAt|finishedAt)/m)
  expect(await run('show', folder, 'nobody')).toMatchObject({ code: 1, complaints: "There is no job 'nobody'." })
})

/** Rows of an extension, written as its turns would write them. */
async function keepRows(rows: readonly { table: string; key: string; value: unknown }[]): Promise<void> {
  const store = fileStore(folder)
  const host = { clock: manualClock(), random: seededRandom(1), errors: [], report() {}, stopped() {} }
  await store.open(host)
  for (const row of rows) await store.commit([{ before: undefined, after: undefined, rows: [row] }])
  await store.close()
}

test('ls and show know what queues are set to', async () => {
  const scheduler = createScheduler<typeof jobs>(inline(jobs as never), { store: fileStore(folder) } as never)
  await scheduler.queue('mail').pause()
  await scheduler.close()
  const { out } = await run('ls', folder)
  expect(out).toMatch(/^row +offstage:queues +mail$/m)
  expect(out).toMatch(/; settings of 1 queue$/)
  const shown = await run('show', folder, 'offstage:queues', 'mail')
  expect(shown.out).toContain('{ isPaused: true }')
})

test('ls counts the values that jobs keep', async () => {
  const scheduler = createScheduler<typeof jobs>(inline(jobs as never), { store: fileStore(folder) } as never)
  const sender = await scheduler.add.send(5, { keepValues: 3 })
  await sender.result()
  await scheduler.remove(sender.id)
  const job = await scheduler.add.send(2, { keepValues: 3 })
  await job.result()
  await scheduler.close()
  const { out } = await run('ls', folder)
  expect(out).toMatch(/; 2 values that jobs keep$/)
  expect(out).not.toContain('offstage:values')
})

test('ls and show know the rows of extensions', async () => {
  await keepRows([
    { table: 'flows', key: 'nightly/1', value: { left: 2 } },
    { table: 'counts', key: 'mail', value: 7 },
  ])
  const { out } = await run('ls', folder)
  expect(out).toMatch(/^row +flows +nightly\/1$/m)
  expect(out).toMatch(/4 jobs: 3 completed, 1 scheduled; 2 rows of extensions$/)
  const shown = await run('show', folder, 'flows', 'nightly/1')
  expect(shown.out).toBe("table         'flows'\nkey           'nightly/1'\nvalue         { left: 2 }")
  expect(await run('show', folder, 'flows', 'mail')).toMatchObject({
    code: 1,
    complaints: "There is no row 'mail' in a table 'flows'.",
  })
})

describe('salvage', () => {
  const journal = () => `${folder}/journal`

  /** Flips a bit in the batch in which `id` was added. */
  const damage = (id: string) => {
    const bytes = readFileSync(journal())
    const at = bytes.indexOf(id)
    bytes.writeUInt8(bytes.readUInt8(at) ^ 1, at)
    writeFileSync(journal(), bytes)
    return bytes
  }

  test('leaves a store that is whole as it is', async () => {
    const before = readFileSync(journal())
    expect(await run('salvage', folder)).toMatchObject({ code: 0, out: expect.stringContaining('is not damaged') })
    expect(readFileSync(journal())).toEqual(before)
    expect(readdirSync(folder)).toEqual(expect.arrayContaining(['journal']))
  })

  test('copies first, recovers what is intact, says what was lost', async () => {
    const damaged = damage('double-2')
    const refused = open()
    await expect(refused.counts()).rejects.toMatchObject({
      code: 'STORE_CORRUPT',
      message: expect.stringMatching(/journal.* is damaged at byte \d+.*last good batch is \d+.*salvage/s),
    })
    await refused.close()
    expect(readFileSync(journal())).toEqual(damaged)

    const { code, out } = await run('salvage', folder)
    expect(code).toBe(0)
    expect(out).toMatch(/copied to '.*journal\.damaged-/)
    expect(out).toMatch(/damaged: 1 batch lost in \d+ bytes from byte \d+ on/)
    expect(out).toMatch(/2 changes of jobs whose beginning is lost|1 change of jobs/)
    expect(out).toMatch(/recovered: 3 jobs: 2 completed, 1 scheduled/)
    const copy = readdirSync(folder).find((name) => name.startsWith('journal.damaged-'))
    expect(readFileSync(`${folder}/${copy}`)).toEqual(damaged)

    const scheduler = open()
    expect(await scheduler.counts()).toMatchObject({ completed: 2, scheduled: 1 })
    expect(await (await scheduler.get<'double'>('double-3'))?.result()).toBe(6)
    await scheduler.close()
  })

  test('as JSON: the figures that a program needs, with what people read', async () => {
    const report = async () => JSON.parse((await run('salvage', folder, '--json')).out)
    const none = { gaps: [], unreadable: [], strays: [], orphans: 0, partial: [], incomplete: [], replaced: [] }
    const lost = { ...none, broken: { jobs: [], rows: [] } }
    const size = statSync(journal()).size
    const whole = {
      isDamaged: false,
      journal: { path: journal(), bytes: size, batches: expect.any(Number) },
      copy: null,
      recovered: { jobs: 4, rows: 0 },
      lost,
      moved: null,
    }
    expect(await report()).toEqual({ ...whole, messages: expect.any(Array) })
    damage('double-2')
    const damaged = await report()
    const gap = { at: expect.any(Number), bytes: expect.any(Number), batches: 1 }
    expect(damaged).toEqual({
      ...whole,
      isDamaged: true,
      journal: { ...whole.journal, batches: expect.any(Number) },
      copy: expect.stringMatching(/journal\.damaged-/),
      recovered: { jobs: 3, rows: 0 },
      lost: { ...lost, gaps: [gap], orphans: expect.any(Number) },
      messages: expect.arrayContaining([expect.stringMatching(/^recovered: 3 jobs/)]),
    })
    expect(readdirSync(folder)).toContain(basename(damaged.copy))
  })

  test('keeps the rows of extensions', async () => {
    await keepRows([{ table: 'flows', key: 'nightly', value: { left: 2 } }])
    damage('double-2')
    const { out } = await run('salvage', folder)
    expect(out).toMatch(/recovered: 3 jobs: 2 completed, 1 scheduled; 1 row of extensions/)
    expect(out).toMatch(/Rows may be of another moment than the jobs/)
    expect((await run('show', folder, 'flows', 'nightly')).out).toContain('{ left: 2 }')
  })

  test('is refused while the store is open', async () => {
    const scheduler = open()
    await scheduler.counts()
    expect(await run('salvage', folder)).toMatchObject({
      code: 1,
      complaints: expect.stringContaining(`is open in process ${process.pid}`),
    })
    await scheduler.close()
  })
})

test.each(['ls', 'show', 'salvage'])('%s says clearly what is no store', async (command) => {
  const rest = command === 'show' ? ['id'] : []
  const cases: [path: string, complaint: RegExp][] = [
    [`${folders}/nowhere`, /There is no folder/],
    [`${folder}/journal`, /is not a folder/],
    [folders, /is not a store: there is no file 'journal'/],
    [`${folders}/text`, /is not a journal of offstage/],
    [`${folders}/nested`, /is not a file/],
  ]
  mkdirSync(`${folders}/text`, { recursive: true })
  writeFileSync(`${folders}/text/journal`, 'Dear diary')
  mkdirSync(`${folders}/nested/journal`, { recursive: true })
  for (const [path, complaint] of cases) {
    const { code, complaints } = await run(command, path, ...rest)
    expect(complaints).toMatch(complaint)
    expect(code).toBe(1)
  }
  expect(readFileSync(`${folders}/text/journal`, 'utf8')).toBe('Dear diary')
})

test.each([[[]], [['ls']], [['eat', 'x']], [['show', 'x']], [['ls', 'x', 'y']]])(
  '%j: says how it is used',
  async (args) => {
    expect(await run(...args)).toMatchObject({ code: 2, complaints: expect.stringContaining('usage:') })
  },
)

describe('blobs', () => {
  const files = () => readdirSync(folder).filter((name) => name.startsWith('attachment.'))
  const fileOf = (key: number) => `${folder}/${files().find((name) => name.startsWith(`attachment.${key}.`))}`
  const later = { delayMs: 3_600_000 }

  beforeEach(async () => {
    const scheduler = createScheduler<typeof keepers>(inline(keepers), { store: fileStore(folder) })
    for (const key of [1, 2, 3]) {
      const photo = new Blob([`bytes of ${key}`], { type: 'image/png' })
      await scheduler.add.keep({ photo }, { id: `photo-${key}`, ...later })
    }
    await scheduler.close()
  })
  const keepers = defineJobs({ keep: ({ photo }: { photo: Blob }) => photo.text() })
  const inputs = async () => {
    const scheduler = createScheduler<typeof keepers>(inline(keepers), { store: fileStore(folder) })
    const found = await scheduler.find({ name: 'keep' })
    const texts = await Promise.all(found.map(({ input }) => input.photo.text()))
    await scheduler.close()
    return texts
  }

  test('are shown with their size and type, and their bytes are not read', async () => {
    expect((await run('show', folder, 'photo-1')).out).toMatch(/^input +\{ photo: Blob\(10 bytes, image\/png\) \}$/m)
    expect((await run('salvage', folder)).out).toContain('is not damaged; nothing was changed')
    expect(await inputs()).toEqual(['bytes of 1', 'bytes of 2', 'bytes of 3'])
  })

  test.each<[string, (path: string) => void]>([
    ['is missing', (path) => rmSync(path)],
    ['is cut off', (path) => writeFileSync(path, 'bytes')],
    ['is another of the same size', (path) => writeFileSync(path, 'bytes of X')],
  ])('one that %s: salvage leaves out its job, and no other', async (_what, harm) => {
    harm(fileOf(2))
    cpSync(folder, `${folder}-json`, { recursive: true })
    const { lost } = JSON.parse((await run('salvage', `${folder}-json`, '--json')).out)
    expect(lost.broken).toEqual({ jobs: ['photo-2'], rows: [] })
    const message = /attachment\.2\S*, Blob\(10 bytes, image\/png\) of job 'photo-2'/
    await expect(inputs()).rejects.toMatchObject({ code: 'STORE_CORRUPT', message: expect.stringMatching(message) })
    const { code, out } = await run('salvage', folder)
    expect(code).toBe(0)
    expect(out).toContain("jobs and rows of which a file is missing or damaged: 'photo-2'")
    expect(out).toMatch(/recovered: 6 jobs/)
    expect(await inputs()).toEqual(['bytes of 1', 'bytes of 3'])
  })

  test('of a damaged journal stay with the jobs that are recovered; the others are kept beside its copy', async () => {
    const path = `${folder}/journal`
    const bytes = readFileSync(path)
    const at = bytes.indexOf('photo-2')
    bytes[at] = (bytes[at] as number) ^ 1
    writeFileSync(path, bytes)
    const { out } = await run('salvage', folder)
    expect(out).toMatch(/^moved to '.*journal\.damaged-\S+\.files': 1 file that none of these needs$/m)
    expect(await inputs()).toEqual(['bytes of 1', 'bytes of 3'])
    const aside = readdirSync(folder).find((name) => name.endsWith('.files')) as string
    expect(readdirSync(`${folder}/${aside}`)).toEqual([expect.stringMatching(/^attachment\.2\./)])
    expect(files()).toHaveLength(2)
  })

  test('a copy of the folder of a closed store opens', async () => {
    const copy = `${folder}-copy`
    cpSync(folder, copy, { recursive: true })
    folder = copy
    expect(await inputs()).toEqual(['bytes of 1', 'bytes of 2', 'bytes of 3'])
  })
})

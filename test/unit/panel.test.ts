// What the panel shows and does, without a page: its list, its search, what it does to many jobs, and how values are written.
import { readdirSync, readFileSync } from 'node:fs'
import fc from 'fast-check'
import type { Scheduler } from 'offstage'
import { batches, flows } from 'offstage/flows'
import { history } from 'offstage/history'
import { definePanel, mountPanel } from 'offstage/panel'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { type Bulk, matchFor, prepare, type Verb } from '../../src/panel/bulk.ts'
import { jobsOf } from '../../src/panel/families.ts'
import { listJobs } from '../../src/panel/job-list.ts'
import { rowsInSight } from '../../src/panel/list-view.ts'
import { type Match, matching } from '../../src/panel/matching.ts'
import { type Extras, Model } from '../../src/panel/model.ts'
import { OpenJob } from '../../src/panel/open-job.ts'
import { hashOf, isFree, type Route, routeOf, start as startRoute } from '../../src/panel/route.ts'
import { pointsOf, samplesMax, withSample } from '../../src/panel/samples.ts'
import { jsonOf, spanOf, textOf } from '../../src/panel/value-text.ts'
import { heard, start } from '../support/testing.ts'

const everything: Match = { filter: {}, text: '' }
const thrown = (error: unknown) => {
  throw error
}

/** A scheduler that runs nothing until it is resumed, with so many jobs. */
async function paused(count = 0) {
  const scheduler = start('inline', 'jobs') as unknown as Scheduler
  scheduler.pause()
  const request = (n: number) => ({ name: 'echo', input: { to: `user-${n}` }, options: { id: `job-${n}` } })
  await scheduler.addMany(Array.from({ length: count }, (_, n) => request(n)))
  return scheduler
}

/** Failed jobs, one for each id. */
async function failed(ids: readonly string[]) {
  const scheduler = await paused()
  await scheduler.addMany(ids.map((id) => ({ name: 'fail', input: id, options: { id } })))
  scheduler.resume()
  await scheduler.onIdle()
  return scheduler
}

async function ready(scheduler: Scheduler, verb: Verb, match: Match | string): Promise<Bulk> {
  const bulk = prepare(scheduler, verb, match, () => {}, thrown)
  await vi.waitUntil(() => bulk.stage === 'ready')
  return bulk
}

describe('a value as text', () => {
  test.each([
    ['text', '"text"'],
    [5n, '5n'],
    [-0, '-0'],
    [undefined, 'undefined'],
    [{ a: 1, 'b c': [true, null] }, '{\n  a: 1,\n  "b c": [\n    true,\n    null\n  ]\n}'],
    [[], '[]'],
    [new Map([['k', new Set([1])]]), 'Map(1) {\n  "k" → Set(1) {\n    1\n  }\n}'],
    [new Date(0), '1970-01-01T00:00:00.000Z'],
    [new Date(Number.NaN), 'no date'],
    [/a/g, '/a/g'],
    [new Uint8Array([1, 255]), 'Uint8Array(2 bytes) 01 ff'],
    [new ArrayBuffer(1), 'ArrayBuffer(1 bytes) 00'],
    [new RangeError('far', { cause: 1 }), 'RangeError: far {\n  cause: 1\n}'],
  ])('%s', (value, text) => {
    expect(textOf(value)).toBe(text)
  })

  test('what contains itself, and what is deep, ends', () => {
    const ring: { self?: unknown } = {}
    ring.self = ring
    expect(textOf(ring)).toBe('{\n  self: (see above)\n}')
    let deep: unknown = 1
    for (let n = 0; n < 10_000; n++) deep = [deep]
    expect(textOf(deep)).toContain('…')
  })

  test('characters that turn the order of text, or end a line, are written out', () => {
    expect(textOf('a\u202eb\nc\u0000')).toBe('"a\\u202eb\\nc\\u0000"')
    expect(textOf({ 'x\u202ey': 1 })).toContain('"x\\u202ey": 1')
  })

  test('any value is cut at a length, and none throws', () => {
    fc.assert(
      fc.property(fc.anything({ withBigInt: true, withDate: true, withMap: true, withSet: true }), (value) => {
        expect(textOf(value, 50).length).toBeLessThanOrEqual(51)
        JSON.stringify(jsonOf(value))
      }),
    )
    expect(textOf('x'.repeat(1e6), 50)).toHaveLength(51)
    expect(textOf(Array.from({ length: 1e6 }), 50)).toHaveLength(51)
    expect(
      textOf({
        get gone() {
          return thrown(new Error('no'))
        },
      }),
    ).toBe('an object (Object)')
  })

  test('as JSON, with text for what JSON does not have', () => {
    const error = Object.assign(new Error('no'), { stack: 's', code: 7 })
    const value = { big: 5n, map: new Map([['a', 1]]), set: new Set([2]), nan: Number.NaN, error, when: new Date(0) }
    expect(jsonOf(value)).toEqual({
      big: '5n',
      map: [['a', 1]],
      set: [2],
      nan: 'NaN',
      error: { name: 'Error', message: 'no', stack: 's', code: 7 },
      when: '1970-01-01T00:00:00.000Z',
    })
    const ring: { self?: unknown } = {}
    ring.self = ring
    expect(jsonOf(ring)).toBe(textOf(ring))
    expect(jsonOf(undefined)).toBeNull()
  })

  test.each([
    [0, '0 ms'],
    [999, '999 ms'],
    [1_000, '1 s'],
    [1_540, '1.5 s'],
    [59_000, '59 s'],
    [90_000, '1.5 min'],
    [7_200_000, '2 h'],
    [86_400_000 * 12, '12 d'],
  ])('a span of %s ms', (ms, text) => {
    expect(spanOf(ms)).toBe(text)
  })
})

describe('the address', () => {
  const route: Route = { ...startRoute, view: 'queues', state: 'failed', tag: 'a&b=c#d', text: 'ü', job: 'x/1' }

  test('says what is looked at, and nothing at the start', () => {
    expect(routeOf(hashOf(route, 'offstage'), 'offstage')).toEqual(route)
    expect(hashOf(startRoute, 'offstage')).toBe('')
  })

  test('of an application stays, and is not read', () => {
    expect(['', '#', '#offstage:view=queues'].map((hash) => isFree(hash, 'offstage'))).toEqual([true, true, true])
    expect(['#/inbox', '#offstage', '#offstage2:'].map((hash) => isFree(hash, 'offstage'))).toEqual([
      false,
      false,
      false,
    ])
    expect(routeOf('#/inbox?view=queues', 'offstage')).toEqual(startRoute)
  })

  test('that is wrong is as at the start', () => {
    expect(routeOf('#offstage:view=nowhere&state=lost&%=%&more=1', 'offstage')).toEqual(startRoute)
  })
})

test('samples are kept for a minute, and drawn from 0 up', () => {
  const sample = start('inline', 'jobs').stats()
  let samples = withSample([], sample)
  for (let n = 0; n < 100; n++) samples = withSample(samples, sample)
  expect(samples).toHaveLength(samplesMax)
  expect(pointsOf([0, 5, 10], 59, 20)).toBe('57,20 58,10 59,0')
  expect(pointsOf([0], 59, 20)).toBe('59,20')
})

describe('the list', () => {
  test.each([0, 1, 100_000])('of %i jobs draws what is in sight', (size) => {
    for (const top of [0, 5_000, 3_400_000, 1e9]) {
      const { first, end } = rowsInSight({ top, height: 600, isNarrow: false }, size)
      expect(first).toBeGreaterThanOrEqual(0)
      expect(end).toBeLessThanOrEqual(size)
      expect(end - first).toBeLessThanOrEqual(30)
      if (size > 0) expect(end).toBeGreaterThan(first)
    }
  })

  test('is live, and grows as one scrolls, up to a bound', async () => {
    const scheduler = await paused(1_200)
    const changed = vi.fn()
    const list = listJobs(scheduler, everything, changed, thrown)
    onTestFinished(() => list.close())
    expect([list.size, list.hasMore]).toEqual([100, true])
    list.more()
    expect([list.size, list.hasMore]).toEqual([1_000, true])
    list.more()
    await vi.waitUntil(() => list.size === 1_200)
    expect(list.hasMore).toBe(false)
    await scheduler.cancel('job-3')
    await vi.waitUntil(() => list.at(3)?.state === 'cancelled')
    expect(changed).toHaveBeenCalled()
  })

  test('shows what a search finds in ids and inputs, in any case', async () => {
    const scheduler = await paused(1_200)
    const search = async (text: string) => {
      const list = listJobs(scheduler, { filter: {}, text }, () => {}, thrown)
      await vi.waitUntil(() => !list.isSearching)
      expect(list.looked).toBe(1_200)
      return Array.from({ length: list.size }, (_, index) => list.at(index)?.id)
    }
    expect(await search('JOB-1199')).toEqual(['job-1199'])
    expect(await search('"user-77"')).toEqual(['job-77'])
    expect(await search('nobody')).toEqual([])
  })

  test('a search copies no input that its piece does not need, and stops when it is closed', async () => {
    const scheduler = await paused(2_000)
    const find = vi.spyOn(scheduler, 'find')
    const list = listJobs(scheduler, { filter: {}, text: 'user' }, () => list.close(), thrown)
    await vi.waitUntil(() => find.mock.calls.length >= 2)
    await scheduler.counts()
    expect(find.mock.calls.every(([options]) => options?.limit === 500)).toBe(true)
    expect(find.mock.calls.length).toBeLessThan(4)
  })
})

test('a walk sees each job once, in order', async () => {
  const scheduler = await paused(1_500)
  const ids: string[] = []
  for await (const { jobs } of matching(scheduler, everything)) ids.push(...jobs.map(({ id }) => id))
  expect(ids).toEqual(Array.from({ length: 1_500 }, (_, n) => `job-${n}`))
})

describe('what is done to all that is listed', () => {
  test('can be done to some of it only', () => {
    expect(matchFor('retry', { filter: { name: 'x' }, text: 't' })).toEqual({
      filter: { name: 'x', state: ['failed', 'cancelled'] },
      text: 't',
    })
    expect(matchFor('retry', { filter: { state: 'failed' }, text: '' })?.filter.state).toEqual(['failed'])
    expect(matchFor('retry', { filter: { state: 'completed' }, text: '' })).toBeUndefined()
    expect(matchFor('promote', { filter: { state: 'queued' }, text: '' })).toBeUndefined()
  })

  test('is counted with a sample first, and nothing happens before it is confirmed', async () => {
    const scheduler = await failed(Array.from({ length: 20 }, (_, n) => `f${n}`))
    const bulk = await ready(scheduler, 'remove', everything)
    expect([bulk.count, bulk.sample.length, bulk.sample[0]]).toEqual([20, 8, 'f0'])
    expect(await scheduler.counts()).toMatchObject({ failed: 20 })
    await bulk.confirm(0)
    expect([bulk.done, bulk.stage]).toEqual([20, 'done'])
    expect(await scheduler.find()).toEqual([])
  })

  test('leaves alone what has come since, and what does not match any more', async () => {
    const scheduler = await failed(['a', 'b', 'c'])
    const bulk = await ready(scheduler, 'remove', { filter: { state: 'failed' }, text: '' })
    scheduler.pause()
    await scheduler.retry('b')
    await scheduler.add.fail?.('late', { id: 'd' })
    scheduler.resume()
    await heard(scheduler, 'idle')
    scheduler.pause()
    await scheduler.retry('b')
    await bulk.confirm(0)
    expect((await scheduler.find()).map(({ id }) => id)).toEqual(['b', 'd'])
    expect([bulk.count, bulk.done]).toEqual([3, 2])
  })

  test('keeps to the text that was searched for', async () => {
    const scheduler = await failed(['ann', 'bob', 'anna'])
    const bulk = await ready(scheduler, 'remove', { filter: {}, text: 'ann' })
    await bulk.confirm(0)
    expect((await scheduler.find()).map(({ id }) => id)).toEqual(['bob'])
  })

  test.each<[Verb, string]>([
    ['retry', 'queued'],
    ['remove', 'undefined'],
  ])('%s works for more jobs than are asked for at a time', async (verb, state) => {
    const scheduler = await failed(Array.from({ length: 1_100 }, (_, n) => `f${n}`))
    scheduler.pause()
    const bulk = await ready(scheduler, verb, everything)
    await bulk.confirm(0)
    expect(bulk.done).toBe(1_100)
    expect(String((await scheduler.get('f1050'))?.snapshot().state)).toBe(state)
  })

  test('priorities and promotions', async () => {
    const scheduler = await paused(2)
    await (await ready(scheduler, 'setPriority', everything)).confirm(7)
    expect((await scheduler.get('job-1'))?.snapshot().priority).toBe(7)
    await scheduler.add.echo?.(1, { id: 'later', delayMs: 1e6 })
    await (await ready(scheduler, 'promote', everything)).confirm(0)
    expect((await scheduler.get('later'))?.snapshot().state).toBe('queued')
    await (await ready(scheduler, 'cancel', 'later')).confirm(0)
    expect(await scheduler.counts()).toMatchObject({ queued: 2, cancelled: 1 })
  })

  test('can be stopped: what is done stays done', async () => {
    const scheduler = await failed(Array.from({ length: 1_100 }, (_, n) => `f${n}`))
    const bulk = await ready(scheduler, 'remove', everything)
    const over = bulk.confirm(0)
    scheduler.once('removed', () => bulk.stop())
    await over
    expect(bulk.done).toBeGreaterThan(0)
    expect(bulk.done).toBeLessThan(1_100)
    expect(await scheduler.find({ limit: 2_000 })).toHaveLength(1_100 - bulk.done)
  })
})

describe('an open job', () => {
  const open = async (scheduler: Scheduler, id: string, past?: ReturnType<typeof history>) => {
    const job = new OpenJob(scheduler, id, past, () => {})
    onTestFinished(() => job.close())
    await job.open()
    return job
  }

  test('says why it waits, what it was given, and what it has recorded', async () => {
    const scheduler = await paused(1)
    expect((await open(scheduler, 'job-0')).why[0]).toMatchObject({ reason: 'paused' })
    const job = await scheduler.add.steps?.(undefined, { id: 's', attempts: 2 })
    scheduler.resume()
    const result = await job?.result()
    const opened = await open(scheduler, 's')
    expect(opened.result).toEqual(result)
    expect([...(opened.recorded?.steps.keys() ?? [])]).toEqual(['first', 'second'])
    expect(opened.why).toEqual([])
  })

  test('has the logs and events that are heard while it is open', async () => {
    const scheduler = await paused()
    await scheduler.add.log?.(undefined, { id: 'l' })
    const opened = await open(scheduler, 'l')
    scheduler.resume()
    await vi.waitUntil(() => opened.past.some(({ what }) => what === 'completed'))
    expect(opened.past.map(({ what }) => what)).toEqual(['added', 'started', 'completed'])
    expect(opened.logs.map(({ detail }) => detail)).toEqual([expect.stringMatching(/^hello \{\n {2}from: "thread"/)])
  })

  test('has all of its past with a history, with each attempt', async () => {
    const scheduler = await paused()
    const past = history(scheduler)
    const job = await scheduler.add.failUntil?.(2, { id: 'f', attempts: 2 })
    scheduler.resume()
    await job?.result()
    const moves = (await open(scheduler, 'f', past)).past.map(({ what, attempt }) => `${what} ${attempt}`)
    expect(moves).toEqual(['insert 0', 'start 1', 'fail 1', 'start 2', 'complete 2'])
  })

  test('is gone when it is removed, or was never there', async () => {
    const scheduler = await paused(1)
    expect((await open(scheduler, 'nobody')).job).toBeNull()
    const opened = await open(scheduler, 'job-0')
    await scheduler.remove('job-0')
    expect(opened.job).toBeNull()
  })
})

test('the jobs of a flow are listed by key, those of a flow within it behind its own', async () => {
  const scheduler = await paused()
  const noop = { name: 'noop' } as const
  const nested = { flow: { snapshot: noop, id: { ...noop, after: ['snapshot'] } }, after: ['a'] }
  const flow = await flows(scheduler).add({ a: noop, snapshot: nested } as never, { id: 'f' })
  expect([...jobsOf(flow.jobs)].map(([key, { id }]) => `${key} ${id}`)).toEqual([
    'a f/a',
    'snapshot.snapshot f/snapshot.snapshot',
    'snapshot.id f/snapshot.id',
  ])
})

describe('the model', () => {
  const modelOf = (scheduler: Scheduler, route: Partial<Route> = {}, extras: Extras = {}) => {
    const model = new Model(scheduler, extras, { ...startRoute, ...route }, () => {})
    onTestFinished(() => model.close())
    return model
  }

  test('filters by state and type and queue and tag', async () => {
    const scheduler = await paused(2)
    await scheduler.add.noop?.(undefined, { id: 'x', queue: 'mail', tags: ['red'] })
    const model = modelOf(scheduler)
    const listed = (part: Partial<Route>) => {
      model.go({ ...startRoute, ...part })
      return Array.from({ length: model.list.size }, (_, index) => model.list.at(index)?.id)
    }
    expect(listed({})).toEqual(['job-0', 'job-1', 'x'])
    expect(listed({ name: 'noop' })).toEqual(['x'])
    expect(listed({ queue: 'mail', tag: 'red', state: 'queued' })).toEqual(['x'])
    expect(listed({ state: 'failed' })).toEqual([])
  })

  test('lists flows and batches a page at a time, while they are looked at, and opens one of them', async () => {
    const scheduler = await paused()
    const extras = { flows: flows(scheduler), batches: batches(scheduler) }
    for (let n = 0; n < 120; n++) await extras.flows.add({ a: { name: 'noop' } } as never, { id: `f${n}` })
    await extras.batches.add([{ name: 'noop' }] as never, { id: 'b' })
    const find = vi.spyOn(scheduler, 'find')
    const model = modelOf(scheduler, {}, extras)
    expect(model.flows).toEqual([])
    model.go({ view: 'flows' })
    const listed = (count: number) => vi.waitUntil(() => model.flows.length === count)
    await listed(50)
    expect([model.flows[0]?.id, model.batches[0]?.id]).toEqual(['f119', 'b'])
    model.moreFamilies()
    await listed(100)
    model.moreFamilies()
    await listed(120)
    await model.openFlow('f7')
    expect([...jobsOf(model.flow?.jobs ?? {})].map(([, { id }]) => id)).toEqual(['f7/a'])
    await model.openFlow('f7')
    expect(model.flow).toBeUndefined()
    expect(find).not.toHaveBeenCalled()
  })

  test('says what it has done, what had nothing to do, and what went wrong', async () => {
    const scheduler = await paused(1)
    const model = modelOf(scheduler)
    await model.act('cancel', 'job-0')
    expect([model.status, model.isError]).toEqual(['Cancelled job-0.', false])
    await model.act('cancel', 'job-0')
    expect(model.status).toMatch(/^Nothing to do/)
    await model.act('setPriority', 'job-0', Number.NaN)
    expect([model.status, model.isError]).toEqual([expect.stringContaining('`priority`'), true])
  })

  test('exports what is listed, with inputs and results', async () => {
    const scheduler = await failed(['a'])
    await scheduler.run.echo?.(new Map([[1, 2n]]), { id: 'done' })
    const rows = JSON.parse(await modelOf(scheduler).export())
    expect(rows).toMatchObject([
      { id: 'a', state: 'failed', input: 'a', error: { name: 'TypeError', message: 'a' } },
      { id: 'done', input: [[1, '2n']], result: [[1, '2n']] },
    ])
    expect(JSON.parse(await modelOf(scheduler, { state: 'failed' }).export())).toHaveLength(1)
    expect(JSON.parse(await modelOf(scheduler).export('done'))).toMatchObject({ recorded: { steps: [] } })
  })

  test('shows a scheduler that is closed, and says so', async () => {
    const scheduler = await paused(1)
    const model = modelOf(scheduler)
    await scheduler.close({ mode: 'now' })
    model.go({ state: 'failed' })
    expect(model.isError).toBe(true)
    expect(model.list.size).toBe(0)
  })
})

test('templates ask no more of lit-html than what is bundled of it: tsup.config.ts leaves out the rest', () => {
  const folder = new URL('../../src/panel/', import.meta.url)
  const texts = readdirSync(folder).map((file) => readFileSync(new URL(file, folder), 'utf8'))
  const imported = texts.flatMap((text) => /^import {([^}]*)} from 'lit-html.*'/m.exec(text)?.[1]?.split(',') ?? [])
  expect([...new Set(imported.map((name) => name.trim()))].sort()).toEqual([
    'html',
    'nothing',
    'render',
    'type TemplateResult',
  ])
  for (const text of texts) expect(text).not.toMatch(/<!--|<\$\{|<(script|style|textarea|title)\b|<\w+ \$\{/)
})

test('the panel knows the rest of the house by its public members and types alone', () => {
  const files = ['model', 'open-job', 'job-list', 'matching', 'bulk', 'families', 'panel', 'job-view', 'side-views']
  for (const file of files) {
    const text = readFileSync(new URL(`../../src/panel/${file}.ts`, import.meta.url), 'utf8')
    const code = [...text.matchAll(/^import (?!type )[^']*from '\.\.\/([^']+)'/gm)].map(([, from]) => from as string)
    expect(code.filter((from) => !/^(shared|platform|job|events)\//.test(from))).toEqual([])
  }
})

test('on a server the panel can be imported and defined, and mounting it says what is missing', () => {
  definePanel()
  expect(() => mountPanel(start('inline', 'jobs'))).toThrow('not on a server')
  expect(() => mountPanel({} as Scheduler)).toThrow('`scheduler`')
})

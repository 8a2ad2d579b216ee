// Topics through the public API, on the manual clock: in memory, over restarts and from a tab that follows.
import fc from 'fast-check'
import { createScheduler, inline, type SchedulerOptions } from 'offstage'
import { manualClock } from 'offstage/testing'
import { type TopicSettings, topics } from 'offstage/topics'
import { defineJobs, type JobContext } from 'offstage/worker'
import { describe, expect, onTestFinished, test } from 'vitest'
import { fits } from '../../src/topics/pattern.ts'
import { Disk } from '../support/full-store.ts'
import { FakeOrigin } from '../support/tabs.ts'

const jobs = defineJobs({
  echo: (data: unknown) => data,
  headers: (_: unknown, { headers }: JobContext) => ({ ...headers }),
})

function start(options: SchedulerOptions<never> = {}, settings: TopicSettings<typeof jobs> = {}) {
  const clock = manualClock()
  const scheduler = createScheduler<typeof jobs>(inline(jobs), { clock, ...options } as never)
  onTestFinished(() => scheduler.close({ mode: 'now' }))
  return { clock, scheduler, ...topics(scheduler, settings) }
}

const idsOf = (added: readonly { readonly id: string }[]) => added.map(({ id }) => id).sort()

describe('publish', () => {
  test('adds a job for each subscription that fits, in one commit, with its queue and priority', async () => {
    const { publish, subscribe } = start()
    await subscribe('all', 'order.>', { name: 'echo', options: { queue: 'log', priority: -1 } })
    await subscribe('paid', 'order.*', { name: 'headers', options: { headers: { tenant: 'a' } } })
    await subscribe('other', 'user.*', { name: 'echo' })
    const added = await publish('order.paid', { order: 17 }, { id: '17', headers: { trace: 'x' } })
    expect(idsOf(added)).toEqual(['all@17', 'paid@17'])
    const [all, paid] = added.sort((a, b) => (a.id < b.id ? -1 : 1))
    expect(all?.snapshot()).toMatchObject({ queue: 'log', priority: -1, name: 'echo' })
    expect(await all?.result()).toEqual({ order: 17 })
    expect(await paid?.result()).toEqual({ tenant: 'a', trace: 'x', topic: 'order.paid', eventId: '17' })
    expect(idsOf(await publish('order.line.added'))).toHaveLength(1)
    expect(await publish('nobody')).toEqual([])
  })

  test('of an event that was published adds nothing, as long as its id is remembered', async () => {
    const { publish, subscribe, scheduler, clock } = start({}, { rememberMs: 60_000 })
    await subscribe('a', 'x', { name: 'echo' })
    const [first] = await publish('x', 1, { id: 'e' })
    await first?.result()
    await subscribe('b', 'x', { name: 'echo' })
    expect(idsOf(await publish('x', 1, { id: 'e' }))).toEqual(['a@e'])
    await scheduler.remove('a@e')
    expect(await publish('x', 1, { id: 'e' })).toEqual([])
    clock.advance(60_000)
    expect(idsOf(await publish('x', 2, { id: 'e' }))).toEqual(['a@e', 'b@e'])
  })

  test('with an id that is taken, by an event of another topic or by a job, is refused', async () => {
    const { publish, subscribe, scheduler, clock } = start({}, { rememberMs: 60_000 })
    await subscribe('a', '>', { name: 'echo' })
    const [paid] = await publish('order.paid', 1, { id: '17' })
    await paid?.result()
    const refused = { code: 'DUPLICATE_ID', message: expect.stringContaining("'17'") }
    await expect(publish('order.sent', 2, { id: '17' })).rejects.toMatchObject(refused)
    clock.advance(60_000)
    await expect(publish('order.sent', 2, { id: '17' })).rejects.toMatchObject(refused)
    await scheduler.add.echo(1, { id: 'a@18' })
    await expect(publish('order.paid', 2, { id: '18' })).rejects.toMatchObject({ code: 'DUPLICATE_ID' })
    expect((await scheduler.find()).map(({ id }) => id)).toEqual(['a@17', 'a@18'])
  })

  const fails = (): never => {
    throw new RangeError('no')
  }
  test.each<[string, () => boolean]>([
    ['RangeError: no', fails],
    ['it is async', (async () => false) as never],
  ])('says whose filter has failed: %s', async (why, filter) => {
    const { publish } = start({}, { subscriptions: { mine: { pattern: 'x', name: 'echo', filter } } })
    const message = `Filter of 'mine': ${why}`
    await expect(publish('x', 1)).rejects.toMatchObject({ code: 'EXTENSION_FAILED', message })
  })

  test('adds all jobs or none', async () => {
    const { publish, subscribe, scheduler } = start({ maxQueued: 1 })
    await scheduler.pause()
    await subscribe('a', 'x', { name: 'echo' })
    await subscribe('b', 'x', { name: 'echo' })
    await expect(publish('x', 1, { id: 'e' })).rejects.toMatchObject({ code: 'QUEUE_FULL' })
    expect(await scheduler.find()).toEqual([])
    await subscribe('b', 'y', { name: 'echo' })
    expect(idsOf(await publish('x', 1, { id: 'e' }))).toEqual(['a@e'])
  })
})

describe('a filter', () => {
  const cases: [filter: unknown, data: unknown, isFine: boolean][] = [
    [{ country: 'DE' }, { country: 'DE', total: 1 }, true],
    [{ country: 'DE' }, { country: 'AT' }, false],
    [{ country: ['DE', 'AT'] }, { country: 'AT' }, true],
    [{ customer: { isNew: true } }, { customer: { isNew: true, id: 3 } }, true],
    [{ customer: { isNew: true } }, { customer: null }, false],
    [{ tags: 'urgent' }, { tags: ['a', 'urgent'] }, true],
    [{ tags: 'urgent' }, { tags: [] }, false],
    [{ toString: 'x' }, {}, false],
    [{ x: null }, {}, false],
    [{}, {}, true],
    [{}, 1, false],
    [3, 3, true],
  ]
  test.each(cases)('%j lets %j through: %j', async (filter, data, isFine) => {
    const { publish, subscribe } = start()
    await subscribe('a', 'x', { name: 'echo', filter: filter as never })
    expect(await publish('x', data)).toHaveLength(isFine ? 1 : 0)
  })
})

describe('a pattern', () => {
  const word = fc.constantFrom('a', 'b', 'c')
  const topic = fc.array(word, { minLength: 1, maxLength: 4 })

  test('fits what a regular expression of it fits', () => {
    fc.assert(
      fc.property(
        topic,
        fc.array(fc.oneof(word, fc.constant('*')), { maxLength: 4 }),
        fc.boolean(),
        (words, head, isOpen) => {
          const pattern = [...head, ...(isOpen || head.length === 0 ? ['>'] : [])]
          const source = pattern.map((each) => ({ '*': '[^.]+', '>': '.+' })[each] ?? each).join('\\.')
          expect(fits(pattern.join('.'), words.join('.'))).toBe(new RegExp(`^${source}$`).test(words.join('.')))
        },
      ),
    )
  })
})

describe('subscriptions', () => {
  test('are stored and listed; those in the code are not stored, and come first', async () => {
    const disk = new Disk()
    const first = start({ store: disk.store })
    await first.subscribe('b', 'x', { name: 'echo', options: { attempts: 3 }, filter: { n: 1 } })
    await first.subscribe('a', 'x', { name: 'echo' })
    await first.scheduler.close()
    const seen: unknown[] = []
    const filter = (data: unknown, topic: string) => seen.push([data, topic]) > 0
    const second = start({ store: disk.store }, { subscriptions: { a: { pattern: 'y', name: 'headers', filter } } })
    expect(await second.list()).toEqual([
      { id: 'a', pattern: 'y', name: 'headers', options: undefined, filter: undefined, isStored: false },
      { id: 'b', pattern: 'x', name: 'echo', options: { attempts: 3 }, filter: { n: 1 }, isStored: true },
    ])
    expect(idsOf(await second.publish('y', 5, { id: 'e' }))).toEqual(['a@e'])
    expect(seen).toEqual([[5, 'y']])
    expect(await second.publish('x', { n: 2 })).toEqual([])
    expect([await second.unsubscribe('b'), await second.unsubscribe('b')]).toEqual([true, false])
    expect(await second.publish('x', { n: 1 })).toEqual([])
  })

  test('and events are the same in a tab that follows, and after the leading one is gone', async () => {
    const origin = new FakeOrigin()
    const [leading, following] = [origin.openTab(), origin.openTab()]
    const leader = start({ store: leading.store })
    await leader.scheduler.counts()
    const follower = start({ store: following.store })
    await follower.subscribe('a', 'x', { name: 'echo' })
    expect(idsOf(await leader.publish('x', 1, { id: 'e' }))).toEqual(['a@e'])
    expect(idsOf(await follower.publish('x', 1, { id: 'e' }))).toEqual(['a@e'])
    leading.crash()
    expect(idsOf(await follower.publish('x', 1, { id: 'e' }))).toEqual(['a@e'])
    expect(idsOf(await follower.publish('x', 1, { id: 'f' }))).toEqual(['a@f'])
    expect(origin.disk.problems).toEqual([])
  })

  test('are not there when the store has refused them; nor is an event', async () => {
    const disk = new Disk()
    const { subscribe, publish, list, scheduler } = start({ store: disk.store })
    await subscribe('a', 'x', { name: 'echo' })
    await scheduler.pause()
    disk.isFull = true
    await expect(subscribe('b', 'x', { name: 'echo' })).rejects.toMatchObject({ code: 'STORE_WRITE_FAILED' })
    await expect(publish('x', 1, { id: 'e' })).rejects.toMatchObject({ code: 'STORE_WRITE_FAILED' })
    disk.isFull = false
    expect((await list()).map(({ id }) => id)).toEqual(['a'])
    expect(await scheduler.find()).toEqual([])
    expect(idsOf(await publish('x', 1, { id: 'e' }))).toEqual(['a@e'])
  })

  test('events are forgotten in time, so that their rows do not pile up', async () => {
    const disk = new Disk()
    const { subscribe, publish, clock } = start({ store: disk.store }, { rememberMs: 1_000 })
    await subscribe('a', 'y', { name: 'echo' })
    for (let n = 0; n < 250; n++) {
      await publish('x', n, { id: `e${n}` })
      clock.advance(100)
    }
    expect(disk.rows.size).toBeLessThan(20)
  })
})

describe('what makes no sense is refused, and named', () => {
  const refused: [what: string, call: (parts: ReturnType<typeof start>) => unknown][] = [
    ['`topic`', ({ publish }) => publish('order.*')],
    ['`topic`', ({ publish }) => publish('order..paid')],
    ['`pattern`', ({ subscribe }) => subscribe('a', '>.x', { name: 'echo' })],
    ['`pattern`', ({ subscribe }) => subscribe('a', 'x*', { name: 'echo' })],
    ['`id`', ({ subscribe }) => subscribe('', 'x', { name: 'echo' })],
    ['`job.name`', ({ subscribe }) => subscribe('a', 'x', {} as never)],
    ['`job.filter`', ({ subscribe }) => subscribe('a', 'x', { name: 'echo', filter: new Date() as never })],
    ['`id` is not for jobs that a subscription', ({ subscribe }) => subscribe('a', 'x', { name: 'echo', options: { id: 'y' } as never })], // biome-ignore format: one line each.
    ['`options.id`', ({ publish }) => publish('x', 1, { id: '' })],
    ['`headers`', ({ publish }) => publish('x', 1, { headers: { a: 1 } as never })],
  ]
  test.each(refused)('%s', async (what, call) => {
    await expect(call(start())).rejects.toThrow(what)
  })

  test('data that cannot be copied', async () => {
    await expect(start().publish('x', () => {})).rejects.toMatchObject({ code: 'DATA_CLONE' })
  })

  test('in the code', () => {
    const { scheduler } = start()
    const make = (settings: unknown) => () => topics(scheduler, settings as never)
    expect(make({ subscriptions: { a: { pattern: 'x' } } })).toThrow('`subscriptions.a.name`')
    expect(make({ subscriptions: { a: { name: 'echo', pattern: '' } } })).toThrow('`subscriptions.a.pattern`')
    expect(make({ rememberMs: -1 })).toThrow('`rememberMs`')
  })
})

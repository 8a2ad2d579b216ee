// Messages between tabs that are none, or come from nowhere: they are dropped, and leader and follower go on.
import fc from 'fast-check'
import { createScheduler, inline, type Scheduler } from 'offstage'
import { manualClock } from 'offstage/testing'
import { describe, expect, onTestFinished, test } from 'vitest'
import { isCloneable } from '../../src/shared/clone.ts'
import type { Call, Envelope } from '../../src/tabs/messages.ts'
import { tabsVersion } from '../../src/tabs/version.ts'
import { jobs } from '../fixtures/jobs.ts'
import { answers, fromClient, fromSession } from '../support/messages.ts'
import { FakeOrigin, type FakeTab } from '../support/tabs.ts'

type Jobs = typeof jobs
const turn = () => new Promise<void>((resolve) => setImmediate(resolve))

/** A tab that leads and one that follows, and a stranger who hears all that is said, and can say it as either. */
async function start() {
  const origin = new FakeOrigin((callback) => void setImmediate(callback))
  const clock = manualClock()
  const stranger = origin.openTab()
  const calls: Call[] = []
  const envelopes: Envelope[] = []
  const open = async (tab: FakeTab): Promise<Scheduler<Jobs>> => {
    const scheduler = createScheduler<Jobs>(inline(jobs), { workers: 1, store: tab.store, clock })
    // Of tabs that there are not, too.
    scheduler.on('store:error', () => {})
    onTestFinished(() => scheduler.close({ mode: 'now' }))
    await scheduler.counts()
    return scheduler
  }
  const everybody = origin.open('offstage:test', stranger, (call) => calls.push(call as Call))
  const heard = async (is: (call: Call) => boolean): Promise<Call> => {
    while (!calls.some(is)) await turn()
    return calls.find(is) as Call
  }
  const leaderTab = origin.openTab()
  const leader = await open(leaderTab)
  const lead = await heard(({ type }) => type === 'lead')
  const followerTab = origin.openTab()
  const opening = open(followerTab)
  const { from } = await heard((call) => call.from !== lead.from)
  const line = origin.open(`offstage:test:${from}`, stranger, (envelope) => envelopes.push(envelope as Envelope))
  const follower = await opening
  const write = (from: string) => (messages: unknown) => {
    const { epoch } = calls.filter(({ type }) => type === 'lead').at(-1) as Call
    line.post({ from, epoch, version: tabsVersion, line: envelopes.at(-1)?.line, messages })
  }
  return {
    ...{ origin, leader, leaderTab, follower, followerTab, open, calls, envelopes },
    sayToAll: (message: unknown) => everybody.post(message),
    sayOnLine: (message: unknown) => line.post(message),
    asLeader: write(lead.from),
    asFollower: write(from),
    followerId: from,
  }
}

type Tabs = Awaited<ReturnType<typeof start>>

/** All of it works: what is called is answered, and right. */
async function expectAllWell({ leader, follower, origin }: Tabs): Promise<void> {
  for (const scheduler of [follower, leader]) {
    expect(await scheduler.run.double(21)).toBe(42)
    const job = await scheduler.add.send(3)
    const values: unknown[] = []
    for await (const value of job.values()) values.push(value)
    expect(values).toEqual([1, 2, 3])
    expect((await scheduler.find({ name: 'double' })).length).toBeGreaterThan(0)
    expect(await scheduler.remove(job.id)).toBe(1)
    expect(scheduler.isPaused).toBe(false)
    for (const { id } of await scheduler.find()) expect((await scheduler.get(id))?.snapshot().tags).toEqual([])
  }
  expect(await follower.counts()).toEqual(await leader.counts())
  expect(origin.disk.problems).toEqual([])
}

const whatever = [null, undefined, 'x', 7, [], [null], {}, { type: 'lead' }, { messages: [] }, new Map([['from', 'x']])]

test('the stranger is heard: nothing tells it from those it speaks for', async () => {
  const tabs = await start()
  const counts = tabs.follower.counts()
  tabs.asLeader([['answer', 2, { ...(await tabs.leader.counts()), failed: 77 }]])
  tabs.asFollower([['ask', 7, 'set', [undefined, { isPaused: true }]]])
  expect(await counts).toMatchObject({ failed: 77 })
  await tabs.follower.counts()
  expect(tabs.leader.isPaused).toBe(true)
})

describe('what is no message', () => {
  test('to all', async () => {
    const tabs = await start()
    for (const message of whatever) tabs.sayToAll(message)
    await expectAllWell(tabs)
  })

  test('on a line', async () => {
    const tabs = await start()
    for (const message of whatever) tabs.sayOnLine(message)
    for (const messages of [null, {}, 'x', [null, [], [[]], 'x', { 0: 'welcome' }]]) {
      tabs.asLeader(messages)
      tabs.asFollower(messages)
    }
    await expectAllWell(tabs)
  })

  test.each([
    ['no epoch', {}],
    ['an epoch that is no number', { epoch: Number.NaN }],
    ['an epoch that never comes', { epoch: Number.POSITIVE_INFINITY }],
    ['an epoch in words', { epoch: '5' }],
    ['nobody it is from', { from: undefined, epoch: 1e15 }],
  ])('a hello or an announcement with %s leaves nobody waiting', async (_what, more) => {
    const tabs = await start()
    for (const type of ['hello', 'lead', 'here']) tabs.sayToAll({ type, from: 'x', version: tabsVersion, ...more })
    await turn()
    await turn()
    await expectAllWell(tabs)
    await expectAllWell({ ...tabs, follower: await tabs.open(tabs.origin.openTab()) })
  })

  test.each(fromSession)('`$name` from the leader with one thing of another type', async ({ wrong }) => {
    const tabs = await start()
    const job = await tabs.follower.add.double(1, { id: 'a', delayMs: 3_600_000 })
    const before = job.snapshot()
    for (const [, message] of wrong) tabs.asLeader([message])
    await expectAllWell(tabs)
    expect(job.snapshot()).toEqual(before)
  })

  test.each(fromClient)('`$name` from a follower with one thing of another type', async ({ wrong }) => {
    const tabs = await start()
    const job = await tabs.leader.add.double(1, { id: 'a', delayMs: 3_600_000 })
    const before = job.snapshot()
    for (const [, message] of wrong) tabs.asFollower([message])
    await expectAllWell(tabs)
    expect(job.snapshot()).toEqual(before)
  })
})

test('answers that are none: the right ones still come', async () => {
  const tabs = await start()
  const { follower } = tabs
  const asked = {
    insert: follower.add.double(1, { id: 'a' }).then(({ id, disposition }) => [id, disposition]),
    find: follower.find({ name: 'double' }).then((found) => found.map(({ id }) => id)),
    counts: follower.counts().then(({ failed }) => failed),
    act: follower.cancel('nobody'),
  }
  // The first question was one of `start`.
  for (const { name, wrong } of answers) {
    const id = 2 + Object.keys(asked).indexOf(name)
    tabs.asLeader(wrong.map(([, answer]) => ['answer', id, answer]))
  }
  expect(await Promise.all(Object.values(asked))).toEqual([['a', 'created'], ['a'], 0, 0])
  await expectAllWell(tabs)
})

describe('what comes from nowhere', () => {
  test('a hello from a tab that there is not is answered, and forgotten', async () => {
    const tabs = await start()
    const { inUse } = tabs.origin
    for (let n = 0; n < 10; n++) tabs.sayToAll({ type: 'hello', from: `x${n}`, epoch: n, version: tabsVersion })
    await expectAllWell(tabs)
    expect(tabs.origin.inUse).toBe(inUse)
  })

  test('a second hello: what was sent to the first session is not taken for the second, and nothing is done twice', async () => {
    const tabs = await start()
    const { leader, follower, calls } = tabs
    leader.pause()
    const job = await follower.add.send(40)
    const started: string[] = []
    follower.on('started', ({ jobId }) => started.push(jobId))
    const errors: unknown[] = []
    for (const type of ['error', 'store:error'] as const) follower.on(type, ({ error }) => errors.push(error))
    const { epoch } = calls.filter(({ type }) => type === 'lead').at(-1) as Call
    tabs.sayToAll({ type: 'hello', from: tabs.followerId, epoch, version: tabsVersion })
    await turn()
    const reading = (async () => {
      const values: unknown[] = []
      for await (const value of job.values()) values.push(value)
      return values
    })()
    const cancelled = follower.cancel('nobody')
    leader.resume()
    expect(await reading).toEqual(Array.from({ length: 40 }, (_, n) => n + 1))
    expect(await cancelled).toBe(0)
    expect(errors).toEqual([])
    await expectAllWell(tabs)
  })

  test('a hello from one that knows of a leader in the far future: the epoch is raised, and all follow', async () => {
    const tabs = await start()
    for (const epoch of [Number.MAX_SAFE_INTEGER, 1e300, Number.MAX_VALUE])
      tabs.sayToAll({ type: 'hello', from: 'x', epoch, version: tabsVersion })
    await expectAllWell(tabs)
    tabs.leaderTab.sleep()
    expect(await tabs.follower.run.double(1)).toBe(2)
    tabs.leaderTab.wake()
    await expectAllWell({ ...tabs, leader: tabs.follower, follower: tabs.leader })
  })

  test('a leader that there is not: who leads takes the lock again', async () => {
    const tabs = await start()
    tabs.sayToAll({ type: 'lead', from: 'x', epoch: 1e15, version: tabsVersion })
    await turn()
    await expectAllWell(tabs)
  })

  test.each([undefined, tabsVersion + 1])('a leader of version %s that there is not', async (version) => {
    const tabs = await start()
    for (const type of ['here', 'lead']) tabs.sayToAll({ type, from: 'x', epoch: 1e15, version })
    tabs.sayOnLine({ from: 'x', epoch: 1e16, version, messages: [['welcome', false, []]] })
    await turn()
    await expectAllWell(tabs)
  })

  test('an answer to what was not asked, news of a job that nobody knows, values that nobody reads', async () => {
    const tabs = await start()
    tabs.asLeader(fromSession.map(({ right }) => right).filter(([type]) => type !== 'welcome' && type !== 'paused'))
    await expectAllWell(tabs)
    expect(await tabs.follower.get('a')).toBeUndefined()
  })
})

// Whatever is said on the channels, but for what is right in form: that cannot be told from the truth.
const anything = fc.anything({ withBigInt: true, withDate: true, withMap: true, withSet: true }).filter(isCloneable)
const wrongMessage = (cases: typeof fromSession) =>
  fc.oneof(
    anything,
    fc.constantFrom(...cases.flatMap(({ wrong }) => wrong.map(([, message]) => message))).filter(isCloneable),
  )
const saying = fc.oneof(
  fc.record({ by: fc.constant('all' as const), said: anything }),
  fc.record({
    by: fc.constant('all' as const),
    said: fc.record({ type: anything, from: anything, epoch: anything, version: fc.constant(tabsVersion) }),
  }),
  fc.record({ by: fc.constant('line' as const), said: anything }),
  fc.record({ by: fc.constant('leader' as const), said: fc.array(wrongMessage(fromSession), { maxLength: 5 }) }),
  fc.record({ by: fc.constant('follower' as const), said: fc.array(wrongMessage(fromClient), { maxLength: 5 }) }),
)

test('whatever is said between tabs, every call settles, and what is asked is answered right', {
  timeout: 10 * 60_000,
}, async () => {
  const courses = fc.asyncProperty(fc.array(fc.array(saying, { maxLength: 4 }), { maxLength: 6 }), async (rounds) => {
    const tabs = await start()
    const { leader, follower } = tabs
    const calls: Promise<unknown>[] = []
    for (const [n, round] of rounds.entries()) {
      for (const scheduler of [leader, follower]) calls.push(scheduler.run.double(n), scheduler.run.send(n))
      for (const { by, said } of round) {
        if (by === 'all') tabs.sayToAll(said)
        else if (by === 'line') tabs.sayOnLine(said)
        else if (by === 'leader') tabs.asLeader(said)
        else tabs.asFollower(said)
      }
      await turn()
    }
    expect(await Promise.all(calls)).toEqual(rounds.flatMap((_, n) => [2 * n, n, 2 * n, n]))
    await expectAllWell(tabs)
    await Promise.all([leader.close(), follower.close()])
  })
  await fc.assert(courses, { numRuns: 60, endOnFailure: true })
})

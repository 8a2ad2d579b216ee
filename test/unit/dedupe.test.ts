// Jobs with a key: what becomes of another one of the same key, in each mode and each state, and that no key is left behind.
import { createScheduler, inline, type SchedulerOptions } from 'offstage'
import { type DedupeOptions, dedupe } from 'offstage/dedupe'
import { schedules } from 'offstage/schedules'
import { type ManualClock, manualClock } from 'offstage/testing'
import { defineJobs, type JobContext, versioned } from 'offstage/worker'
import { describe, expect, onTestFinished, test } from 'vitest'
import type { Row } from '../../src/store/store.ts'
import { Disk } from '../support/full-store.ts'
import { FakeOrigin, type FakeTab } from '../support/tabs.ts'
import { turn } from '../support/testing.ts'

/** What ran, in order, and the jobs that run. */
let ran: unknown[] = []
let holding: (() => void)[] = []
const jobs = defineJobs({
  save: (text: unknown) => void ran.push(text),
  other: (text: unknown) => void ran.push(text),
  hold: (input: unknown) =>
    new Promise<void>((resolve) => {
      ran.push(input)
      holding.push(resolve)
    }),
})

interface World {
  readonly clock?: ManualClock
  readonly disk?: Disk
  readonly tab?: FakeTab
}

function start({ clock = manualClock(), disk = new Disk(), tab }: World = {}, options: SchedulerOptions<never> = {}) {
  ran = []
  holding = []
  const scheduler = createScheduler<typeof jobs>(inline(jobs), {
    clock,
    store: tab?.store ?? disk.store,
    concurrency: 10,
    ...options,
  } as never)
  onTestFinished(() => (tab?.isDead ? undefined : scheduler.close({ mode: 'now' })))
  const merge = (waiting: string, added: string) => `${waiting}+${added}`
  const { add } = dedupe(scheduler, { merge: merge as never })
  return { scheduler, add, clock, disk }
}

const keys = ({ rows }: Disk) => [...rows.values()].map((row: Row) => row.key)

const turns = async (count = 6) => {
  for (let n = 0; n < count; n++) await turn()
}

async function pass(clock: ManualClock, ms: number): Promise<void> {
  clock.advance(ms)
  await turns()
}

const settle = async () => {
  for (const release of holding.splice(0)) release()
  await turns()
}

const of = (mode: DedupeOptions['mode'], windowMs?: number) => ({ dedupe: { key: 'k', mode, windowMs } })

describe('while the job of a key waits', () => {
  const waiting = async (mode: DedupeOptions['mode'], windowMs?: number) => {
    const world = start()
    world.scheduler.pause()
    const first = await world.add.save('first', of(mode, windowMs))
    expect(first.disposition).toBe('created')
    return { ...world, first }
  }

  test('`return` and `throttle` return it', async () => {
    for (const mode of [undefined, 'return', 'throttle'] as const) {
      const { scheduler, add, first } = await waiting(mode, mode === 'throttle' ? 1_000 : undefined)
      const second = await add.save('second', of(mode, mode === 'throttle' ? 1_000 : undefined))
      expect([second.id, second.disposition]).toEqual([first.id, 'existing'])
      scheduler.resume()
      await second.result()
      expect(ran).toEqual(['first'])
    }
  })

  test('`reject` says which job has the key', async () => {
    const { add, first } = await waiting('reject')
    await expect(add.save('second', of('reject'))).rejects.toMatchObject({ code: 'DUPLICATE_ID', jobId: first.id })
  })

  test('`replace` puts the new one in its place', async () => {
    const { scheduler, add, first } = await waiting('replace')
    const second = await add.save('second', of('replace'))
    expect(second.disposition).toBe('replaced')
    await expect(first.result()).rejects.toMatchObject({ code: 'JOB_CANCELLED' })
    scheduler.resume()
    await second.result()
    expect(ran).toEqual(['second'])
  })

  test('`debounce` gives it the newest input, and the window begins anew', async () => {
    const { scheduler, add, first, clock } = await waiting('debounce', 1_000)
    scheduler.resume()
    for (const text of ['second', 'third']) {
      await pass(clock, 900)
      const again = await add.save(text, of('debounce', 1_000))
      expect([again.id, again.disposition, again.input]).toEqual([first.id, 'existing', text])
    }
    await pass(clock, 999)
    expect(ran).toEqual([])
    await pass(clock, 1)
    await first.result()
    expect(ran).toEqual(['third'])
  })

  test('`coalesce` merges the inputs, and waits for others no longer than its window', async () => {
    const { scheduler, add, first, clock } = await waiting('coalesce', 1_000)
    scheduler.resume()
    await pass(clock, 600)
    await add.save('second', of('coalesce', 1_000))
    await pass(clock, 399)
    await add.save('third', of('coalesce', 1_000))
    expect(ran).toEqual([])
    await pass(clock, 1)
    await first.result()
    expect(ran).toEqual(['first+second+third'])
  })
})

describe('while the job of a key runs', () => {
  const running = async (mode: DedupeOptions['mode'], windowMs?: number) => {
    const world = start()
    const first = await world.add.hold('first', of(mode))
    await turns()
    expect(ran).toEqual(['first'])
    const add = (text: string) => world.add.hold(text, of(mode, windowMs))
    return { ...world, first, add }
  }

  test('`return` returns it', async () => {
    const { add, first } = await running('return')
    expect((await add('second')).id).toBe(first.id)
  })

  test('`replace` gets one successor, the newest, which waits for its end', async () => {
    const { scheduler, add } = await running('replace')
    const second = await add('second')
    const third = await add('third')
    expect([second.disposition, third.disposition]).toEqual(['created', 'replaced'])
    expect(third.snapshot().state).toBe('blocked')
    await turns()
    expect(ran).toEqual(['first'])
    await settle()
    expect(ran).toEqual(['first', 'third'])
    await settle()
    await third.result()
    expect(await scheduler.counts()).toMatchObject({ completed: 2, blocked: 0 })
  })

  test('and its successor is cancelled, the next one waits all the same', async () => {
    const { add } = await running('replace')
    await (await add('second')).cancel()
    expect((await add('third')).snapshot().state).toBe('blocked')
    await settle()
    expect(ran).toEqual(['first', 'third'])
  })

  test('`coalesce` merges into one successor', async () => {
    const { add } = await running('coalesce')
    const [second, third] = [await add('second'), await add('third')]
    expect([third.id, third.disposition]).toEqual([second.id, 'existing'])
    await settle()
    expect(ran).toEqual(['first', 'second+third'])
  })

  test('`debounce` runs the newest once after the window', async () => {
    const { scheduler, clock } = start()
    const { add } = dedupe(scheduler)
    await add.hold('first', of('debounce', 100))
    await pass(clock, 100)
    await add.hold('second', of('debounce', 100))
    await add.hold('third', of('debounce', 100))
    await pass(clock, 100)
    expect(ran).toEqual(['first', 'third'])
  })
})

describe('a key', () => {
  test('is free again when its job has ended, however it did', async () => {
    const { scheduler, add, disk } = start()
    await (await add.save('first', of('return'))).result()
    expect((await add.save('second', of('return'))).disposition).toBe('created')
    await scheduler.onIdle()
    scheduler.pause()
    for (const end of ['cancel', 'remove'] as const) {
      const job = await add.save('third', of('return'))
      expect(job.disposition).toBe('created')
      await scheduler[end](job.id)
    }
    await scheduler.counts()
    expect(keys(disk)).toEqual([])
  })

  test('is taken for its window, even if its job has ended, and is not left behind after that', async () => {
    for (const mode of ['return', 'reject', 'throttle'] as const) {
      const { add, clock, disk } = start()
      const first = await add.save('first', of(mode, 1_000))
      await first.result()
      await pass(clock, 999)
      const second = await add.save('second', of(mode, 1_000)).catch((error) => error.jobId)
      expect(mode === 'reject' ? second : second.id).toBe(first.id)
      await pass(clock, 1)
      await turns()
      expect(keys(disk)).toEqual([])
      expect((await add.save('third', of(mode, 1_000))).disposition).toBe('created')
    }
  })

  test('with `throttle` is free after the window, even if its job still waits', async () => {
    const { scheduler, add, clock } = start()
    scheduler.pause()
    await add.save('first', of('throttle', 1_000))
    await pass(clock, 1_000)
    expect((await add.save('second', of('throttle', 1_000))).disposition).toBe('created')
  })

  test('that another mode takes over leaves nobody waiting for ever', async () => {
    const { scheduler, add, clock } = start()
    await add.hold('first', of('replace'))
    await turns()
    const second = await add.hold('second', of('replace'))
    expect(second.snapshot().state).toBe('blocked')
    expect((await add.hold('third', of('throttle', 1_000))).disposition).toBe('created')
    await turns()
    expect(ran).toEqual(['first', 'third'])
    await settle()
    await settle()
    expect(ran).toEqual(['first', 'third', 'second'])
    await pass(clock, 1_000)
    expect(await scheduler.counts()).toMatchObject({ completed: 3, blocked: 0 })
  })

  test('is not left behind by a job that has ended and is run again', async () => {
    const { scheduler, add, clock, disk } = start()
    const job = await add.hold('first', of('return', 1_000))
    await turns()
    await job.cancel()
    expect(await scheduler.retry(job.id)).toBe(1)
    await turns()
    await pass(clock, 1_000)
    await settle()
    expect(keys(disk)).toEqual([])
  })

  test('is one of a job type', async () => {
    const { scheduler, add } = start()
    scheduler.pause()
    await add.save(1, of('return'))
    expect((await add.other(1, of('return'))).disposition).toBe('created')
    expect((await add.save(1, { dedupe: { key: 'another' } })).disposition).toBe('created')
    expect((await scheduler.add.save(1)).disposition).toBe('created')
  })

  test('does not come before the id of a job', async () => {
    const { scheduler, add } = start()
    scheduler.pause()
    const first = await add.save(1, { id: 'a', ...of('reject') })
    expect(await add.save(2, { id: 'a', ...of('reject') })).toMatchObject({
      id: 'a',
      disposition: 'existing',
      input: 1,
    })
    await first.cancel()
  })

  test('falls with its job when the store refuses that', async () => {
    const { add, disk } = start()
    disk.isFull = true
    await expect(add.save('first', of('return'))).rejects.toMatchObject({ code: 'STORE_WRITE_FAILED' })
    disk.isFull = false
    expect((await add.save('second', of('return'))).disposition).toBe('created')
    await turns()
    expect(ran).toEqual(['second'])
  })

  test('holds over a restart, and is free if its job ended while nobody looked', async () => {
    const disk = new Disk()
    const first = start({ disk })
    first.scheduler.pause()
    const [one, two] = [
      await first.add.save(1, { dedupe: { key: 'one' } }),
      await first.add.save(2, { dedupe: { key: 'two' } }),
    ]
    await first.scheduler.close({ mode: 'now' })
    const plain = createScheduler<typeof jobs>(inline(jobs), { store: disk.store } as never)
    plain.pause()
    await plain.cancel(two?.id as string)
    await plain.close({ mode: 'now' })
    const second = start({ disk })
    second.scheduler.pause()
    await second.scheduler.counts()
    await turns()
    expect(keys(disk)).toEqual(['key 4 save one', `job ${one?.id}`])
    expect((await second.add.save(3, { dedupe: { key: 'one' } })).id).toBe(one?.id)
    expect((await second.add.save(3, { dedupe: { key: 'two' } })).disposition).toBe('created')
  })

  test('that is taken for its window becomes free after a restart', async () => {
    const [disk, clock] = [new Disk(), manualClock()]
    const first = start({ disk, clock })
    await (await first.add.save(1, of('return', 1_000))).result()
    await first.scheduler.close({ mode: 'now' })
    start({ disk, clock })
    await turns()
    expect(keys(disk)).toEqual(['key 4 save k'])
    await pass(clock, 30_000)
    expect(keys(disk)).toEqual([])
  })

  test('is the same in every tab', async () => {
    const origin = new FakeOrigin()
    const [leader, follower] = [start({ tab: origin.openTab() }), start({ tab: origin.openTab() })]
    leader.scheduler.pause()
    await leader.scheduler.counts()
    const first = await follower.add.save('first', of('coalesce'))
    const second = await leader.add.save('second', of('coalesce'))
    expect([second.id, second.input]).toEqual([first.id, 'first+second'])
    leader.scheduler.resume()
    await first.result()
    expect(ran).toEqual(['first+second'])
    expect(origin.disk.problems).toEqual([])
  })
})

describe('a job that waits between two attempts', () => {
  const seenAfter = async (
    mode: 'debounce' | 'coalesce',
    handler: (input: unknown, job: JobContext) => Promise<unknown>,
  ) => {
    const [clock, seen] = [manualClock(), [] as unknown[]]
    const table = defineJobs({
      send: async (input: unknown, job: JobContext) => {
        seen.push([input, await handler(input, job), job.checkpointed])
        if (job.attempt === 1) throw new Error('again')
      },
    })
    const scheduler = createScheduler<typeof table>(inline(table), { clock, concurrency: 2 } as never)
    onTestFinished(() => scheduler.close({ mode: 'now' }))
    const { add } = dedupe(scheduler, { merge: (_waiting, added) => added })
    const options = { ...of(mode, 100), attempts: 3, backoff: [1_000] }
    await add.send('first', options)
    await pass(clock, 100)
    expect(seen).toHaveLength(1)
    const second = await add.send('second', options)
    for (let n = 0; n < 30; n++) await pass(clock, 100)
    await second.result()
    return seen.slice(1).map(String).sort()
  }

  test.each(['debounce', 'coalesce'] as const)('%s: keeps its input if it has recorded a step', async (mode) => {
    const seen = await seenAfter(mode, (input, job) => job.step('sent', () => `sent ${input}`))
    expect(seen).toEqual(expect.arrayContaining(['first,sent first,', 'second,sent second,']))
    expect(seen).not.toContain('second,sent first,')
  })

  test.each(['debounce', 'coalesce'] as const)('%s: keeps its input if it has a checkpoint', async (mode) => {
    const seen = await seenAfter(mode, (input, job) => job.checkpoint(input))
    expect(seen).not.toContain('second,,first')
  })

  test.each(['debounce', 'coalesce'] as const)(
    '%s: takes the newest input if it has recorded nothing',
    async (mode) => {
      expect(await seenAfter(mode, async () => '')).toEqual(['second,,'])
    },
  )
})

describe('the newest input', () => {
  const input = async (mode: 'debounce' | 'coalesce', versions: readonly [number | undefined, number | undefined]) => {
    const [disk, clock] = [new Disk(), manualClock()]
    const [before, now] = versions.map((version) => ({ disk, clock, defaults: { letter: { version } } }))
    const open = ({ defaults }: { defaults: object }) => {
      const letters = defineJobs({ letter: versioned(2, { 1: (to: unknown) => `${to}, brought up` }, (to) => to) })
      const scheduler = createScheduler<typeof letters>(inline(letters), {
        clock,
        store: disk.store,
        defaults,
      } as never)
      onTestFinished(() => scheduler.close({ mode: 'now' }))
      return { scheduler, ...dedupe(scheduler, { merge: (_waiting, added) => added }) }
    }
    const first = open(before as { defaults: object })
    await first.add.letter('first', of(mode, 1_000))
    await first.scheduler.close({ mode: 'now' })
    const job = await open(now as { defaults: object }).add.letter('second', of(mode, 1_000))
    expect(job.disposition).toBe('existing')
    await pass(clock, 1_000)
    return job.result()
  }

  test.each(['debounce', 'coalesce'] as const)('%s: comes with its version', async (mode) => {
    expect(await input(mode, [undefined, 2])).toBe('second')
    expect(await input(mode, [2, undefined])).toBe('second, brought up')
    expect(await input(mode, [2, 2])).toBe('second')
  })

  test.each(['debounce', 'coalesce'] as const)('%s: may be `undefined`', async (mode) => {
    const scheduler = createScheduler<typeof jobs>(inline(jobs), { clock: manualClock() } as never)
    onTestFinished(() => scheduler.close({ mode: 'now' }))
    const { add } = dedupe(scheduler, { merge: (_waiting, added) => added })
    await add.save('all of it', of(mode, 1_000))
    const job = await add.save(undefined, of(mode, 1_000))
    expect(job.input).toBe(undefined)
    ran = []
    await scheduler.promote(job.id)
    await job.result()
    expect(ran).toEqual([undefined])
  })
})

test('a type and a key are told apart, whatever is in them', async () => {
  const names = ['a', 'a b', 'a 3']
  const table = defineJobs(Object.fromEntries(names.map((name) => [name, () => name])))
  const scheduler = createScheduler<typeof table>(inline(table))
  onTestFinished(() => scheduler.close({ mode: 'now' }))
  const { add } = dedupe(scheduler)
  await scheduler.pause()
  const add1 = (name: string, key: string) => add[name]?.(undefined, { dedupe: { key } })
  const added = await Promise.all([add1('a', 'b c'), add1('a b', 'c'), add1('a 3', 'b c')])
  expect(added.map((job) => job?.disposition)).toEqual(['created', 'created', 'created'])
})

test('`windowMs` takes the place of the `delayMs` that the defaults of a type say', async () => {
  const { add, clock } = start({}, { defaults: { save: { delayMs: 60_000 } } } as never)
  const job = await add.save('x', of('debounce', 1_000))
  await pass(clock, 1_000)
  await job.result()
})

test.each([
  ['no options', undefined, '`options`'],
  ['no `dedupe`', {}, '`dedupe`'],
  ['no key', { dedupe: {} }, '`dedupe.key`'],
  ['an empty key', { dedupe: { key: '' } }, '`dedupe.key`'],
  ['an unknown mode', { dedupe: { key: 'k', mode: 'drop' } }, '`dedupe.mode`'],
  ['an unknown option', { dedupe: { key: 'k', ttl: 1 } }, '`dedupe.ttl`'],
  ['a window of nothing', { dedupe: { key: 'k', windowMs: 0 } }, '`dedupe.windowMs`'],
  ['`debounce` without a window', { dedupe: { key: 'k', mode: 'debounce' } }, '`dedupe.windowMs`'],
  ['`throttle` without a window', { dedupe: { key: 'k', mode: 'throttle' } }, '`dedupe.windowMs`'],
  ['`debounce` with another delay', { ...of('debounce', 5), delayMs: 9 }, '`delayMs`'],
  ['`coalesce` with another time', { ...of('coalesce', 5), runAt: 9 }, '`runAt`'],
])('%s is refused, and what is wrong is named', async (_what, options, words) => {
  const { scheduler, add } = start()
  const { code, message } = await add.save(1, options as never).catch((error) => error)
  expect([code, message]).toEqual(['INVALID_OPTION', expect.stringContaining(words)])
  expect(await scheduler.find()).toEqual([])
})

test('`coalesce` without `merge` is refused, and so is another `merge`', async () => {
  const scheduler = createScheduler<typeof jobs>(inline(jobs))
  onTestFinished(() => scheduler.close({ mode: 'now' }))
  const { add } = dedupe(scheduler)
  await expect(add.save(1, of('coalesce'))).rejects.toThrow('dedupe(scheduler, { merge })')
  const merge = (): unknown => 1
  dedupe(scheduler, { merge })
  expect(() => dedupe(scheduler, { merge: () => 2 })).toThrow(expect.objectContaining({ code: 'INVALID_OPTION' }))
  expect(() => dedupe(scheduler, { merge: 1 as never })).toThrow('`merge`')
  expect((await add.save(1, of('coalesce'))).disposition).toBe('created')
})

test('an occurrence of a schedule whose job has a key that is taken names the job that has it', async () => {
  const { scheduler, clock } = start()
  const fired: unknown[] = []
  scheduler.on('schedule:fired', ({ jobId }) => fired.push(jobId))
  const plan = schedules(scheduler)
  const options = { extensions: { dedupe: { key: 'k' } } }
  await plan.set('digest', { everyMs: 1_000, overlap: 'queue' }, { name: 'hold', input: 'digest', options })
  const held = await scheduler.add.hold('mine', { id: 'mine', ...options })
  await turns()
  for (let n = 0; n < 2; n++) await pass(clock, 1_000)
  expect(fired).toEqual(['mine', 'mine'])
  expect(await plan.trigger('digest')).toBe('mine')
  expect(await plan.get('digest')).toMatchObject({ count: 2, lastJobId: undefined })
  await settle()
  await held.result()
  await pass(clock, 1_000)
  const [, , own] = fired as string[]
  expect(own).toMatch(/^digest@/)
  expect(ran).toEqual(['mine', 'digest'])
  expect((await scheduler.get(own as string))?.snapshot().state).toBe('running')
})

test.each(['throttle', 'return'] as const)('%s: a wall clock that is set back makes no window longer', async (mode) => {
  const { add, clock } = start()
  const first = await add.save('first', of(mode, 1_000))
  await first.result()
  clock.setWall(clock.now() - 3_600_000)
  await pass(clock, 900)
  expect(await add.save('second', of(mode, 1_000))).toMatchObject({ id: first.id, disposition: 'existing' })
  await pass(clock, 200)
  const third = await add.save('third', of(mode, 1_000))
  expect(third.disposition).toBe('created')
  await third.result()
  expect(ran).toEqual(['first', 'third'])
})

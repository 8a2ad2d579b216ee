// What goes around the calls that add jobs.
import { type AddRequest, createScheduler, inline, type Middleware } from 'offstage'
import { dedupe } from 'offstage/dedupe'
import { defineJobs, type JobContext } from 'offstage/worker'
import { describe, expect, onTestFinished, test } from 'vitest'
import { turn } from '../support/testing.ts'

const jobs = defineJobs({
  echo: (data: unknown) => data,
  headers: (_: unknown, { headers }: JobContext) => ({ ...headers }),
})

function start(middleware: readonly Middleware[], options: object = {}) {
  const scheduler = createScheduler<typeof jobs>(inline(jobs), { middleware, ...options })
  onTestFinished(() => scheduler.close({ mode: 'now' }))
  return scheduler
}

/** Writes down when it is entered and left. */
const logged = (name: string, log: string[]): Middleware => ({
  async add(request, next) {
    log.push(`${name} begins`)
    const job = await next()
    log.push(`${name} has ${request.name}`)
    return job
  },
})

const tenant: Middleware = {
  name: 'tenant',
  add: ({ options, ...request }, next) => next({ ...request, options: { ...options, headers: { tenant: 'a' } } }),
}

describe('middleware', () => {
  test('goes around each call that adds, the first outermost', async () => {
    const log: string[] = []
    const scheduler = start([logged('one', log), logged('two', log)])
    const expected = ['one begins', 'two begins', 'two has echo', 'one has echo']
    expect(await scheduler.run.echo(1)).toBe(1)
    expect(log.splice(0)).toEqual(expected)
    await scheduler.add.echo(1)
    expect(log.splice(0)).toEqual(expected)
    await dedupe(scheduler).add.echo(1, { dedupe: { key: 'a' } })
    expect(log.splice(0)).toEqual(expected)
    const many = await scheduler.addMany([{ name: 'echo', input: 5 }])
    expect(await many[0]?.result()).toBe(5)
    expect(log.splice(0)).toEqual(expected)
  })

  test('may change what is added', async () => {
    const scheduler = start([tenant])
    expect(await scheduler.run.headers(0)).toEqual({ tenant: 'a' })
    const many = await scheduler.addMany(
      ['a', 'b'].map((id) => ({ name: 'headers' as const, input: 0, options: { id } })),
    )
    expect(many.map(({ id }) => id)).toEqual(['a', 'b'])
    expect(await many[1]?.result()).toEqual({ tenant: 'a' })
  })

  test('may wait before it goes on, and several jobs are still one commit', async () => {
    let release = () => {}
    const released = new Promise<void>((resolve) => {
      release = resolve
    })
    const seen: AddRequest[] = []
    const scheduler = start([
      {
        async add(request, next) {
          seen.push(request)
          if (request.input === 2) await released
          return next()
        },
      },
    ])
    const adding = scheduler.addMany([1, 2, 3].map((input) => ({ name: 'echo' as const, input })))
    await turn()
    expect([seen.length, (await scheduler.find()).length]).toEqual([3, 0])
    release()
    expect((await adding).map(({ input }) => input)).toEqual([1, 2, 3])
  })

  test('may return another job, and add none', async () => {
    const scheduler = start([{ add: async (request, next) => (await scheduler.get('there')) ?? next(request) }])
    const first = await scheduler.add.echo(1, { id: 'there' })
    const second = await scheduler.add.echo(2)
    expect(second.id).toBe(first.id)
    expect((await scheduler.addMany([{ name: 'echo', input: 3 }]))[0]?.id).toBe('there')
    expect(await scheduler.find()).toHaveLength(1)
  })

  test('may go on twice', async () => {
    const scheduler = start([
      {
        async add(request, next) {
          await next()
          return next(request)
        },
      },
    ])
    await scheduler.addMany([{ name: 'echo', input: 1 }])
    await scheduler.add.echo(1)
    expect(await scheduler.find()).toHaveLength(4)
  })

  test('that throws fails the call, which names it; nothing is added', async () => {
    const cause = new Error('no tenant')
    const refuse: Middleware = {
      name: 'quota',
      add(request, next) {
        if (request.input === 2) throw cause
        return next()
      },
    }
    const scheduler = start([tenant, refuse])
    const refused = { code: 'MIDDLEWARE_FAILED', message: "The middleware 'quota' has failed: Error: no tenant", cause }
    await expect(scheduler.add.echo(2)).rejects.toMatchObject(refused)
    await expect(scheduler.run.echo(2)).rejects.toMatchObject(refused)
    const two = [1, 2].map((input) => ({ name: 'echo' as const, input }))
    await expect(scheduler.addMany(two)).rejects.toMatchObject(refused)
    expect(await scheduler.find()).toEqual([])
    await expect(start([{ add: refuse.add as never }]).add.echo(2)).rejects.toThrow("The middleware '1' has failed")
  })

  test('that throws for one of several jobs lets none of the others come later', async () => {
    let release = () => {}
    const released = new Promise<void>((resolve) => {
      release = resolve
    })
    const refuse: Middleware = {
      async add(request, next) {
        if (request.input === 2) throw new Error('no')
        await released
        return next()
      },
    }
    const scheduler = start([refuse])
    const adding = scheduler.addMany([1, 2].map((input) => ({ name: 'echo' as const, input })))
    const refused = expect(adding).rejects.toMatchObject({ code: 'MIDDLEWARE_FAILED' })
    await turn()
    release()
    await refused
    expect(await scheduler.find()).toEqual([])
  })

  test.each<[string, Middleware['add']]>([
    ['undefined', (_, next) => void next() as never],
    ['5', (_, next) => next().then(() => 5 as never)],
    ['undefined', () => undefined as never],
  ])('that returns no job but %s fails the call, which names it', async (what, add) => {
    const scheduler = start([{ name: 'forgetful', add }])
    const message = expect.stringMatching(`'forgetful' has failed: .* return a job, got ${what}`)
    const refused = { code: 'MIDDLEWARE_FAILED', message }
    await expect(scheduler.add.echo(1)).rejects.toMatchObject(refused)
    await expect(scheduler.run.echo(1)).rejects.toMatchObject(refused)
    await expect(scheduler.addMany([{ name: 'echo', input: 1 }])).rejects.toMatchObject(refused)
  })

  test('passes on why a job was not added', async () => {
    const log: string[] = []
    const scheduler = start([logged('one', log)], { maxQueued: 1 })
    scheduler.pause()
    const two = [1, 2].map((input) => ({ name: 'echo' as const, input }))
    await expect(scheduler.addMany(two)).rejects.toMatchObject({ code: 'QUEUE_FULL' })
    await expect(scheduler.add.echo(() => {})).rejects.toMatchObject({ code: 'DATA_CLONE' })
    await expect(scheduler.run.echo(1, { attempts: 0 })).rejects.toMatchObject({ code: 'INVALID_OPTION' })
  })

  test.each([undefined, {}, [null], [{ name: 42 }], [{ name: 'echo', option: {} }]])(
    'leaves it to `addMany` to refuse %j',
    async (jobs) => {
      const scheduler = start([{ add: (request, next) => next(request) }])
      await expect(scheduler.addMany(jobs as never)).rejects.toMatchObject({ code: 'INVALID_OPTION' })
    },
  )

  test('that makes no sense is refused', () => {
    expect(() => start([{ add: 1 as never }])).toThrow('`middleware.add`')
    expect(() => start([{ ad: () => {} } as never])).toThrow('There is no option `middleware.ad`')
    expect(() => start({} as never)).toThrow('`middleware`')
  })
})

// What crosses between threads, and into a store: the data that a value shows, no more and no less, and nothing that the
// other side could not read.
import { fileStore } from 'offstage/file'
import { idbStore } from 'offstage/idb'
import { describe, expect, onTestFinished, test } from 'vitest'
import { isBrowser, isNode, places, start, temporaryFolder } from '../support/testing.ts'

const folder = isBrowser ? '' : temporaryFolder()
let stores = 0
const run = Math.random().toString(36).slice(2)
const durable = () => (isBrowser ? idbStore(`values-${run}-${stores++}`) : fileStore(`${folder}/${stores++}`))
const keepings = [
  ['in memory', () => ({})],
  ['stored', () => ({ store: durable() })],
] as const

const nested = (levels: number): unknown => {
  let value: unknown = 'core'
  for (let level = 0; level < levels; level++) value = level % 2 ? [value] : { value }
  return value
}
const failure = (settling: Promise<unknown>): Promise<Error & Record<string, unknown>> =>
  settling.then(
    (value) => expect.unreachable(`resolved with ${String(value)}`),
    (error) => error,
  )

describe.each(places)('on %s', (place) => {
  describe.each(keepings)('%s', (_keeping, options) => {
    const begin = () => {
      const scheduler = start(place, 'values', options())
      const exits: unknown[] = []
      scheduler.on('worker:exit', (event) => exits.push(event))
      return { scheduler, exits }
    }

    test.each([2_000, 5_000, 20_000])('an input nested %i levels is refused by its place', async (levels) => {
      const { scheduler } = begin()
      for (const value of [nested(levels), new Map([['key', nested(levels)]])]) {
        const error = await failure(scheduler.run.echo({ value }))
        expect(error.code).toBe('DATA_CLONE')
        expect(error.message).toMatch(/`input\.value\S+…` is nested more than 1000 levels deep/)
      }
    })

    test('a thousand levels within a value cross', async () => {
      const { scheduler } = begin()
      expect(JSON.stringify(await scheduler.run.echo(nested(1_001)))).toBe(JSON.stringify(nested(1_001)))
    })

    test.each([
      ['result', 'make'],
      ['value', 'send'],
      ['checkpoint', 'keep'],
      ["value of step 'made'", 'step'],
    ] as const)('a %s that is nested too deep fails its own job alone', async (what, name) => {
      const { scheduler, exits } = begin()
      const [error, neighbour] = await Promise.all([
        failure(scheduler.run[name]('deep')),
        scheduler.run.echo('neighbour'),
      ])
      expect(error.code).toBe('DATA_CLONE')
      expect(error.message).toContain(`The ${what} cannot be copied to another thread`)
      expect(neighbour).toBe('neighbour')
      expect(exits).toEqual([])
    })

    test('what must not fail says in a few words that it is nested too deep', async () => {
      const { scheduler, exits } = begin()
      const logs: unknown[] = []
      scheduler.on('log', ({ args }) => logs.push(args))
      expect(await scheduler.run.report('deep')).toBe('reported')
      expect(await scheduler.run.log('deep')).toBe('logged')
      expect(logs).toEqual([
        ['Progress that cannot be copied to another thread was left out:', expect.any(String)],
        ['a', 'an array of 1'],
      ])
      expect(await failure(scheduler.run.throw('deep'))).toBe('an array of 1')
      expect(await failure(scheduler.run.throw('deepCause'))).toMatchObject({
        message: 'deep',
        cause: 'an array of 1',
      })
      expect(await failure(scheduler.run.throw('deepField'))).toMatchObject({
        message: 'deep',
        detail: 'an array of 1',
      })
      expect(exits).toEqual([])
    })

    test('an abort with a reason that is nested too deep reaches its job', async () => {
      const { scheduler, exits } = begin()
      const controller = new AbortController()
      const reason = nested(5_000)
      const running = scheduler.run.reason(undefined, {
        signal: controller.signal,
        onProgress: () => controller.abort(reason),
      })
      expect(await failure(running)).toBe(reason)
      expect(await scheduler.run.echo('next')).toBe('next')
      expect(exits).toEqual([])
    })

    test('of a buffer only the window goes, however deep it is', async () => {
      const { scheduler } = begin()
      const slab = new Uint8Array(10_000).fill(115)
      const window = (at = 24) => new Uint8Array(slab.buffer, at, 3)
      expect(await scheduler.run.sizes([window(), window(101), new DataView(slab.buffer, 5_000, 8)])).toEqual([3, 3, 8])
      const deep = {
        list: [window()],
        map: new Map([[1, new Set([window()])]]),
        error: new Error('x', { cause: window() }),
      }
      const echoed = (await scheduler.run.echo(deep)) as typeof deep
      const [first] = echoed.map.get(1) as Set<Uint8Array<ArrayBuffer>>
      for (const view of [echoed.list[0], first]) {
        expect(view).toEqual(window())
        expect(view?.buffer.byteLength).toBe(3)
      }
    })

    test.each(['make', 'keep'] as const)('of a buffer only the window comes back: %s', async (name) => {
      const { scheduler } = begin()
      const result = await scheduler.run[name]('windows', { attempts: 2 })
      for (const value of [result].flat() as {
        list: [Uint8Array]
        map: Map<string, Set<Uint8Array>>
        box: { content: Uint8Array }
      }[]) {
        const [inSet] = value.map.get('key') as Set<Uint8Array>
        for (const view of [value.list[0], inSet, value.box.content]) {
          expect(view).toEqual(new Uint8Array([115, 115, 115]))
          expect(view?.buffer.byteLength).toBe(3)
        }
      }
    })

    test('of a buffer in an error only the window comes back', async () => {
      const { scheduler } = begin()
      const error = await failure(scheduler.run.throw('windowField'))
      const { bytes, more } = error as never as { bytes: Uint8Array; more: { bytes: Uint8Array } }
      expect([bytes.buffer.byteLength, more.bytes.buffer.byteLength]).toEqual([3, 3])
    })

    test('views that touch or overlap still share what they show; a buffer that is shown in full stays whole', async () => {
      const { scheduler } = begin()
      const buffer = new ArrayBuffer(64)
      const view = (at: number, length: number) => new Uint8Array(buffer, at, length)
      expect(await scheduler.run.areShared([view(8, 8), view(12, 8)])).toBe(true)
      expect(await scheduler.run.areShared([view(8, 8), view(16, 8)])).toBe(true)
      expect(await scheduler.run.areShared([view(8, 8), view(17, 8)])).toBe(false)
      expect(await scheduler.run.sizes([view(3, 4), new Float64Array(buffer, 8, 1)])).toEqual([4, 8])
      const whole = (await scheduler.run.echo({ buffer, part: view(8, 4) })) as {
        buffer: ArrayBuffer
        part: Uint8Array
      }
      expect(whole.part.buffer).toBe(whole.buffer)
      expect(whole.buffer.byteLength).toBe(64)
    })

    test('what is moved is moved whole', async () => {
      const { scheduler } = begin()
      const bytes = new Uint8Array(64)
      const [size] = await scheduler.run.sizes([bytes.subarray(8, 16)], { transfer: [bytes.buffer] })
      expect(size).toBe(64)
      expect(bytes.byteLength).toBe(0)
    })

    test('a thrown object arrives with what of it can be copied', async () => {
      const { scheduler } = begin()
      expect(await failure(scheduler.run.throw('plain'))).toEqual({
        code: 404,
        retry: 'a function',
        request: { path: '/a', socket: 'an object (Promise)' },
        bytes: new Uint8Array([115, 115, 115]),
      })
    })

    test('an error that throws when it is looked at arrives as an error, as far as it can be read', async () => {
      const { scheduler } = begin()
      const uneasy = await failure(scheduler.run.throw('uneasy'))
      expect(uneasy).toBeInstanceOf(RangeError)
      expect(uneasy).toMatchObject({
        message: 'out of reach',
        cause: 'something unreadable',
        detail: 'something unreadable',
      })
      const proxied = await failure(scheduler.run.throw('proxied'))
      expect(proxied).toBeInstanceOf(TypeError)
      expect(proxied.message).toBe('behind a proxy')
      expect(await failure(scheduler.run.throw('constructor'))).toMatchObject({ name: 'Error', message: 'odd' })
    })

    test('a DOMException is kept wherever it is in a value', async () => {
      const { scheduler } = begin()
      const exception = new DOMException('gone', 'NotFoundError')
      const value = { list: [exception], map: new Map([['why', exception]]) }
      const echoed = (await scheduler.run.echo(value)) as typeof value
      for (const arrived of [echoed.list[0], echoed.map.get('why')]) {
        expect(arrived).toBeInstanceOf(DOMException)
        expect([arrived?.name, arrived?.message, arrived?.code]).toEqual(['NotFoundError', 'gone', 8])
      }
      expect(await scheduler.run.echo(exception)).toBeInstanceOf(DOMException)
    })

    test('a FormData arrives as one where the platform can copy it, and is refused by its place elsewhere', async () => {
      const { scheduler } = begin()
      const outcome = await scheduler.run.echo({ value: [new FormData()] }).catch((error: unknown) => error)
      if (outcome instanceof Error) expect(outcome.message).toContain('input.value[0]')
      else expect((outcome as { value: unknown[] }).value[0]).toBeInstanceOf(FormData)
    })

    test.each(['URL', 'Headers', 'Response', 'URLSearchParams', 'AbortController', 'TextEncoder'] as const)(
      'a %s is refused by its place',
      async (name) => {
        const { scheduler } = begin()
        const Class = globalThis[name] as unknown as new (argument?: string) => object
        const value = [name === 'URL' ? new Class('https://a.example/') : new Class()]
        const error = await failure(scheduler.run.echo({ value }))
        expect(error.code).toBe('DATA_CLONE')
        expect(error.message).toContain('input.value[0]')
      },
    )

    test('a signal has the reason that it was aborted with, as it was thrown', async () => {
      const { scheduler } = begin()
      const reasonOf = async (id: string, reason: unknown) => {
        const channel = new BroadcastChannel(`offstage-reason-${id}`)
        // Not before: in Deno one that is opened at that moment would hear nothing.
        onTestFinished(() => channel.close())
        const arrived = new Promise<unknown>((resolve) => {
          channel.onmessage = ({ data }: MessageEvent) => resolve(data)
        })
        const controller = new AbortController()
        const running = scheduler.run.reason(undefined, {
          id,
          signal: controller.signal,
          onProgress: () => controller.abort(reason),
        })
        expect(await failure(running)).toBe(reason)
        return arrived
      }
      const id = `${place}-${_keeping}-${run}`
      expect(await reasonOf(`${id}-1`, new DOMException('late', 'TimeoutError'))).toMatchObject({
        isDomException: true,
        name: 'TimeoutError',
        message: 'late',
        code: 23,
      })
      expect(
        await reasonOf(`${id}-2`, Object.assign(new TypeError('odd'), { code: 'E_ODD', detail: { at: 1 } })),
      ).toMatchObject({
        isTypeError: true,
        message: 'odd',
        code: 'E_ODD',
        detail: { at: 1 },
      })
    })

    test.each([
      ['', false],
      ['k', true],
      ['漢'.repeat(1_024), true],
      ['k'.repeat(1_025), false],
      ['k'.repeat(5e6), false],
      ['offstage:mine', false],
    ])('the key of a step has from 1 to 1,024 characters: %.9s…', async (key, isTaken) => {
      const { scheduler } = begin()
      const running = scheduler.run.stepWith(key)
      if (isTaken) return expect(await running).toBe('made')
      const error = await failure(running)
      expect(error.code).toBe('INVALID_OPTION')
      expect(error.message).toContain(
        'Expected `key` to be a string of 1 to 1024 characters that does not begin with `offstage:`',
      )
      expect(await scheduler.run.echo('next')).toBe('next')
    })

    test.each(['made', undefined])('a step has a function, not %j', async (fn) => {
      const { scheduler } = begin()
      const error = await failure(scheduler.run.stepOf(fn))
      expect(error).toMatchObject({ code: 'INVALID_OPTION', message: expect.stringContaining('`fn`') })
    })

    test('a step that failed runs again within the attempt; one that runs is shared', async () => {
      const { scheduler } = begin()
      expect(await scheduler.run.tryAgain()).toEqual([['rejected', 'rejected'], 'run 2', 3, 3, 3])
    })
  })
})

test.runIf(isNode)('a Buffer leaves its pool behind, and arrives as a Uint8Array', async () => {
  const place = `${folder}/pool`
  const scheduler = start('threads', 'values', { store: fileStore(place) })
  const other = Buffer.from('password=hunter2')
  const [size] = await scheduler.run.sizes([Buffer.from('abc')])
  expect(size).toBe(3)
  const echoed = await scheduler.run.echo(Buffer.from('abc'))
  expect(Object.getPrototypeOf(echoed)).toBe(Uint8Array.prototype)
  await scheduler.close()
  const { readFileSync } = process.getBuiltinModule('node:fs')
  const journal = readFileSync(`${place}/journal`)
  expect(journal.includes(other)).toBe(false)
  expect(journal.length).toBeLessThan(1_000)
})

test('an error that is too large is stored shortened', async () => {
  const make = isBrowser
    ? () => idbStore(`values-${run}-huge`, { valueBytesMax: 10_000 })
    : () => fileStore(`${folder}/huge`, { valueBytesMax: 10_000 })
  const first = start('threads', 'values', { store: make() })
  const job = await first.add.throw('huge', { id: 'huge' })
  const error = await failure(job.result())
  expect(error.message).toHaveLength(100_000)
  await first.close()
  const second = start('threads', 'values', { store: make() })
  const stored = await second.get('huge').then((found) => failure(found?.result() as Promise<unknown>))
  expect(stored).toBeInstanceOf(RangeError)
  expect(stored.message).toMatch(/^m{600,}… \(100000 characters in all\)$/)
  expect(stored.code).toBe('E_HUGE')
  expect(stored.cause).toMatch(/^'c+…'$/)
  expect(stored.dump).toBe('an object (Uint8Array)')
})

// Inline jobs in a place that hides what Node has, as Jest's jsdom does, or that mixes its own events with Node's signals.
import { fileURLToPath } from 'node:url'
import { createContext, runInContext } from 'node:vm'
import { build } from 'esbuild'
import type * as offstage from 'offstage'
import type * as testing from 'offstage/testing'
import type * as worker from 'offstage/worker'
import { beforeAll, describe, expect, test } from 'vitest'

type Library = typeof offstage & typeof worker & typeof testing

const root = fileURLToPath(new URL('../..', import.meta.url))
let code: string
beforeAll(async () => {
  const names = ['index', 'worker', 'testing']
  const contents = names.map((name) => `export * from './src/${name}.ts'`).join('\n')
  const { outputFiles } = await build({
    stdin: { contents, resolveDir: root },
    bundle: true,
    write: false,
    format: 'iife',
    globalName: 'library',
    platform: 'neutral',
    external: ['node:*'],
    alias: { offstage: `${root}src/index.ts`, 'offstage/worker': `${root}src/worker.ts` },
  })
  code = outputFiles[0]?.text as string
})

/** The library in a realm of its own, with its own document. */
function loadWith(globals: object): Library {
  const { setTimeout, clearTimeout, performance, console } = globalThis
  const place = createContext({ process, setTimeout, clearTimeout, performance, console, ...globals })
  // Like jsdom's: it takes signals of its own realm only.
  runInContext(
    `class Target {
       listeners = new Set()
       addEventListener(type, listener, options) {
         if (options?.signal) throw new TypeError('parameter 3 dictionary has member signal that is not of type AbortSignal')
         this.listeners.add(listener)
       }
       removeEventListener(type, listener) { this.listeners.delete(listener) }
     }
     globalThis.document = new Target()
     globalThis.page = new Target()
     globalThis.addEventListener = (...args) => page.addEventListener(...args)
     globalThis.removeEventListener = (...args) => page.removeEventListener(...args)`,
    place,
  )
  return Object.assign(runInContext(`${code}; library`, place), { place })
}

describe.each([
  ['without MessageChannel and structuredClone, as in jsdom', {}],
  ['with those of Node, as in jest-fixed-jsdom', { MessageChannel, structuredClone, AbortController, AbortSignal }],
])('%s', (_name, globals) => {
  const load = () => {
    const library = loadWith({ AbortController, AbortSignal, ...globals }) as Library & { place: typeof globalThis }
    const jobs = library.defineJobs({
      double: (value: number) => value * 2,
      echo: (value: unknown) => value,
      *count() {
        for (let n = 1; n < 4; n++) yield n
        return 'done'
      },
      // So long that it lets messages arrive in between.
      *long() {
        for (const end = performance.now() + 20; performance.now() < end; ) yield
        return 'long'
      },
    })
    return { ...library, jobs }
  }

  test('jobs run, and nothing is left behind', async () => {
    const { createScheduler, inline, jobs, place } = load()
    const scheduler = createScheduler<typeof jobs>(inline(jobs))
    expect(await scheduler.run.double(21)).toBe(42)
    expect(await scheduler.run.count()).toBe('done')
    expect(await scheduler.run.long()).toBe('long')
    const value = { when: new Date(5), map: new Map([[1, [new Uint8Array([1, 2])]]]) }
    expect(await scheduler.run.echo(value)).toEqual(value)
    await expect(scheduler.run.echo(() => {})).rejects.toMatchObject({ code: 'DATA_CLONE' })
    await scheduler.close()
    const { document, page } = place as never as Record<'document' | 'page', { listeners: Set<unknown> }>
    expect([document.listeners.size, page.listeners.size]).toEqual([0, 0])
  })

  test('an input can be moved', async () => {
    const { createScheduler, inline, jobs } = load()
    const scheduler = createScheduler<typeof jobs>(inline(jobs))
    const bytes = new Uint8Array([1, 2, 3])
    expect(await scheduler.run.echo(bytes, { transfer: [bytes.buffer] })).toEqual(new Uint8Array([1, 2, 3]))
    expect(bytes.byteLength).toBe(0)
    await scheduler.close()
  })

  test('with `manualClock`, too', async () => {
    const { createScheduler, inline, jobs, manualClock } = load()
    const clock = manualClock()
    const scheduler = createScheduler<typeof jobs>(inline(jobs), { clock })
    const job = await scheduler.add.double(21, { delayMs: 1_000 })
    clock.advance(1_000)
    expect(await job.result()).toBe(42)
    await scheduler.close()
  })
})

// The saga of docs/workflows/flows.md keeps its promises, whenever its process ends. (test/node/docs.test.ts runs the recipe itself.)
import { readFileSync } from 'node:fs'
import { transform } from 'esbuild'
import * as offstage from 'offstage'
import * as flows from 'offstage/flows'
import type { JobContext } from 'offstage/worker'
import * as worker from 'offstage/worker'
import { describe, expect, test, vi } from 'vitest'
import { manualClock } from '../../src/shared/manual-clock.ts'
import type { Change, Store } from '../../src/store/store.ts'
import { Disk } from '../support/full-store.ts'
import { turn } from '../support/testing.ts'

/** The code of the page. */
const page = readFileSync(new URL('../../docs/workflows/flows.md', import.meta.url), 'utf8')
const code = page.match(/^```ts part=saga\n([\s\S]*?)^```$/m)?.[1]
const modules = { ...offstage, ...flows, ...worker }

/** Runs code with these names in place of imports. */
async function evaluate(code: string, names: Readonly<Record<string, unknown>>): Promise<unknown> {
  const source = code.replace(/^import .*$/gm, '')
  const { code: plain } = await transform(`async function recipe() {${source}}`, { loader: 'ts', target: 'es2022' })
  const run = new Function(...Object.keys(names), `${plain}\nreturn recipe()`)
  return run(...Object.values(names))
}

type Act = (key: string, fn: () => unknown) => Promise<unknown>
type Saga = (
  job: JobContext,
  run: (act: Act, onUndo: (key: string, fn: () => unknown) => void) => Promise<unknown>,
) => Promise<unknown>

describe('a saga', () => {
  const steps = ['reserve', 'charge', 'ship', 'tell']
  const undone = [...steps.slice(0, 3)].reverse().map((step) => `undo ${step}`)
  const settle = async () => {
    for (let n = 0; n < 12; n++) await turn()
  }

  /** Each step has a way back, and the last one fails the first time that it runs; so does an undo, if one is named. */
  async function sagaWith(failing: readonly string[]) {
    const saga = (await evaluate(`${code}\nreturn saga`, modules)) as Saga
    const ran: string[] = []
    const run = (what: string) => {
      ran.push(what)
      if (failing.includes(what) && ran.indexOf(what) === ran.length - 1) throw new Error(`no ${what}`)
    }
    const jobs = worker.defineJobs({
      order: (_: undefined, job: JobContext) =>
        saga(job, async (act, onUndo) => {
          for (const step of steps) {
            await act(step, () => run(step))
            onUndo(`undo ${step}`, () => run(`undo ${step}`))
          }
        }),
    })
    return { ran, jobs }
  }

  const options = { id: 'o', attempts: 9 }
  const failed = { message: 'All is undone, because of tell: Error: no tell' }

  test('whose process ends behind any batch does what failed once, and undoes all that was done, in reverse', async () => {
    let ends = 0
    for (let batches = 1; ends === batches - 1; batches++) {
      const { ran, jobs } = await sagaWith(['tell'])
      const disk = new Disk()
      let left = batches
      const commit = (changes: readonly Change[]) =>
        left-- > 0 ? disk.store.commit(changes) : new Promise<void>(() => {})
      const open = (store: Store) => {
        const clock = manualClock()
        return {
          clock,
          scheduler: offstage.createScheduler<typeof jobs>(offstage.inline(jobs), { store, workers: 1, clock }),
        }
      }
      const first = open({ ...disk.store, commit })
      void first.scheduler.add.order(undefined, options).catch(() => {})
      await settle()
      if (left < 0) ends++
      const { clock, scheduler } = open(disk.store)
      const job = await scheduler.add.order(undefined, options)
      const ending = job.result().catch((error: unknown) => error)
      // What ran when the process ended runs on trial.
      for (let n = 0; n < 8; n++) {
        clock.advance(1_000)
        await settle()
      }
      const why = `after ${batches} batches: ${ran}`
      // The step that failed may run again only if its failure was not recorded, and succeed.
      if (ran.filter((what) => what === 'tell').length === 2) {
        expect(await ending, why).toBeUndefined()
        expect(
          ran.some((what) => what.startsWith('undo')),
          why,
        ).toBe(false)
      } else {
        expect(await ending, why).toMatchObject(failed)
        const undos = ran.filter((what) => what.startsWith('undo'))
        expect(
          undos.filter((what, index) => what !== undos[index - 1]),
          why,
        ).toEqual(undone)
        expect(ran.length, why).toBeLessThanOrEqual(steps.length + undone.length + 1)
      }
      await scheduler.close({ mode: 'now' })
    }
    expect(ends).toBeGreaterThan(8)
  })

  test('whose undo fails goes on with it in the next attempt', async () => {
    const { ran, jobs } = await sagaWith(['tell', 'undo charge'])
    const scheduler = offstage.createScheduler<typeof jobs>(offstage.inline(jobs))
    await expect(scheduler.run.order(undefined, options)).rejects.toMatchObject(failed)
    expect(ran).toEqual([...steps, 'undo ship', 'undo charge', 'undo charge', 'undo reserve'])
    await scheduler.close()
  })

  test('that is cancelled, or whose time is over, undoes nothing', async () => {
    const { ran, jobs } = await sagaWith([])
    const saga = (await evaluate(`${code}\nreturn saga`, modules)) as Saga
    const slow = worker.defineJobs({
      ...jobs,
      slow: (_: undefined, job: JobContext) =>
        saga(job, async (act, onUndo) => {
          await act('first', () => ran.push('first'))
          onUndo('undo first', () => ran.push('undo first'))
          await act('second', async () => {
            ran.push('second')
            await new Promise((_resolve, reject) =>
              job.signal.addEventListener('abort', () => reject(job.signal.reason)),
            )
          })
        }),
    })
    const scheduler = offstage.createScheduler<typeof slow>(offstage.inline(slow))
    const job = await scheduler.add.slow(undefined)
    await vi.waitFor(() => expect(ran).toEqual(['first', 'second']))
    await job.cancel()
    await settle()
    expect(ran).toEqual(['first', 'second'])
    await scheduler.close()
  })
})

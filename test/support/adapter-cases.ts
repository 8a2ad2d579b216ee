// What must hold in every framework: one suite, run on each adapter in the framework itself.
import {
  createScheduler,
  inline,
  type JobSnapshot,
  type Scheduler,
  type SchedulerOptions,
  type WatchFilter,
} from 'offstage'
import { idbStore } from 'offstage/idb'
import type { JobCalls, JobState, UseJobOptions } from 'offstage/react'
import { defineJobs, type JobContext } from 'offstage/worker'
import { describe, expect, onTestFinished, test } from 'vitest'
import { heard } from './testing.ts'

/** How the suite uses a framework: each function mounts a component that uses a hook and renders its text. */
export interface Framework {
  mountJob(target: Element, scheduler: StageScheduler, options: UseJobOptions): MountedJob
  mountJobs(target: Element, scheduler: StageScheduler, filter: WatchFilter<'work'>): MountedJobs
  mountScheduler(target: Element, scheduler: StageScheduler): Mounted
}

interface Mounted {
  unmount(): void
}

interface MountedJob extends Mounted, JobCalls<Table, 'work'> {
  /** What the hook returned last. */
  read(): JobState
  /** Renders the component with these options. */
  update(options: UseJobOptions): void
}

interface MountedJobs extends Mounted {
  /** What the hook returned last. */
  read(): readonly JobSnapshot[]
  /** Renders the component with this filter. */
  update(filter: WatchFilter<'work'>): void
}

type Table = ReturnType<typeof stage>['jobs']
type StageScheduler = Scheduler<Table>

const beforeMounted = 'idle - - -'

/** A scheduler whose jobs wait until the test lets them go on, and which counts what is open on it. */
export function stage(options: SchedulerOptions<never> = {}) {
  let open = () => {}
  const gate = new Promise<void>((resolve) => {
    open = resolve
  })
  const runs: number[] = []
  const jobs = defineJobs({
    async work(value: number, job: JobContext<number>) {
      runs.push(value)
      job.progress(value / 100)
      await Promise.race([gate, aborted(job.signal)])
      if (value < 0 && job.attempt === 1) throw new RangeError(`not ${value}`)
      return value * 2
    },
    async other() {},
  })
  const scheduler = createScheduler<typeof jobs>(inline(jobs), { workers: 1, concurrency: 10, ...options } as never)
  onTestFinished(() => scheduler.close({ mode: 'now' }))
  const counter = { open: 0 }
  return { jobs, runs, open, scheduler: counting(scheduler, counter), counter }
}

const aborted = (signal: AbortSignal) =>
  new Promise<never>((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason)))

/** The same object, but everything that is subscribed to on it, and on the jobs that it returns, is counted until it is stopped. */
function counting<Target extends object>(target: Target, counter: { open: number }): Target {
  const opened = <Stop extends () => void>(stop: Stop): Stop => {
    counter.open++
    let isOpen = true
    return ((...args: []) => {
      if (isOpen) counter.open--
      isOpen = false
      return stop(...args)
    }) as Stop
  }
  const result = (name: PropertyKey, value: unknown): unknown => {
    if (value instanceof Promise) return value.then((resolved) => result(name, resolved))
    if (name === 'subscribe' || name === 'on') return opened(value as () => void)
    if (name === 'watch') {
      const list = value as ReturnType<Scheduler['watch']>
      return { ...list, close: opened(list.close) }
    }
    return typeof value === 'object' && value !== null && 'subscribe' in value ? counting(value, counter) : value
  }
  const functions = new Map<PropertyKey, unknown>()
  return new Proxy(target, {
    get(_target, name) {
      if (functions.has(name)) return functions.get(name)
      const value = Reflect.get(target, name, target)
      if (name === 'add') return counting(value as object, counter)
      if (typeof value !== 'function') return value
      // The same one each time, as those of a scheduler are.
      functions.set(name, (...args: unknown[]) => result(name, value.apply(target, args)))
      return functions.get(name)
    },
  })
}

/** An element of the page, gone when the test is over. */
export function place(): Element {
  const element = document.body.appendChild(document.createElement('div'))
  onTestFinished(() => element.remove())
  return element
}

/** Waits until the element shows this text. */
export function shows(element: Element, text: string | RegExp): Promise<void> {
  return new Promise((resolve) => {
    const look = () => {
      const shown = element.textContent
      if (typeof text === 'string' ? shown !== text : !text.test(shown)) return
      observer.disconnect()
      resolve()
    }
    const observer = new MutationObserver(look)
    observer.observe(element, { childList: true, characterData: true, subtree: true })
    look()
  })
}

/** Unmounts when the test is over, unless the test has done it. */
function unmountedAtEnd<Component extends Mounted>(mounted: Component): Component {
  let isMounted = true
  const unmount = () => {
    if (isMounted) mounted.unmount()
    isMounted = false
  }
  onTestFinished(unmount)
  return { ...mounted, unmount }
}

export function adapterCases(name: string, framework: Framework): void {
  const mountJob = (scheduler: StageScheduler, options: UseJobOptions = {}) => {
    const element = place()
    const mounted = unmountedAtEnd(framework.mountJob(element, scheduler, options))
    return { ...mounted, shows: (text: string | RegExp) => shows(element, text) }
  }

  describe(`useJob of ${name}`, () => {
    test('a job from its start to its result', async () => {
      const { scheduler, open } = stage()
      const job = mountJob(scheduler)
      await job.shows(beforeMounted)
      const started = await job.start(7)
      await job.shows('running 0.07 - -')
      open()
      await job.shows('completed 0.07 14 -')
      expect(await started?.result()).toBe(14)
    })

    test('an error keeps its class, and a retry runs the job again', async () => {
      const { scheduler, open, runs } = stage()
      open()
      const job = mountJob(scheduler)
      await job.start(-1)
      await job.shows('failed -0.01 - RangeError: not -1')
      expect(job.read().error).toBeInstanceOf(RangeError)
      expect(await job.retry()).toBe(true)
      await job.shows('completed -0.01 -2 -')
      expect(runs).toEqual([-1, -1])
      expect(await job.retry()).toBe(false)
    })

    test('a job that is refused shows why, and nothing is thrown', async () => {
      const { scheduler } = stage()
      const job = mountJob(scheduler)
      expect(await job.start((() => {}) as never)).toBeUndefined()
      await job.shows(/^failed - - OffstageError: /)
      expect(job.read().error).toMatchObject({ code: 'DATA_CLONE' })
      expect([await job.cancel(), await job.retry()]).toEqual([false, false])
    })

    test('a job is cancelled, also one that is just being added', async () => {
      const { scheduler } = stage()
      const job = mountJob(scheduler)
      await job.start(1)
      await job.shows('running 0.01 - -')
      expect(await job.cancel()).toBe(true)
      await job.shows(/^cancelled 0.01 - OffstageError: /)
      expect(job.read().error).toMatchObject({ code: 'JOB_CANCELLED' })
      void job.start(2)
      expect(await job.cancel()).toBe(true)
      expect(await scheduler.counts()).toMatchObject({ cancelled: 2, running: 0 })
    })

    test('the newest start is shown, and the job before it is cancelled', async () => {
      const { scheduler, open } = stage()
      const job = mountJob(scheduler)
      const first = await job.start(1)
      await job.shows('running 0.01 - -')
      const second = await job.start(2)
      await job.shows('running 0.02 - -')
      await expect(first?.result()).rejects.toMatchObject({ code: 'JOB_CANCELLED' })
      open()
      expect(await second?.result()).toBe(4)
    })

    test('the job before it goes on if it is kept', async () => {
      const { scheduler, open } = stage()
      const job = mountJob(scheduler, { keep: true })
      const first = await job.start(1)
      await job.start(2)
      await job.shows('running 0.02 - -')
      open()
      await job.shows('completed 0.02 4 -')
      expect(await first?.result()).toBe(2)
    })

    test('unmounting cancels, and leaves nothing behind', async () => {
      const { scheduler, counter } = stage()
      const job = mountJob(scheduler, { id: 'a' })
      await job.start(1)
      await job.shows('running 0.01 - -')
      const cancelled = heard(scheduler, 'cancelled')
      expect(counter.open).toBeGreaterThan(1)
      job.unmount()
      expect(await cancelled).toMatchObject({ jobId: 'a' })
      expect(counter.open).toBe(0)
    })

    test('unmounting while the job is being added cancels it, too', async () => {
      const { scheduler } = stage()
      const job = mountJob(scheduler)
      await job.shows(beforeMounted)
      const cancelled = heard(scheduler, 'cancelled')
      const starting = job.start(1)
      job.unmount()
      expect(await cancelled).toMatchObject({ jobId: (await starting)?.id })
    })

    test('a job that is kept goes on, and the next component takes it up', async () => {
      const { scheduler, open, runs } = stage()
      const before = mountJob(scheduler, { id: 'a', keep: true })
      await before.start(3)
      await before.shows('running 0.03 - -')
      before.unmount()
      const after = mountJob(scheduler, { id: 'a', keep: true })
      await after.shows('running 0.03 - -')
      open()
      await after.shows('completed 0.03 6 -')
      expect(runs).toEqual([3])
    })

    test('whether it is kept may change', async () => {
      const { scheduler, open } = stage()
      const job = mountJob(scheduler)
      const started = await job.start(1)
      await job.shows('running 0.01 - -')
      job.update({ keep: true })
      await frame()
      job.unmount()
      open()
      expect(await started?.result()).toBe(2)
    })

    test('after a reload, the job of the id is shown without a start', async () => {
      const name = `adapters-${performance.timeOrigin}-${performance.now()}`
      const before = stage({ store: idbStore(name) })
      await before.scheduler.add.work(5, { id: 'a' })
      await heard(before.scheduler, 'started')
      await before.scheduler.close({ mode: 'now' })
      const after = stage({ store: idbStore(name) })
      const job = mountJob(after.scheduler, { id: 'a' })
      await job.shows('running 0.05 - -')
      after.open()
      await job.shows('completed 0.05 10 -')
    })

    test('two components show one job, which is cancelled when the last of them is gone', async () => {
      const { scheduler, runs } = stage()
      const one = mountJob(scheduler, { id: 'a' })
      const other = mountJob(scheduler, { id: 'a' })
      await one.start(1)
      await Promise.all([one.shows('running 0.01 - -'), other.shows('running 0.01 - -')])
      one.unmount()
      const handle = await scheduler.get('a')
      expect(handle?.snapshot().state).toBe('running')
      const cancelled = heard(scheduler, 'cancelled')
      other.unmount()
      expect(await cancelled).toMatchObject({ jobId: 'a' })
      expect(runs).toEqual([1])
    })

    test('however many components wait for jobs of their ids, they share one listener', async () => {
      const { scheduler, open, counter } = stage()
      const first = mountJob(scheduler, { id: 'a' })
      await first.shows(beforeMounted)
      await frame()
      const before = counter.open
      const others = ['a', 'a', 'b'].map((id) => mountJob(scheduler, { id }))
      const free = mountJob(scheduler)
      await frame()
      expect(counter.open).toBe(before)
      await scheduler.add.work(1, { id: 'a' })
      await scheduler.add.work(2, { id: 'b' })
      await Promise.all([first, ...others.slice(0, 2)].map((each) => each.shows('running 0.01 - -')))
      await others[2]?.shows('running 0.02 - -')
      open()
      for (const each of [first, ...others]) each.unmount()
      await frame()
      expect([before, counter.open]).toEqual([1, 0])
      free.unmount()
    })

    test('a job that no component has started is not cancelled by those that show it', async () => {
      const { scheduler, open } = stage()
      const added = await scheduler.add.work(1, { id: 'a' })
      const job = mountJob(scheduler, { id: 'a' })
      await job.shows('running 0.01 - -')
      job.unmount()
      await scheduler.get('a')
      open()
      expect(await added.result()).toBe(2)
    })

    test('a job of another type with this id is not shown', async () => {
      const { scheduler } = stage()
      await scheduler.run.other(undefined, { id: 'a' })
      const job = mountJob(scheduler, { id: 'a' })
      await job.start(1)
      await job.shows(/^failed - - OffstageError: /)
      expect(job.read().error).toMatchObject({ code: 'DUPLICATE_ID' })
    })

    test('a job of an id is started once while it runs, and replaced when it has ended', async () => {
      const { scheduler, open, runs } = stage()
      const job = mountJob(scheduler, { id: 'a' })
      await Promise.all([job.start(1), job.start(2)])
      await job.shows('running 0.01 - -')
      open()
      await job.shows('completed 0.01 2 -')
      await job.start(3)
      await job.shows('completed 0.03 6 -')
      expect(runs).toEqual([1, 3])
    })

    test('an ended job is replaced also by a start that comes before it is shown', async () => {
      const { scheduler, open, runs } = stage()
      open()
      await scheduler.run.work(1, { id: 'a' })
      const job = mountJob(scheduler, { id: 'a' })
      await job.start(2)
      await job.shows('completed 0.02 4 -')
      expect(runs).toEqual([1, 2])
    })

    test('a new id is another job, and the one before it is left as by unmounting', async () => {
      const { scheduler, counter } = stage()
      await scheduler.add.work(2, { id: 'b' })
      const job = mountJob(scheduler, { id: 'a' })
      await job.start(1)
      await job.shows('running 0.01 - -')
      const cancelled = heard(scheduler, 'cancelled')
      job.update({ id: 'b' })
      await job.shows('running 0.02 - -')
      expect(await cancelled).toMatchObject({ jobId: 'a' })
      await job.start(3) // of `b` now, which runs
      job.update({ id: 'c' })
      await job.shows(beforeMounted)
      job.unmount()
      await frame()
      expect(counter.open).toBe(0)
    })

    test('the same id again changes nothing', async () => {
      const { scheduler, open } = stage()
      const job = mountJob(scheduler)
      await job.start(1)
      await job.shows('running 0.01 - -')
      job.update({})
      await frame()
      expect(await scheduler.counts()).toMatchObject({ running: 1 })
      open()
      await job.shows('completed 0.01 2 -')
    })
  })

  describe(`useJobs of ${name}`, () => {
    const mountJobs = (scheduler: StageScheduler, filter: WatchFilter<'work'>) => {
      const element = place()
      const mounted = unmountedAtEnd(framework.mountJobs(element, scheduler, filter))
      return { ...mounted, shows: (text: string) => shows(element, text) }
    }

    test('the list is live, and closed when the component is gone', async () => {
      const { scheduler, open, counter } = stage()
      await scheduler.add.work(1, { id: 'a' })
      const jobs = mountJobs(scheduler, { name: 'work' })
      await jobs.shows('a:running:0.01')
      await scheduler.add.work(2, { id: 'b' })
      await jobs.shows('a:running:0.01 b:running:0.02')
      open()
      await jobs.shows('a:completed:0.01 b:completed:0.02')
      jobs.unmount()
      await frame()
      expect(counter.open).toBe(0)
    })

    test('it stays the same array while nothing changes, and an equal filter is no other', async () => {
      const { scheduler } = stage()
      await scheduler.add.work(1, { id: 'a', tags: ['x'] })
      const jobs = mountJobs(scheduler, { tag: 'x' })
      await jobs.shows('a:running:0.01')
      const before = jobs.read()
      await scheduler.run.other()
      jobs.update({ tag: 'x' })
      await frame()
      expect(jobs.read()).toBe(before)
    })

    test('another filter is another list', async () => {
      const { scheduler, counter } = stage()
      await scheduler.add.work(1, { id: 'a', tags: ['x'] })
      await scheduler.add.work(2, { id: 'b', tags: ['y'] })
      const jobs = mountJobs(scheduler, { tag: 'x' })
      await jobs.shows('a:running:0.01')
      const { open } = counter
      jobs.update({ tag: 'y' })
      await jobs.shows('b:running:0.02')
      await frame()
      expect(counter.open).toBe(open)
    })
  })

  test(`useScheduler of ${name} is live`, async () => {
    const { scheduler, open, counter } = stage()
    const element = place()
    const mounted = unmountedAtEnd(framework.mountScheduler(element, scheduler))
    await shows(element, '0 running, 0 completed, idle')
    await scheduler.add.work(1)
    await shows(element, '1 running, 0 completed')
    open()
    await shows(element, '0 running, 1 completed, idle')
    mounted.unmount()
    await frame()
    expect(counter.open).toBe(0)
  })
}

/** Every framework has rendered, and run its effects, by the frame after the next. */
export const frame = (): Promise<void> =>
  new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(() => resolve())))

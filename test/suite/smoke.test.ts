import { createScheduler, inline } from 'offstage'
import { describe, expect, test } from 'vitest'
import { jobs } from '../fixtures/jobs.ts'
import { jobsWorker } from '../support/workers.ts'

describe.each([
  ['thread', () => jobsWorker()],
  ['inline', () => inline(jobs)],
] as const)('%s', (_n, source) => {
  test('runs', async () => {
    const scheduler = createScheduler<typeof jobs>(source(), { workers: 2 })
    expect(await scheduler.run.double(21)).toBe(42)
    expect(await scheduler.run.later(5)).toBe('later')
    const seen: unknown[] = []
    expect(await scheduler.run.count({ upTo: 100 }, { onProgress: (p) => seen.push(p) })).toBe(100)
    expect(seen.at(-1)).toBe(100)
    expect(await scheduler.run.context()).toMatchObject({ name: 'context', attempt: 1, isAborted: false })
    expect(await scheduler.run.resume(undefined, { attempts: 3 })).toBe(20)
    expect(await scheduler.run.steps(undefined, { attempts: 2 })).toHaveLength(2)
    await expect(scheduler.run.fail('bad')).rejects.toThrow(TypeError)
    const job = await scheduler.add.send(100)
    const got: number[] = []
    for await (const v of job.values()) got.push(v)
    expect(got).toHaveLength(100)
    const many = await Promise.all(Array.from({ length: 1000 }, (_, i) => scheduler.run.double(i)))
    expect(many[999]).toBe(1998)
    const f = await scheduler.add.forever()
    await f.cancel('enough')
    await expect(f.result()).rejects.toMatchObject({ code: 'JOB_CANCELLED' })
    await scheduler.onIdle()
    await scheduler.close()
  })
})

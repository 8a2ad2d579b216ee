// The seam for extensions: rows and moves of their own, in one commit with the move that they follow from.
import { createScheduler, type EventMap, inline, type OffstageError } from 'offstage'
import { type Extension, type ExtensionHost, extend, type JobRecord, type Move } from 'offstage/extension'
import { manualClock } from 'offstage/testing'
import { defineJobs } from 'offstage/worker'
import { describe, expect, onTestFinished, test } from 'vitest'
import type { Change } from '../../src/store/store.ts'
import { Disk } from '../support/full-store.ts'
import { turn as turnOfLoop } from '../support/testing.ts'

const jobs = defineJobs({
  double: (n: number) => n * 2,
  fail: () => {
    throw new RangeError('no')
  },
  wait: (_: unknown, { signal }) => new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve())),
})

type Options = Parameters<typeof createScheduler>[1]

function start(options: Options = {}) {
  const scheduler = createScheduler<typeof jobs>(inline(jobs), { concurrency: 4, ...options })
  onTestFinished(() => scheduler.close({ mode: 'now' }))
  return scheduler
}

/** Hears of everything, and does what the test says. */
function probe(more: Partial<Extension<Record<string, never>>> & { name?: string } = {}) {
  const heard: string[] = []
  let host: ExtensionHost | undefined
  const extension: Extension = {
    name: 'probe',
    moves: new Set<Move>(['insert', 'start', 'complete', 'fail', 'cancel', 'removed', 'replaced', 'retry', 'unblock']),
    moved: (turn, before, after, move) => {
      heard.push(`${move} ${(after ?? before)?.id}`)
      turn.put((after ?? (before as JobRecord)).id, after?.state)
    },
    open: (given) => {
      host = given
      return {}
    },
    ...(more as object),
  }
  return {
    extension,
    heard,
    get host() {
      return host as ExtensionHost
    },
  }
}

const rowsOf = (disk: Disk) => Object.fromEntries([...disk.rows.values()].map(({ key, value }) => [key, value]))

/** A disk that keeps each batch. */
class Recorder extends Disk {
  readonly batches: (readonly Change[])[] = []

  override get store() {
    const { store, batches } = { store: super.store, batches: this.batches }
    return { ...store, commit: (changes: readonly Change[]) => (batches.push([...changes]), store.commit(changes)) }
  }
}

describe('an extension hears of moves', () => {
  test.each(['memory', 'disk'])('and what it writes is committed with them (%s)', async (kind) => {
    const disk = new Recorder()
    const scheduler = start(kind === 'disk' ? { store: disk.store } : {})
    const { extension, heard, host } = await opened(scheduler, probe())
    expect(await scheduler.run.double(4, { id: 'a' })).toBe(8)
    expect(heard).toEqual(['insert a', 'start a', 'complete a'])
    expect([...host.rows]).toEqual([['a', 'completed']])
    expect(extend(scheduler, extension)).toBe(extend(scheduler, extension))
    if (kind === 'memory') return
    expect(rowsOf(disk)).toEqual({ a: 'completed' })
    for (const batch of disk.batches) {
      const moved = batch.filter(({ after }) => after).map(({ after }) => after?.state)
      const rows = batch.flatMap(({ rows = [] }) => rows).map(({ value }) => value)
      expect(rows).toEqual(moved)
    }
  })

  test('of scope `marked` only of the jobs that it has marked', async () => {
    const { extension, heard, host } = probe({ scope: 'marked' } as never)
    const scheduler = start()
    extend(scheduler, extension)
    void host
    await scheduler.run.double(1, { id: 'unmarked' })
    expect(heard).toEqual([])
  })

  test('and what it tells is emitted when that is committed', async () => {
    const disk = new Recorder()
    const scheduler = start({ store: disk.store })
    const { extension } = probe({
      events: ['probe:done'],
      moves: new Set<Move>(['complete']),
      moved: (turn, _before, after) => turn.tell({ type: 'probe:done', id: after?.id, batches: disk.batches.length }),
    } as never)
    extend(scheduler, extension)
    const events: unknown[] = []
    scheduler.on('probe:done' as keyof EventMap, (event) => events.push({ ...event, now: disk.batches.length }))
    await scheduler.run.double(1, { id: 'a' })
    await turnOfLoop()
    expect(events).toMatchObject([{ type: 'probe:done', id: 'a' }])
    const [{ batches, now }] = events as [{ batches: number; now: number }]
    expect(now).toBe(batches + 1)
  })
})

async function opened<Probe extends { extension: Extension; host: ExtensionHost; heard: string[] }>(
  scheduler: ReturnType<typeof start>,
  made: Probe,
): Promise<Probe> {
  extend(scheduler, made.extension)
  await scheduler.counts()
  return { ...made, extension: made.extension, heard: made.heard, host: made.host }
}

void manualClock
void (undefined as OffstageError | undefined)

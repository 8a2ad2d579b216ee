// The tiles of the web demo, each a job: what becomes of them while the view moves.
import { createScheduler, inline } from 'offstage'
import { defineJobs } from 'offstage/worker'
import { expect, onTestFinished, test, vi } from 'vitest'
import { TileQueue } from '../../demo/web/tile-queue.ts'
import type { Tile } from '../../demo/web/tiles.ts'
import { defer } from '../../src/shared/deferred.ts'

// Both need a page.
vi.mock(import('../../demo/web/tiles.ts'), () => ({ inputOf: ({ key }: Tile) => key }) as never)
vi.mock(import('../../demo/web/stage.ts'), () => ({ unlessSuperseded: expect.fail }) as never)

test('one that is out of view before it is added does not take along those that it came with', async () => {
  const scheduler = createScheduler(inline(defineJobs({ tile: (key: string) => key })))
  onTestFinished(() => scheduler.close())
  const drawn: string[] = []
  const allSettled = defer<void>()
  const queue = new TileQueue({
    onTile: ({ key }) => void drawn.push(key),
    onChange: () => [...queue.pending].length === 0 && allSettled.resolve(),
  })
  const want = (...keys: string[]) => {
    const tiles = new Map(keys.map((key) => [key, { key } as Tile]))
    queue.want(tiles, () => 0, { scheduler, signal: new AbortController().signal } as never)
  }
  // A page so busy that each look at the clock is a long time after the one before.
  let now = 0
  vi.spyOn(performance, 'now').mockImplementation(() => {
    now += 10
    return now
  })
  onTestFinished(() => void vi.restoreAllMocks())
  want('a', 'b', 'c')
  want('a', 'c', 'd')
  await allSettled.promise
  expect(drawn.sort()).toEqual(['a', 'c', 'd'])
  expect(queue.counts).toEqual({ completed: 3, cancelled: 1 })
})

// Extensions: their commands are typed, and so is what they tell.
import { createScheduler } from 'offstage'
import { type Extension, extend, type Turn } from 'offstage/extension'
import { expectType } from './expect-type.ts'
import type { jobs } from './jobs.ts'

declare module 'offstage' {
  interface EventMap {
    'tally:counted': {
      readonly type: 'tally:counted'
      readonly seq: number
      readonly at: number
      readonly name: string
    }
  }
}

const tally: Extension<{ of(name: string): Promise<number> }> = {
  name: 'tally',
  moves: new Set(['complete', 'removed']),
  events: ['tally:counted'],
  moved(turn, before, after) {
    expectType<Turn>()(turn)
    turn.put((after ?? before)?.name ?? '', 1)
    turn.move('a', { type: 'cancel', reason: 'enough' })
    // @ts-expect-error -- only the engine starts jobs.
    turn.move('a', { type: 'start' })
  },
  open: ({ rows }) => ({ of: async (name) => (rows.get(name) as number | undefined) ?? 0 }),
}

const scheduler = createScheduler<typeof jobs>('./jobs.js')
const { of } = extend(scheduler, tally)
expectType<Promise<number>>()(of('resize'))
// @ts-expect-error -- it takes a name.
of(5)
scheduler.on('tally:counted', ({ name }) => expectType<string>()(name))
// @ts-expect-error -- nobody tells that.
scheduler.on('tally:forgotten', () => {})

export const wrong: Extension = {
  name: 'wrong',
  // @ts-expect-error -- no such move.
  moves: new Set(['finish']),
  open: () => ({}),
}

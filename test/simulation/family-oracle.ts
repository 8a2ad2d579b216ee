/**
 * Jobs that run jobs: a child is added while its parent waits for it, what is recorded of its end is how it ended, nobody waits for
 * one that has ended, and none runs on when its parent has ended. A child of an earlier job with the id of the parent is another.
 */
import type { Step } from '../../src/engine/steps.ts'
import { isTerminal, type JobRecord, parentHeader } from '../../src/job/record.ts'
import { childrenKey, doneKey, fellKey, type Outcome, type Wait, waitingKey, waitsOf } from '../../src/job/waits.ts'
import { isOf } from './kinds.ts'
import type { Stats } from './stats.ts'
import { assert } from './truth.ts'

type Model = ReadonlyMap<number, JobRecord>

export class FamilyOracle {
  readonly #stats: Stats
  /** By number: children that were retried by hand when their parent had ended. They run for nobody. */
  readonly #freed = new Set<number>()

  constructor(stats: Stats) {
    this.#stats = stats
  }

  judge({ type, before, after }: Step, model: Model): void {
    if (type === 'insert' && after && isOf(after, 'child')) this.#judgeInsert(after, model)
    if (type === 'retry' && after && isOf(after, 'child')) this.#judgeRetry(after, model)
    if (before?.steps?.has(childrenKey) && after && type !== 'complete') this.#judgeEnds(before, after, model)
  }

  #judgeInsert(child: JobRecord, model: Model): void {
    this.#stats.count('families: children added')
    const [parent, key] = parentOf(child, model)
    // One that cannot be added, or has ended, wakes the parent before the others are added.
    const waits = parent?.steps?.get(waitingKey(parent.attempt)) as readonly Wait[] | undefined
    const isAwaited = waits?.some(([kind, each]) => kind === 'child' && each === key)
    assert(isAwaited === true, 'F1', () => `'${child.id}' is added, and nobody waits for it`)
    const isDone = parent?.steps?.has(doneKey(key)) === true
    assert(!isDone, 'F1', () => `'${child.id}' is added again, and its result is recorded`)
  }

  #judgeRetry(child: JobRecord, model: Model): void {
    const [parent] = parentOf(child, model)
    this.#stats.count('families: retried')
    if (!parent || isTerminal(parent.state)) this.#freed.add(child.seq)
  }

  /** Another job has its id: one that the same id of another parent has run. */
  judgeReplaced(before: JobRecord, steps: readonly Step[]): void {
    const after = steps.find(({ type, after }) => type === 'insert' && after?.id === before.id)?.after as JobRecord
    const isOther = after.rules.headers?.[parentHeader] !== before.rules.headers?.[parentHeader]
    assert(isOther && isTerminal(before.state), 'F1', () => `'${before.id}' is replaced by one of the same parent`)
    this.#stats.count('families: children of an earlier job')
  }

  /** What a move of a parent says of the ends of its children. */
  #judgeEnds(before: JobRecord, after: JobRecord, model: Model): void {
    if (before.steps === after.steps) return
    for (const [, key] of waitsOf(before) ?? []) {
      const there = [...model.values()].find(({ id }) => id === `${before.id}/${key}`)
      const child = there && parentOf(there, model)[0]?.seq === before.seq ? there : undefined
      const [kind, result] = (after.steps?.get(doneKey(key)) as Outcome | undefined) ?? []
      if (kind === 'child' && !before.steps?.has(doneKey(key))) {
        const isSo = child?.state === 'completed' && child.result === result
        assert(isSo, 'F2', () => `a result of '${before.id}/${key}' is recorded while it is ${child?.state}`)
        this.#stats.count('families: results recorded')
      }
      const hasFallen = after.steps?.has(fellKey(after.attempt, key)) && !before.steps?.has(fellKey(after.attempt, key))
      if (!hasFallen) continue
      const isFallen = !child || child.state === 'failed' || child.state === 'cancelled'
      assert(isFallen, 'F2', () => `'${before.id}/${key}' is said to have failed while it is ${child?.state}`)
      this.#stats.count(child ? 'families: fell' : 'families: refused')
    }
  }

  judgeBatch(model: Model): void {
    for (const record of model.values()) {
      if (isOf(record, 'child') && !isTerminal(record.state)) {
        const [parent] = parentOf(record, model)
        const isWanted = parent && !isTerminal(parent.state)
        assert(
          isWanted || this.#freed.has(record.seq),
          'F3',
          () => `'${record.id}' is ${record.state}, and its parent has ended`,
        )
      }
      for (const [kind, key] of waitsOf(record) ?? []) {
        if (kind !== 'child' || record.steps?.has(doneKey(key))) continue
        const child = [...model.values()].find(({ id }) => id === `${record.id}/${key}`)
        const isThere = child && parentOf(child, model)[0] === record && !isTerminal(child.state)
        assert(isThere === true, 'F4', () => `'${record.id}' waits for '${key}', which is ${child?.state}`)
      }
    }
  }
}

/** Returns the job that has run this one, if it is there, and the key that it knows it by. */
function parentOf({ id, rules }: JobRecord, model: Model): [parent: JobRecord | undefined, key: string] {
  const [seq, ...name] = (rules.headers?.[parentHeader] ?? '').split(' ')
  const parent = model.get(Number(seq))
  const parentId = name.join(' ')
  return [parent?.id === parentId ? parent : undefined, id.slice(parentId.length + 1)]
}

import { type JobRecord, type Rules, states } from '../../src/job/record.ts'
import { withStep } from '../../src/job/steps.ts'
import type { Row } from '../../src/store/store.ts'
import type { Chance } from './chance.ts'

const sharedRules: Rules = { attempts: 3, backoff: undefined, timeoutMs: undefined, keepMs: undefined, tags: [] }

/** Any record at all, possible or not: a store does not care. */
export function randomRecord(chance: Chance, seq: number): JobRecord {
  const at = 1_700_000_000_000 + seq * 7
  return {
    id: `job ${seq}`,
    name: chance.of(['a', 'b', '__proto__']),
    queue: chance.of(['default', 'ü€']),
    group: chance.of([undefined, undefined, '', 'ü€']),
    rules: chance.is(0.7)
      ? sharedRules
      : {
          ...sharedRules,
          backoff: { type: 'fixed', delayMs: seq },
          timeoutMs: seq,
          tags: ['x', String(seq)],
          marks: ['flows'],
        },
    input: chance.value(seq),
    state: chance.of(states),
    priority: chance.of([0, 0, 5, -1.5]),
    dueAt: at + chance.int(1000),
    seq,
    attempt: chance.int(3),
    failures: chance.int(3),
    interruptions: chance.int(3),
    crashes: chance.int(3),
    addedAt: at,
    runAt: chance.is(0.3) ? at + 5 : undefined,
    expiresAt: chance.is(0.3) ? at + 6 : undefined,
    startMs: chance.is(0.3) ? 7 : undefined,
    finishMs: chance.is(0.3) ? 8 : undefined,
    result: undefined,
    error: undefined,
    checkpoint: undefined,
    steps: undefined,
  }
}

/** A few fields are different. */
export function randomUpdate(chance: Chance, before: JobRecord, tag: number): JobRecord {
  switch (chance.int(7)) {
    case 0:
      return { ...before, state: 'completed', result: chance.value(tag), finishMs: tag }
    case 1:
      return { ...before, state: 'failed', error: new TypeError(`error ${tag}`), failures: before.failures + 1 }
    case 2:
      return { ...before, steps: withStep(before.steps, `step ${tag}`, chance.value(tag, 50)) }
    case 3:
      return { ...before, checkpoint: chance.value(tag) }
    case 4:
      return { ...before, priority: tag, dueAt: before.dueAt - tag, runAt: undefined }
    case 5:
      return { ...before, state: 'running', attempt: before.attempt + 1, startMs: tag }
    default:
      return {
        ...before,
        interruptions: before.interruptions + 1,
        crashes: before.crashes + 1,
        expiresAt: undefined,
        steps: undefined,
      }
  }
}

/** Rows of two extensions, written, written again and gone. */
export function randomRows(chance: Chance, tag: number): Row[] {
  return Array.from({ length: chance.int(4) }, () => ({
    table: chance.of(['flows', '__proto__']),
    key: `row ${chance.int(12)}`,
    value: chance.is(0.3) ? undefined : chance.is(0.2) ? tag : (chance.value(tag, 200) ?? null),
  }))
}

/** The same record with a blob in it, new or one that it has already in another place. */
export function withBlob(chance: Chance, record: JobRecord, tag: number): JobRecord {
  const { input, checkpoint } = record
  switch (chance.int(5)) {
    case 0:
      return { ...record, checkpoint: chance.blob(tag) }
    case 1:
      return { ...record, steps: withStep(record.steps, `step ${tag}`, chance.blob(tag)) }
    case 2:
      return { ...record, result: chance.of([input, checkpoint]) }
    case 3:
      return { ...record, result: chance.blob(tag), checkpoint: undefined }
    default:
      return { ...record, input: chance.blob(tag) }
  }
}

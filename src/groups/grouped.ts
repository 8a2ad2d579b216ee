import { weightCheck } from '../job/group-weight.ts'
import type { LineOptions } from '../queue/line.ts'
import type { RateLimit } from '../queue/rate-limit.ts'
import { rateLimitCheck } from '../queue/rate-limit-check.ts'
import * as check from '../shared/check.ts'
import { OffstageError } from '../shared/errors.ts'
import { isObject } from '../shared/show.ts'
import { type GroupRules, Groups } from './groups.ts'

/** The limits of each group of a queue. A value out of range is refused with `INVALID_OPTION`, which names the option. */
export interface GroupOptions {
  /** How many jobs of one group run at a time. Default: no limit but those of the queue. */
  readonly concurrency?: number | undefined
  /** How many jobs of one group start in a span of time. Default: any number. */
  readonly rateLimit?: RateLimit | undefined
  /**
   * How many jobs a group starts in its turn, from 1 to 1,000: a number for all groups, a table by group in which the others have
   * 1, or a function. The function is called when a group begins to wait, by the scheduler that runs the jobs. If it throws, that
   * is reported on `error`, and the group has 1. Default 1.
   */
  readonly weight?: number | { readonly [group: string]: number } | ((group: string) => number) | undefined
  /**
   * Runs the jobs of one group one after the other, each only once the one before has ended for good: a job that waits for its
   * next attempt holds up those behind it. Default `false`: these go on meanwhile.
   */
  readonly strict?: boolean | undefined
}

const weights: check.Check = (value) =>
  typeof value === 'function' ||
  weightCheck(value) === undefined ||
  (isObject(value) && !Array.isArray(value) && Object.values(value).every((each) => weightCheck(each) === undefined))
    ? undefined
    : `${weightCheck(0)}, an object of these by group, or a function`

const groupChecks: check.Checks = {
  concurrency: check.integerOrInfinity(1),
  rateLimit: rateLimitCheck,
  weight: weights,
  strict: (value) => (typeof value === 'boolean' ? undefined : 'a boolean'),
}

/**
 * Makes the options of a queue whose jobs belong to groups, by their option `group`. Groups take turns, so a user's 100,000 jobs
 * do not hold up another's one, and each has limits of its own. Priorities count within a group only.
 *
 * Jobs without a group take turns as if they were one more group, which has no limits of its own.
 *
 * @param options The limits of each group.
 * @param queue The limits of the whole queue, beside those of its groups. Default: none.
 * @returns What goes to `queues` of `createScheduler`.
 * @throws `INVALID_OPTION`
 *
 * @example
 * ```ts
 * const scheduler = createScheduler<typeof jobs>(source, {
 *   queues: { mail: grouped({ concurrency: 1, rateLimit: { limit: 10, intervalMs: 60_000 } }, { concurrency: 20 }) },
 * })
 * await scheduler.add.sendMail(mail, { queue: 'mail', group: `user:${userId}` })
 * scheduler.queue('mail').group('user:7').pause()
 * ```
 */
export function grouped(
  options: GroupOptions = {},
  queue: LineOptions & { readonly order?: undefined } = {},
): LineOptions {
  const given = check.copyOptions(options, groupChecks)
  const { strict = false, concurrency = strict ? 1 : Number.POSITIVE_INFINITY, rateLimit } = given
  if (strict && concurrency > 1)
    throw new OffstageError(
      'INVALID_OPTION',
      `Expected \`concurrency\` to be 1 beside \`strict\`, got \`${concurrency}\`.`,
    )
  check.checkArgument('queue', check.object, queue)
  check.checkArgument(
    'queue.order',
    (value) => (value ? 'left out: a queue is grouped once' : undefined),
    (queue as LineOptions).order,
  )
  const rules: GroupRules = { concurrency, rateLimit, weightOf: weightsOf(given.weight), isStrict: strict }
  return { ...queue, order: (host) => new Groups(host, rules) }
}

function weightsOf(given: GroupOptions['weight'] = 1): (group: string) => number {
  if (typeof given === 'number') return () => given
  if (typeof given === 'object') return (group) => (Object.hasOwn(given, group) ? (given[group] as number) : 1)
  return (group) => {
    const chosen = given(group)
    check.checkArgument(`weight('${group}')`, weightCheck, chosen)
    return chosen
  }
}

import { knownVersion, versionOf } from '../job/version.ts'
import { signalsAwaited, waitsOf } from '../job/waits.ts'
import type { Pool } from '../pool/pool.ts'
import type { Limiter } from '../queue/limiter.ts'
import { isBefore } from '../queue/order.ts'
import { show } from '../shared/show.ts'
import type { WaitReason } from './engine.ts'
import type { Jobs } from './jobs.ts'
import type { LiveJob } from './live-job.ts'

type KnownJobs = Pick<Jobs, 'clock' | 'dashboard' | 'index' | 'lines'>

/** No more jobs than this are counted that go before a job. */
const aheadMax = 10_000

/** Returns everything that keeps a job from starting now; an empty array if the job does not wait. */
export function whyWaiting(
  job: LiveJob,
  { clock, dashboard, index, lines }: KnownJobs,
  pool: Pool<LiveJob>,
): WaitReason[] {
  const { state, queue, runAt, failures, crashes, name, rules } = job.record
  const reasons: WaitReason[] = []
  const say = (reason: WaitReason['reason'], detail: string) => reasons.push({ reason, detail })
  const isQueued = state === 'queued'
  if (!isQueued && state !== 'scheduled' && state !== 'blocked') return reasons

  if (state === 'scheduled') {
    const when = `in ${Math.max(0, Math.ceil((runAt as number) - clock.now()))} ms at the earliest.`
    if (waitsOf(job.record)) say('delayed', `Its handler waits, and goes on ${when}`)
    else if (failures > 0)
      say('backing-off', `${failures} of ${rules.attempts} attempts failed; the next starts ${when}`)
    else say('delayed', `It starts ${when}`)
  }
  for (const name of signalsAwaited(job.record)) say('blocked', `It is waiting for the signal '${name}'.`)
  const children = waitsOf(job.record)?.filter(([kind]) => kind === 'child').length
  if (children) say('blocked', `It is waiting for jobs that it has run: ${children}.`)
  const newestKnown = knownVersion(job.record)
  if (newestKnown)
    say(
      'blocked',
      `It is waiting for newer code: its input is of version ${versionOf(rules.headers)}, and the worker module knows '${name}' up to version ${newestKnown}.`,
    )
  if (state === 'blocked' && !waitsOf(job.record)) say('blocked', 'It waits for other jobs to end.')
  if (isQueued && job.attempt) say('behind', 'An earlier attempt has not left its thread yet.')
  else if (isQueued && job.timer)
    say('backing-off', 'Its last attempt ended its thread, and others go first for a moment.')
  else if (isQueued && crashes > 0) say('behind', 'It ran when its process or page ended, and waits to run alone.')
  if (dashboard.isPaused) say('paused', 'The scheduler is paused.')
  const { limiter, limits } = lines.passedBy(job) ?? {}
  if (limiter?.isPaused) say('queue-paused', `The queue '${queue}' is paused.`)
  if (!isQueued) return reasons

  for (const { name } of limiter?.gate?.unmet ?? [])
    say('condition', `The queue '${queue}' waits for a condition${name === undefined ? '' : `: ${show(name)}`}.`)
  if (limiter && limiter.running >= limiter.concurrency) {
    const { running, concurrency } = limiter
    say('concurrency', `The queue '${queue}' runs ${running} of at most ${concurrency} jobs at a time.`)
  }
  const rateText = limiter?.pace.text
  if (rateText) say('rate-limit', `The queue '${queue}' ${rateText}`)
  const why = limits?.why(job)
  if (why) say('group', why)
  const ahead = countAhead(job, index, lines)
  if (ahead > 0) say('behind', `Jobs that go before it: ${ahead}${ahead === aheadMax ? ' or more' : ''}.`)
  if (pool.online === 0) say('no-worker', `No worker is ready; ${pool.starting} are starting.`)
  else if (!pool.roomFor(name, job.mustRunAlone))
    say('no-worker', `All workers are busy: ${pool.busy} of ${pool.online}.`)
  else if (!pool.roomFor(name, job.mustRunAlone, lines.placeOf(job).priority))
    say(
      'no-worker',
      `The workers that are not busy are kept free for jobs with a priority of ${pool.sparedFrom} or more.`,
    )
  return reasons
}

/** Counts the queued jobs that go before this one: of its queue, and of other queues that let jobs start now. */
function countAhead(job: LiveJob, index: KnownJobs['index'], lines: KnownJobs['lines']): number {
  const { record } = job
  const { own, limits } = lines.passedBy(job) ?? {}
  const place = lines.placeOf(job)
  const isAhead = (other: LiveJob): boolean => {
    if (other.record.queue !== record.queue)
      return isBefore(lines.placeOf(other), place) && isOpen(lines.passedBy(other)?.limiter)
    // Of a grouped queue, other groups only go first when it is their turn.
    if (limits && other.record.group !== record.group) return false
    return own?.isBefore?.(other.record, record) ?? isBefore(other.record, record)
  }
  let ahead = 0
  for (const other of index.jobs) {
    if (other.record.state === 'queued' && isAhead(other)) ahead++
    if (ahead === aheadMax) break
  }
  return ahead
}

/** Whether a queue lets a job start now. Acquires no permit, because to look must not change what may start. */
const isOpen = (limiter: Limiter | undefined): boolean =>
  !limiter || (!limiter.isShut && limiter.running < limiter.concurrency && limiter.pace.waitMs <= 0)

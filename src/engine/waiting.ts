import type { Pool } from '../pool/pool.ts'
import type { Limiter } from '../queue/limiter.ts'
import { isBefore } from '../queue/line.ts'
import type { WaitReason } from './engine.ts'
import type { Jobs } from './jobs.ts'
import type { LiveJob } from './live-job.ts'

type KnownJobs = Pick<Jobs, 'clock' | 'dashboard' | 'index' | 'lines'>

/** Jobs that go first are counted up to this number. */
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
    const wait = `in ${Math.max(0, Math.ceil((runAt as number) - clock.now()))} ms at the earliest.`
    if (failures > 0) say('backing-off', `${failures} of ${rules.attempts} attempts failed; the next starts ${wait}`)
    else say('delayed', `It starts ${wait}`)
  }
  if (state === 'blocked') say('blocked', 'It waits for other jobs to end.')
  if (isQueued && job.attempt) say('behind', 'An earlier attempt has not left its thread yet.')
  else if (isQueued && job.timer)
    say('backing-off', 'Its last attempt ended its thread, and others go first for a moment.')
  else if (isQueued && crashes > 0) say('behind', 'It ran when its process or page ended, and waits to run alone.')
  if (dashboard.isPaused) say('paused', 'The scheduler is paused.')
  const limiter = lines.limiterOf(job)
  if (limiter?.isPaused) say('queue-paused', `The queue '${queue}' is paused.`)
  if (!isQueued) return reasons

  if (limiter && limiter.running >= limiter.concurrency) {
    const { running, concurrency } = limiter
    say('concurrency', `The queue '${queue}' runs ${running} of at most ${concurrency} jobs at a time.`)
  }
  const { rateLimit, waitMs = 0 } = limiter ?? {}
  if (waitMs > 0) {
    const next = Number.isFinite(waitMs) ? `in ${Math.ceil(waitMs)} ms` : 'when the last one is sent'
    const { limit, intervalMs, minGapMs } = rateLimit ?? {}
    const gap = minGapMs ? `, ${minGapMs} ms apart` : ''
    const does = limit === undefined ? 'rests' : `starts at most ${limit} jobs in ${intervalMs} ms${gap}`
    say('rate-limit', `The queue '${queue}' ${does}; the next ${next}.`)
  }
  let ahead = 0
  for (const other of index.jobs) {
    if (other.record.state !== 'queued' || !isBefore(other.record, job.record)) continue
    if (other.record.queue === queue || isOpen(lines.limiterOf(other))) ahead++
    if (ahead === aheadMax) break
  }
  if (ahead > 0) say('behind', `Jobs that go before it: ${ahead}${ahead === aheadMax ? ' or more' : ''}.`)
  if (pool.online === 0) say('no-worker', `No worker is ready; ${pool.starting} are starting.`)
  else if (!pool.roomFor(name, job.mustRunAlone))
    say('no-worker', `All workers are busy: ${pool.busy} of ${pool.online}.`)
  return reasons
}

/** Acquires no permit, because looking must not change which jobs may start. */
const isOpen = (limiter: Limiter | undefined): boolean =>
  !limiter || (!limiter.isPaused && limiter.running < limiter.concurrency && limiter.waitMs <= 0)

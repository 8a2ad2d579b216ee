/**
 * Names from OpenTelemetry's conventions for messaging, and a few of our own where those have none. The conventions are still in
 * development, so their strings are copied: a package of theirs would change them under our users.
 */
export const attribute = {
  system: 'messaging.system',
  operationName: 'messaging.operation.name',
  operationType: 'messaging.operation.type',
  queue: 'messaging.destination.name',
  jobId: 'messaging.message.id',
  errorType: 'error.type',
  jobName: 'offstage.job.name',
  attempt: 'offstage.job.attempt',
  outcome: 'offstage.job.outcome',
  state: 'offstage.job.state',
  disposition: 'offstage.job.disposition',
  workerId: 'offstage.worker.id',
} as const

export const metric = {
  sent: 'messaging.client.sent.messages',
  consumed: 'messaging.client.consumed.messages',
  processDuration: 'messaging.process.duration',
  waitDuration: 'offstage.job.wait.duration',
  outcomes: 'offstage.job.outcomes',
  jobs: 'offstage.jobs',
  depth: 'offstage.queue.depth',
  running: 'offstage.queue.running',
} as const

/** Returns by which name an error is counted: its code, or its name. */
export function errorTypeOf(error: unknown): string {
  const { code, name } = (error ?? {}) as { readonly code?: unknown; readonly name?: unknown }
  return typeof code === 'string' ? code : typeof name === 'string' ? name : '_OTHER'
}

import { OffstageError } from '../shared/errors.ts'
import { type JobOptions, takeJobOptions } from './job-options.ts'

/** Options that belong to one job, or to the page or process that adds it. */
export type OwnOption = 'id' | 'ifExists' | 'runAt' | 'transfer' | 'signal' | `on${string}`

const own = /^(id|ifExists|runAt|transfer|signal|on[A-Z].*)$/

/**
 * Checks and copies the options of jobs that nobody adds by a call: that a schedule or a subscription adds, again and again.
 * `adder`: names it in the message.
 */
export function takeStandingOptions(given: object | undefined, adder: string): JobOptions | undefined {
  const options = takeJobOptions(given)
  const refused = Object.keys(options ?? {}).find((option) => own.test(option))
  if (refused)
    throw new OffstageError('INVALID_OPTION', `The option \`${refused}\` is not for jobs that ${adder} adds.`)
  return options
}

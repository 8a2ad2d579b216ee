// The shape of what the durable cases compare. A contestant's `start` answers one of these; each round opens it in a new,
// empty folder.

/**
 * @typedef {object} DurableQueue
 * @property {(folder: string) => Promise<Adder>} openToAdd nothing runs
 * @property {(folder: string, variant: import('../lib/case.js').Variant) => Promise<Runner>} [openToRun]
 * @property {(folder: string, variant: import('../lib/case.js').Variant) => Promise<FlowRunner>} [openToFlow]
 * @property {() => unknown} close
 */

/** A no-op job, and those that it waits for. @typedef {{ after: FlowNode[] }} FlowNode */

/**
 * @typedef {object} FlowRunner
 * @property {(flow: FlowNode) => PromiseLike<unknown>} runFlow adds it; done once the end of its last job is recorded
 * @property {() => number | Promise<number>} unfinished
 * @property {() => unknown} close
 */

/**
 * @typedef {object} Adder
 * @property {(job: SmallJob) => unknown} add done when the library acknowledges it
 * @property {(jobs: SmallJob[]) => unknown} [addMany]
 * @property {() => number | Promise<number>} waiting how many jobs wait
 * @property {() => unknown} [takeFirst] done when the first job was taken out of the line, to be run
 * @property {() => Promise<SmallJob[]>} [list] all that is there
 * @property {() => unknown} close
 */

/**
 * @typedef {object} Runner
 * @property {(job: SmallJob) => PromiseLike<SmallJob>} run adds it, and answers what its handler returned, once the
 *   library has recorded its end
 * @property {() => number | Promise<number>} unfinished
 * @property {() => unknown} close
 */

/** What is added: about 100 bytes. @typedef {{ index: number, to: string, subject: string, urgent: boolean }} SmallJob */

/** @param {number} index @returns {SmallJob} */
export const smallJob = (index) => ({
  index,
  to: `customer-${index}@example.com`,
  subject: 'Your order is on its way to you',
  urgent: index % 10 === 0,
})

/** What the rows say of an acknowledged job. */
export const where = {
  onDisk: 'on the disk',
  withSystem: 'with the system: a power cut may take it',
  inRedis: 'with Redis, and on the disk within about a second',
  inMemory: 'in memory: the end of the process may take it',
}

import type { Port } from './port.ts'

/**
 * The property in which `defineJobs` leaves a function for `inline` to find. It serves the jobs on the thread that calls it.
 */
export const serveInline: unique symbol = Symbol.for('offstage.serveInline') as never

/** Starts to serve jobs on a port. Returns a function that stops it. */
export type ServeInline = (port: Port) => () => void

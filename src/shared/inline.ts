import type { Port } from './port.ts'

/** Where `defineJobs` leaves the way to serve its jobs on the thread that it is called on, for `inline` to find. */
export const serveInline: unique symbol = Symbol.for('offstage.serveInline') as never

/** Returns a function that stops it. */
export type ServeInline = (port: Port) => () => void

// The one shape that all cases have. Nothing here runs; the types are for the editor.

/**
 * A figure that a round answers.
 *
 * @typedef {object} Measure
 * @property {string} key
 * @property {string} label what the table calls it, with its unit
 * @property {'more' | 'less'} [better] left out where neither is
 * @property {number} [digits] behind the point; by default three figures of precision
 */

/**
 * A case in one size. `label` tells it from its siblings; the rest are the case's own parameters.
 *
 * @typedef {{ label: string, warmUps?: number, rounds?: number } & Record<string, any>} Variant
 */

/**
 * Who takes part. `start` answers whatever the case's `round` works with, ready to be measured.
 *
 * @typedef {object} Contestant
 * @property {string} name
 * @property {string} [skip] why it cannot take part here
 * @property {string} [acknowledged] where a job is once its `add` was answered
 * @property {(variant: Variant) => Promise<Running> | Running} start
 */

/**
 * @typedef {{ close(): unknown, isReady?: () => boolean, job?: Pool['job'] } & Record<string, any>} Running
 */

/**
 * A pool of threads with the handlers of `threads/handlers.js`, whatever library it comes from.
 *
 * @typedef {object} Pool
 * @property {(name: string) => (input?: any, transfer?: any[]) => PromiseLike<any>} job the function that runs a job of
 *   that type; asked for once, called in the hot loop
 * @property {() => unknown} close
 * @property {() => boolean} [isReady] whether all threads are up; without it they are when `start` is done
 */

/**
 * What there is to measure on this platform: Node has one, the pages in browsers another.
 *
 * @typedef {object} Field
 * @property {readonly Contestant[]} pools
 * @property {Contestant} bare one thread behind a private MessagePort, and no library: the limit of case 3
 * @property {Contestant} direct the same over the worker itself; a private port costs more in some browsers
 * @property {Contestant} heard offstage, with somebody listening to every event
 */

/**
 * @typedef {object} Case
 * @property {string} name what the command line calls it
 * @property {number} number as in the issue
 * @property {string} title
 * @property {string} shows
 * @property {readonly Measure[]} measures
 * @property {number} rounds
 * @property {number} [warmUps] rounds that do not count; 1 unless said otherwise
 * @property {(isQuick: boolean) => readonly Variant[]} variants
 * @property {(field: Field, variant: Variant) => readonly Contestant[] | Promise<readonly Contestant[]>} contestants
 * @property {(running: any, variant: Variant) => Promise<Record<string, number>>} round does the work once, checks what
 *   came back, and answers a figure for each measure; one that cannot be had here is left out
 */

/**
 * What one contestant did in one case and variant.
 *
 * @typedef {object} Row
 * @property {string} contestant
 * @property {string} [acknowledged] where a job is once its `add` was answered
 * @property {string} [skipped] why it did not take part
 * @property {string} [failed] what went wrong
 * @property {Record<string, number[]>} samples by measure, one figure a round
 */

/**
 * @typedef {object} Result
 * @property {string} case
 * @property {number} number
 * @property {string} title
 * @property {string} shows
 * @property {string} variant
 * @property {string} where `node`, or the name of a browser
 * @property {readonly Measure[]} measures
 * @property {Row[]} rows
 */

export {}

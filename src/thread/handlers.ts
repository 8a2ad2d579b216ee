import { Cost } from '../shared/cost.ts'
import { type StandardSchema, validate } from '../shared/standard-schema.ts'

/** The function that runs a job: a function, an async function, a generator or an async generator. */
export type Handler = (input: never, job: never) => unknown
export type HandlerTable = Readonly<Record<string, Handler>>

/** What a thread knows about one job type. */
export interface JobType {
  readonly name: string
  /** `undefined` if the worker module defines no such job. */
  readonly handler: Handler | undefined
  readonly cost: Cost
}

/** Looks at own properties only: `constructor` and `toString` are no jobs. */
export const makeJobType = (handlers: HandlerTable, name: string): JobType => ({
  name,
  handler: Object.hasOwn(handlers, name) ? handlers[name] : undefined,
  cost: new Cost(),
})

const schemaOf: unique symbol = Symbol('offstage.schema')
type Checked = { readonly [schemaOf]?: StandardSchema }

export function attachSchema(schema: StandardSchema, handler: Handler): Handler {
  return Object.assign((input: never, job: never) => handler(input, job), { [schemaOf]: schema })
}

/** Returns what the handler gets: the input, or what its schema makes of it, which may be a promise. */
export function checkInput(handler: Handler, name: string, input: unknown): unknown {
  const schema = (handler as Checked)[schemaOf]
  return schema ? validate(schema, name, input) : input
}

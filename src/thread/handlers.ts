import type { Together } from '../pool/protocol.ts'
import { Cost } from '../shared/cost.ts'
import { type StandardSchema, validate } from '../shared/standard-schema.ts'
import type { SharedCall } from './shared-call.ts'

/** The function that runs a job: a function, an async function, a generator or an async generator. */
export type Handler = (input: never, job: never) => unknown
export type HandlerTable = Readonly<Record<string, Handler>>

/** What a thread knows about one job type. */
export interface JobType {
  readonly name: string
  /** `undefined` if the worker module defines no such job. */
  readonly handler: Handler | undefined
  readonly versions: Versions | undefined
  readonly many: Many | undefined
  readonly cost: Cost
}

/** Looks at own properties only: `constructor` and `toString` are no jobs. */
export function makeJobType(handlers: HandlerTable, name: string): JobType {
  const handler = Object.hasOwn(handlers, name) ? handlers[name] : undefined
  const { [versionsOf]: versions, [manyOf]: many } = (handler ?? {}) as Described
  return { name, handler, versions, many, cost: new Cost() }
}

/** A handler that takes many jobs in one call. What it needs comes with it, so that a module without it is smaller. */
export interface Many extends Together {
  /** Begins a call for these attempts. */
  begin(attempts: ConstructorParameters<typeof SharedCall>[1]): SharedCall
}

/** The versions of an input. Likewise. */
export interface Versions {
  readonly newest: number
  /** Returns the input as the newest version has it, which may be a promise. */
  bringUp(from: number, input: unknown): unknown
}

const schemaOf: unique symbol = Symbol('offstage.schema')
const versionsOf: unique symbol = Symbol('offstage.versions')
const manyOf: unique symbol = Symbol('offstage.many')
/** What is said about a handler. Whichever is said first, versions come before the schema, which is that of the newest. */
interface Described {
  readonly [schemaOf]?: StandardSchema
  readonly [versionsOf]?: Versions
  readonly [manyOf]?: Many
}

const describe = (handler: Handler, description: Described): Handler =>
  Object.assign((input: never, job: never) => handler(input, job), handler, description)

export const attachSchema = (schema: StandardSchema, handler: Handler): Handler =>
  describe(handler, { [schemaOf]: schema })

export const attachVersions = (versions: Versions, handler: Handler): Handler =>
  describe(handler, { [versionsOf]: versions })

export const attachMany = (many: Many, handler: Handler): Handler => describe(handler, { [manyOf]: many })

/** Returns the types whose handlers take many jobs, by name; `undefined` if there are none. */
export function togetherOf(handlers: HandlerTable): Record<string, Together> | undefined {
  const found = Object.entries(handlers).flatMap(([name, handler]) => {
    const { [manyOf]: many } = handler as Described
    return many ? [[name, { max: many.max, waitMs: many.waitMs }] as const] : []
  })
  return found.length > 0 ? Object.fromEntries(found) : undefined
}

/** Returns what the handler gets: the input, or what its schema makes of it, which may be a promise. */
export function checkInput(handler: Handler, name: string, input: unknown): unknown {
  const schema = (handler as Described)[schemaOf]
  return schema ? validate(schema, name, input) : input
}

import { OffstageError } from './errors.ts'
import { isThenable } from './thenable.ts'

/** The part of Standard Schema that offstage uses: https://standardschema.dev. zod, valibot and arktype implement it. */
export interface StandardSchema<Input = unknown, Output = Input> {
  /** What every Standard Schema has: `validate` returns the checked value, or what is wrong with it. */
  readonly '~standard': {
    readonly version: 1
    readonly vendor: string
    readonly validate: (value: unknown) => SchemaResult<Output> | Promise<SchemaResult<Output>>
    readonly types?: { readonly input: Input; readonly output: Output } | undefined
  }
}

/** What a schema makes of a value, or what is wrong with it. */
type SchemaResult<Output> =
  | { readonly value: Output; readonly issues?: undefined }
  | { readonly issues: readonly SchemaIssue[] }

/** One thing that is wrong with a value. */
interface SchemaIssue {
  /** What is wrong, as a sentence. */
  readonly message: string
  /** Where it is: the keys that lead to it. Default: the value itself. */
  readonly path?: readonly (PropertyKey | { readonly key: PropertyKey })[] | undefined
}

/** By job type. */
export type Schemas = Readonly<Record<string, StandardSchema>>

/** Checks an input if there is a schema for its job type; see `validate`. */
export function checkInput(schemas: Schemas, name: string, input: unknown): unknown {
  const schema = Object.hasOwn(schemas, name) ? schemas[name] : undefined
  return schema && validate(schema, name, input)
}

/**
 * Returns what the schema makes of `input`, or a promise of it. If the input does not fit, throws (or rejects with)
 * `INVALID_INPUT`, which lists what does not fit.
 */
export function validate(schema: StandardSchema, name: string, input: unknown): unknown {
  const result = schema['~standard'].validate(input)
  return isThenable(result) ? Promise.resolve(result).then((settled) => accept(settled, name)) : accept(result, name)
}

function accept(result: SchemaResult<unknown>, name: string): unknown {
  if (!result.issues) return result.value
  const issues = result.issues.map(({ message, path = [] }) => `${['input', ...path.map(keyOf)].join('.')}: ${message}`)
  throw new OffstageError('INVALID_INPUT', `The input of '${name}' does not fit its schema. ${issues.join('; ')}`)
}

const keyOf = (segment: PropertyKey | { readonly key: PropertyKey }): string =>
  String(typeof segment === 'object' ? segment.key : segment)

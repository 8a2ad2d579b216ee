// Exact equality of types; `any` equals nothing but `any`, so that a type that was lost on the way does not pass.
type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false

/** Compiles when the value is of exactly that type: `expectType<number>()(value)`. */
export const expectType =
  <Expected>() =>
  <Actual>(_value: Actual, ..._misfit: Equal<Actual, Expected> extends true ? [] : [never]): void => {}

// The helper itself.
// biome-ignore lint/suspicious/noExplicitAny: this is what it is about.
declare const something: any
expectType<number>()(1 as number)
// @ts-expect-error: any is no number.
expectType<number>()(something)
// @ts-expect-error: nor unknown.
expectType<unknown>()(something)
// @ts-expect-error: a promise is not its value.
expectType<number>()(Promise.resolve(1))
// @ts-expect-error: one type of a union is not all of it.
expectType<number | string>()(1 as number)

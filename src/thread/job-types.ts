import type { JobContext } from './context.ts'

// biome-ignore-start lint/suspicious/noExplicitAny: `any` is the one type that every handler's parameters accept.
/** Any handler: a function of the input and the context of the attempt. */
export type JobHandler = (input: any, job: JobContext<any, any>) => unknown
/** Handlers by job type. `defineJobs` takes one, and `typeof jobs` is the type argument of `createScheduler`. */
export type JobTable = { readonly [name: string]: JobHandler }

/** The input of a handler: its first parameter. */
export type InputOf<Handler> = Handler extends (...args: any) => unknown ? Parameters<Handler>[0] : never

/** The result of a handler: what it returns, after awaiting. */
export type ResultOf<Handler> = Handler extends (...args: any) => infer Returned
  ? Returned extends Generator<any, infer Result, any> | AsyncGenerator<any, infer Result, any>
    ? Awaited<Result>
    : Awaited<Returned>
  : never

type YieldOf<Handler> = Handler extends (
  ...args: any
) => Generator<infer Yield, any, any> | AsyncGenerator<infer Yield, any, any>
  ? Exclude<Yield, undefined | void>
  : never

type ReportedBy<Handler> = Handler extends (input: any, job: infer Context) => unknown
  ? Context extends JobContext<infer Progress, any>
    ? unknown extends Progress
      ? never
      : Progress
    : never
  : never

/** The type of a handler's second parameter; `JobContext` if it has none. */
export type ContextOf<Handler> = Handler extends (
  input: any,
  job: infer Context extends JobContext<any, any>,
) => unknown
  ? Context
  : JobContext

/** The progress that a job reports: what its generator yields and what it passes to `job.progress`. */
export type ProgressOf<Handler> = [YieldOf<Handler> | ReportedBy<Handler>] extends [never]
  ? unknown
  : YieldOf<Handler> | ReportedBy<Handler>

/** The values that a job sends with `job.send`. */
export type ValueOf<Handler> = Handler extends (input: any, job: infer Context) => unknown
  ? Context extends JobContext<any, infer Value>
    ? Value
    : unknown
  : unknown

type IsAny<T> = 0 extends 1 & T ? true : false
type Callable = ((...args: any) => any) | (abstract new (...args: any) => any)
// biome-ignore-end lint/suspicious/noExplicitAny: from here on none is needed.

type Primitive = string | number | boolean | bigint | null | undefined

/** The class with that name if the program knows it: not every program is compiled with the DOM's types. */
type Global<Name extends string> =
  typeof globalThis extends Record<Name, { prototype: infer Instance }> ? Instance : never

/** Objects with methods that can nevertheless be copied or moved to another thread. */
type Crossing =
  | Date
  | RegExp
  | Error
  | ArrayBuffer
  | ArrayBufferView
  | Global<
      | 'SharedArrayBuffer'
      | 'Blob'
      | 'File'
      | 'FileList'
      | 'ImageData'
      | 'ImageBitmap'
      | 'OffscreenCanvas'
      | 'VideoFrame'
      | 'AudioData'
      | 'MessagePort'
      | 'ReadableStream'
      | 'WritableStream'
      | 'TransformStream'
      | 'CryptoKey'
      | 'DOMException'
      | 'FileSystemFileHandle'
      | 'FileSystemDirectoryHandle'
    >

/**
 * The path to the part of `T` that cannot be copied to another thread, or `never`. It looks at a few levels only, because types
 * may be infinitely deep.
 */
type Culprit<T, Path extends string, Depth extends 0[] = []> =
  IsAny<T> extends true
    ? never
    : unknown extends T
      ? never
      : Depth['length'] extends 5
        ? never
        : T extends Primitive | void | Crossing
          ? never
          : T extends symbol | Callable
            ? Path
            : T extends ReadonlyMap<infer Key, infer Value>
              ? Culprit<Key | Value, `${Path}.get()`, [...Depth, 0]>
              : T extends ReadonlySet<infer Item>
                ? Culprit<Item, `${Path}.values()`, [...Depth, 0]>
                : T extends readonly (infer Item)[]
                  ? Culprit<Item, `${Path}[]`, [...Depth, 0]>
                  : {
                      [Key in keyof T & (string | number)]-?: Culprit<T[Key], `${Path}.${Key}`, [...Depth, 0]>
                    }[keyof T & (string | number)]

/**
 * Each handler unchanged; or, if its input or result cannot be copied to another thread, a text that says which part cannot.
 */
export type CheckedHandlers<Handlers> = {
  [Name in keyof Handlers]: [
    Culprit<InputOf<Handlers[Name]>, 'input'> | Culprit<ResultOf<Handlers[Name]>, 'result'>,
  ] extends [never]
    ? Handlers[Name]
    : `Cannot be copied to another thread: ${Culprit<InputOf<Handlers[Name]>, 'input'> | Culprit<ResultOf<Handlers[Name]>, 'result'>}`
}

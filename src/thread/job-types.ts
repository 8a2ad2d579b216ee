import type { InstanceOfGlobal } from '../shared/globals.ts'
import type { JobContext } from './context.ts'

// biome-ignore-start lint/suspicious/noExplicitAny: `any` is the one type that every handler's parameters accept.
/** Any handler: a function of the input and the context of the attempt. */
export type JobHandler = (input: any, job: JobContext<any, any, any>) => unknown
/** Handlers by job type. `defineJobs` takes one, and `typeof jobs` is the type argument of `createScheduler`. */
export type JobTable = { readonly [name: string]: JobHandler }

/** The input of a handler: its first parameter. */
export type InputOf<Handler> = Handler extends (...args: any) => unknown ? Parameters<Handler>[0] : never

/** The field of the input in a request for a job. It may be left out if the handler takes none. */
export type WithInput<Handler> =
  undefined extends InputOf<Handler> ? { readonly input?: InputOf<Handler> } : { readonly input: InputOf<Handler> }

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
  ? Context extends JobContext<infer Progress, any, any>
    ? unknown extends Progress
      ? never
      : Progress
    : never
  : never

/** The type of a handler's second parameter; `JobContext` if it has none. */
export type ContextOf<Handler> = Handler extends (
  input: any,
  job: infer Context extends JobContext<any, any, any>,
) => unknown
  ? Context
  : JobContext

/** The progress that a job reports: what its generator yields and what it passes to `job.progress`. */
export type ProgressOf<Handler> = [YieldOf<Handler> | ReportedBy<Handler>] extends [never]
  ? unknown
  : YieldOf<Handler> | ReportedBy<Handler>

/** The values that a job sends with `job.send`. */
export type ValueOf<Handler> = Handler extends (input: any, job: infer Context) => unknown
  ? Context extends JobContext<any, infer Value, any>
    ? Value
    : unknown
  : unknown

type IsAny<T> = 0 extends 1 & T ? true : false
type Callable = ((...args: any) => any) | (abstract new (...args: any) => any)
// biome-ignore-end lint/suspicious/noExplicitAny: from here on none is needed.

type Primitive = string | number | boolean | bigint | null | undefined

/** Objects with methods that can nevertheless be copied or moved to another thread. */
type Crossing =
  | Date
  | RegExp
  | Error
  | ArrayBuffer
  | ArrayBufferView
  | InstanceOfGlobal<
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

/** The names of those properties that hold a function, perhaps among other things. */
type Uncopied<T> = {
  [Key in keyof T & (string | number)]-?: IsAny<T[Key]> extends true
    ? never
    : [Extract<T[Key], Callable>] extends [never]
      ? never
      : Key
}[keyof T & (string | number)]

/**
 * What cannot cross a thread in `T`, in words, or `never`. Looks a few levels deep, because types may be endless, and not into
 * an object that has methods: it would lose these, and the DOM's types lead to each other without end.
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
          : T extends symbol
            ? `${Path} is a symbol`
            : T extends Callable
              ? `${Path} is a function`
              : T extends PromiseLike<unknown>
                ? `${Path} is a promise`
                : T extends InstanceOfGlobal<'HTMLCanvasElement'>
                  ? `${Path} is a canvas of the page; give the job \`canvas.transferControlToOffscreen()\`, and name it in \`transfer\``
                  : T extends InstanceOfGlobal<'Node'>
                    ? `${Path} is a node of the page`
                    : T extends ReadonlyMap<infer Key, infer Value>
                      ? Culprit<Key | Value, `${Path}.get()`, [...Depth, 0]>
                      : T extends ReadonlySet<infer Item>
                        ? Culprit<Item, `${Path}.values()`, [...Depth, 0]>
                        : T extends readonly (infer Item)[]
                          ? Culprit<Item, `${Path}[]`, [...Depth, 0]>
                          : [Uncopied<T>] extends [never]
                            ? {
                                [Key in keyof T & (string | number)]-?: Culprit<T[Key], `${Path}.${Key}`, [...Depth, 0]>
                              }[keyof T & (string | number)]
                            : `${Path}.${OneOf<`${Uncopied<T>}`>} is a function`

/** One member of a union: an error says one thing. */
type OneOf<Union> = (Union extends unknown ? (give: () => Union) => void : never) extends (give: infer All) => void
  ? All extends () => infer One
    ? One & string
    : never
  : never

/** What is wrong with a handler, in one sentence, or `never`. */
type Misfit<Handler> = SentenceOn<OneOf<Culprit<InputOf<Handler>, 'input'> | Culprit<ResultOf<Handler>, 'result'>>>
type SentenceOn<Why extends string> = [Why] extends [never] ? never : `It cannot be copied to another thread: ${Why}.`

/**
 * Every handler as it is, or, where its input or result cannot cross a thread, a sentence that says what is in the way. A
 * handler that is none makes the compiler fall back on `JobTable`, which has all names and none in particular.
 */
export type CheckedHandlers<Handlers> = {
  [Name in keyof Handlers]: string extends Name
    ? Handlers[Name] | 'A handler takes one input, and then its context: make one object of several values.'
    : [Misfit<Handlers[Name]>] extends [never]
      ? Handlers[Name]
      : Misfit<Handlers[Name]>
}

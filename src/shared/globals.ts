// Types for programs that are not compiled with all of the DOM's types.

declare global {
  // The types of a browser, of Node, Bun or Deno fill these. They are here for programs that have none of these types.
  interface AbortSignal {}
  interface ReadableStream<R> {}
  interface URL {}
}

type Globals = typeof globalThis

/**
 * Instances of the global classes with these names, as far as the program knows them. Looks at no other global, because a
 * global of the program may be a scheduler, whose type needs this one.
 */
export type InstanceOfGlobal<Name extends string> = Name extends keyof Globals
  ? Globals[Name] extends { prototype: infer Instance }
    ? Instance
    : never
  : never

/** What can be moved to another thread. */
export type Transferable = InstanceOfGlobal<
  | 'ArrayBuffer'
  | 'AudioData'
  | 'ImageBitmap'
  | 'MediaSourceHandle'
  | 'MessagePort'
  | 'OffscreenCanvas'
  | 'ReadableStream'
  | 'RTCDataChannel'
  | 'TransformStream'
  | 'VideoFrame'
  | 'WritableStream'
>

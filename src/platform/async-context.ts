import { nodeModule } from './host.ts'

type Callback = (...args: never[]) => unknown
export type InContext = <Function extends Callback>(callback: Function) => Function

/**
 * Returns what makes functions run in the async context of this very call: with what `AsyncLocalStorage` holds here. On Node, and
 * where others have the same; elsewhere functions stay as they are.
 */
export function thisContext(): InContext {
  const { AsyncResource } = nodeModule<typeof import('node:async_hooks')>('async_hooks') ?? {}
  const resource = AsyncResource && new AsyncResource('offstage')
  // Not its own `bind`, which takes ten microseconds.
  return (callback) =>
    (resource ? resource.runInAsyncScope.bind(resource, callback as never, undefined) : callback) as never
}

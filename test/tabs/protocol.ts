/** What pages and workers tell the site, and what the site asks of pages. */

/** Each is told only after what it says is so: what is on its way when a process is killed is as good as never said. */
export type Report =
  /** The script of the page has started, or is back from the back/forward cache. */
  | {
      readonly type: 'hello'
      readonly isIsolated: boolean
      readonly isPersisted: boolean
      /** Chromium: why it is not from the cache. */
      readonly reasons: string
    }
  /** `add` has resolved. */
  | { readonly type: 'added'; readonly id: string; readonly hash: string }
  /** `add` or a result has rejected, with these codes and names from the error to its last cause. */
  | { readonly type: 'refused'; readonly id: string; readonly why: string; readonly isAdd: boolean }
  /** By the event, or by the promise of whoever added it. */
  | { readonly type: 'completed'; readonly id: string; readonly run: string }
  /** A handler was called. It waits until this has been heard, so no run ends of which the site does not know. */
  | {
      readonly type: 'ran'
      readonly id: string
      readonly run: string
      readonly hash: string
      readonly attempt: number
      readonly checkpointed: number
      readonly at: number
    }
  /** `checkpoint` has resolved. */
  | { readonly type: 'checkpoint'; readonly id: string; readonly step: number }
  /** The page is about to remove it, and waits until this has been heard. */
  | { readonly type: 'removing'; readonly id: string }
  | { readonly type: 'removed'; readonly id: string }
  | { readonly type: 'leader'; readonly isLeader: boolean }
  /** Uncaught errors and unhandled rejections. */
  | { readonly type: 'uncaught'; readonly what: string }
  /** `store:error` and `error` events. */
  | { readonly type: 'trouble'; readonly what: string }
  | { readonly type: 'reply'; readonly call: number; readonly value?: unknown; readonly error?: string }

export type ReportOf<Type extends Report['type']> = Extract<Report, { type: Type }>

/** A job as a page finds it in the store. */
export interface Found {
  readonly id: string
  readonly state: string
  readonly hash: string
  /** Of a completed job. */
  readonly run?: string
}

/** What the harness does wrong on purpose, to see that it is found. */
export type Plant = 'ack-early' | 'run-again' | 'other-input'

export interface StartOptions {
  readonly database: string
  readonly plant?: Plant | undefined
}

export interface LoadOptions {
  /** The ids of the jobs begin with it. */
  readonly prefix: string
  readonly callers: number
}

interface Filled {
  readonly added: number
  readonly refused: string
}

/** The functions of the page, by name. */
export interface PageCalls {
  start(options: StartOptions): Promise<void>
  /** Callers add jobs, one behind the other, and wait for some of the results. */
  load(options: LoadOptions): void
  /** Adds a job that never ends, unless it is there. */
  hang(id: string): Promise<void>
  /** Adds nothing more. Resolves with how many jobs this page has added when every promise has settled. */
  stop(): Promise<number>
  /** All jobs in the store. */
  list(): Promise<readonly Found[]>
  /** Takes out of the store what would be gone if whoever waited for it had not been killed. */
  prune(): Promise<void>
  idle(): Promise<void>
  counts(): Promise<unknown>
  close(): Promise<void>
  /** Opens a page that does not know this one. */
  open(url: string): void
  /** Busy for so long. */
  spin(ms: number): void
  /** Ends the tab, or leaves the page, after it has answered. */
  leave(url: string | undefined): void
  back(): void
  deleteDatabase(name: string): Promise<'deleted' | 'blocked'>
  /** IndexedDB takes so many records more, then it says that there is no room; with nothing given, no longer. */
  stubQuota(room: number | undefined): void
  /** How often the journal was written anew. */
  generation(database: string): Promise<number>
  /** Bytes of this origin. */
  usage(): Promise<number>
  /** Adds large jobs until one is refused. */
  fill(prefix: string): Promise<Filled>
  /** What each kind of call rejects with. */
  refusals(): Promise<readonly string[]>
}

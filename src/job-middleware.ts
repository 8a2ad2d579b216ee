import type { JobOptions } from './job/job-options.ts'
import { checkRequests, type JobAdder, type UntypedRequest } from './job-adder.ts'
import { type Deferred, defer } from './shared/deferred.ts'
import { OffstageError } from './shared/errors.ts'
import { show } from './shared/show.ts'
import type { Job } from './typed-job.ts'

/** What a caller adds: a job type, an input, options. */
export interface AddRequest {
  /** The job type. */
  readonly name: string
  /** The input, not yet copied. */
  readonly input?: unknown
  /** The options of the job, not yet checked. */
  readonly options?: JobOptions | undefined
}

/** Something that goes around calls: it may look at them, change them, refuse them, or wait before they go on. */
export interface Middleware {
  /** How it is called in errors. Default: its place in the list. */
  readonly name?: string | undefined
  /**
   * Called for each job that a caller adds with `add`, `run` or `addMany`. `next` goes on with this request or another one, and
   * resolves with the job when it is added. Returns that job, or another one. What it throws fails the call, with
   * `MIDDLEWARE_FAILED`, and no job is added, unless `next` has added it before. So does returning what is no job.
   */
  readonly add?: ((request: AddRequest, next: (request?: AddRequest) => Promise<Job>) => Job | Promise<Job>) | undefined
}

type Last = (request: AddRequest) => Promise<Job>

/** What adds jobs, through middleware or not. */
export type Adder = Pick<JobAdder, 'add' | 'run' | 'addMany'>

/** Adds jobs through each middleware in turn, the first of the list outermost. */
export class MiddlewareAdder implements Adder {
  readonly #adder: Adder
  readonly #middleware: readonly Middleware[]

  constructor(adder: Adder, middleware: readonly Middleware[]) {
    this.#adder = adder
    this.#middleware = middleware.filter(({ add }) => add)
  }

  add(name: string, input: unknown, options: JobOptions | undefined): Promise<Job> {
    return this.#through({ name, input, options }, (last) => this.#adder.add(last.name, last.input, last.options))
  }

  async run(name: string, input: unknown, options: JobOptions | undefined): Promise<unknown> {
    return (await this.add(name, input, options)).result()
  }

  /** Still all or none: the jobs are added together when all requests are through. */
  async addMany(jobs: readonly UntypedRequest[]): Promise<Job[]> {
    checkRequests(jobs)
    const gathered: { readonly index: number; readonly request: AddRequest; readonly added: Deferred<Job> }[] = []
    const arrived = jobs.map(() => defer<void>())
    let isSent = false
    let refusal: { readonly error: unknown } | undefined
    const through = jobs.map((request, index) => {
      const adding = this.#through(request, async (last) => {
        // All or none: what comes later does not come alone.
        if (refusal) throw refusal.error
        // A middleware may call `next` again later.
        if (isSent) return this.#adder.add(last.name, last.input, last.options)
        const added = defer<Job>()
        gathered.push({ index, request: last, added })
        arrived[index]?.resolve()
        return added.promise
      })
      // It may also return without `next`.
      adding.then(() => arrived[index]?.resolve(), arrived[index]?.reject)
      return adding
    })
    try {
      await Promise.all(arrived.map(({ promise }) => promise))
      isSent = true
      gathered.sort((a, b) => a.index - b.index)
      const added = await this.#adder.addMany(gathered.map(({ request }) => request))
      for (const [index, each] of gathered.entries()) each.added.resolve(added[index] as Job)
    } catch (error) {
      refusal = { error }
      for (const { added } of gathered) added.reject(error)
      await Promise.allSettled(through)
      throw error
    }
    return Promise.all(through)
  }

  #through(request: AddRequest, last: Last, from = 0): Promise<Job> {
    const middleware = this.#middleware[from]
    if (!middleware) return last(request)
    const { name = from + 1 } = middleware
    // What comes from further in is no fault of this one.
    let passedOn: { readonly error: unknown } | undefined
    const next = (changed: AddRequest = request): Promise<Job> => {
      const adding = this.#through(changed, last, from + 1)
      adding.catch((error) => {
        passedOn = { error }
      })
      return adding
    }
    const through = async (): Promise<Job> => {
      const job = await middleware.add?.(request, next)
      // It may have forgotten its `return`.
      if (!job?.result) throw new TypeError(`expected it to return a job, got ${show(job)}`)
      return job
    }
    return through().catch((cause) => {
      if (passedOn?.error === cause) throw cause
      throw new OffstageError('MIDDLEWARE_FAILED', `The middleware '${name}' has failed: ${String(cause)}`, { cause })
    })
  }
}

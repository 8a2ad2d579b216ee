// A worker module of every kind of handler, as a user writes it.
import {
  children,
  defineJobs,
  type JobContext,
  NonRetryableError,
  RetryAfter,
  type StandardSchema,
  schema,
} from 'offstage/worker'
import { z } from 'zod'

export interface Mail {
  to: string
  urgent: boolean
}
/** What may be left out when a mail is added, and is filled in by the schema. */
export interface MailInput {
  to: string
  urgent?: boolean
}
declare const MailSchema: StandardSchema<MailInput, Mail>

const others = defineJobs({
  shrink: (size: number) => ({ bytes: size / 2 }),
  name: () => 'sheet',
})

export const jobs = defineJobs({
  double(value: number) {
    return value * 2
  },
  async greet({ name }: { name: string }) {
    return `Hello ${name}`
  },
  *countPrimes({ upTo }: { upTo: number }) {
    for (let n = 2; n <= upTo; n++) yield n / upTo
    return [upTo]
  },
  async *download(url: string) {
    yield { loaded: 0, url }
    return new Uint8Array(8)
  },
  /** A bare `yield` is only a safe point: it reports nothing. */
  *bare(_: { rounds: number }) {
    yield
    return true
  },
  /** Nothing to give, nothing to get. */
  noop() {},
  maybe(limit?: number) {
    return limit ?? null
  },
  async report(file: string, job: JobContext<{ done: number }, Uint8Array>) {
    job.progress({ done: 0.5 })
    await job.send(new Uint8Array(4))
    return file.length
  },
  /** Reports in two ways. */
  *both(_: string, job: JobContext<'half', string>) {
    job.progress('half')
    yield 1
    return 0
  },
  /** A handler that puts its job off never goes on from there. */
  poll(url: string, job: JobContext) {
    if (url === '') throw new NonRetryableError('no URL', { cause: url })
    if (url === 'busy') throw new RetryAfter(1_000, { cause: new Error('busy') })
    return url === 'ready' ? url : job.snooze(60_000)
  },
  /** What a generator waits for is no progress. */
  *approve(_: string, job: JobContext<'half'>) {
    yield* job.sleep(1_000)
    const first = yield* job.waitFor<{ by: string }>('approved')
    first.by satisfies string
    const late = yield* job.waitFor<number>('paid', { timeoutMs: 5 })
    // @ts-expect-error it may have come to nothing
    late satisfies number
    const number = yield* job.step('number', () => 7)
    job.on('stop', (value) => void (value satisfies unknown))
    return [first.by, late, number] as const
  },
  /** Runs jobs of another table, whose types it knows. */
  async sheet(sizes: number[], job: JobContext) {
    const { run } = children<typeof others>(job)
    const small = await Promise.all(sizes.map((size) => run.shrink(size, { priority: 1, key: `shrink ${size}` })))
    small satisfies { bytes: number }[]
    // @ts-expect-error another input
    void run.shrink('large')
    // @ts-expect-error there is no such job
    void run.grow
    // @ts-expect-error its id is made
    void run.shrink(1, { id: 'mine' })
    const name = await run.name()
    job.parentId satisfies string | undefined
    return { small, name }
  },
  transferred(size: number, job: JobContext) {
    const pixels = new Uint8Array(size)
    return job.transfer(pixels, [pixels.buffer])
  },
  mail: schema(MailSchema, async (mail, job) => {
    mail satisfies Mail
    job.log(mail.urgent)
    return `${job.attempt}: ${mail.to}`
  }),
  mailWithProgress: schema(MailSchema, async (mail, job: JobContext<number, string>) => {
    job.progress(0.5)
    await job.send(mail.to)
    return mail.urgent
  }),
  *mailSteps() {
    yield 'sent' as const
  },
  mailGenerator: schema(MailSchema, function* (mail) {
    yield mail.urgent
    return mail.to
  }),
})

/** With a schema as a library makes it: what goes in need not be what comes out. */
const Order = z.object({ id: z.number(), items: z.array(z.string()).default([]) })

export const orders = defineJobs({
  order: schema(Order, async ({ id, items }) => `${id}: ${items.join()}`),
})

/** Everything that structured clone takes. */
export interface Crossing {
  readonly text: string
  readonly bigint: bigint
  readonly date: Date
  readonly pattern: RegExp
  readonly error: RangeError
  readonly map: ReadonlyMap<string, Set<Date>>
  readonly list: readonly (string | undefined)[]
  readonly tuple: readonly [number, string]
  readonly bytes: Uint8Array<ArrayBuffer> | ArrayBuffer | DataView
  readonly image: ImageBitmap
  readonly port: MessagePort
  readonly blob: Blob
  readonly stream: ReadableStream<Uint8Array>
  readonly canvas: OffscreenCanvas
  readonly anything: unknown
  readonly optional?: { readonly deep: { readonly null: null } }
}

/** A type that contains itself is followed only so far. */
export interface Tree {
  readonly value: number
  readonly children: readonly Tree[]
}

export const crossing = defineJobs({
  all: (input: Crossing) => input,
  tree: (tree: Tree) => tree,
  json: (input: Record<string, unknown>) => JSON.stringify(input),
})

// Random flows, and what each job of them waits for, resolved by the words of the documentation alone.
import fc from 'fast-check'

export type OnFailure = 'fail' | 'cancel' | 'continue'
const policies = ['fail', 'cancel', 'continue'] as const

interface Member {
  /** Which of those before it this one waits for, and what becomes of it if they fail. */
  readonly after: readonly (readonly [earlier: number, onFailure: OnFailure])[]
  readonly nested: readonly Member[] | undefined
  readonly options: {
    readonly attempts: number
    readonly priority: number
    readonly delayMs: number
    readonly keepMs: number | undefined
  }
}

/** One job waits for another. */
export interface Edge {
  readonly jobId: string
  readonly onFailure: OnFailure
  /** Under which keys the handler finds the result. */
  readonly path: readonly string[]
}

interface Node {
  readonly id: string
  readonly path: readonly string[]
  readonly parents: readonly Edge[]
  readonly options: Member['options'] & { readonly backoff: { readonly type: 'fixed'; readonly delayMs: number } }
}

export interface Shape {
  readonly id: string
  readonly nodes: readonly Node[]
  /** What `flows(scheduler).add` is given. */
  readonly spec: object
}

const backoffMs = 1_000
const nodesMax = 12
export const flowsMax = 4
/** Each job has a type of its own: types that prove short are sent ahead of time. */
export const jobNames = Array.from({ length: flowsMax * nodesMax }, (_, index) => `job${index}`)

const membersOf = (depth: number, maxLength: number): fc.Arbitrary<Member[]> =>
  fc.array(
    fc.record({
      after: fc.uniqueArray(fc.tuple(fc.nat({ max: 7 }), fc.constantFrom(...policies)), {
        maxLength: 3,
        selector: ([earlier]) => earlier,
      }),
      nested:
        depth === 0
          ? fc.constant(undefined)
          : fc.oneof(
              { weight: 6, arbitrary: fc.constant(undefined) },
              { weight: 1, arbitrary: membersOf(depth - 1, 3) },
            ),
      options: fc.record({
        attempts: fc.integer({ min: 1, max: 3 }),
        priority: fc.integer({ min: -1, max: 1 }),
        delayMs: fc.constantFrom(0, 0, 0, 0, 700),
        keepMs: fc.constantFrom(undefined, undefined, 0, 500, 5_000, Number.POSITIVE_INFINITY),
      }),
    }),
    { minLength: 1, maxLength },
  )

/** What a flow is made of. Its members may be given in an order in which some come before those that they wait for. */
export const anyFlow = fc.record({ members: membersOf(2, 7), isReversed: fc.boolean() })
export type AnyFlow = typeof anyFlow extends fc.Arbitrary<infer Flow> ? Flow : never

export function shapeOf(serial: number, { members, isReversed }: AnyFlow): Shape {
  const id = `flow${serial}`
  const nodes: Node[] = []
  const spec = take(members, [], [])
  return { id, nodes, spec: spec.members }

  /** `outer`: what those wait for that wait for no other of these members. */
  function take(some: readonly Member[], prefix: readonly string[], outer: readonly Edge[]) {
    const taken: [string, object][] = []
    const sinks: Node[][] = []
    const awaited = new Set<number>()
    some.forEach(({ after, nested, options }, index) => {
      if (nodes.length >= nodesMax && index > 0) return
      const key = `n${index}`
      const path = [...prefix, key]
      const earlier = new Map(
        after.flatMap(([at, onFailure]) => (taken.length > 0 ? [[at % taken.length, onFailure]] : [])),
      )
      const own = [...earlier].flatMap(([at, onFailure]) => {
        awaited.add(at as number)
        return (sinks[at as number] ?? []).map((sink) => ({
          jobId: sink.id,
          onFailure: onFailure as OnFailure,
          path: sink.path.slice(prefix.length),
        }))
      })
      const parents = own.length > 0 ? own : outer
      const edges = [...earlier].map(([at, onFailure]) => ({ key: `n${at}`, onFailure }))
      if (nested) {
        const inner = take(nested, path, parents)
        taken.push([key, { after: edges, flow: inner.members }])
        sinks.push(inner.sinks)
        return
      }
      const jobId = `${id}/${path.join('.')}`
      const name = jobNames[(serial % flowsMax) * nodesMax + (nodes.length % nodesMax)]
      const node: Node = {
        id: jobId,
        path,
        parents,
        options: { ...options, backoff: { type: 'fixed', delayMs: backoffMs } },
      }
      nodes.push(node)
      sinks.push([node])
      taken.push([key, { name, after: edges, options: node.options }])
    })
    return {
      members: Object.fromEntries(isReversed ? taken.reverse() : taken),
      sinks: sinks.flatMap((each, index) => (awaited.has(index) ? [] : each)),
    }
  }
}

import * as check from '../shared/check.ts'
import { OffstageError } from '../shared/errors.ts'
import { show } from '../shared/show.ts'
import type { JobTable } from '../thread/job-types.ts'
import { type JobSpec, jobChecks, type TakeJob, type TakenJob } from './job-spec.ts'

/**
 * What happens to a job when one that it waits for fails or is cancelled.
 *
 * - `fail` (default): it fails, with the code `DEPENDENCY_FAILED` and that error as `cause`. If it is retried by hand and the other is
 *   not, it runs at once, and finds the error in `job.parents`.
 * - `cancel`: it is cancelled.
 * - `continue`: it runs nevertheless, and finds the error in `job.parents`.
 */
export type OnFailure = 'fail' | 'cancel' | 'continue'

/** What a member of a flow waits for. */
interface Waits {
  /** The keys of the members of this flow that have to end first, perhaps each with its own `onFailure`. Default: none. */
  readonly after?:
    | readonly (string | { readonly key: string; readonly onFailure?: OnFailure | undefined })[]
    | undefined
  /** What happens when one of these fails or is cancelled. Default `fail`. */
  readonly onFailure?: OnFailure | undefined
}

/** A job of a flow. */
export type FlowJob<Table extends JobTable = JobTable> = Waits & JobSpec<Table>

/** A flow within a flow. Who waits for it waits for all of its jobs that no other of its jobs waits for. */
export interface NestedFlow<Table extends JobTable = JobTable> extends Waits {
  /** Its members, whose keys are its own. */
  readonly flow: FlowSpec<Table>
}

/** The members of a flow, by key. */
export interface FlowSpec<Table extends JobTable = JobTable> {
  readonly [key: string]: FlowJob<Table> | NestedFlow<Table>
}

/** The keys that lead to a job: one, or more of a nested flow. */
export type Path = readonly string[]

/** One job waits for another. */
interface Edge {
  /** The key under which the handler finds the result in `job.parents`; more than one for a nested flow. */
  readonly path: Path
  /** The index of the job that is waited for. */
  readonly index: number
  readonly onFailure: OnFailure
}

/** A job of a flow, checked and copied, with its nested flows resolved. */
export interface FlowNode extends TakenJob {
  readonly path: Path
  readonly parents: readonly Edge[]
}

/** The most jobs of a flow. They are added in one commit. */
const jobsMax = 20_000
/** How deep flows may be nested, so that one that contains itself is refused. */
const depthMax = 16
const keyCheck: check.Check = (value) =>
  check.string(256)(value) ?? (/[./]/.test(value as string) ? 'a string without `.` and `/`' : undefined)
const onFailureCheck = check.oneOf('fail', 'cancel', 'continue')
const memberChecks: check.Checks = { after: check.array, onFailure: onFailureCheck, ...jobChecks }
const nestedChecks: check.Checks = { after: check.array, onFailure: onFailureCheck, flow: check.object }
const edgeChecks: check.Checks = { key: check.text, onFailure: onFailureCheck }

/** What is taken of a flow so far. */
interface Taken {
  readonly nodes: FlowNode[]
  readonly takeJob: TakeJob
}

/** Checks and copies the members of a flow. Throws `INVALID_OPTION`, which names the member, and `DATA_CLONE`. */
export function takeFlow(spec: unknown, takeJob: TakeJob): FlowNode[] {
  const taken: Taken = { nodes: [], takeJob }
  takeMembers(spec, [], [], taken)
  if (taken.nodes.length === 0) throw wrong('a flow', 'at least one job', 'none')
  return taken.nodes
}

/** Members of a flow, in an order in which each comes after those that it waits for. */
function takeMembers(spec: unknown, outer: Path, inherited: readonly Edge[], taken: Taken): number[] {
  check.checkArgument(labelOf(outer), check.object, spec)
  if (outer.length > depthMax) throw wrong('a flow', `at most ${depthMax} levels of flows within it`, 'more')
  const members = spec as Readonly<Record<string, FlowJob | NestedFlow>>
  const keys = Object.keys(members)
  for (const key of keys) check.checkArgument(`the key ${show(key)} of ${labelOf(outer)}`, keyCheck, key)
  const sinks = new Map<string, readonly number[]>()
  const awaited = new Set<string>()
  for (const [key, edges] of inOrder(members, keys, outer)) {
    const path = [...outer, key]
    const member = members[key] as FlowJob | NestedFlow
    const own = edges.flatMap(({ key: parent, onFailure }) => {
      awaited.add(parent)
      const isNested = 'flow' in (members[parent] as object)
      return (sinks.get(parent) as readonly number[]).map((index) => {
        const { path: sink } = taken.nodes[index] as FlowNode
        return { path: isNested ? sink.slice(outer.length) : [parent], index, onFailure }
      })
    })
    // Who waits for a member waits for what that has waited for.
    const parents = own.length > 0 ? own : inherited
    sinks.set(
      key,
      'flow' in member ? takeMembers(member.flow, path, parents, taken) : [takeNode(member, path, parents, taken)],
    )
  }
  return keys.filter((key) => !awaited.has(key)).flatMap((key) => sinks.get(key) ?? [])
}

function takeNode(member: FlowJob, path: Path, parents: readonly Edge[], { nodes, takeJob }: Taken): number {
  const job = takeJob(member, labelOf(path))
  if (nodes.length === jobsMax) throw wrong('a flow', `at most ${jobsMax.toLocaleString('en')} jobs`, 'more')
  return nodes.push({ ...job, path, parents }) - 1
}

interface KeyedEdge {
  readonly key: string
  readonly onFailure: OnFailure
}

function edgesOf(member: FlowJob | NestedFlow, path: Path): KeyedEdge[] {
  const label = labelOf(path)
  check.checkArgument(label, check.object, member)
  check.checkOptions(member, 'flow' in member ? nestedChecks : memberChecks, `${label}.`)
  const { after = [], onFailure = 'fail' } = member
  const edges = new Map<string, KeyedEdge>()
  for (const given of after) {
    const edge = typeof given === 'string' ? { key: given } : given
    check.checkOptions(edge, edgeChecks, `${label}.after.`)
    if (edges.has(edge.key)) throw wrong(`${label}.after`, 'different keys', `'${edge.key}' twice`)
    edges.set(edge.key, { key: edge.key, onFailure: edge.onFailure ?? onFailure })
  }
  return [...edges.values()]
}

/**
 * Returns the keys, each after those that it waits for, and with the edges to them. Throws if one of these is unknown, or waits
 * for itself.
 */
function inOrder(
  members: Readonly<Record<string, FlowJob | NestedFlow>>,
  keys: readonly string[],
  outer: Path,
): (readonly [key: string, edges: readonly KeyedEdge[]])[] {
  const edges = new Map(keys.map((key) => [key, edgesOf(members[key] as FlowJob, [...outer, key])]))
  const ordered: string[] = []
  const waiting = new Map<string, number>()
  const children = new Map<string, string[]>()
  for (const [key, parents] of edges) {
    for (const { key: parent } of parents) {
      if (!edges.has(parent))
        throw wrong(`${labelOf([...outer, key])}.after`, `keys of ${labelOf(outer)}`, `'${parent}'`)
      const siblings = children.get(parent)
      if (siblings) siblings.push(key)
      else children.set(parent, [key])
    }
    waiting.set(key, parents.length)
    if (parents.length === 0) ordered.push(key)
  }
  for (const key of ordered) {
    for (const child of children.get(key) ?? []) {
      const left = (waiting.get(child) as number) - 1
      waiting.set(child, left)
      if (left === 0) ordered.push(child)
    }
  }
  if (ordered.length < keys.length) {
    const circle = circleIn(edges, new Set(ordered))
    throw wrong(labelOf(outer), 'jobs that do not wait for each other in a circle', circle.join(' → '))
  }
  return ordered.map((key) => [key, edges.get(key) as KeyedEdge[]])
}

/** Returns a circle of keys, each of which waits for the next. */
function circleIn(edges: ReadonlyMap<string, readonly KeyedEdge[]>, free: ReadonlySet<string>): string[] {
  const walked: string[] = []
  let key = [...edges.keys()].find((each) => !free.has(each)) as string
  while (!walked.includes(key)) {
    walked.push(key)
    key = edges.get(key)?.find((parent) => !free.has(parent.key))?.key as string
  }
  return [...walked.slice(walked.indexOf(key)), key]
}

const labelOf = (path: Path): string => (path.length === 0 ? 'the flow' : `'${path.join('.')}'`)

const wrong = (what: string, expected: string, got: string): OffstageError =>
  new OffstageError('INVALID_OPTION', `Expected ${what} to have ${expected}, got ${got}.`)

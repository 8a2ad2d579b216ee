import type { QueueSettings } from '../queue/settings.ts'
import type { Clock } from '../shared/clock.ts'
import { type Deferred, defer } from '../shared/deferred.ts'
import { thrownToWire } from '../shared/error-wire.ts'
import { isOnceOnly, type QuestionKind } from './answers.ts'
import type { Connection } from './connection.ts'
import { afterDelay, insertToWire, type Moment, momentOf, type PendingAdd, wallOf } from './requests.ts'
import { isJob, refOf } from './wire.ts'

/** A question that has no answer yet. */
export interface Question {
  readonly kind: QuestionKind
  readonly args: readonly unknown[]
  readonly answer: Deferred<never>
  /** It was asked before, and may have been done. */
  isAgain: boolean
}

/** What a queue was asked to be set to, or back to its options; without a queue, all of them. */
export type Setting = readonly [queue: string | undefined, settings: QueueSettings | null]

/** Answers within this process. */
export type Answering = (kind: QuestionKind, args: readonly unknown[]) => Promise<unknown>

/**
 * The questions of a client. Each is kept until it is answered, and asked again, in the same order, of whatever comes to answer
 * next. A job that was added is known by its id, so asking twice adds it once.
 */
export class Questions {
  readonly #clock: Clock
  readonly #onAnswer: (question: Question, give: () => unknown) => unknown
  #questions = new Map<number, Question>()
  #last = 0
  /** What answers: a session at the other end of a wire, or an engine in this process. Without one, questions wait. */
  #asked: Connection | Answering | undefined

  /** `onAnswer` returns what the call resolves with. `give` returns the answer, or throws the refusal. */
  constructor(clock: Clock, onAnswer: (question: Question, give: () => unknown) => unknown) {
    this.#clock = clock
    this.#onAnswer = onAnswer
  }

  /** Asks `asked` from now on, and first everything that has no answer. */
  askOf(asked: Connection | Answering | undefined): void {
    this.#asked = asked
    for (const [id, question] of [...this.#questions]) this.#put(id, question)
  }

  ask(kind: QuestionKind, args: readonly unknown[]): Promise<never> {
    const question: Question = { kind, args, answer: defer<never>(), isAgain: false }
    const id = ++this.#last
    this.#questions.set(id, question)
    this.#put(id, question)
    return question.answer.promise
  }

  /** Puts the questions that `ask` asks before all others. They may have been done. */
  askFirst<Asked>(ask: () => Asked): Asked {
    const later = this.#questions
    this.#questions = new Map()
    const asked = ask()
    for (const question of this.#questions.values()) question.isAgain = true
    for (const [id, question] of later) this.#questions.set(id, question)
    return asked
  }

  get(id: number): Question | undefined {
    return this.#questions.get(id)
  }

  /** The settings that have no answer, in order. */
  get settings(): Setting[] {
    const asked = [...this.#questions.values()].filter(({ kind }) => kind === 'set')
    return asked.map(({ args }) => args as unknown as Setting)
  }

  #put(id: number, question: Question): void {
    const { kind, args, isAgain } = question
    const asked = this.#asked
    if (!asked) return
    question.isAgain = true
    const all = kind === 'insert' ? [...this.#asOfNow(args as [readonly PendingAdd[], Moment]), isAgain] : args
    if (typeof asked === 'function') void this.#askHere(id, kind, all, asked)
    else asked.send('ask', id, kind, argsToWire(kind, all))
  }

  async #askHere(id: number, kind: QuestionKind, args: readonly unknown[], answer: Answering): Promise<void> {
    let give: () => unknown
    try {
      const answered = await answer(kind, kind === 'insert' ? withoutAttaching(args) : args)
      give = () => answered
    } catch (error) {
      give = () => {
        throw error
      }
    }
    // If this engine has lost the lead meanwhile, the next one is asked.
    if (answer === this.#asked) this.answered(id, give)
  }

  answered(id: number, give: (question: Question) => unknown): void {
    const question = this.#questions.get(id)
    if (!question) return
    this.#questions.delete(id)
    // A session keeps such an answer until it knows that it has come.
    if (typeof this.#asked === 'object' && isOnceOnly(question.kind)) this.#asked.send('done', id)
    try {
      question.answer.resolve(this.#onAnswer(question, () => give(question)) as never)
    } catch (error) {
      question.answer.reject(error)
    }
  }

  /** Rejects all that waits for an answer. `isIdle`: waiting for an idle moment is over as well, and resolves. */
  end(error: unknown, isIdle: boolean): void {
    for (const { kind, answer } of this.#questions.values()) {
      if (isIdle && kind === 'idle') answer.resolve(undefined as never)
      else answer.reject(error)
    }
    this.#questions.clear()
  }

  /** A delay counts from the call, whenever the question is put. */
  #asOfNow([adds, since]: readonly [readonly PendingAdd[], Moment]): readonly unknown[] {
    const passedMs = momentOf(this.#clock).monotonicMs - since.monotonicMs
    return [adds.map((add) => afterDelay(add, passedMs)), wallOf(since, this.#clock)]
  }
}

/** Callbacks are attached to the job objects already. */
const withoutAttaching = ([adds, ...rest]: readonly unknown[]): readonly unknown[] => [
  (adds as readonly PendingAdd[]).map((add) => ({ ...add, attach: undefined })),
  ...rest,
]

function argsToWire(kind: QuestionKind, args: readonly unknown[]): readonly unknown[] {
  if (kind === 'insert') {
    const [adds, ...rest] = args as [readonly PendingAdd[]]
    return [adds.map(insertToWire), ...rest]
  }
  if (kind !== 'act') return args
  const [verb, target, argument] = args
  // Of a job that was not added yet, only the id is known.
  const ref = isJob(target) ? (target.committed ? refOf(target.record) : target.record.id) : target
  return [verb, ref, thrownToWire(argument)]
}

import type { Clock } from '../shared/clock.ts'
import { type Deferred, defer } from '../shared/deferred.ts'
import { thrownToWire } from '../shared/error-wire.ts'
import type { QuestionKind } from './answers.ts'
import type { Connection } from './connection.ts'
import { type Moment, momentOf, wallOf } from './moment.ts'
import { afterDelay, type Wish } from './requests.ts'
import type { Steer } from './steers.ts'
import { insertToWire, isJob } from './wire.ts'

/** Something that was asked and is not answered. */
export interface Question {
  readonly kind: QuestionKind
  readonly args: readonly unknown[]
  readonly answer: Deferred<never>
  /** It was put to somebody, who may have done it. */
  isAgain: boolean
}

/** Answers within this process. */
export type Answering = (kind: QuestionKind, args: readonly unknown[]) => Promise<unknown>

/**
 * Everything that is asked is kept until it is answered, and asked again, in the same order, of whoever comes to answer next. What
 * was added is known again by its id, so that asking twice adds once.
 */
export class Questions {
  readonly #clock: Clock
  readonly #onAnswer: (question: Question, give: () => unknown) => unknown
  #questions = new Map<number, Question>()
  #last = 0
  /** Who is asked: the other end of a wire, or somebody here. When there is nobody it waits. */
  #asked: Connection | Answering | undefined

  /** `onAnswer` makes of an answer what the call resolves with; `give` returns it, or throws what it was refused with. */
  constructor(clock: Clock, onAnswer: (question: Question, give: () => unknown) => unknown) {
    this.#clock = clock
    this.#onAnswer = onAnswer
  }

  /** From now on these are asked: first all that is not answered. */
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

  /** What is asked in `ask` comes before all else, and may have been done. */
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

  /** What is to be set, and nobody has confirmed. */
  get steers(): Steer[] {
    const asked = [...this.#questions.values()].filter(({ kind }) => kind === 'steer')
    return asked.map(({ args }) => args[0] as Steer)
  }

  #put(id: number, question: Question): void {
    const { kind, args, isAgain } = question
    const asked = this.#asked
    if (!asked) return
    question.isAgain = true
    const all = kind === 'insert' ? [...this.#asOfNow(args as [readonly Wish[], Moment]), isAgain] : args
    if (typeof asked === 'function') void this.#answerHere(id, kind, all, asked)
    else asked.send('ask', id, kind, argsToWire(kind, all))
  }

  async #answerHere(id: number, kind: QuestionKind, args: readonly unknown[], answer: Answering): Promise<void> {
    // It was set so before, when this was asked.
    if (kind === 'steer') return this.answered(id, () => undefined)
    let give: () => unknown
    try {
      const answered = await answer(kind, kind === 'insert' ? withoutAttaching(args) : args)
      give = () => answered
    } catch (error) {
      give = () => {
        throw error
      }
    }
    // Whoever answers next is asked again.
    if (answer === this.#asked) this.answered(id, give)
  }

  answered(id: number, give: (question: Question) => unknown): void {
    const question = this.#questions.get(id)
    if (!question) return
    this.#questions.delete(id)
    try {
      question.answer.resolve(this.#onAnswer(question, () => give(question)) as never)
    } catch (error) {
      question.answer.reject(error)
    }
  }

  /** Nothing is answered any more. `isIdle`: to wait for an idle moment is over as well. */
  end(error: unknown, isIdle: boolean): void {
    for (const { kind, answer } of this.#questions.values()) {
      if (isIdle && kind === 'idle') answer.resolve(undefined as never)
      else answer.reject(error)
    }
    this.#questions.clear()
  }

  /** A delay counts from when it was asked for, whenever somebody hears of it. */
  #asOfNow([wishes, since]: readonly [readonly Wish[], Moment]): readonly unknown[] {
    const passedMs = momentOf(this.#clock).monotonicMs - since.monotonicMs
    return [wishes.map((wish) => afterDelay(wish, passedMs)), wallOf(since, this.#clock)]
  }
}

/** Callbacks hang on the jobs already. */
const withoutAttaching = ([wishes, ...rest]: readonly unknown[]): readonly unknown[] => [
  (wishes as readonly Wish[]).map((wish) => ({ ...wish, attach: undefined })),
  ...rest,
]

function argsToWire(kind: QuestionKind, args: readonly unknown[]): readonly unknown[] {
  if (kind === 'insert') {
    const [wishes, ...rest] = args as [readonly Wish[]]
    return [wishes.map(insertToWire), ...rest]
  }
  if (kind !== 'act') return args
  const [verb, target, argument] = args
  return [verb, isJob(target) ? target.record.id : target, thrownToWire(argument)]
}

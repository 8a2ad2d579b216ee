// What was acknowledged, over all lives of the program, and what was seen of its threads. It is held against what each
// life finds in the store: the invariants I1 to I6 and I13 of a store that is used through the public API.
import { attemptsOf, delayMsOf } from './app/values.mjs'

/** @typedef {'completed' | 'failed' | 'cancelled'} Terminal */
/** @typedef {{ token: string, id: string, state: string, attempt: number, isWhole: boolean, nonce?: string }} Found */

/**
 * @typedef {object} Entry
 * @property {string} token
 * @property {string | undefined} id
 * @property {number} life in which it was added
 * @property {number} dueAt not to run before
 * @property {boolean} isAcknowledged
 * @property {number | undefined} group all of one `addMany`
 * @property {Entry | undefined} replaces
 * @property {number | undefined} goneIn the life in which it was removed, or found to be no more
 * @property {{ state: Terminal, attempt: number | undefined, nonce: string | undefined, life: number } | undefined} ended
 * @property {Entry['ended']} endedBeforeRetry
 * @property {Set<string>} asked verbs on their way, of which nobody knows yet
 * @property {Map<number, number>} attempts that were begun, and in which life
 * @property {number} retries by hand
 * @property {number} thrown
 * @property {number} failuresTold since the last retry by hand
 * @property {Map<number, string>} returned nonces by attempt
 * @property {number} kept checkpoint
 * @property {Map<string, string>} steps that are kept
 */

const clockToleranceMs = 2

export class Witness {
  /** @type {Map<string, Entry>} */
  #entries = new Map()
  /** @type {string[]} */
  violations = []
  #life = 0
  #groups = 0
  /**
   * Lives that were closed with `now`. That ends the threads, and an attempt of which a thread had not yet said that it
   * has begun is taken back, its number with it: the next one may have the same.
   */
  #closedNow = new Set()
  /** @type {Map<string, Found>} */
  #found = new Map()
  figures = {
    added: 0,
    completed: 0,
    failed: 0,
    cancelled: 0,
    removed: 0,
    checkpoints: 0,
    runs: 0,
    blobs: 0,
    reused: 0,
    lost: 0,
  }

  /** @param {number} life */
  begin(life) {
    this.#life = life
    this.#found.clear()
  }

  /** @param {string} what */
  #violate(what) {
    this.violations.push(`life ${this.#life}: ${what}`)
  }

  /**
   * A line of what the threads did.
   * @param {unknown[]} line
   */
  trace(line) {
    const [what, token, ...rest] = /** @type {[string, string, ...any[]]} */ (line)
    const entry = this.#entries.get(token)
    if (!entry) return this.#violate(`a job ran that nobody added: ${token}`)
    if (what === 'ran') return this.#ran(entry, rest[0], rest[1], rest[2])
    if (what === 'threw') entry.thrown++
    if (what === 'returned') entry.returned.set(rest[0], rest[1])
    if (what === 'kept') {
      entry.kept = Math.max(entry.kept, rest[1])
      this.figures.checkpoints++
    }
    if (what === 'step' && entry.steps.has(rest[0])) this.#violate(`${token}: ${rest[0]} ran again after it was kept`)
    if (what === 'stepped') this.#stepped(entry, rest[0], rest[1])
  }

  /** @param {Entry} entry @param {number} attempt @param {number} at @param {number} checkpointed */
  #ran(entry, attempt, at, checkpointed) {
    const { token, ended } = entry
    this.figures.runs++
    const earlier = entry.attempts.get(attempt)
    if (earlier !== undefined && this.#closedNow.has(earlier)) this.figures.reused++
    else if (earlier !== undefined) this.#violate(`${token}: attempt ${attempt} ran twice`)
    entry.attempts.set(attempt, this.#life)
    if (ended && ended.life < this.#life && !entry.asked.has('retry'))
      this.#violate(`${token}: ran again, attempt ${attempt}, after it was ${ended.state} in life ${ended.life}`)
    if (entry.goneIn !== undefined && entry.goneIn < this.#life) this.#violate(`${token}: ran after it was removed`)
    if (at + clockToleranceMs < entry.dueAt) this.#violate(`${token}: ran ${entry.dueAt - at} ms early`)
    if (checkpointed < entry.kept) this.#violate(`${token}: went on at ${checkpointed}, and ${entry.kept} was kept`)
  }

  /** @param {Entry} entry @param {string} key @param {string} value */
  #stepped({ token, steps }, key, value) {
    const before = steps.get(key)
    if (before !== undefined && before !== value) this.#violate(`${token}: ${key} was ${before} and became ${value}`)
    steps.set(key, value)
  }

  /**
   * A line of what the program said.
   * @param {unknown[]} line
   */
  hear(line) {
    const [what, ...rest] = /** @type {[string, ...any[]]} */ (line)
    switch (what) {
      case 'adding':
        return this.#adding(rest[0], rest[1], rest[2])
      case 'added':
        return this.#added(rest[0], rest[1])
      case 'asking':
        return this.#asking(rest[0], this.#known(rest[1]))
      case 'done':
        return this.#done(rest[0], this.#known(rest[1]), rest[2])
      case 'completed':
        return this.#ended(this.#known(rest[0]), 'completed', rest[1], rest[2])
      case 'failed':
        return this.#failedOnce(this.#known(rest[0]), rest[1], true)
      case 'retrying':
        return this.#failedOnce(this.#known(rest[0]), rest[1], false)
      case 'closing':
        if (rest[0] === 'now') this.#closedNow.add(this.#life)
        return
      case 'job':
        return this.#find(rest[0])
      case 'blobs':
        this.figures.blobs += rest[0]
        return
      case 'looked':
        return this.#compare()
      case 'trouble':
      case 'refused':
      case 'uncaught':
        return this.#violate(`${what}: ${rest[0]}`)
    }
  }

  /** @param {string} token @returns {Entry} */
  #known(token) {
    const entry = this.#entries.get(token)
    if (!entry) throw new Error(`the harness is wrong: it knows no job '${token}'`)
    return entry
  }

  /** @param {string[]} tokens @param {number} at @param {string | null | undefined} replaced */
  #adding(tokens, at, replaced) {
    const group = tokens.length > 1 ? ++this.#groups : undefined
    const replaces = replaced == null ? undefined : this.#known(replaced)
    replaces?.asked.add('replace')
    for (const token of tokens) {
      this.#entries.set(token, {
        token,
        id: undefined,
        life: this.#life,
        dueAt: at + delayMsOf(token),
        isAcknowledged: false,
        group,
        replaces,
        goneIn: undefined,
        ended: undefined,
        endedBeforeRetry: undefined,
        asked: new Set(),
        attempts: new Map(),
        retries: 0,
        thrown: 0,
        failuresTold: 0,
        returned: new Map(),
        kept: 0,
        steps: new Map(),
      })
    }
  }

  /** @param {string[]} tokens @param {string[]} ids */
  #added(tokens, ids) {
    for (const [index, token] of tokens.entries()) {
      const entry = this.#known(token)
      entry.id = ids[index]
      entry.isAcknowledged = true
      if (entry.replaces) entry.replaces.goneIn = this.#life
      this.figures.added++
    }
  }

  /** @param {string} verb @param {Entry} entry */
  #asking(verb, entry) {
    // A job that was cancelled before it was due is put in line by a retry.
    if (verb === 'promote' || verb === 'retry') entry.dueAt = 0
    if (verb !== 'promote') entry.asked.add(verb)
    if (verb !== 'retry') return
    entry.retries++
    entry.endedBeforeRetry = entry.ended
  }

  /** @param {string} verb @param {Entry} entry @param {number} moved */
  #done(verb, entry, moved) {
    entry.asked.delete(verb)
    if (verb === 'remove') {
      if (moved !== 1) this.#violate(`${entry.token}: remove moved ${moved}`)
      entry.goneIn = this.#life
      this.figures.removed++
    }
    if (moved === 0) return
    if (verb === 'retry') {
      if (entry.ended === entry.endedBeforeRetry) entry.ended = undefined
      entry.failuresTold = 0
    }
    if (verb === 'cancel') this.#ended(entry, 'cancelled', undefined, undefined)
  }

  /** @param {Entry} entry @param {Terminal} state @param {number | undefined} attempt @param {string | undefined} nonce */
  #ended(entry, state, attempt, nonce) {
    const { token, ended } = entry
    this.figures[state]++
    // Of a retry nobody knows when it took place before it is acknowledged.
    if (ended && !entry.asked.has('retry')) this.#violate(`${token}: ${state} after it was ${ended.state}`)
    entry.ended = { state, attempt, nonce, life: this.#life }
  }

  /** @param {Entry} entry @param {number} attempt @param {boolean} isFinal */
  #failedOnce(entry, attempt, isFinal) {
    const allowed = attemptsOf(entry.token)
    if (++entry.failuresTold > allowed && entry.retries === 0)
      this.#violate(`${entry.token}: failed ${entry.failuresTold} times, and ${allowed} attempts are allowed`)
    if (isFinal) this.#ended(entry, 'failed', attempt, undefined)
  }

  // What a new life finds.

  /** @param {Found} found */
  #find(found) {
    const { token, id, state, attempt, isWhole } = found
    const entry = this.#entries.get(token)
    if (!entry) return this.#violate(`a job is there that nobody added: '${id}'`)
    if (this.#found.has(token)) this.#violate(`${token}: is there twice`)
    this.#found.set(token, found)
    if (!isWhole) this.#violate(`${token}: its input is not what was added`)
    if (entry.goneIn !== undefined) this.#violate(`${token}: is back after it was removed, ${state}`)
    if (entry.id !== undefined && entry.id !== id) this.#violate(`${token}: was called '${entry.id}', now '${id}'`)
    entry.id = id
    const counted = [...entry.attempts].filter(([, life]) => !this.#closedNow.has(life))
    const last = Math.max(0, ...counted.map(([attempt]) => attempt))
    if (attempt < last) this.#violate(`${token}: attempt ${last} ran, and ${attempt} is recorded`)
    const startsMax = attemptsOf(token) * (1 + entry.retries) + this.#life - entry.life
    if (attempt > startsMax) this.#violate(`${token}: ${attempt} starts, and ${startsMax} are accounted for`)
    this.#judge(entry, found)
  }

  /** @param {Entry} entry @param {Found} found */
  #judge(entry, { state, attempt, nonce }) {
    const { token, ended, asked } = entry
    if (ended && !asked.has('retry')) {
      const isSame = state === ended.state && nonce === ended.nonce && attempt === (ended.attempt ?? attempt)
      if (!isSame)
        this.#lose(
          `${token}: was ${ended.state} (${ended.attempt}, ${ended.nonce}), now ${state} (${attempt}, ${nonce})`,
        )
      return
    }
    entry.ended = undefined
    if (state === 'completed' && (nonce === undefined || entry.returned.get(attempt) !== nonce))
      this.#violate(`${token}: completed with ${nonce}, and attempt ${attempt} returned ${entry.returned.get(attempt)}`)
    if (state === 'cancelled' && !['cancel', 'remove', 'replace', 'retry'].some((verb) => asked.has(verb)))
      this.#violate(`${token}: cancelled, and nobody asked for it`)
    if (state === 'failed' && entry.retries === 0 && entry.thrown < attemptsOf(token))
      this.#violate(`${token}: failed, and threw ${entry.thrown} times of ${attemptsOf(token)}`)
    if (state === 'completed' || state === 'failed' || state === 'cancelled')
      entry.ended = { state, attempt, nonce, life: this.#life - 1 }
  }

  /** @param {string} what */
  #lose(what) {
    this.figures.lost++
    this.#violate(`LOST ${what}`)
  }

  /** All that is there has been named. */
  #compare() {
    /** @type {Map<number, { there: number, gone: number }>} */
    const groups = new Map()
    for (const entry of this.#entries.values()) {
      const { token, asked, group, replaces } = entry
      const isThere = this.#found.has(token)
      if (!entry.isAcknowledged && group !== undefined) {
        const count = groups.get(group) ?? { there: 0, gone: 0 }
        count[isThere ? 'there' : 'gone']++
        groups.set(group, count)
      }
      if (!entry.isAcknowledged && replaces && isThere === this.#found.has(replaces.token))
        this.#violate(`${token}: was to replace ${replaces.token}, and ${isThere ? 'both are' : 'neither is'} there`)
      if (
        !isThere &&
        entry.isAcknowledged &&
        entry.goneIn === undefined &&
        !asked.has('remove') &&
        !asked.has('replace')
      )
        this.#lose(`${token}: acknowledged in life ${entry.life}, gone`)
      if (!isThere) entry.goneIn ??= this.#life - 1
      entry.isAcknowledged = true
      asked.clear()
    }
    for (const { there, gone } of groups.values()) {
      if (there > 0 && gone > 0) this.#violate(`an addMany is there by half: ${there} are, ${gone} are not`)
    }
  }

  /** Nothing is on its way any more. */
  assertAllEnded() {
    for (const { token, goneIn, ended } of this.#entries.values()) {
      if (goneIn === undefined && !ended) this.#violate(`${token}: never ended`)
    }
  }
}

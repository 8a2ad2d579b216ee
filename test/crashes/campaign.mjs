// Life after life of a program whose store outlives it, and the moments at which they end.
import { EventEmitter, once } from 'node:events'
import { watch } from 'node:fs'
import { chanceOf, pick } from './app/values.mjs'
import { install, Life, sleep, Tail, within } from './life.mjs'
import { Witness } from './witness.mjs'

const moments = /** @type {const} */ ([
  'work',
  'work',
  'work',
  'open',
  'open',
  'compaction',
  'compaction',
  'close',
  'blob',
  'blob',
])
/** @typedef {typeof moments[number]} Moment */

/** A moment that does not come is not waited for. */
const waitMsMax = 2_000
const drainMsMax = 60_000
const openMsMax = 1_000

/**
 * @typedef {object} CampaignOptions
 * @property {string} seed
 * @property {string} [store] the folder; by default one that is made and removed
 * @property {'strict' | 'relaxed'} [durability]
 * @property {string[]} [nodeArgs]
 */

export class Campaign {
  witness = new Witness()
  /** @type {Record<Moment, number>} */
  kills = { work: 0, open: 0, compaction: 0, close: 0, blob: 0 }
  /** Of lives that ended at one operation on the disk: how often it was which. @type {Record<string, number>} */
  operations = {}
  /** Whether the last life may have ended in the middle of a write to the journal: that is reported by the next one, and no trouble. */
  #isTorn = false
  #last = ''
  /** How often there was a draft, or one had just been published. */
  compactions = 0
  /** @type {number[]} */
  openMs = []
  /** The folder of the program, where nothing is ever lost. */
  folder
  store
  #options
  #random
  #trace
  #tail
  #program
  #uninstall
  #next
  #lives = 0

  /** @param {CampaignOptions} options */
  constructor(options) {
    const { folder, program, trace, store, uninstall } = install()
    this.#options = options
    this.#random = chanceOf(options.seed)
    this.folder = folder
    this.store = options.store ?? store
    this.#trace = trace
    this.#tail = new Tail(trace)
    this.#program = program
    this.#uninstall = uninstall
    this.#next = this.#spawn()
  }

  #spawn() {
    return new Life(this.#program, this.#options.nodeArgs)
  }

  get isLost() {
    return this.witness.violations.length > 0
  }

  /** @param {import('./app/program.mjs').Orders['task']} task @param {number} [endAt] */
  async #begin(task, endAt) {
    const life = this.#next
    if (!(await life.says('ready'))) throw new Error(`The program does not start: ${life.errors}`)
    this.#next = this.#spawn()
    const number = ++this.#lives
    this.witness.begin(number)
    const { seed, durability = 'strict' } = this.#options
    const toldAt = performance.now()
    life.go({ life: number, seed, folder: this.store, trace: this.#trace, durability, task, endAt }, (line) => {
      if (line[0] === 'ended') return this.#countOperation(String(line[1]), String(line[2]))
      if (this.#isTorn && String(line[1]).includes('is not complete: its writer ended')) return
      this.witness.hear(line)
      if (line[0] === 'opened') this.openMs.push(performance.now() - toldAt)
    })
    return life
  }

  /** @param {Life} life */
  async #end(life) {
    life.kill()
    await life.ended
    for (const line of this.#tail.read()) this.witness.trace(line)
    if (life.errors) this.witness.violations.push(`stderr: ${life.errors}`)
  }

  /** One life, to the moment of which chance decides. The store's folder has to be there. */
  async liveAndDie() {
    const moment = pick(this.#random, moments)
    const life = await this.#begin('work')
    await this.#reach(life, moment, this.#random())
    await this.#end(life)
    // The system ends even a single write between two pages.
    this.#isTorn = true
    this.kills[moment]++
  }

  /** One life, to its n-th operation that changes something on the disk. Needs `kill-at.mjs`. @param {number} operation */
  async liveUntil(operation) {
    const life = await this.#begin('work', operation)
    if (!(await within(drainMsMax, life.ended)))
      this.witness.violations.push(`a life had fewer than ${operation} operations on the disk`)
    await this.#end(life)
    this.#isTorn = this.#last === 'write journal'
  }

  /** @param {string} name @param {string} file */
  #countOperation(name, file) {
    const kind = ['journal.next', 'journal.torn', 'journal', 'attachment', 'owner'].find((name) =>
      file.startsWith(name),
    )
    const what = `${name.slice(0, -'Sync'.length)} ${kind ?? 'folder'}`
    this.#last = what
    this.operations[what] = (this.operations[what] ?? 0) + 1
  }

  /** @param {Life} life @param {Moment} moment @param {number} share of how far it may be */
  async #reach(life, moment, share) {
    const random = this.#random
    if (moment === 'open') return sleep(share * 40)
    const files = new EventEmitter()
    const watcher = watch(this.store, (type, name) => {
      if (name?.startsWith('journal.next')) files.emit('draft')
      // It begins, gets its name, or is removed.
      if (name?.startsWith('attachment.')) files.emit('blob')
      if (name === 'journal' && type === 'rename') files.emit('published')
    })
    try {
      if (!(await life.says('looked'))) return
      // Lines said are a measure that does not depend on how busy the machine is.
      if (moment === 'work') {
        await within(waitMsMax, life.saysMore(1 + Math.floor(share ** 2 * 600)))
        await sleep(random() * 4)
      } else if (moment === 'compaction') {
        // While it is written, or the moment it has taken the journal's place.
        const what = share < 0.4 ? 'draft' : 'published'
        if (await within(waitMsMax, once(files, what))) this.compactions++
        if (what === 'draft') await sleep(share * 16)
      } else if (moment === 'blob') {
        for (let left = 1 + Math.floor(share * 60); left > 0; left--)
          if (!(await within(waitMsMax, once(files, 'blob')))) break
        await sleep(random() * 2)
      } else {
        await within(waitMsMax, life.saysMore(1 + Math.floor(share * 200)))
        life.close()
        await life.says('closing')
        await sleep(random() * 25)
      }
    } finally {
      watcher.close()
    }
  }

  /** All that is left comes to its end; then somebody looks again. */
  async settle() {
    for (const task of /** @type {const} */ (['drain', 'look'])) {
      if (this.isLost) return
      const life = await this.#begin(task)
      const isOver = await within(drainMsMax, life.says('closed'))
      if (!isOver) this.witness.violations.push(`what was left did not end within ${drainMsMax / 1_000} s`)
      await this.#end(life)
    }
    if (!this.isLost) this.witness.assertAllEnded()
  }

  /** Says how it went; answers whether it went well. */
  report() {
    const { kills, witness, compactions, openMs } = this
    const { figures, violations } = witness
    const all = Object.values(kills).reduce((sum, count) => sum + count)
    const sorted = [...openMs].sort((a, b) => a - b)
    const part = (/** @type {number} */ share) => Math.round(sorted[Math.floor((sorted.length - 1) * share)] ?? 0)
    const isSlow = openMs.filter((ms) => ms > openMsMax).length * 100 > openMs.length
    const ends = Object.entries(this.operations).map(([what, count]) => `${count} at ${what}`)
    console.log(
      ends.length > 0
        ? `  at each operation on the disk in turn: ${ends.sort().join(', ')}`
        : `  ${all} times: ${kills.work} at work, ${kills.open} while opening, ${kills.close} while closing, ` +
            `${kills.compaction} while compacting (${compactions} found a draft), ${kills.blob} at the file of a blob`,
    )
    console.log(
      `  acknowledged: ${figures.added} jobs, ${figures.completed} completions, ${figures.failed} failures, ` +
        `${figures.cancelled} cancellations, ${figures.removed} removals, ${figures.checkpoints} checkpoints; ${figures.runs} runs\n` +
        `  found ${figures.blobs} blobs, each with its file, and no other file\n` +
        `  opened at the first try each time, p50 ${part(0.5)} ms, p99 ${part(0.99)} ms, at most ${part(1)} ms\n` +
        `  ${figures.lost} lost, ${violations.length} violations`,
    )
    for (const violation of violations.slice(0, 20)) console.log(`!!! ${violation}`)
    // Said, and no failure: it hangs on the machine.
    if (isSlow) console.log(`!!! more than one opening in a hundred took longer than ${openMsMax / 1_000} s`)
    return violations.length === 0
  }

  async end() {
    this.#next.kill()
    await this.#next.ended
    this.#tail.close()
    this.#uninstall()
  }
}

import type { Chance } from './chance.ts'
import type { CallName, Fault, SimFileSystem } from './sim-disk.ts'

/** What may go wrong with the disk in one run. Each run has its own mixture: some faults only show without others. */
export class Faults {
  readonly #chance: Chance
  readonly #system: SimFileSystem
  readonly #short: number
  readonly #eio: number
  readonly #syncEio: number
  readonly #forbidden: number
  readonly #capacity: number
  /** No faults for now. */
  isCalm = false

  constructor(chance: Chance, system: SimFileSystem) {
    this.#chance = chance
    this.#system = system
    const kind = chance.int(8)
    const isRough = kind === 0
    this.#short = isRough || kind === 1 ? 0.1 : 0
    this.#eio = isRough || kind === 2 ? chance.of([0.002, 0.02]) : 0
    this.#syncEio = isRough || kind === 3 ? chance.of([0.01, 0.1]) : 0
    this.#forbidden = isRough ? 0.001 : 0
    this.#capacity = isRough || kind === 4 || kind === 5 ? 2048 + chance.skewed(40_000) : Number.POSITIVE_INFINITY
    this.calm(false)
  }

  get isFull(): boolean {
    return this.#capacity !== Number.POSITIVE_INFINITY
  }

  calm(isCalm: boolean): void {
    this.isCalm = isCalm
    this.#system.capacity = isCalm ? Number.POSITIVE_INFINITY : this.#capacity
  }

  /** Room comes and goes. */
  breathe(): void {
    if (this.isCalm || !this.isFull) return
    const isFull = this.#system.capacity === this.#capacity
    this.#system.capacity = isFull ? Number.POSITIVE_INFINITY : this.#capacity
  }

  readonly plan = (name: CallName): Fault | undefined => {
    if (this.isCalm || name === 'own' || name === 'release' || name === 'closeDisk') return undefined
    const chance = this.#chance
    if (name === 'write' && chance.is(this.#short)) return { partly: chance.random() }
    if (name === 'sync' && chance.is(this.#syncEio)) return { code: chance.is(0.1) ? 'ENOSPC' : 'EIO' }
    if (name === 'syncFolder' && chance.is(this.#syncEio / 4)) return { code: 'EIO' }
    if (this.#eio > 0 && chance.is(this.#eio)) return { code: 'EIO', partly: isPartial(name) ? chance.random() : 0 }
    if (name === 'open' && chance.is(this.#forbidden * 20)) return { code: 'EACCES' }
    return undefined
  }
}

/** It may have been carried out, for all that one knows. */
const isPartial = (name: CallName): boolean => name === 'write' || name === 'truncate' || name === 'rename'

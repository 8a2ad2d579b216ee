/** The journal alone, over a disk that fails: random batches, crashes at each step, and what is found afterwards. */
import type { JobRecord } from '../../src/job/record.ts'
import type { OffstageError } from '../../src/shared/errors.ts'
import { FileMedium } from '../../src/store/file-medium.ts'
import { headerBytes } from '../../src/store/frame.ts'
import { Journal } from '../../src/store/journal.ts'
import type { Change, Row, Stored, StoreHost } from '../../src/store/store.ts'
import { Chance } from './chance.ts'
import { drain } from './drain.ts'
import { Faults } from './faults.ts'
import { hops } from './platform/hop.ts'
import { randomRecord, randomRows, randomUpdate, withBlob } from './records.ts'
import { blobsIn } from './sim-blob.ts'
import { SimClock } from './sim-clock.ts'
import { SimDisk, SimFileSystem } from './sim-disk.ts'
import type { Stats, Trace } from './stats.ts'
import { assert, Truth, Violation } from './truth.ts'

export const folder = '/data/jobs'
const journalPath = `${folder}/journal`
/** Flags of a frame; see `src/store/frame.ts`. */
const [relaxed, beganBefore] = [1, 4]

type Phase = 'closed' | 'opening' | 'open' | 'closing' | 'stopped'

export class JournalSimulation {
  readonly #chance: Chance
  readonly #stats: Stats
  readonly #trace: Trace
  readonly #clock = new SimClock(1_700_000_000_000)
  readonly #system: SimFileSystem
  readonly #faults: Faults
  readonly #truth = new Truth()
  readonly #isStrict: boolean
  readonly #crashRate: number
  readonly #compactBytesMin: number
  #disk: SimDisk
  #journal: Journal
  #phase: Phase = 'closed'
  #isBusy = false
  #seq = 0
  #tag = 0
  #pid = 0
  /** Somebody else wrote there: nothing may be acknowledged any more. */
  #isForeign = false
  /** Which one it was when something was broken: what happens in earlier lives means nothing. */
  #life = 0
  #error: unknown
  #wasCalm = false
  #flipped: { readonly path: string; readonly bit: number } | undefined
  /** The power failed, and nobody had promised that all of it outlives that. */
  #mayLack = false
  /** What was said of this opening. */
  #reports: string[] = []
  readonly #frameBytes: number
  readonly #hasBlobs: boolean
  /** How often something had gone wrong when it was opened. */
  #faultsBefore = 0

  constructor(seed: number, stats: Stats, trace: Trace) {
    this.#chance = new Chance(seed)
    this.#stats = stats
    this.#trace = trace
    this.#system = new SimFileSystem(this.#chance.random)
    this.#system.names.get('/')
    this.#faults = new Faults(this.#chance, this.#system)
    this.#isStrict = this.#chance.is(0.6)
    this.#crashRate = this.#chance.of([0.002, 0.01, 0.05])
    this.#compactBytesMin = this.#chance.of([600, 2_000, 8_000])
    // So that a batch of two changes may take more than one frame.
    this.#frameBytes = this.#chance.of([60, 300, 1_000_000, 1_000_000])
    this.#hasBlobs = this.#chance.is(0.5)
    if (this.#chance.is(0.2)) this.#clock.dragMs = 1
    this.#disk = new SimDisk(this.#system, 0)
    this.#journal = this.#makeJournal()
  }

  run(steps: number): void {
    hops.clear()
    for (let step = 0; step < steps; step++) {
      this.#stats.steps++
      this.#step()
      drain()
      if (this.#error) throw this.#error
    }
    this.#finish()
    this.#stats.addAll(this.#system.counts, 'disk: ')
    this.#stats.runs++
  }

  #makeJournal(): Journal {
    this.#disk = new SimDisk(this.#system, ++this.#pid)
    this.#disk.plan = this.#faults.plan
    const disk = this.#disk
    const medium = new FileMedium(() => disk, folder, { durability: this.#isStrict ? 'strict' : 'relaxed' })
    return new Journal(medium, {
      valueBytesMax: 1_000_000,
      isRelaxed: !this.#isStrict,
      compactBytesMin: this.#compactBytesMin,
      frameBytes: this.#frameBytes,
    })
  }

  #step(): void {
    const chance = this.#chance
    if (this.#phase === 'open' && this.#isQuiet && this.#system.names.get(journalPath)?.isOnPlatter)
      this.#truth.durable()
    if (chance.is(this.#crashRate)) return this.#crash()
    // Between a write and its sync. In `relaxed` mode that is a seal, and what is before it must be there.
    if (this.#disk.next === 'sync' && chance.is(this.#isStrict ? 0.01 : 0.03)) return this.#crash()
    if (this.#phase === 'closed') return this.#open()
    const pick = chance.int(100)
    if (pick < 60 && this.#disk.pending > 0) {
      this.#trace.note(1, this.#disk.pending)
      this.#trace.say(() => `disk ${this.#disk.next}`)
      return this.#disk.step()
    }
    if (pick < 70 && hops.pending > 0) return hops.step()
    if (pick < 74) {
      this.#trace.note(2)
      return this.#clock.advance(chance.of([1, 500, 2_000]))
    }
    if (pick < 75) return this.#faults.breathe()
    if (this.#phase === 'stopped') return this.#crash()
    if (this.#phase !== 'open') return
    if (pick === 75 && chance.is(0.4) && !this.#isBusy) return this.#close()
    if (pick === 76 && chance.is(0.05) && this.#isQuiet) return this.#touch()
    if (!this.#isBusy) this.#commit()
  }

  /** Whoever looks at the file and then writes cannot notice what happens in between. */
  get #isQuiet(): boolean {
    return !this.#isBusy && !this.#isForeign && this.#disk.pending === 0 && hops.pending === 0
  }

  #host(): StoreHost {
    const life = this.#life
    return {
      clock: this.#clock,
      random: this.#chance.random,
      errors: [],
      report: ({ message }) => {
        this.#reports.push(message)
        this.#stats.count('reported trouble')
      },
      stopped: ({ code, message }) => {
        if (life === this.#life) this.#phase = 'stopped'
        if (code === 'STORE_LOCKED' && life === this.#life)
          this.#guard(() =>
            assert(this.#isForeign, 'I10', () => `somebody else is said to have written, and nobody did: ${message}`),
          )
        this.#stats.count('stopped for good')
      },
    }
  }

  #guard(act: () => void): void {
    try {
      act()
    } catch (error) {
      this.#error ??= error
    }
  }

  /** One bit of a batch that others stand behind is another, or of a blob: that must be said, and nothing changed. */
  #flip(): void {
    const blobs = this.#attachments.filter((path) => (this.#system.names.get(path)?.size ?? 0) > 0)
    if (blobs.length > 0 && this.#chance.is(0.5)) {
      const path = this.#chance.of(blobs)
      return this.#flipBit(path, (this.#system.names.get(path)?.size ?? 0) * 8)
    }
    const content = this.#system.names.get(journalPath)?.content
    if (!content) return
    const view = new DataView(content.buffer, content.byteOffset, content.byteLength)
    // Where the last one begins that proves what is before it: one that is whole, not relaxed, and the first of its batch. Mostly
    // it is the seal; if that failed on closing, there may be others behind it, and a torn end.
    let end = 0
    for (let at = 0; at + headerBytes <= content.length; ) {
      const length = view.getUint32(at + 32, true)
      const next = at + headerBytes + length
      // An empty one is a seal.
      const proves = length === 0 || (view.getUint16(at + 6, true) & (relaxed | beganBefore)) === 0
      if (next <= content.length && proves) end = at
      at = next
    }
    if (end > 0) this.#flipBit(journalPath, end * 8)
  }

  #flipBit(path: string, bits: number): void {
    this.#flipped = { path, bit: this.#chance.int(bits) }
    this.#system.flip(path, this.#flipped.bit)
    this.#stats.count(path === journalPath ? 'flipped bits' : 'flipped bits of blobs')
  }

  #unflip(): void {
    if (this.#flipped === undefined) return
    this.#system.flip(this.#flipped.path, this.#flipped.bit)
    this.#flipped = undefined
  }

  /** The paths of the blobs that lie beside the journal, whole or not. */
  get #attachments(): string[] {
    return [...this.#system.names.keys()].filter((path) => path.startsWith(`${folder}/attachment.`))
  }

  /** Each blob of a job or a row is there once, and no other. */
  #checkAttachments(records: Iterable<JobRecord>, rows: Iterable<Row>): void {
    const blobs = blobsIn([...records, ...rows])
    const paths = this.#attachments
    if (blobs.size > 0) this.#stats.count('blobs found')
    assert(paths.length === blobs.size, 'I15', () => `there are ${blobs.size} blobs, and the files ${paths.join()}`)
  }

  #open(): void {
    this.#trace.note(3)
    this.#trace.say(() => `open\n${this.#system.frames(journalPath)}`)
    this.#phase = 'opening'
    const life = ++this.#life
    const before = this.#system.image(journalPath)
    const size = this.#system.names.get(journalPath)?.size ?? 0
    this.#reports = []
    this.#wasCalm = this.#faults.isCalm
    this.#faultsBefore = this.#system.faults
    void (this.#journal.open(this.#host()) as Promise<Stored>).then(
      (stored) => {
        if (life === this.#life) this.#guard(() => this.#opened(stored, size))
      },
      (error: OffstageError) => {
        if (life === this.#life) this.#guard(() => this.#refusedToOpen(error, before))
      },
    )
  }

  #opened(stored: Stored, sizeBefore: number): void {
    const { records, rows } = stored
    this.#trace.note(4, records.length)
    this.#trace.say(() => `opened: ${records.length}`)
    this.#phase = 'open'
    this.#stats.count('opened')
    assert(
      this.#flipped === undefined,
      'I9',
      () => `bit ${this.#flipped?.bit} of ${this.#flipped?.path} is not as it was written, and nobody said so`,
    )
    this.#checkReports(sizeBefore - (this.#system.names.get(journalPath)?.size ?? 0))
    if (this.#mayLack) this.#truth.recoveredInPart(stored)
    else this.#truth.recovered(stored)
    this.#mayLack = false
    this.#checkAttachments(records, rows)
    for (const { seq } of records) this.#seq = Math.max(this.#seq, seq)
  }

  /** What is cut off is told, in bytes, and nothing else is. */
  #checkReports(cutBytes: number): void {
    const told = this.#reports.filter((message) => message.includes('were cut off'))
    const expected = cutBytes > 0 ? 1 : 0
    assert(told.length === expected, 'I15', () => `${cutBytes} bytes were cut off, and this was said: ${told.join()}`)
    if (cutBytes <= 0) return
    assert(told[0]?.includes(`${cutBytes} bytes`) === true, 'I15', () => `${cutBytes} bytes were cut off: ${told[0]}`)
    this.#stats.count('cut off and told')
    if (told[0]?.includes('is lost')) this.#stats.count('relaxed batches lost and told')
  }

  #refusedToOpen(error: OffstageError, before: string): void {
    this.#trace.say(() => `refused: ${error.code} ${error.message}\n${this.#system.frames(journalPath)}`)
    this.#phase = 'closed'
    this.#journal = this.#makeJournal()
    this.#stats.count(`open refused: ${error.code}`)
    if (error.code === 'STORE_CORRUPT') {
      assert(this.#system.image(journalPath) === before, 'I8', () => 'the journal was refused, and changed')
      if (this.#flipped !== undefined) {
        this.#stats.count('flipped bits reported')
        return this.#unflip()
      }
      throw new Violation('I9', `damage was reported that nobody did: ${error.message} ${String(error.cause)}`)
    }
    assert(
      error.code === 'STORE_WRITE_FAILED',
      'I9',
      () => `an opening was refused with ${String(error.code)}: ${error.stack}`,
    )
    assert(!this.#wasCalm, 'I5', () => `an opening was refused although all is well: ${error.message}`)
    if (this.#chance.is(0.5)) this.#faults.calm(true)
  }

  #commit(): void {
    const changes = this.#changes()
    this.#trace.note(5, changes.length)
    this.#trace.say(() => `commit ${changes.length}`)
    this.#isBusy = true
    this.#truth.begin(changes)
    const life = this.#life
    const wasForeign = this.#isForeign
    this.#journal.commit(changes).then(
      () => {
        if (life === this.#life) this.#guard(() => this.#committed(wasForeign))
      },
      (error: OffstageError) => {
        if (life === this.#life) this.#guard(() => this.#refused(error))
      },
    )
  }

  #committed(wasForeign: boolean): void {
    this.#trace.note(6)
    this.#trace.say(() => 'committed')
    this.#isBusy = false
    this.#stats.count('committed')
    assert(!wasForeign, 'I10', () => 'a batch was acknowledged in a place that somebody else wrote to')
    this.#truth.done()
  }

  #refused(error: OffstageError): void {
    this.#trace.note(7)
    this.#trace.say(() => `not committed: ${error.code} ${error.message}`)
    this.#isBusy = false
    this.#stats.count(`commit refused: ${error.code}`)
    assert(error.name === 'OffstageError', 'I6', () => `a batch was refused with ${error.stack}`)
    if (this.#phase !== 'stopped') this.#truth.refused()
    // Where it stood, something else will stand soon, and what is left of it may shine through.
    if (this.#chance.is(0.2)) this.#faults.breathe()
  }

  #changes(): Change[] {
    const chance = this.#chance
    const records = new Map(this.#truth.records)
    const changes: Change[] = []
    const count = chance.is(0.1) ? 1 + chance.int(40) : 1 + chance.int(4)
    for (let index = 0; index < count; index++) {
      const known = [...records.values()]
      const before = known.length > 0 && chance.is(known.length / 40) ? chance.of(known) : undefined
      const isRemoved = before && chance.is(0.25)
      let after = isRemoved
        ? undefined
        : before
          ? randomUpdate(chance, before, ++this.#tag)
          : randomRecord(chance, ++this.#seq)
      if (after && this.#hasBlobs && chance.is(0.3)) after = withBlob(chance, after, ++this.#tag)
      changes.push({ before, after, ...(chance.is(0.3) && { rows: this.#rows() }) })
      if (after) records.set(after.seq, after)
      else if (before) records.delete(before.seq)
    }
    return changes
  }

  #rows(): Row[] {
    const rows = randomRows(this.#chance, this.#tag)
    if (!this.#hasBlobs) return rows
    return rows.map((row) =>
      row.value && this.#chance.is(0.3) ? { ...row, value: this.#chance.blob(this.#tag) } : row,
    )
  }

  #close(): void {
    this.#trace.note(8)
    this.#trace.say(() => 'close')
    this.#phase = 'closing'
    const life = this.#life
    const { faults } = this.#system
    this.#journal.close().then(
      () => {
        if (life !== this.#life) return
        this.#stats.count('closed')
        this.#guard(() => {
          assert(this.#isBusy === false, 'I11', () => 'a closed journal left a commit open')
          assert(this.#disk.openFiles === 0, 'I11', () => `${this.#disk.openFiles} files are open behind a close`)
          assert(this.#clock.timers.length === 0, 'I11', () => 'a timer is running behind a close')
          assert(!this.#system.owners.has(folder), 'I10', () => 'the folder is owned behind a close')
        })
        this.#phase = 'closed'
        const isSealed = this.#system.faults === faults
        if (this.#isForeign) this.#startAnew()
        else if (isSealed) this.#guard(() => this.#checkSealed())
        // In `relaxed` mode only a seal tells damage from a power cut.
        if (!this.#faults.isCalm && (isSealed || this.#isStrict) && this.#chance.is(0.3)) this.#flip()
        this.#journal = this.#makeJournal()
      },
      (error) =>
        this.#guard(() => {
          throw new Violation('I11', `close failed: ${(error as Error).stack}`)
        }),
    )
  }

  /** Whatever the durability, a clean close leaves all of it on the platters. */
  #checkSealed(): void {
    const inode = this.#system.names.get(journalPath)
    assert(inode?.isOnPlatter !== false, 'I1', () => 'a journal was closed that is not durable')
    // What could not be removed is removed by the next opening.
    const { records, rows } = this.#truth
    if (this.#system.faults === this.#faultsBefore) this.#checkAttachments(records.values(), rows.values())
    this.#truth.durable()
  }

  /** Somebody who is not us writes to the journal. */
  #touch(): void {
    const inode = this.#system.names.get(journalPath)
    if (!inode) return
    this.#stats.count('foreign writer')
    this.#trace.say(() => 'foreign writer')
    this.#isForeign = true
    const way = this.#chance.int(3)
    if (way === 0) inode.write(new Uint8Array([1, 2, 3]), inode.size)
    else if (way === 1) inode.truncate(inode.size - 1 - this.#chance.int(inode.size - 1))
    else this.#system.change([[journalPath, undefined]])
  }

  #crash(): void {
    const isPowerCut = this.#chance.is(0.6)
    this.#trace.note(9, isPowerCut ? 1 : 0)
    this.#trace.say(() => `${isPowerCut ? 'power cut' : 'kill'}\n${this.#system.frames(journalPath)}`)
    this.#stats.crashes++
    this.#stats.count(isPowerCut ? 'power cuts' : 'kills')
    if (this.#phase === 'opening') this.#stats.count('crashes while opening')
    this.#life++
    this.#unflip()
    this.#disk.kill()
    if (isPowerCut) this.#system.cutPower()
    if (isPowerCut && !this.#isStrict) this.#mayLack = true
    hops.clear()
    this.#clock.clear()
    this.#phase = 'closed'
    this.#isBusy = false
    if (this.#isForeign) this.#startAnew()
    this.#journal = this.#makeJournal()
  }

  /** Whoever wrote there has taken it all. */
  #startAnew(): void {
    this.#isForeign = false
    this.#truth.forgetAll()
    for (const path of [...this.#system.names.keys()])
      if (path.startsWith(`${folder}/`)) this.#system.change([[path, undefined]])
    this.#system.syncFolder(folder)
  }

  /** When nothing goes wrong any more, all is as it was acknowledged. */
  #finish(): void {
    if (this.#phase === 'stopped' || this.#isForeign || this.#flipped !== undefined) this.#crash()
    this.#faults.calm(true)
    this.#settle(() => this.#phase === 'open' && !this.#isBusy)
    this.#close()
    this.#settle(() => this.#phase === 'closed')
    this.#open()
    this.#settle(() => this.#phase === 'open')
    this.#close()
    this.#settle(() => this.#phase === 'closed')
  }

  #settle(isOver: () => boolean): void {
    for (let step = 0; step < 2_000; step++) {
      drain()
      if (this.#error) throw this.#error
      if (isOver()) return
      if (this.#phase === 'closed') this.#open()
      else if (this.#phase === 'stopped') this.#crash()
      else if (this.#disk.pending > 0) {
        this.#trace.say(() => `disk ${this.#disk.next}`)
        this.#disk.step()
      } else if (hops.pending > 0) hops.step()
      else this.#clock.advance(1_000)
    }
    throw new Violation(
      'I5',
      `the journal is still ${this.#phase}${this.#isBusy ? ' and busy' : ''} long after all is well`,
    )
  }
}

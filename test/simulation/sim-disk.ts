/**
 * A file system with a crash model, and any number of processes on it.
 *
 * What a file holds exists twice: as everybody reads it (the page cache), and as the platters have it. Writes, sizes and
 * names that were not synced reach the platters in any subset, sector by sector, or not at all, when the power is cut.
 * Nothing happens by itself: a call waits until `step` carries it out.
 */
import type { Disk, DiskFile, Expected, FileStat, FolderOwner } from '../../src/shared/disk.ts'

const sectorBytes = 512
const graveyardBytes = 32 * 1024
const sealBytes = 44

export type CallName =
  | 'makeFolder'
  | 'list'
  | 'stat'
  | 'open'
  | 'rename'
  | 'remove'
  | 'syncFolder'
  | 'own'
  | 'release'
  | 'read'
  | 'write'
  | 'sync'
  | 'truncate'
  | 'statFile'
  | 'closeFile'
  | 'closeDisk'

/** `partly`: how much of a failing or short write goes out, from 0 up to 1. */
export interface Fault {
  readonly code?: string
  readonly partly?: number
}

/** Asked before each call is carried out. */
export type FaultPlan = (name: CallName, path: string) => Fault | undefined

function ioError(code: string, name: string, path: string): Error {
  return Object.assign(new Error(`${code}: injected, ${name} '${path}'`), { code })
}

export class Inode {
  readonly id: number
  readonly kind: 'file' | 'folder'
  bytes = new Uint8Array(1024)
  size = 0
  onPlatter = new Uint8Array(0)
  sizeOnPlatter = 0
  /** Byte ranges, begin and end, that the platters do not have. */
  dirty: number[] = []

  constructor(id: number, kind: 'file' | 'folder') {
    this.id = id
    this.kind = kind
  }

  get content(): Uint8Array {
    return this.bytes.subarray(0, this.size)
  }

  /** A sync that failed leaves pages that only seem to be there. */
  get isOnPlatter(): boolean {
    if (!this.isClean) return false
    return Buffer.compare(this.content, this.onPlatter.subarray(0, this.size)) === 0
  }

  get isClean(): boolean {
    return this.dirty.length === 0 && this.size === this.sizeOnPlatter
  }

  write(bytes: Uint8Array, offset: number): void {
    const end = offset + bytes.length
    this.#grow(end)
    if (offset > this.size) this.bytes.fill(0, this.size, offset)
    this.bytes.set(bytes, offset)
    if (end > this.size) this.size = end
    const last = this.dirty.length - 1
    if (last > 0 && this.dirty[last] === offset) this.dirty[last] = end
    else this.dirty.push(offset, end)
  }

  truncate(size: number): void {
    this.#grow(size)
    if (size > this.size) this.bytes.fill(0, this.size, size)
    this.size = size
  }

  /** What goes to the platters: all, or the sectors that `mayGo` lets. */
  flush(mayGo?: () => boolean): void {
    if (this.onPlatter.length < this.bytes.length) {
      const larger = new Uint8Array(this.bytes.length)
      larger.set(this.onPlatter)
      this.onPlatter = larger
    }
    const before = this.sizeOnPlatter
    if (!mayGo || mayGo()) this.sizeOnPlatter = this.size
    if (this.sizeOnPlatter > before) this.onPlatter.fill(0, before, this.sizeOnPlatter)
    for (let at = 0; at < this.dirty.length; at += 2) {
      const begin = this.dirty[at] as number
      const end = Math.min(this.dirty[at + 1] as number, this.size)
      if (!mayGo) {
        if (begin < end) this.onPlatter.set(this.bytes.subarray(begin, end), begin)
        continue
      }
      for (let sector = begin; sector < end; sector = nextSector(sector)) {
        if (mayGo()) this.onPlatter.set(this.bytes.subarray(sector, Math.min(nextSector(sector), end)), sector)
      }
    }
    this.dirty = []
  }

  #grow(size: number): void {
    if (size <= this.bytes.length) return
    const larger = new Uint8Array(Math.max(size, this.bytes.length * 2))
    larger.set(this.content)
    this.bytes = larger
  }
}

const nextSector = (at: number): number => at - (at % sectorBytes) + sectorBytes

/** One change of names, whole or not at all: a rename is two of them. */
interface NameChange {
  readonly folder: string
  readonly names: readonly (readonly [path: string, inode: Inode | undefined])[]
}

const parentOf = (path: string): string => path.slice(0, path.lastIndexOf('/')) || '/'

/** The disk of one machine. */
export class SimFileSystem {
  readonly random: () => number
  names = new Map<string, Inode>()
  #namesOnPlatter = new Map<string, Inode>()
  #nameChanges: NameChange[] = []
  #lastInode = 0
  /** What deleted files held: it shows up in sectors that were given to a file but never written. */
  #graveyard: Uint8Array[] = []
  #graveyardSize = 0
  readonly owners = new Map<string, SimDisk>()
  /** Bytes. */
  capacity = Number.POSITIVE_INFINITY
  readonly counts: Record<string, number> = {}

  constructor(random: () => number) {
    this.random = random
    const root = new Inode(0, 'folder')
    this.names.set('/', root)
    this.#namesOnPlatter.set('/', root)
  }

  /** How often something was made to go wrong. */
  get faults(): number {
    return Object.entries(this.counts).reduce((sum, [what, count]) => (what.startsWith('E') ? sum + count : sum), 0)
  }

  count(what: string): void {
    this.counts[what] = (this.counts[what] ?? 0) + 1
  }

  get used(): number {
    let used = 0
    for (const inode of this.names.values()) used += inode.size
    return used
  }

  create(path: string, kind: 'file' | 'folder'): Inode {
    const inode = new Inode(++this.#lastInode, kind)
    this.change([[path, inode]])
    return inode
  }

  change(names: readonly (readonly [string, Inode | undefined])[]): void {
    for (const [path, inode] of names) {
      const before = this.names.get(path)
      if (before && before !== inode) this.bury(before.content)
      if (inode) this.names.set(path, inode)
      else this.names.delete(path)
    }
    this.#nameChanges.push({ folder: parentOf((names[0] as readonly [string, unknown])[0]), names })
  }

  bury(content: Uint8Array): void {
    if (content.length < sectorBytes) return
    this.#graveyard.push(content.slice(-graveyardBytes))
    this.#graveyardSize += Math.min(content.length, graveyardBytes)
    while (this.#graveyardSize > 2 * graveyardBytes) this.#graveyardSize -= this.#graveyard.shift()?.length ?? 0
  }

  syncFolder(path: string): void {
    this.#nameChanges = this.#nameChanges.filter((change) => {
      if (change.folder !== path) return true
      this.#commitNames(change)
      return false
    })
  }

  #commitNames({ names }: NameChange): void {
    for (const [path, inode] of names) {
      if (inode) this.#namesOnPlatter.set(path, inode)
      else this.#namesOnPlatter.delete(path)
    }
  }

  /** Everything that was not synced is at chance's mercy. Processes are gone already. */
  cutPower(): void {
    this.#cutNames()
    // Gone from the platters; what it held there stays in free sectors.
    const left = new Set(this.#namesOnPlatter.values())
    for (const inode of this.names.values()) if (!left.has(inode)) this.bury(inode.content)
    this.names = new Map()
    const mood = pickMood(this.random)
    const paths = [...this.#namesOnPlatter].sort(([a], [b]) => a.length - b.length)
    for (const [path, inode] of paths) {
      if (path !== '/' && !this.names.has(parentOf(path))) continue
      this.#settle(inode, mood)
      this.names.set(path, inode)
    }
    this.#namesOnPlatter = new Map(this.names)
  }

  #cutNames(): void {
    if (this.#nameChanges.length === 0) return
    const mood = pickMood(this.random)
    const upTo = mood === 'prefix' ? Math.floor(this.random() * (this.#nameChanges.length + 1)) : 0
    for (const [index, change] of this.#nameChanges.entries()) {
      const isKept = mood === 'all' || (mood === 'prefix' ? index < upTo : mood !== 'none' && this.random() < 0.5)
      if (isKept) this.#commitNames(change)
      else this.count('lost names')
    }
    this.#nameChanges = []
  }

  /** What the platters make of one file. */
  #settle(inode: Inode, mood: Mood): void {
    if (inode.isClean) return
    const { random } = this
    const size = this.#settleSize(inode, mood)
    const content = new Uint8Array(Math.max(size, 1024))
    const kept = Math.min(size, inode.sizeOnPlatter)
    content.set(inode.onPlatter.subarray(0, kept))
    if (size > kept && random() < 0.5) this.#haunt(content, kept, size)
    this.#settleSectors(inode, mood, content, size)
    if (inode.dirty.length > 0) this.count(`power cut: ${mood}`)
    inode.bytes = content
    inode.size = size
    inode.onPlatter = content.slice()
    inode.sizeOnPlatter = size
    inode.dirty = []
  }

  #settleSize({ size, sizeOnPlatter }: Inode, mood: Mood): number {
    if (mood === 'all') return size
    if (mood === 'none') return this.random() < 0.7 ? sizeOnPlatter : size
    const chance = this.random()
    if (chance < 0.3) return sizeOnPlatter
    if (chance < 0.6) return size
    return Math.floor(sizeOnPlatter + this.random() * (size - sizeOnPlatter + 1))
  }

  #settleSectors(inode: Inode, mood: Mood, content: Uint8Array, size: number): void {
    const { random } = this
    const until = mood === 'prefix' ? random() : 0
    for (let at = 0; at < inode.dirty.length; at += 2) {
      const begin = inode.dirty[at] as number
      const end = Math.min(inode.dirty[at + 1] as number, size, inode.size)
      for (let sector = begin; sector < end; sector = nextSector(sector)) {
        const next = Math.min(nextSector(sector), end)
        const isKept =
          mood === 'all' ||
          (mood === 'prefix' ? (sector - begin) / (end - begin) < until : mood !== 'none' && random() < 0.6)
        if (!isKept) continue
        const torn = mood === 'torn' && random() < 0.3 ? Math.floor(sector + random() * (next - sector)) : next
        content.set(inode.bytes.subarray(sector, torn), sector)
      }
    }
  }

  /** Sectors that a file was given but that were never written hold what was there before. */
  #haunt(content: Uint8Array, from: number, to: number): void {
    const old = this.#graveyard[Math.floor(this.random() * this.#graveyard.length)]
    if (!old) return
    this.count('stale sectors')
    // Whole frames of an older life are the worst that can stand there.
    const near = Math.floor(this.random() * old.length)
    const begin = Math.max(0, Buffer.from(old.buffer, old.byteOffset, old.length).indexOf('off1', near))
    content.set(old.subarray(begin, begin + to - from), from)
  }

  /** Everything there is, for comparing: the journal must not be touched by who refuses it. */
  image(path: string): string {
    const inode = this.names.get(path)
    return inode ? `${inode.id}:${Buffer.from(inode.content).toString('latin1')}` : ''
  }

  /** For messages: where frames seem to begin. */
  frames(path: string): string {
    const content = Buffer.from(this.names.get(path)?.content ?? [])
    const lines: string[] = []
    for (let at = content.indexOf('off1'); at !== -1; at = content.indexOf('off1', at + 1)) {
      if (at + 44 > content.length) break
      const salt = content.readUInt32LE(at + 8).toString(16)
      lines.push(
        `${at}: salt ${salt} sequence ${content.readUInt32LE(at + 24)} length ${content.readUInt32LE(at + 32)}`,
      )
    }
    return [...lines, `${content.length}: end`].map((line) => `    ${line}`).join('\n')
  }

  /** In cache and on the platters: damage at rest. */
  flip(path: string, bit: number): void {
    const inode = this.names.get(path) as Inode
    const at = bit >> 3
    for (const bytes of [inode.bytes, inode.onPlatter])
      if (at < bytes.length) bytes[at] = (bytes[at] as number) ^ (1 << (bit & 7))
  }
}

type Mood = 'none' | 'all' | 'prefix' | 'subset' | 'torn'

function pickMood(random: () => number): Mood {
  const chance = random()
  return chance < 0.25 ? 'none' : chance < 0.35 ? 'all' : chance < 0.6 ? 'prefix' : chance < 0.8 ? 'subset' : 'torn'
}

interface Call {
  readonly name: CallName
  readonly path: string
  /** Carries it out, as far as `partly` says. */
  readonly act: (fault: Fault | undefined) => unknown
  readonly resolve: (value: unknown) => void
  readonly reject: (error: unknown) => void
}

/** The file system as one process has it. */
export class SimDisk implements Disk {
  readonly system: SimFileSystem
  readonly #calls: Call[] = []
  readonly pid: number
  plan: FaultPlan = () => undefined
  isDead = false
  openFiles = 0
  /** How many calls were carried out. */
  done = 0
  /** Of those that change something. */
  writes = 0

  constructor(system: SimFileSystem, pid: number) {
    this.system = system
    this.pid = pid
  }

  get pending(): number {
    return this.#calls.length
  }

  get next(): CallName | undefined {
    return this.#calls[0]?.name
  }

  /** Carries out the oldest call and answers it. */
  step(): void {
    const call = this.#calls.shift() as Call
    this.done++
    try {
      call.resolve(this.#carryOut(call))
    } catch (error) {
      call.reject(error)
    }
  }

  #carryOut({ name, path, act }: Call): unknown {
    const fault = this.plan(name, path)
    if (!fault) return act(undefined)
    this.system.count(fault.code ? `${fault.code} on ${name}` : 'short write')
    if (!fault.code) return act(fault)
    if ((fault.partly ?? 0) > 0 || name === 'sync') {
      try {
        act(fault)
      } catch (error) {
        // That is seen before anything can fail.
        if ((error as { code?: unknown }).code === 'ECHANGED') throw error
      }
    }
    throw ioError(fault.code, name, path)
  }

  /** The process is gone, in the middle of a call perhaps. The page cache stays. */
  kill(): void {
    const { random } = this.system
    this.isDead = true
    const reached = random() < 0.5 ? 0 : Math.floor(random() * (this.#calls.length + 1))
    for (const [index, { name, act }] of this.#calls.entries()) {
      if (index > reached) break
      if (index === reached && name !== 'write') break
      try {
        act(index === reached ? { partly: random() } : undefined)
      } catch {
        // Nobody is there to hear it.
      }
    }
    this.#calls.length = 0
    for (const [folder, owner] of this.system.owners) if (owner === this) this.system.owners.delete(folder)
  }

  call<Value>(name: CallName, path: string, act: (fault: Fault | undefined) => Value): Promise<Value> {
    if (this.isDead) return new Promise(() => {})
    return new Promise((resolve, reject) => {
      this.#calls.push({ name, path, act, resolve: resolve as (value: unknown) => void, reject })
    })
  }

  #inode(path: string, name: string): Inode {
    const inode = this.system.names.get(path)
    if (!inode) throw ioError('ENOENT', name, path)
    return inode
  }

  makeFolder(path: string): Promise<void> {
    return this.call('makeFolder', path, () => {
      const missing: string[] = []
      for (let at = path; !this.system.names.has(at); at = parentOf(at)) missing.unshift(at)
      for (const folder of missing) this.system.create(folder, 'folder')
    })
  }

  list(path: string): Promise<string[]> {
    return this.call('list', path, () => {
      this.#inode(path, 'list')
      const prefix = `${path}/`
      return [...this.system.names.keys()]
        .filter((name) => name.startsWith(prefix))
        .map((name) => name.slice(prefix.length))
    })
  }

  stat(path: string): Promise<FileStat | undefined> {
    return this.call('stat', path, () => {
      const inode = this.system.names.get(path)
      return inode && statOf(inode)
    })
  }

  open(path: string, mode: 'read' | 'write' | 'create'): Promise<DiskFile> {
    return this.call('open', path, () => {
      const { system } = this
      let inode = system.names.get(path)
      if (inode?.kind === 'folder') throw ioError('EISDIR', 'open', path)
      if (!inode && mode === 'read') throw ioError('ENOENT', 'open', path)
      if (!inode && !system.names.has(parentOf(path))) throw ioError('ENOENT', 'open', path)
      if (!inode || mode === 'create') this.writes++
      if (path.endsWith('.torn')) system.count('torn tails set aside')
      inode ??= system.create(path, 'file')
      if (mode === 'create' && inode.size > 0) {
        system.bury(inode.content)
        inode.truncate(0)
      }
      this.openFiles++
      return new SimFile(this, inode, path)
    })
  }

  rename(from: string, to: string): Promise<void> {
    return this.call('rename', to, () => {
      this.writes++
      this.system.count(to.includes('/attachment.') ? 'blobs kept' : 'generations published')
      const inode = this.#inode(from, 'rename')
      this.system.change([
        [to, inode],
        [from, undefined],
      ])
    })
  }

  remove(path: string): Promise<void> {
    return this.call('remove', path, () => {
      if (!this.system.names.has(path)) return
      this.writes++
      if (path.includes('/attachment.')) this.system.count('blobs removed')
      this.system.change([[path, undefined]])
    })
  }

  syncFolder(path: string): Promise<void> {
    return this.call('syncFolder', path, (fault) => {
      if (!fault?.code) this.system.syncFolder(path)
    })
  }

  own(folder: string): Promise<(() => Promise<void>) | FolderOwner> {
    return this.call('own', folder, () => {
      const owner = this.system.owners.get(folder)
      if (owner) return { pid: owner.pid, since: undefined }
      this.system.owners.set(folder, this)
      return () =>
        this.call('release', folder, () => {
          if (this.system.owners.get(folder) === this) this.system.owners.delete(folder)
        })
    })
  }

  /** What it owned is free again. */
  close(): Promise<void> {
    return this.call('closeDisk', '', () => {
      for (const [folder, owner] of this.system.owners) if (owner === this) this.system.owners.delete(folder)
    })
  }
}

const statOf = ({ kind, size, id }: Inode): FileStat => ({ kind, size, identity: String(id) })

class SimFile implements DiskFile {
  readonly #disk: SimDisk
  readonly #inode: Inode
  readonly #path: string
  #isClosed = false

  constructor(disk: SimDisk, inode: Inode, path: string) {
    this.#disk = disk
    this.#inode = inode
    this.#path = path
  }

  #call<Value>(name: CallName, act: (fault: Fault | undefined) => Value): Promise<Value> {
    if (this.#isClosed) return Promise.reject(ioError('EBADF', name, this.#path))
    return this.#disk.call(name, this.#path, act)
  }

  read(into: Uint8Array, offset: number): Promise<number> {
    return this.#call('read', () => {
      const bytes = this.#inode.content.subarray(offset, offset + into.length)
      into.set(bytes)
      return bytes.length
    })
  }

  write(bytes: Uint8Array, offset: number, expected?: Expected): Promise<number> {
    const copy = bytes.slice()
    return this.#call('write', (fault) => {
      const { system } = this.#disk
      const there = expected && system.names.get(expected.path)
      if (expected && (there?.size !== expected.size || String(there.id) !== expected.identity))
        throw ioError('ECHANGED', 'write', this.#path)
      this.#disk.writes++
      if (copy.length === sealBytes) system.count('seals')
      else if (copy.length > sealBytes && (copy[6] as number) & 2) system.count('frames of batches that go on')
      let count = fault ? Math.floor((fault.partly ?? 0) * copy.length) : copy.length
      if (fault && !fault.code) count = Math.max(count, 1)
      const growth = offset + count - this.#inode.size
      const room = growth > 0 ? system.capacity - system.used : growth
      if (growth > room) {
        count = Math.max(0, count - (growth - Math.max(0, room)))
        system.count('ENOSPC')
        if (count > 0) this.#inode.write(copy.subarray(0, count), offset)
        // The system says how far it came, or nothing but the error, although some went out.
        if (count > 0 && system.random() < 0.5) return count
        throw ioError('ENOSPC', 'write', this.#path)
      }
      if (count > 0) this.#inode.write(copy.subarray(0, count), offset)
      return count
    })
  }

  sync(): Promise<void> {
    return this.#call('sync', (fault) => {
      // After a failure the cache calls its pages clean, whether they reached the platters or not.
      if (fault?.code) this.#inode.flush(() => this.#disk.system.random() < 0.5)
      else this.#inode.flush()
    })
  }

  truncate(size: number): Promise<void> {
    return this.#call('truncate', () => {
      this.#disk.writes++
      if (size < this.#inode.size) this.#disk.system.bury(this.#inode.content.subarray(size))
      this.#inode.truncate(size)
    })
  }

  stat(): Promise<FileStat> {
    return this.#call('statFile', () => statOf(this.#inode))
  }

  close(): Promise<void> {
    if (this.#isClosed) return Promise.resolve()
    this.#isClosed = true
    this.#disk.openFiles--
    return this.#disk.call('closeFile', this.#path, () => {})
  }
}

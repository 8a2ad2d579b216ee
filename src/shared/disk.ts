/**
 * The file system, as far as a journal needs one. Each call rejects with the platform's own error, `code` and all
 * (`ENOSPC`, `EIO`, `EACCES`, …). Calls are carried out in the order in which they were made.
 */
export interface Disk {
  /** With all folders above it. */
  makeFolder(path: string): Promise<void>
  /** Names in a folder. */
  list(path: string): Promise<string[]>
  stat(path: string): Promise<FileStat | undefined>
  /**
   * `read`: what must be there; `write`: for reading and writing, made when missing; `create`: the same, and empty. It then
   * belongs to those, as far as we may say so, to whom the file `like` belongs: it takes its place, or lies beside it.
   */
  open(path: string, mode: 'read' | 'write' | 'create', like?: string): Promise<DiskFile>
  rename(from: string, to: string): Promise<void>
  /** Nothing happens when it is not there. */
  remove(path: string): Promise<void>
  /** Makes names durable: what was made, renamed or removed in this folder. */
  syncFolder(path: string): Promise<void>
  /**
   * Becomes the only owner of a folder, among all processes and threads, until the function that it returns is called or
   * the process dies in whatever way. Returns who is the owner, as far as that can be learnt, when somebody else is.
   */
  own(folder: string): Promise<(() => Promise<void>) | FolderOwner>
  /** Lets go of whatever it needs itself. */
  close(): Promise<void>
}

/** Known when it answers: it may be busy, stopped, or somebody else's program. */
export interface FolderOwner {
  readonly pid: number | undefined
  /** In wall time. */
  readonly since: number | undefined
}

export interface FileStat {
  readonly kind: 'file' | 'folder' | 'other'
  readonly size: number
  /** The same as long as it is the same file. */
  readonly identity: string
}

/** What must stand at a path. */
export interface Expected {
  readonly path: string
  readonly size: number
  readonly identity: string
}

export interface DiskFile {
  /** Returns how many bytes were read into `into`, 0 at the end. */
  read(into: Uint8Array, offset: number): Promise<number>
  /**
   * Returns how many bytes went out, which may be fewer than there are. `bytes` are copied within the call. Rejects with
   * the code `ECHANGED`, and writes nothing, where not all is as `expected`.
   */
  write(bytes: Uint8Array, offset: number, expected?: Expected): Promise<number>
  /** Resolves when what was written is durable. */
  sync(): Promise<void>
  truncate(size: number): Promise<void>
  stat(): Promise<FileStat>
  close(): Promise<void>
}

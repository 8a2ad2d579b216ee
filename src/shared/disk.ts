/**
 * The part of a file system that a journal needs. Each call rejects with the platform's own error, including its `code`
 * (`ENOSPC`, `EIO`, `EACCES`, …). Calls are carried out in the order in which they were made.
 */
export interface Disk {
  /** Makes a folder and all missing folders above it. */
  makeFolder(path: string): Promise<void>
  /** Returns the names in a folder. */
  list(path: string): Promise<string[]>
  stat(path: string): Promise<FileStat | undefined>
  /**
   * Opens a file. `read`: the file must exist. `write`: for reading and writing; a missing file is made. `create`: like
   * `write`, and the file is emptied. `like` names a file whose place the new one takes, or beside which it lies: the new file
   * gets the same owner and rights, as far as we may set them.
   */
  open(path: string, mode: 'read' | 'write' | 'create', like?: string): Promise<DiskFile>
  rename(from: string, to: string): Promise<void>
  /** Removes a file. If there is none, it does nothing. */
  remove(path: string): Promise<void>
  /** Makes the names in this folder durable: files made, renamed or removed so far. */
  syncFolder(path: string): Promise<void>
  /**
   * Becomes the only owner of a folder among all processes and threads. The returned function ends that; so does the end of the
   * process, however it dies. If the folder has another owner, returns who that is, as far as it can be learnt.
   */
  own(folder: string): Promise<(() => Promise<void>) | FolderOwner>
  /** Releases everything that the disk itself holds. */
  close(): Promise<void>
}

/**
 * The owner of a folder. Its fields are known only if the owner answers: it may be busy or stopped, or the program of another
 * user.
 */
export interface FolderOwner {
  readonly pid: number | undefined
  /** Since when it owns the folder, in wall time. */
  readonly since: number | undefined
}

export interface FileStat {
  readonly kind: 'file' | 'folder' | 'other'
  readonly size: number
  /** Stays the same as long as it is the same file. */
  readonly identity: string
}

/** The file that must lie at a path. */
export interface Expected {
  readonly path: string
  readonly size: number
  readonly identity: string
}

export interface DiskFile {
  /** Returns how many bytes were read into `into`, 0 at the end. */
  read(into: Uint8Array, offset: number): Promise<number>
  /**
   * Returns how many bytes were written, which may be fewer than `bytes` has. `bytes` are copied within the call. If the file
   * is not as `expected`, rejects with the code `ECHANGED` and writes nothing.
   */
  write(bytes: Uint8Array, offset: number, expected?: Expected): Promise<number>
  /** Resolves when everything written so far is durable. */
  sync(): Promise<void>
  truncate(size: number): Promise<void>
  stat(): Promise<FileStat>
  close(): Promise<void>
}

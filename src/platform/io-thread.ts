/**
 * The code of the thread behind a `nodeDisk`. It is a string, because we ship no worker file of our own, and a string that no
 * tool transforms: the text of a function would depend on what bundlers, minifiers and coverage tools made of it.
 *
 * A process may compact or repair the journal of another user, as root or as a member of a group, and must not take the journal
 * away from them. So a file that will take the place of another is given to the same user and group (`giveTo`). That is done by
 * descriptor, because the path may lead to a link by then.
 *
 * The thread receives batches of calls, `[id, name, ...args][]`, carries them out in order, and replies to each batch with
 * `[id, value, error?][]`. Calls that have to wait (`own`) get a reply of their own, later.
 */
export const ioThread = /* js */ `
'use strict'
const { parentPort } = process.getBuiltinModule('node:worker_threads')
const fs = process.getBuiltinModule('node:fs')
const { dirname } = process.getBuiltinModule('node:path')
const isWindows = process.platform === 'win32'
// Flags that a platform does not have (Windows: neither of these two) are left out.
const { O_RDONLY, O_RDWR, O_CREAT, O_NONBLOCK = 0, O_NOFOLLOW = 0 } = fs.constants
// Errors of calls that we are not allowed to make, or that do not exist on this platform.
const forbidden = ['EPERM', 'EACCES', 'EINVAL', 'ENOSYS', 'ENOTSUP', 'EOPNOTSUPP']
const flags = { read: O_RDONLY, write: O_RDWR | O_CREAT, create: O_RDWR | O_CREAT }

parentPort.on('message', (batch) => {
  const replies = []
  const transfer = []
  for (const [id, name, ...args] of batch) {
    try {
      const value = calls[name](...args)
      if (typeof value?.then === 'function') answerLater(id, value)
      else replies.push([id, value])
      if (value instanceof ArrayBuffer) transfer.push(value)
    } catch (error) {
      replies.push([id, undefined, wire(error)])
    }
  }
  if (replies.length > 0) parentPort.postMessage(replies, transfer)
})

function answerLater(id, promise) {
  promise.then(
    (value) => parentPort.postMessage([[id, value]]),
    (error) => parentPort.postMessage([[id, undefined, wire(error)]]),
  )
}

/** A clone of an error would lose its own fields. */
function wire({ message, code, errno, syscall, path, dest }) {
  return { message, code, errno, syscall, path, dest }
}

const calls = {
  makeFolder(path) {
    fs.mkdirSync(path, { recursive: true })
  },

  list: (path) => fs.readdirSync(path),

  stat: (path) => statOf(lookAt(path)),

  open(path, mode, like) {
    // Looks before it opens: opening a device can have effects, and a pipe without O_NONBLOCK waits for its other end.
    const before = lookAt(path)
    if (before) assertFile(before, path)
    // A link is not followed: the first rename would replace it, and its target lies in a folder that we do not own. 0o600,
    // because the input of jobs may be private.
    const fd = fs.openSync(path, flags[mode] | O_NONBLOCK | O_NOFOLLOW, 0o600)
    try {
      assertFile(fs.fstatSync(fd), path)
      // Not by O_TRUNC: only now is it known to be a file.
      if (mode === 'create') fs.ftruncateSync(fd, 0)
      if (like) giveTo(fd, like)
    } catch (error) {
      fs.closeSync(fd)
      throw error
    }
    return fd
  },

  rename: (from, to) => fs.renameSync(from, to),

  remove(path) {
    ignoring(['ENOENT'], () => fs.unlinkSync(path))
  },

  syncFolder,

  read(fd, length, offset) {
    const bytes = new Uint8Array(length)
    const count = fs.readSync(fd, bytes, 0, length, offset)
    return count === length ? bytes.buffer : bytes.buffer.slice(0, count)
  },

  write(fd, bytes, offset, expected) {
    if (expected) assertUntouched(expected)
    return fs.writeSync(fd, bytes, 0, bytes.length, offset)
  },
  // Not fsync: fdatasync writes a new size too, as far as reading the bytes back needs it; it does not write times.
  sync: (fd) => fs.fdatasyncSync(fd),
  truncate: (fd, size) => fs.ftruncateSync(fd, size),
  statFile: (fd) => statOf(fs.fstatSync(fd, { bigint: true })),
  closeFile: (fd) => fs.closeSync(fd),
}

/** Describes what is at a path. A link to a folder counts as that folder, any other link as a link. */
function lookAt(path) {
  const options = { bigint: true, throwIfNoEntry: false }
  const found = fs.lstatSync(path, options)
  if (!found?.isSymbolicLink()) return found
  const behind = fs.statSync(path, options)
  return behind?.isDirectory() ? behind : found
}

function statOf(found) {
  if (!found) return undefined
  const kind = found.isFile() ? 'file' : found.isDirectory() ? 'folder' : 'other'
  return { kind, size: Number(found.size), identity: found.dev + ':' + found.ino }
}

function assertFile(found, path) {
  if (found.isFile()) return
  if (found.isDirectory()) throw failure('EISDIR', 'illegal operation on a directory', 'open', path)
  if (found.isSymbolicLink()) throw failure('ELOOP', 'symbolic links are not followed', 'open', path)
  throw failure('EFTYPE', 'inappropriate file type or format', 'open', path)
}

function assertUntouched({ path, size, identity }) {
  const there = statOf(lookAt(path))
  if (there?.identity === identity && there.size === size) return
  const found = there ? there.size + ' bytes' + (there.identity === identity ? '' : ', another file') : 'nothing'
  throw Object.assign(new Error('expected ' + size + ' bytes, found ' + found), { code: 'ECHANGED', path })
}

function giveTo(fd, like) {
  const model = lookAt(like)
  if (!model?.isFile()) return giveToOwner(fd, dirname(like))
  const isOfGroup = chown(fd, model) || chown(fd, { uid: -1, gid: model.gid })
  // If the group is another one now, it gets none of the rights of the old group.
  const mode = Number(model.mode) & (isOfGroup ? 0o777 : 0o707)
  if ((fs.fstatSync(fd).mode & 0o777) !== mode) ignoring(forbidden, () => fs.fchmodSync(fd, mode))
}

const isRoot = () => process.geteuid?.() === 0

/** What root makes in the folder of another user belongs to that user. */
function giveToOwner(fd, folder) {
  if (isRoot()) chown(fd, fs.statSync(folder))
}

/** Returns whether the file belongs to that user and group now. */
function chown(fd, { uid, gid }) {
  const now = fs.fstatSync(fd)
  const [user, group] = [Number(uid), Number(gid)]
  if ((user < 0 || now.uid === user) && now.gid === group) return true
  return ignoring(forbidden, () => fs.fchownSync(fd, user, group))
}

function failure(code, what, syscall, path) {
  const message = code + ': ' + what + ', ' + syscall + " '" + path + "'"
  return Object.assign(new Error(message), { code, syscall, path })
}

/** Windows cannot open folders, some file systems cannot sync them. There a rename is durable on its own, or never. */
function syncFolder(path) {
  ignoring(isWindows ? ['EISDIR', 'EPERM', 'EACCES'] : [], () => {
    const fd = fs.openSync(path, O_RDONLY)
    try {
      ignoring(['EINVAL', 'ENOTSUP', 'EISDIR', 'EPERM'], () => fs.fsyncSync(fd))
    } finally {
      fs.closeSync(fd)
    }
  })
}

/** Calls act and returns whether it succeeded. Errors with one of the codes are ignored. */
function ignoring(codes, act) {
  try {
    act()
    return true
  } catch (error) {
    if (!codes.includes(error.code)) throw error
    return false
  }
}
`

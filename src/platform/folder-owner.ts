/**
 * Decides which process owns a folder. The owner holds something that the kernel frees when the process dies, however it dies.
 * There is no PID file (PIDs are used again, and threads share one) and no heartbeat (a busy owner is still an owner).
 *
 * Each platform has one such thing that can never go stale:
 *
 *   Linux        an abstract socket, named after the folder's device and inode
 *   Windows      a named pipe with that name
 *   macOS, BSD   a file opened with O_EXLOCK
 *
 * An abstract socket is seen only inside its network namespace, but two containers may share a folder. So on Unix the owner
 * also takes a socket in the folder itself: one of those described below. A process is the owner once it holds every kind
 * of lock that is available there.
 *
 * The sockets in the folder are owner.1, owner.2, and so on. A socket whose owner has died refuses connections for ever. So
 * only the highest number matters: it tells who the owner is, or that there is none. To take over from a dead owner.n, a
 * process listens under a name of its own, then links that socket to owner.(n + 1). Only one process can succeed. A slow
 * process may succeed with n + 1 after another has taken n + 2 and removed n + 1. So it looks again after linking, and gives
 * way to any higher number. The highest socket is never removed, not even by its owner: a number that a process has seen dead
 * must not come to life again.
 *
 * Every user must be able to ask a socket whether its owner lives. Connecting takes the right to write, and a dead owner that
 * nobody may ask would be taken for a live one for ever. So the socket is opened to all users. What it answers is no secret,
 * since the abstract socket tells it to everybody. By the time its mode is changed, its path may lead to something else that
 * root must not open to all. So the mode is changed by descriptor (O_PATH). Where that is impossible, root at least gives the
 * socket to the folder's owner with a call that follows no link.
 *
 * An owner that closes properly leaves an empty file in the place of its socket, because programs that copy folders stumble
 * over sockets. It replaces the socket while it still listens: at that time no other process has its number or can get it.
 *
 * This code runs in the I/O thread. That thread answers while the application is busy, and when it dies, the owner and the
 * writer die at once.
 *
 * The comments within the string are shipped with it, so long explanations stand here.
 */
export const folderOwner = /* js */ String.raw`
const net = process.getBuiltinModule('node:net')
const { createHash, randomBytes } = process.getBuiltinModule('node:crypto')
const { thread } = process.getBuiltinModule('node:worker_threads').workerData
const isLinux = process.platform === 'linux'

/** The number is the same on all machines except some historic ones. Node has no name for it. */
const O_PATH = 0x200000

/** What a lock function returns if this platform or file system cannot lock in that way. */
const unavailable = undefined
const unavailableCodes = ['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EINVAL']

/** How long an owner may take to say who it is. It counts as the owner even if it says nothing. */
const answerMs = 250
/** How long a process that asked may keep its connection open. */
const guestMs = 2_000
/** A try fails only because another process succeeded or released the folder meanwhile. */
const triesMax = 100

const releases = new Map()
let lastHeld = 0

Object.assign(calls, {
  /** With isOnlyLook it returns the owner without becoming one, and leaves no trace in the folder. */
  async own(folder, isOnlyLook) {
    const place = fs.realpathSync(folder)
    const card = isOnlyLook ? undefined : JSON.stringify({ pid: process.pid, thread, since: Date.now() }) + '\n'
    const taken = []
    const releaseAll = async () => {
      for (const release of taken.splice(0).reverse()) await release()
    }
    try {
      for (const take of isWindows ? [byName] : isLinux ? [byName, bySocket] : [byFile, bySocket]) {
        const answer = await take(place, card)
        if (typeof answer === 'function') taken.push(answer)
        else if (answer !== unavailable) {
          await releaseAll()
          return { owner: answer }
        }
      }
    } catch (error) {
      await releaseAll()
      throw error
    }
    if (isOnlyLook) return {}
    if (taken.length === 0) throw failure('ENOTSUP', 'nothing here can keep others out', 'own', folder)
    releases.set(++lastHeld, releaseAll)
    return { held: lastHeld }
  },

  async release(held) {
    const release = releases.get(held)
    releases.delete(held)
    await release?.()
  },

  async releaseAll() {
    for (const held of [...releases.keys()]) await calls.release(held)
  },
})

/** Takes a name that does not lie in the file system. */
async function byName(place, card) {
  const { dev, ino } = fs.statSync(place, { bigint: true })
  const name = nameOf(createHash('sha256').update(dev + ':' + ino).digest('hex').slice(0, 32))
  if (!card) return ask(name)
  for (let tries = 0; tries < triesMax; tries++) {
    const close = await listen(name, card)
    if (close) return close
    const owner = await ask(name)
    if (owner) return owner
  }
  return stranger
}

function nameOf(hash) {
  if (isWindows) return '\\\\.\\pipe\\offstage-' + hash
  // Node 20 pads the name with NULs to the full 108 bytes, Node 22 does not, and both must mean the same name. Bun takes at
  // most 107 bytes. Between Bun and the others, the socket in the folder decides.
  return ('\0offstage-' + hash).padEnd(process.versions.bun ? 107 : 108, '-')
}

/** Takes a socket in the folder, as described at the top of this file. */
async function bySocket(place, card) {
  const { path, leave } = shortPath(place)
  if (path === undefined) return unavailable
  try {
    for (let tries = 0; tries < triesMax; tries++) {
      const last = highest(place)
      // A plain file has no owner behind it: the last owner has closed properly.
      const isNobody = last === 0 || lookAt(place + '/owner.' + last)?.isFile()
      const owner = isNobody ? undefined : await ask(path + '/owner.' + last)
      if (owner || !card) return owner
      const close = await listenAs(place, path, last + 1, card)
      if (close) return close
    }
    return stranger
  } catch (error) {
    if (unavailableCodes.includes(error.code)) return unavailable
    throw error
  } finally {
    leave()
  }
}

/** Returns nothing if another process was first. */
async function listenAs(place, path, number, card) {
  const draft = newName()
  const close = await listen(path + draft, card)
  const name = place + '/owner.' + number
  let isOwner = false
  let identity
  try {
    letAllAsk(place, place + draft)
    identity = identityOf(place + draft)
    fs.linkSync(place + draft, name)
    isOwner = highest(place) === number
    if (isOwner) removeOthers(place, number)
    else remove(name)
  } catch (error) {
    isOwner = false
    // ENOENT: the winner has removed the draft already.
    if (error.code !== 'EEXIST' && error.code !== 'ENOENT') throw error
  } finally {
    remove(place + draft)
    if (!isOwner) await close?.()
  }
  if (!isOwner) return undefined
  return () => {
    bury(place, name, identity)
    return close()
  }
}

const newName = () => '/owner.new-' + randomBytes(8).toString('hex')

/** Stays the same for as long as the path leads to the same file. */
const identityOf = (path) => statOf(lookAt(path))?.identity

function letAllAsk(place, path) {
  try {
    if (isLinux) {
      const fd = fs.openSync(path, O_PATH | O_NOFOLLOW)
      if (fs.fstatSync(fd).isSocket()) fs.chmodSync('/proc/self/fd/' + fd, 0o666)
      fs.closeSync(fd)
    } else if (isRoot()) {
      const { uid, gid } = fs.statSync(place)
      fs.lchownSync(path, uid, gid)
    }
  } catch {
    // Processes of the same user can ask anyway.
  }
}

function bury(place, name, identity) {
  const draft = place + newName()
  try {
    // Another folder may have been moved to this place.
    if (identityOf(name) !== identity) return
    const fd = fs.openSync(draft, O_RDWR | O_CREAT | fs.constants.O_EXCL)
    giveToOwner(fd, place)
    fs.closeSync(fd)
    fs.renameSync(draft, name)
  } catch {
    // The socket stays, as if the owner had been killed. The next owner removes it.
    tidy(draft)
  }
}

const numberOf = (name) => Number(/^owner\.(\d{1,15})$/.exec(name)?.[1] ?? 0)

function highest(place) {
  return Math.max(0, ...fs.readdirSync(place).map(numberOf))
}

function removeOthers(place, number) {
  for (const entry of fs.readdirSync(place, { withFileTypes: true })) {
    const { name } = entry
    const isPast = name.startsWith('owner.new-') || (numberOf(name) > 0 && numberOf(name) < number)
    const path = place + '/' + name
    // A file with content is not one of ours.
    if (isPast && (entry.isSocket() || (entry.isFile() && lookAt(path)?.size === 0n))) tidy(path)
  }
}

/** Removes a file if it may. In a folder that several users may write to, a file of another user is theirs to remove. */
function tidy(path) {
  ignoring(['ENOENT', ...forbidden], () => fs.unlinkSync(path))
}

function remove(path) {
  ignoring(['ENOENT'], () => fs.unlinkSync(path))
}

/** Returns a path that fits into the address of a socket, which has room for about a hundred bytes. */
function shortPath(place) {
  if (Buffer.byteLength(place) <= 75) return { path: place, leave() {} }
  if (!isLinux) return { path: undefined }
  const fd = fs.openSync(place, O_RDONLY)
  return { path: '/proc/self/fd/' + fd, leave: () => fs.closeSync(fd) }
}

/** Takes a lock that lasts as long as the file stays open. */
function byFile(place, card) {
  const path = place + '/owner'
  const isNew = !fs.existsSync(path)
  if (isNew && !card) return undefined
  const fd = openLocked(path)
  if (fd === busy) return readCard(fs.readFileSync(path, 'utf8'))
  if (fd === unavailable) return unavailable
  if (!card) return void fs.closeSync(fd)
  // Something on the way may have ignored the flag. If the file can be opened a second time, there is no lock.
  const again = openLocked(path)
  if (again !== busy) {
    for (const open of [fd, again]) if (open !== unavailable) fs.closeSync(open)
    return unavailable
  }
  if (isNew) giveToOwner(fd, place)
  fs.ftruncateSync(fd, 0)
  fs.writeSync(fd, card, 0)
  return () => fs.closeSync(fd)
}

const busy = 'busy'

function openLocked(path) {
  // The number is the same on macOS and every BSD. Node has no name for it.
  const O_EXLOCK = 0x20
  try {
    return fs.openSync(path, O_RDWR | O_CREAT | O_NONBLOCK | O_NOFOLLOW | O_EXLOCK, 0o600)
  } catch (error) {
    if (error.code === 'EAGAIN' || error.code === 'EWOULDBLOCK') return busy
    if (unavailableCodes.includes(error.code)) return unavailable
    throw error
  }
}

/** An owner of whom nothing is known. */
const stranger = { pid: undefined, since: undefined }

function readCard(text) {
  try {
    const { pid, since } = JSON.parse(text)
    return Number.isSafeInteger(pid) && Number.isSafeInteger(since) ? { pid, since } : stranger
  } catch {
    return stranger
  }
}

/** Returns a function that stops listening, or nothing if the path is taken. */
function listen(path, card) {
  return new Promise((resolve, reject) => {
    const guests = new Set()
    const server = net.createServer((guest) => {
      guests.add(guest)
      guest.on('error', () => {})
      guest.on('close', () => guests.delete(guest))
      // The other side closes first: Bun takes a connection that the server closes at once for one that was reset.
      guest.setTimeout(guestMs, () => guest.destroy())
      guest.resume()
      guest.write(card)
    })
    const close = () => {
      for (const guest of guests) guest.destroy()
      return new Promise((resolve) => server.close(resolve))
    }
    server.on('error', (error) => (error.code === 'EADDRINUSE' ? resolve(undefined) : reject(error)))
    // Exclusive, because the workers of a cluster would share the socket otherwise.
    server.listen({ path, exclusive: true }, () => resolve(close))
  })
}

/**
 * Returns who listens on a socket, or nothing if no process does. Only a refused connection means that none does: an owner that
 * does not answer may be stopped or overloaded.
 */
async function ask(path) {
  for (let tries = 0; tries < triesMax; tries++) {
    const answer = await askOnce(path)
    if (answer !== hungUp) return answer
  }
  return stranger
}

/** The owner is just closing. */
const hungUp = 'hung up'

function askOnce(path) {
  return new Promise((resolve) => {
    const socket = net.connect({ path })
    let text = ''
    const timer = setTimeout(() => done(stranger), answerMs)
    const done = (answer) => {
      clearTimeout(timer)
      socket.destroy()
      resolve(answer)
    }
    socket.setEncoding('utf8')
    socket.on('data', (data) => {
      text += data
      if (text.includes('\n') || text.length > 1000) done(readCard(text))
    })
    socket.on('end', () => done(hungUp))
    socket.on('error', ({ code }) => {
      if (code === 'ECONNREFUSED' || code === 'ENOENT') done(undefined)
      else done(code === 'ECONNRESET' || code === 'EPIPE' ? hungUp : stranger)
    })
  })
}
`

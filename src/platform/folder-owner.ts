/**
 * The owner of a folder: something that the kernel holds for a process and frees when it dies, however it dies. No PID
 * file (PIDs are used again, and threads share one), no heartbeat (a busy owner is an owner).
 *
 * Each platform has one such thing that nothing can go stale of:
 *
 *   Linux        an abstract socket, named after the folder's device and inode
 *   Windows      a named pipe of that name
 *   macOS, BSD   a file opened with O_EXLOCK
 *
 * An abstract socket is seen only inside its network namespace, and two containers may share a folder. So on Unix a
 * socket in the folder itself is taken as well: the numbered sockets below. Whoever gets all that there are is the owner.
 *
 * Others have to be able to ask, whoever they are: connecting takes the right to write, and a dead owner that may not be
 * asked would be taken for a live one, for ever. So a socket is opened to all; what it says is no secret, since the
 * abstract one tells everybody. Its path may lead elsewhere by now, to something that root must not open to all: hence by
 * descriptor (O_PATH), or, where that cannot be, root at least gives it to whom the folder belongs, which follows no link.
 *
 * An owner that goes in peace leaves an empty file in the place of its socket, at which programs that copy folders
 * stumble. It does so while it still listens: nobody else has its number then, or can have it.
 *
 * It is code for the I/O thread: that thread answers while the application is busy, and when it dies, so do the writer
 * and the owner at once.
 */
export const folderOwner = /* js */ String.raw`
const net = process.getBuiltinModule('node:net')
const { createHash, randomBytes } = process.getBuiltinModule('node:crypto')
const { thread } = process.getBuiltinModule('node:worker_threads').workerData
const isLinux = process.platform === 'linux'

/** The same on all machines but some of the past; Node has no name for it. */
const O_PATH = 0x200000

/** What a lock returns where it cannot be had. */
const unavailable = undefined
const unavailableCodes = ['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EINVAL']

/** How long an owner may take to say who it is. It is the owner either way. */
const answerMs = 250
/** How long somebody who asked may stay. */
const guestMs = 2_000
/** Each try that fails had somebody else succeed, or go. */
const triesMax = 100

const releases = new Map()
let lastHeld = 0

Object.assign(calls, {
  /** Who only looks, without being one to own it, leaves no trace. */
  async own(folder, isOnlyLook) {
    const place = fs.realpathSync(folder)
    const card = isOnlyLook ? undefined : JSON.stringify({ pid: process.pid, thread, since: Date.now() }) + '\n'
    const taken = []
    const letGo = async () => {
      for (const release of taken.splice(0).reverse()) await release()
    }
    try {
      for (const take of isWindows ? [byName] : isLinux ? [byName, bySocket] : [byFile, bySocket]) {
        const answer = await take(place, card)
        if (typeof answer === 'function') taken.push(answer)
        else if (answer !== unavailable) {
          await letGo()
          return { owner: answer }
        }
      }
    } catch (error) {
      await letGo()
      throw error
    }
    if (isOnlyLook) return {}
    if (taken.length === 0) throw failure('ENOTSUP', 'nothing here can keep others out', 'own', folder)
    releases.set(++lastHeld, letGo)
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

/** A name that is not in the file system. */
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
  // Node 20 fills the name up with NULs to the 108 bytes there are room for, Node 22 does not, and both must mean the
  // same. Bun takes 107 bytes at most; between it and the others it is the socket in the folder that decides.
  return ('\0offstage-' + hash).padEnd(process.versions.bun ? 107 : 108, '-')
}

/**
 * Sockets in the folder: owner.1, owner.2, and so on. A socket whose owner has died refuses connections for ever, so
 * the highest number tells: who is there, or that nobody is.
 *
 * To take over from a dead n: listen under a name of one's own, and link that socket to n + 1. Only one can. Who was slow
 * may do so when n + 2 is there and n + 1 gone; so look again afterwards, and give way to anything higher. The highest is
 * never removed, not even by its owner: a number that somebody saw dead must not come to life.
 */
async function bySocket(place, card) {
  const { path, leave } = shortPath(place)
  if (path === undefined) return unavailable
  try {
    for (let tries = 0; tries < triesMax; tries++) {
      const last = highest(place)
      // Nobody is behind a file.
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

/** Nothing when somebody else was first. */
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
    // ENOENT: the winner has tidied up.
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

/** The same as long as the path leads to the same. */
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
    // For its own user all is well.
  }
}

function bury(place, name, identity) {
  const draft = place + newName()
  try {
    // Somebody may have put another folder there.
    if (identityOf(name) !== identity) return
    const fd = fs.openSync(draft, O_RDWR | O_CREAT | fs.constants.O_EXCL)
    giveToOwner(fd, place)
    fs.closeSync(fd)
    fs.renameSync(draft, name)
  } catch {
    // The socket stays, as that of an owner that was killed, and the next one removes it.
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
    // What is in a file is somebody else's.
    if (isPast && (entry.isSocket() || (entry.isFile() && lookAt(path)?.size === 0n))) tidy(path)
  }
}

/** In a folder that many may write to, what is not ours is for others to remove. */
function tidy(path) {
  ignoring(['ENOENT', ...forbidden], () => fs.unlinkSync(path))
}

function remove(path) {
  ignoring(['ENOENT'], () => fs.unlinkSync(path))
}

/** The address of a socket has room for some hundred bytes. */
function shortPath(place) {
  if (Buffer.byteLength(place) <= 75) return { path: place, leave() {} }
  if (!isLinux) return { path: undefined }
  const fd = fs.openSync(place, O_RDONLY)
  return { path: '/proc/self/fd/' + fd, leave: () => fs.closeSync(fd) }
}

/** A lock that goes with the open file. */
function byFile(place, card) {
  const path = place + '/owner'
  const isNew = !fs.existsSync(path)
  if (isNew && !card) return undefined
  const fd = openLocked(path)
  if (fd === busy) return readCard(fs.readFileSync(path, 'utf8'))
  if (fd === unavailable) return unavailable
  if (!card) return void fs.closeSync(fd)
  // Ours, or did somebody on the way drop the flag? Then it can be opened again.
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
  // The same number on macOS and every BSD; Node has no name for it.
  const O_EXLOCK = 0x20
  try {
    return fs.openSync(path, O_RDWR | O_CREAT | O_NONBLOCK | O_NOFOLLOW | O_EXLOCK, 0o600)
  } catch (error) {
    if (error.code === 'EAGAIN' || error.code === 'EWOULDBLOCK') return busy
    if (unavailableCodes.includes(error.code)) return unavailable
    throw error
  }
}

/** Somebody of whom nothing is known. */
const stranger = { pid: undefined, since: undefined }

function readCard(text) {
  try {
    const { pid, since } = JSON.parse(text)
    return Number.isSafeInteger(pid) && Number.isSafeInteger(since) ? { pid, since } : stranger
  } catch {
    return stranger
  }
}

/** Nothing when the path is taken. */
function listen(path, card) {
  return new Promise((resolve, reject) => {
    const guests = new Set()
    const server = net.createServer((guest) => {
      guests.add(guest)
      guest.on('error', () => {})
      guest.on('close', () => guests.delete(guest))
      // The guest leaves first: Bun takes a connection that is closed at once for one that was reset.
      guest.setTimeout(guestMs, () => guest.destroy())
      guest.resume()
      guest.write(card)
    })
    const close = () => {
      for (const guest of guests) guest.destroy()
      return new Promise((resolve) => server.close(resolve))
    }
    server.on('error', (error) => (error.code === 'EADDRINUSE' ? resolve(undefined) : reject(error)))
    // Exclusive: workers of a cluster would share it.
    server.listen({ path, exclusive: true }, () => resolve(close))
  })
}

/** Who listens there; nothing when nobody does. Only a refusal means that: an owner may be stopped, or swamped. */
async function ask(path) {
  for (let tries = 0; tries < triesMax; tries++) {
    const answer = await askOnce(path)
    if (answer !== hungUp) return answer
  }
  return stranger
}

/** Somebody who goes just now. */
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

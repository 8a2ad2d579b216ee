// Who owns a folder: one at a time, whatever it is and wherever it runs, and nobody once it is dead.
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { createRequire } from 'node:module'
import { connect, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { Worker } from 'node:worker_threads'
import { build } from 'esbuild'
import { afterEach, beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest'
import { nodeDisk } from '../../src/platform/node-disk.ts'
import type { Disk } from '../../src/shared/disk.ts'
import { skipUnless } from '../support/skips.ts'
import { builtWorker } from '../support/workers.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))
const program = fileURLToPath(builtWorker('owner-program'))
const isLinux = process.platform === 'linux'
const isUnix = process.platform !== 'win32'

let folder: string
beforeEach(() => {
  folder = realpathSync(mkdtempSync(join(tmpdir(), 'offstage-owner-')))
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

function disk(): Disk {
  const disk = nodeDisk()
  onTestFinished(() => disk.close())
  return disk
}

/** Owns the folder, or fails the test. */
async function mustOwn(disk: Disk, path = folder): Promise<() => Promise<void>> {
  const answer = await disk.own(path)
  if (typeof answer !== 'function') throw new Error(`Somebody else owns it: ${JSON.stringify(answer)}`)
  return answer
}

const us = { pid: process.pid, since: expect.any(Number) }
const somebody = { pid: undefined, since: undefined }

/** Another process, which carries out commands and replies. */
class Program {
  readonly child: ChildProcess
  readonly #lines: AsyncIterator<string>

  private constructor(command: readonly string[]) {
    const [file = '', ...args] = command
    this.child = spawn(file, args, { stdio: ['pipe', 'pipe', 'inherit'] })
    this.#lines = createInterface({ input: this.child.stdout as NodeJS.ReadableStream })[Symbol.asyncIterator]()
    onTestFinished(() => void this.child.kill('SIGKILL'))
  }

  static async start(...before: string[]): Promise<Program> {
    const started = new Program([...before, process.execPath, program, folder])
    expect(await started.answer()).toBe('ready')
    return started
  }

  async answer(): Promise<unknown> {
    const { value = 'null' } = await this.#lines.next()
    return JSON.parse(value)
  }

  tell(command: string): Promise<unknown> {
    this.child.stdin?.write(`${command}\n`)
    return this.answer()
  }

  async end(signal: NodeJS.Signals): Promise<void> {
    this.child.kill(signal)
    await once(this.child, 'exit')
  }
}

describe('the second opener is refused, and the error names the owner', () => {
  const second: [who: string, path: () => string][] = [
    ['by the same path', () => folder],
    ['by another path', () => `${folder}/sub/.././`],
    ['through a link', () => join(folder, 'link')],
  ]
  test.each(second)('in the same process, %s', async (_name, path) => {
    mkdirSync(join(folder, 'sub'))
    symlinkSync(folder, join(folder, 'link'), 'junction')
    const before = Date.now()
    await mustOwn(disk())
    const answer = await disk().own(path())
    expect(answer).toEqual(us)
    const { since } = answer as { since: number }
    expect(since).toBeGreaterThanOrEqual(before)
    expect(since).toBeLessThanOrEqual(Date.now())
  })

  test('on the same disk', async () => {
    const only = disk()
    await mustOwn(only)
    expect(await only.own(folder)).toEqual(us)
  })

  test('in another thread', async () => {
    await mustOwn(disk())
    const thread = new Worker(program, { workerData: folder, argv: [] })
    onTestFinished(async () => void (await thread.terminate()))
    expect(await once(thread, 'message')).toEqual([us])
  })

  test('in a thread, when a thread that was ended owned it before', async () => {
    const thread = new Worker(program, { workerData: folder, argv: [] })
    expect(await once(thread, 'message')).toEqual(['owner'])
    expect(await disk().own(folder)).toEqual(us)
    await thread.terminate()
    await vi.waitFor(() => mustOwn(disk()), { timeout: 5_000, interval: 20 })
  })

  test('in another process', async () => {
    await mustOwn(disk())
    const other = await Program.start()
    expect(await other.tell('own')).toEqual(us)
  })

  test.each(['cjs', 'esm'] as const)('by another copy of this module (%s)', async (format) => {
    const outfile = join(root, `node_modules/.cache/offstage-test/owner-copy.${format === 'cjs' ? 'cjs' : 'mjs'}`)
    await build({ entryPoints: [join(root, 'src/platform/node-disk.ts')], outfile, bundle: true, format })
    const copy = format === 'cjs' ? createRequire(import.meta.url)(outfile) : await import(outfile)
    await mustOwn(disk())
    const other: Disk = copy.nodeDisk()
    onTestFinished(() => other.close())
    expect(await other.own(folder)).toEqual(us)
  })

  test('among the workers of a cluster', async () => {
    const primary = await Program.start()
    const answers = (await primary.tell('cluster')) as unknown[]
    expect(answers.filter((answer) => answer === 'owner')).toHaveLength(1)
    expect(answers).toHaveLength(3)
  })

  test('of twenty processes at once, nineteen', async () => {
    const programs = await Promise.all(Array.from({ length: 20 }, () => Program.start()))
    const answers = await Promise.all(programs.map((each) => each.tell('own')))
    expect(answers.filter((answer) => answer === 'owner')).toHaveLength(1)
  })

  test('in another network namespace, as that of a container', async (context) => {
    skipUnless(context, isLinux, 'network namespaces are Linux')
    skipUnless(context, spawnSync('unshare', ['-n', 'true']).status === 0, 'making a network namespace needs root')
    const release = await mustOwn(disk())
    const other = await Program.start('unshare', '-n')
    expect(await other.tell('own')).toEqual(us)
    await release()
    expect(await other.tell('own')).toBe('owner')
    expect(await disk().own(folder)).toMatchObject({ pid: other.child.pid })
  })
})

describe('an owner that does not answer is an owner', () => {
  test('busy: its thread answers all the same', async () => {
    const other = await Program.start()
    await other.tell('own')
    await other.tell('busy')
    expect(await disk().own(folder)).toMatchObject({ pid: other.child.pid })
  })

  test('stopped', async (context) => {
    skipUnless(context, isUnix, 'there is no SIGSTOP on Windows')
    const other = await Program.start()
    await other.tell('own')
    other.child.kill('SIGSTOP')
    expect(await disk().own(folder)).toEqual(somebody)
    other.child.kill('SIGCONT')
    expect(await disk().own(folder)).toMatchObject({ pid: other.child.pid })
  })

  test.each([
    ['says something else', 'HTTP/1.1 400 Bad Request\r\n'],
    ['says nothing', ''],
    ['hangs up', undefined],
    ['claims to be what no process is', '{"pid":"rm -rf","since":{}}\n'],
  ])('somebody who %s', async (_name, words) => {
    if (!isUnix) return // There is no place for it there.
    const server = createServer((guest) => (words === undefined ? guest.end() : guest.write(words))).listen(
      join(folder, 'owner.7'),
    )
    onTestFinished(() => void server.close())
    await once(server, 'listening')
    expect(await disk().own(folder)).toEqual(somebody)
  })
})

test('the name means the same on every version of Node, of which some fill it up', async (context) => {
  skipUnless(context, isLinux, 'only here names of sockets have a length')
  await mustOwn(disk())
  const { dev, ino } = statSync(folder, { bigint: true })
  const hash = createHash('sha256').update(`${dev}:${ino}`).digest('hex').slice(0, 32)
  // The kernel shows a NUL as '@', and ours is the first; there is room for 108 bytes.
  expect(readFileSync('/proc/net/unix', 'latin1')).toContain(`@offstage-${hash}`.padEnd(108, '-'))
})

describe('a folder is free again', () => {
  test('at once when its owner was killed', async () => {
    const other = await Program.start()
    expect(await other.tell('own')).toBe('owner')
    await other.end('SIGKILL')
    if (isLinux) await mustOwn(disk())
    else await vi.waitFor(() => mustOwn(disk()), { timeout: 1_000, interval: 50 })
  })

  test('when its owner ended by itself, which owning does not prevent', async () => {
    const other = await Program.start()
    await other.tell('own')
    other.child.stdin?.end()
    expect(await once(other.child, 'exit')).toEqual([0, null])
    await mustOwn(disk())
  })

  test('when it is released, as often as one likes', async () => {
    const [one, two] = [disk(), disk()]
    const release = await mustOwn(one)
    await release()
    const releaseAgain = await mustOwn(two)
    await release()
    expect(await one.own(folder)).toEqual(us)
    await releaseAgain()
    await mustOwn(one)
  })

  test('when the disk is closed', async () => {
    const one = disk()
    const release = await mustOwn(one)
    await one.close()
    await mustOwn(disk())
    await release()
  })

  test('and one that was never owned is free too', async () => {
    mkdirSync(join(folder, 'a'))
    mkdirSync(join(folder, 'b'))
    const only = disk()
    await mustOwn(only, join(folder, 'a'))
    await mustOwn(only, join(folder, 'b'))
  })
})

describe('the folder', () => {
  test('may have a path that is too long for the address of a socket', async () => {
    const deep = join(folder, 'x'.repeat(100), 'y'.repeat(100))
    mkdirSync(deep, { recursive: true })
    await mustOwn(disk(), deep)
    expect(await disk().own(deep)).toEqual(us)
    if (isLinux) expect(readdirSync(deep)).toEqual(['owner.1'])
  })

  test('that is not there cannot be owned', async () => {
    await expect(disk().own(join(folder, 'nowhere'))).rejects.toMatchObject({ code: 'ENOENT' })
  })

  test('keeps files of others that look like ours', async (context) => {
    skipUnless(context, isLinux, 'only here every owner leaves a socket')
    writeFileSync(join(folder, 'owner.5'), 'theirs')
    writeFileSync(join(folder, 'owner.new-5'), 'theirs')
    const release = await mustOwn(disk())
    expect(await disk().own(folder)).toEqual(us)
    expect(readdirSync(folder).sort()).toEqual(['owner.5', 'owner.6', 'owner.new-5'])
    await release()
  })
})

describe.runIf(isLinux)('on Unix that is not Linux', () => {
  const { platform } = process
  const threads = process.getBuiltinModule('node:worker_threads')
  const { Worker } = threads
  afterEach(() => {
    threads.Worker = Worker
  })

  /** A disk whose thread believes to be elsewhere. */
  async function diskElsewhere(pretence = ''): Promise<Disk> {
    threads.Worker = class extends Worker {
      constructor(source: string, options: object) {
        super(`Object.defineProperty(process, 'platform', { value: 'aix' })\n${pretence}\n${source}`, options)
      }
    } as typeof Worker
    const made = disk()
    await made.list(folder) // The thread starts with the first call.
    expect(process.platform).toBe(platform)
    return made
  }

  // As O_EXLOCK does it, but for a crash.
  const lockedFiles = `{
    const fs = process.getBuiltinModule('node:fs')
    const { openSync, closeSync } = fs
    const locks = new Map()
    fs.openSync = (path, flags, mode) => {
      if (!(flags & 0x20)) return openSync(path, flags, mode)
      try {
        closeSync(openSync(path + '.locked', 'wx'))
      } catch {
        throw Object.assign(new Error('It is locked.'), { code: 'EAGAIN' })
      }
      const fd = openSync(path, flags & ~0x20, mode)
      locks.set(fd, path + '.locked')
      return fd
    }
    fs.closeSync = (fd) => {
      if (locks.has(fd)) fs.unlinkSync(locks.get(fd))
      locks.delete(fd)
      closeSync(fd)
    }
  }`

  test('a locked file decides first, and says who locked it', async () => {
    const [one, two] = [await diskElsewhere(lockedFiles), await diskElsewhere(lockedFiles)]
    const release = await mustOwn(one)
    rmSync(join(folder, 'owner.1'))
    expect(await two.own(folder)).toEqual(us)
    await release()
    await mustOwn(two)
    rmSync(join(folder, 'owner.1'))
    expect(await one.own(folder)).toEqual(us)
  })

  test('an owner that is stopped, and besieged by so many that no more are let in, is an owner', async () => {
    const other = await Program.start()
    await other.tell('own')
    other.child.kill('SIGSTOP')
    const refusals: string[] = []
    const guests = Array.from({ length: 600 }, () => {
      const guest = connect(join(folder, 'owner.1'))
      return guest.on('error', ({ code }: NodeJS.ErrnoException) => refusals.push(code as string))
    })
    onTestFinished(() => {
      for (const guest of guests) guest.destroy()
    })
    await expect.poll(() => refusals).toContain('EAGAIN')
    expect(await (await diskElsewhere()).own(folder)).toEqual(somebody)
  })

  test('where files cannot be locked the sockets decide: of many at once one wins, and when it dies another', async () => {
    const disks = await Promise.all(Array.from({ length: 6 }, () => diskElsewhere()))
    for (let round = 1; round <= 40; round++) {
      const answers = await Promise.all(disks.map((each) => each.own(folder)))
      const owners = answers.filter((answer) => typeof answer === 'function')
      expect(owners, `in round ${round}`).toHaveLength(1)
      // Some owners go as in a crash: with their thread.
      if (round % 4 === 0) {
        const index = answers.findIndex((answer) => typeof answer === 'function')
        await disks[index]?.close()
        disks[index] = await diskElsewhere()
      } else await owners[0]?.()
    }
    // The last owner's socket, and the file whose lock was found to be none.
    expect(readdirSync(folder).sort()).toEqual(['owner', 'owner.40'])
  })
})

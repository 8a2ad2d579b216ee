// The real file system behind `Disk`: what calls answer, what they refuse, and what its thread does to the process.
import { execFileSync, spawn } from 'node:child_process'
import {
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, describe, expect, onTestFinished, test } from 'vitest'
import { nodeDisk } from '../../src/platform/node-disk.ts'
import type { Disk, DiskFile } from '../../src/shared/disk.ts'
import { builtWorker } from '../support/workers.ts'

const isUnix = process.platform !== 'win32'
const program = fileURLToPath(builtWorker('disk-program'))
const preload = fileURLToPath(new URL('../fixtures/disk-preload.cjs', import.meta.url))

let folder: string
let disk: Disk
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'offstage-disk-'))
  disk = nodeDisk()
})
afterEach(async () => {
  await disk.close()
  rmSync(folder, { recursive: true, force: true })
})

const at = (name: string): string => join(folder, name)
const bytes = (content: string): Uint8Array => new TextEncoder().encode(content)

async function read(file: DiskFile, length: number, offset: number): Promise<string> {
  const into = new Uint8Array(length)
  return new TextDecoder().decode(into.subarray(0, await file.read(into, offset)))
}

describe('a file', () => {
  test('is written and read at offsets', async () => {
    const file = await disk.open(at('journal'), 'write')
    expect(await file.write(bytes('hello world'), 0)).toBe(11)
    expect(await file.write(bytes('W'), 6)).toBe(1)
    await file.sync()
    expect(await read(file, 5, 6)).toBe('World')
    expect(await read(file, 100, 6)).toBe('World')
    expect(await read(file, 100, 11)).toBe('')
    await file.truncate(5)
    expect(await file.stat()).toMatchObject({ kind: 'file', size: 5 })
    await file.close()
    expect(readFileSync(at('journal'), 'utf8')).toBe('hello')
  })

  test('`read` needs it to be there, `write` leaves what is in it, `create` empties it', async () => {
    await expect(disk.open(at('journal'), 'read')).rejects.toMatchObject({ code: 'ENOENT' })
    writeFileSync(at('journal'), 'before')
    const opened = await disk.open(at('journal'), 'write')
    expect(await read(opened, 10, 0)).toBe('before')
    const created = await disk.open(at('journal'), 'create')
    expect(await created.stat()).toMatchObject({ size: 0 })
    expect(await created.stat()).toEqual(await opened.stat())
    const readOnly = await disk.open(at('journal'), 'read')
    await expect(readOnly.write(bytes('x'), 0)).rejects.toMatchObject({ code: expect.stringMatching(/EBADF|EPERM/) })
  })

  test('keeps its identity when it is renamed, and another file has another', async () => {
    const file = await disk.open(at('next'), 'create')
    const other = await disk.open(at('journal'), 'create')
    const { identity } = await file.stat()
    expect((await other.stat()).identity).not.toBe(identity)
    await disk.rename(at('next'), at('journal'))
    expect(await disk.stat(at('journal'))).toEqual({ kind: 'file', size: 0, identity })
    expect(await disk.stat(at('next'))).toBeUndefined()
  })

  test.runIf(isUnix)('is readable by nobody else', async () => {
    await disk.open(at('journal'), 'write')
    expect(statSync(at('journal')).mode & 0o777).toBe(0o600)
  })

  test('takes bytes as they are when `write` is called, and leaves them to the caller', async () => {
    const file = await disk.open(at('journal'), 'write')
    const buffer = bytes('0123456789')
    const writing = [file.write(buffer, 0), file.write(buffer.subarray(2, 4), 10), file.write(Buffer.from('AB'), 12)]
    buffer.fill(0)
    expect(await Promise.all(writing)).toEqual([10, 2, 2])
    expect(readFileSync(at('journal'), 'utf8')).toBe('012345678923AB')
    expect(buffer.buffer.byteLength).toBe(10)
  })

  test('calls that nobody waits for in between are carried out in order', async () => {
    const file = await disk.open(at('journal'), 'write')
    const done: string[] = []
    const tell = (what: string) => () => void done.push(what)
    const calls = [
      file.write(bytes('first'), 0).then(tell('write')),
      file.sync().then(tell('sync')),
      file.truncate(2).then(tell('truncate')),
      file.stat().then(({ size }) => tell(`stat ${size}`)()),
    ]
    await Promise.resolve()
    calls.push(disk.rename(at('journal'), at('renamed')).then(tell('rename')))
    await Promise.all(calls)
    expect(done).toEqual(['write', 'sync', 'truncate', 'stat 2', 'rename'])
    expect(readFileSync(at('renamed'), 'utf8')).toBe('fi')
  })

  test('that is closed refuses, even when its number belongs to another file by now', async () => {
    const file = await disk.open(at('journal'), 'write')
    await file.close()
    await file.close()
    await disk.open(at('other'), 'write')
    await expect(file.write(bytes('x'), 0)).rejects.toThrow('The file is closed.')
    expect(await disk.stat(at('other'))).toMatchObject({ size: 0 })
  })

  test('reads and writes several MB at once', async () => {
    const file = await disk.open(at('journal'), 'write')
    const large = new Uint8Array(8 * 1024 * 1024).map((_, n) => n * 7)
    expect(await file.write(large, 3)).toBe(large.length)
    const back = new Uint8Array(large.length)
    expect(await file.read(back, 3)).toBe(large.length)
    expect(Buffer.compare(back, large)).toBe(0)
  })
})

describe('a folder', () => {
  test('is made with all above it, lists its names, and is synced', async () => {
    await disk.makeFolder(at('a/b/c'))
    await disk.makeFolder(at('a/b/c'))
    await disk.open(at('a/b/file'), 'create')
    expect((await disk.list(at('a/b'))).sort()).toEqual(['c', 'file'])
    await disk.syncFolder(at('a/b'))
    expect(await disk.stat(at('a/b'))).toMatchObject({ kind: 'folder' })
  })

  test('what is removed is gone, and what is not there needs no removing', async () => {
    writeFileSync(at('journal'), '')
    await disk.remove(at('journal'))
    await disk.remove(at('journal'))
    expect(readdirSync(folder)).toEqual([])
  })
})

describe('what is no file', () => {
  const modes = ['read', 'write', 'create'] as const

  test.each(modes)('a folder is not opened to %s', async (mode) => {
    mkdirSync(at('journal'))
    await expect(disk.open(at('journal'), mode)).rejects.toMatchObject({ code: 'EISDIR', path: at('journal') })
  })

  test.runIf(isUnix).each(modes)('a named pipe does not hang who opens it to %s', async (mode) => {
    execFileSync('mkfifo', [at('journal')])
    await expect(disk.open(at('journal'), mode)).rejects.toMatchObject({ code: 'EFTYPE', syscall: 'open' })
    expect(await disk.stat(at('journal'))).toMatchObject({ kind: 'other' })
  })

  test.runIf(isUnix).each(modes)('a device is not opened to %s', async (mode) => {
    await expect(disk.open('/dev/null', mode)).rejects.toMatchObject({ code: 'EFTYPE' })
    expect(await disk.stat('/dev/null')).toMatchObject({ kind: 'other' })
  })

  test.runIf(isUnix).each(modes)('a socket is not opened to %s', async (mode) => {
    const server = createServer().listen(at('journal'))
    onTestFinished(() => void server.close())
    await expect.poll(() => existsSync(at('journal'))).toBe(true)
    await expect(disk.open(at('journal'), mode)).rejects.toMatchObject({ code: 'EFTYPE' })
  })

  test.runIf(isUnix).each(modes)('a link is not followed to %s what it leads to', async (mode) => {
    writeFileSync(at('precious'), 'data')
    symlinkSync(at('precious'), at('journal'))
    await expect(disk.open(at('journal'), mode)).rejects.toMatchObject({ code: 'ELOOP' })
    expect(readFileSync(at('precious'), 'utf8')).toBe('data')
    expect(await disk.stat(at('journal'))).toMatchObject({ kind: 'other' })
  })

  test.runIf(isUnix)('a link that leads nowhere is something, and is removed as itself', async () => {
    symlinkSync(at('nowhere'), at('journal'))
    expect(await disk.stat(at('journal'))).toMatchObject({ kind: 'other' })
    await expect(disk.open(at('journal'), 'create')).rejects.toMatchObject({ code: 'ELOOP' })
    await disk.remove(at('journal'))
    expect(existsSync(at('nowhere'))).toBe(false)
    expect(lstatSync(at('journal'), { throwIfNoEntry: false })).toBeUndefined()
  })

  test.runIf(isUnix)('a link to a folder is that folder', async () => {
    mkdirSync(at('real'))
    symlinkSync(at('real'), at('link'))
    expect(await disk.stat(at('link'))).toEqual(await disk.stat(at('real')))
    await disk.makeFolder(at('link'))
    await disk.open(join(at('link'), 'journal'), 'create')
    expect(readdirSync(at('real'))).toEqual(['journal'])
  })

  test('a file under a second name is the same file', async () => {
    writeFileSync(at('journal'), '')
    linkSync(at('journal'), at('second'))
    expect(await disk.stat(at('second'))).toEqual(await disk.stat(at('journal')))
  })
})

describe('errors', () => {
  test("have all the fields of the platform's own", async () => {
    const path = at('nowhere/journal')
    const error = await disk.open(path, 'write').catch((error) => error)
    expect(error).toBeInstanceOf(Error)
    expect(error).toMatchObject({ code: 'ENOENT', errno: expect.any(Number), syscall: 'open', path })
    expect(error.message).toContain(path)
    const rename = disk.rename(at('a'), at('b'))
    await expect(rename).rejects.toMatchObject({ code: 'ENOENT', path: at('a'), dest: at('b') })
  })

  test('concern only their own call', async () => {
    const file = await disk.open(at('journal'), 'write')
    const outcomes = await Promise.allSettled([
      file.write(bytes('a'), 0),
      disk.list(at('nowhere')),
      file.write(bytes('b'), 1),
    ])
    expect(outcomes.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled'])
    expect(readFileSync(at('journal'), 'utf8')).toBe('ab')
  })

  test.runIf(isUnix)('a file that can grow no further says so', async () => {
    // A small file system would need root; a limit on the size of files does not.
    const script = `ulimit -f 64; trap '' XFSZ; exec '${process.execPath}' '${program}' fill '${at('journal')}'`
    expect(execFileSync('bash', ['-c', script], { encoding: 'utf8' })).toBe('EFBIG')
    expect(statSync(at('journal')).size).toBe(64 * 1024)
  })
})

describe('closing', () => {
  test('waits for what was called before, and refuses what comes after', async () => {
    const file = await disk.open(at('journal'), 'write')
    const writing = file.write(bytes('last'), 0)
    const closing = disk.close()
    expect(disk.close()).toBe(closing)
    await expect(file.sync()).rejects.toThrow('The disk is closed.')
    await expect(disk.list(folder)).rejects.toThrow('The disk is closed.')
    expect(await writing).toBe(4)
    await closing
    expect(readFileSync(at('journal'), 'utf8')).toBe('last')
  })

  test('a disk that did nothing has nothing to close', async () => {
    await nodeDisk().close()
  })

  test.runIf(process.platform === 'linux')('closes the files that are still open', async () => {
    const openFiles = (): number => readdirSync('/proc/self/fd').length
    const another = nodeDisk()
    await another.list(folder)
    const before = openFiles()
    for (const name of ['a', 'b', 'c']) await another.open(at(name), 'create')
    expect(openFiles()).toBe(before + 3)
    await another.close()
    await expect.poll(openFiles).toBeLessThanOrEqual(before)
  })
})

describe('the process', () => {
  const run = async (...args: string[]) => {
    const child = spawn(process.execPath, [program, ...args], {
      timeout: 15_000,
      killSignal: 'SIGKILL',
      // A preload that would end every thread it gets into.
      env: { ...process.env, NODE_OPTIONS: `--require ${preload}` },
    })
    const [output, errors, code] = await Promise.all([
      text(child.stdout),
      text(child.stderr),
      new Promise((resolve) => child.on('exit', resolve)),
    ])
    return { output: output.trim() + errors.trim(), code }
  }

  test('lives until a call is done that nobody awaits, and ends with the file still open', async () => {
    expect(await run('write', at('journal'))).toEqual({ output: 'written and synced', code: 0 })
    expect(readFileSync(at('journal'), 'utf8')).toBe('x'.repeat(1_000_000))
  })

  test('a thread that dies rejects what is in flight, and all that comes', async () => {
    expect(await run('die', at('journal'))).toEqual({
      output: 'The thread that reads and writes the files of the store has died. (It ended with exit code 1.)'.repeat(
        2,
      ),
      code: 0,
    })
  })
})

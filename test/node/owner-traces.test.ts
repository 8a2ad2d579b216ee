// What an owner leaves in the folder: nothing that a copy of the folder stumbles over, and nothing that keeps others out
// when it is dead, whoever it was.
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import {
  chmodSync,
  chownSync,
  copyFileSync,
  cpSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
} from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { createScheduler, inline } from 'offstage'
import { fileStore } from 'offstage/file'
import { defineJobs } from 'offstage/worker'
import { afterEach, beforeEach, describe, expect, onTestFinished, type TestContext, test } from 'vitest'
import { type NodeDisk, nodeDisk } from '../../src/platform/node-disk.ts'
import { skipUnless, skipUnlessRunsAs } from '../support/skips.ts'
import { builtWorker } from '../support/workers.ts'

const isLinux = process.platform === 'linux'
const isRoot = process.getuid?.() === 0
const nobody = { uid: 65_534, gid: 65_534 }

let above: string
let folder: string
beforeEach(() => {
  above = realpathSync(mkdtempSync(join(tmpdir(), 'offstage-traces-')))
  folder = join(above, 'store')
  mkdirSync(folder)
})
afterEach(() => rmSync(above, { recursive: true, force: true }))

function disk(): NodeDisk {
  const disk = nodeDisk()
  onTestFinished(() => disk.close())
  return disk
}

async function mustOwn(disk: NodeDisk, path = folder): Promise<() => Promise<void>> {
  const answer = await disk.own(path)
  if (typeof answer !== 'function') throw new Error(`Somebody else owns it: ${JSON.stringify(answer)}`)
  return answer
}

/** Another process, perhaps of another user, that tries to own the folder, and is there until the test is over. */
async function other(options: { uid?: number; gid?: number } = {}, ...before: string[]) {
  const program = join(above, 'owner-program.mjs')
  copyFileSync(fileURLToPath(builtWorker('owner-program')), program)
  chmodSync(above, 0o755)
  const [file = '', ...args] = [...before, process.execPath, program, folder]
  const child: ChildProcess = spawn(file, args, { stdio: ['pipe', 'pipe', 'inherit'], ...options })
  onTestFinished(() => void child.kill('SIGKILL'))
  const lines = createInterface({ input: child.stdout as NodeJS.ReadableStream })[Symbol.asyncIterator]()
  await lines.next()
  child.stdin?.write('own\n')
  const { value } = await lines.next()
  return { child, answer: JSON.parse(value as string) as unknown }
}

const kinds = () =>
  Object.fromEntries(
    readdirSync(folder).map((name) => [name, lstatSync(join(folder, name)).isSocket() ? 'socket' : 'file']),
  )

describe('an owner that goes in peace', () => {
  test('leaves no socket, so that its folder can be copied; the copy is a store, and so is what was copied', async () => {
    const jobs = defineJobs({ double: (n: number) => n * 2 })
    const open = (path: string) => createScheduler<typeof jobs>(inline(jobs), { store: fileStore(path) })
    for (let round = 1; round <= 3; round++) {
      const scheduler = open(folder)
      await scheduler.run.double(round, { id: `job ${round}` })
      await scheduler.close()
      expect(Object.values(kinds())).not.toContain('socket')
      const copy = join(above, `copy ${round}`)
      cpSync(folder, copy, { recursive: true })
      const second = open(copy)
      expect(await second.counts()).toMatchObject({ completed: round })
      await second.close()
    }
  })

  test('leaves its number, which nobody takes again', async (context) => {
    skipUnless(context, isLinux, 'only here every owner leaves one')
    for (let number = 1; number <= 3; number++) {
      const release = await mustOwn(disk())
      expect(kinds()).toEqual({ [`owner.${number}`]: 'socket' })
      await release()
      expect(kinds()).toEqual({ [`owner.${number}`]: 'file' })
    }
  })

  test('leaves another folder alone that was put in the place of its own', async (context) => {
    skipUnless(context, isLinux, 'only here every owner leaves one')
    const release = await mustOwn(disk())
    renameSync(folder, join(above, 'moved'))
    mkdirSync(folder)
    await mustOwn(disk())
    await release()
    expect(kinds()).toEqual({ 'owner.1': 'socket' })
    expect(await disk().own(folder)).toMatchObject({ pid: process.pid })
  })

  test('and who only looks leaves nothing', async () => {
    expect(await disk().ownerOf(folder)).toBeUndefined()
    expect(readdirSync(folder)).toEqual([])
    const release = await mustOwn(disk())
    const before = readdirSync(folder)
    expect(await disk().ownerOf(folder)).toMatchObject({ pid: process.pid })
    await release()
    expect(await disk().ownerOf(folder)).toBeUndefined()
    expect(readdirSync(folder)).toEqual(before)
  })
})

describe('an owner that runs as another user, as root', () => {
  const needsRoot = (context: TestContext) => {
    skipUnless(context, isLinux, 'only here every owner leaves a socket')
    skipUnlessRunsAs(context, nobody)
  }

  beforeEach(() => {
    if (isRoot) chownSync(folder, nobody.uid, nobody.gid)
  })

  test('is dead when it was killed: whoever the folder belongs to owns it again', async (context) => {
    needsRoot(context)
    const root = await other()
    expect(root.answer).toBe('owner')
    root.child.kill('SIGKILL')
    await once(root.child, 'exit')
    expect(kinds()).toEqual({ 'owner.1': 'socket' })
    expect((await other(nobody)).answer).toBe('owner')
    expect(kinds()).toEqual({ 'owner.2': 'socket' })
  })

  test('has gone when it went in peace', async (context) => {
    needsRoot(context)
    await (await mustOwn(disk()))()
    const { uid, gid } = statSync(join(folder, 'owner.1'))
    expect({ uid, gid }).toEqual(nobody)
    expect((await other(nobody)).answer).toBe('owner')
  })

  test('keeps others out while it lives, also those who see only its socket', async (context) => {
    needsRoot(context)
    const drop = ['unshare', '-n', 'setpriv', `--reuid=${nobody.uid}`, `--regid=${nobody.gid}`, '--clear-groups']
    skipUnless(context, spawnSync(drop[0] as string, [...drop.slice(1), 'true']).status === 0, 'no namespaces here')
    await mustOwn(disk())
    expect((await other({}, ...drop)).answer).toMatchObject({ pid: process.pid })
    expect((await other(nobody)).answer).toMatchObject({ pid: process.pid })
  })

  // In this network namespace the abstract socket would tell; of another one nothing does.
  test('keeps others out where they may not even ask: nobody knows that it is dead', async (context) => {
    needsRoot(context)
    const server = createServer().listen(join(folder, 'owner.7'))
    onTestFinished(() => void server.close())
    await once(server, 'listening')
    chmodSync(join(folder, 'owner.7'), 0o755)
    expect((await other(nobody)).answer).toEqual({})
  })

  test('in a folder where nobody may remove what others made: it is owned all the same', async (context) => {
    needsRoot(context)
    chownSync(folder, 0, 0)
    chmodSync(folder, 0o1777)
    const root = await other()
    root.child.kill('SIGKILL')
    await once(root.child, 'exit')
    expect((await other(nobody)).answer).toBe('owner')
    expect(kinds()).toEqual({ 'owner.1': 'socket', 'owner.2': 'socket' })
    expect(await disk().own(folder)).toMatchObject({ pid: expect.any(Number) })
  })
})

// Jobs that take down their process, and processes that are taken down under their jobs: on a real disk.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { temporaryFolder } from '../support/testing.ts'
import { builtWorker } from '../support/workers.ts'

const folder = temporaryFolder()
const program = fileURLToPath(builtWorker('killed-program'))

interface Request {
  readonly name: string
  readonly input?: unknown
  readonly options: { readonly id: string }
}

/** One life: what it said, and how it ended. It is killed once it has said so many lines that `isEnough`. */
async function live(place: string, requests: readonly Request[], isEnough = (_lines: unknown[][]) => false) {
  const args = [program, `${folder}/${place}`, builtWorker('stored').href, JSON.stringify(requests)]
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'], timeout: 60_000 })
  const lines: unknown[][] = []
  const ended = once(child, 'close')
  for await (const line of createInterface({ input: child.stdout })) {
    lines.push(JSON.parse(line))
    if (isEnough(lines)) child.kill('SIGKILL')
  }
  const [code, signal] = await ended
  return { lines, code, signal }
}

test('a job that kills its process is given up after three starts, and all others are done', {
  timeout: 120_000,
}, async () => {
  const innocents = Array.from({ length: 50 }, (_, n) => ({
    name: 'double',
    input: n,
    options: { id: `innocent ${n}` },
  }))
  const requests = [
    ...innocents.slice(0, 25),
    { name: 'killProcess', options: { id: 'killer' } },
    ...innocents.slice(25),
  ]
  const lives: unknown[] = []
  for (let life = 1; life <= 4; life++) lives.push(await live('killer', requests))
  const killed = { lines: [['opened']], code: null, signal: 'SIGKILL' }
  const counts = expect.objectContaining({ completed: 50, failed: 1, queued: 0 })
  const last = [['opened'], ['failed', 'killer', 'JOB_POISONED'], ['idle', counts]]
  expect(lives).toEqual([killed, killed, killed, { lines: last, code: 0, signal: null }])
  expect(await live('killer', [])).toMatchObject({
    code: 0,
    lines: [['opened'], ['idle', { completed: 50, failed: 1 }]],
  })
})

test('a process that is killed again and again costs no job that is innocent', { timeout: 120_000 }, async () => {
  const ids = ['a', 'b', 'c']
  const file = (id: string) => `${folder}/${id}.done`
  const requests = ids.map((id) => ({ name: 'until', input: file(id), options: { id } }))
  const begun = (lines: unknown[][]) => lines.filter(([what]) => what === 'begun').map(([, id]) => id)
  const first = await live('killed', requests, (lines) => begun(lines).length === 3)
  expect(begun(first.lines).sort()).toEqual(ids)
  for (const id of ids) {
    // Before any of them is tried.
    await live('killed', [], (lines) => lines.length === 1)
    const { lines } = await live('killed', [], (lines) => begun(lines).at(-1) === id)
    expect(begun(lines).at(-1)).toBe(id)
    writeFileSync(file(id), '')
  }
  const { lines, code } = await live('killed', [])
  expect(code).toBe(0)
  expect(lines.at(-1)).toEqual(['idle', expect.objectContaining({ completed: 3, failed: 0 })])
})

// One life of the program that is killed: from the start of its process, ahead of time, to its death.
import { spawn } from 'node:child_process'
import { closeSync, cpSync, mkdirSync, mkdtempSync, openSync, readSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('../..', import.meta.url))

/** @typedef {import('./app/program.mjs').Orders} Orders */
/** @typedef {{ what: string | number, resolve: (isSaid: boolean) => void }} Wait a word, or the number of a line */

/**
 * A folder with the program in it, as a user would have it: offstage is what was last built, copied, so that whoever
 * builds in the meantime changes nothing. `OFFSTAGE_DIST` is another build: one that was broken on purpose, to see this
 * find it.
 */
export function install() {
  const folder = mkdtempSync(join(tmpdir(), 'offstage-crashes-'))
  const library = join(folder, 'node_modules/offstage')
  mkdirSync(library, { recursive: true })
  cpSync(join(root, 'package.json'), join(library, 'package.json'))
  cpSync(process.env.OFFSTAGE_DIST ?? join(root, 'dist'), join(library, 'dist'), { recursive: true })
  cpSync(fileURLToPath(new URL('app', import.meta.url)), folder, { recursive: true })
  const [trace, store] = [join(folder, 'trace'), join(folder, 'store')]
  writeFileSync(trace, '')
  mkdirSync(store)
  const uninstall = () => rmSync(folder, { recursive: true, force: true })
  return { folder, program: join(folder, 'program.mjs'), trace, store, uninstall }
}

export class Life {
  #child
  #rest = ''
  /** @type {Wait[]} */
  #waits = []
  #said = new Set()
  #lines = 0
  #listener = (/** @type {unknown[]} */ _line) => {}
  /** Resolves when it is dead and all that it said has been heard. */
  ended
  errors = ''

  /** @param {string} program @param {string[]} [nodeArgs] */
  constructor(program, nodeArgs = []) {
    // Not our working folder: it must not keep a file system busy that is to be unmounted.
    this.#child = spawn(process.execPath, [...nodeArgs, program], { stdio: ['pipe', 'pipe', 'pipe'], cwd: '/' })
    this.#child.stdin.on('error', () => {}) // It is dead, which others find out.
    this.#child.stdout.setEncoding('utf8').on('data', (data) => this.#read(data))
    this.#child.stderr.setEncoding('utf8').on('data', (data) => {
      this.errors += data
    })
    this.ended = new Promise((resolve) => {
      this.#child.on('close', (_code, signal) => {
        for (const { resolve } of this.#waits) resolve(false)
        resolve(signal)
      })
    })
  }

  /** @param {string} data */
  #read(data) {
    const lines = (this.#rest + data).split('\n')
    this.#rest = lines.pop() ?? ''
    for (const line of lines) this.#hear(JSON.parse(line))
  }

  /** @param {unknown[]} line */
  #hear(line) {
    const what = String(line[0])
    this.#listener(line)
    this.#said.add(what)
    this.#lines++
    const isOver = (/** @type {Wait} */ wait) => wait.what === what || wait.what === this.#lines
    for (const wait of this.#waits) if (isOver(wait)) wait.resolve(true)
    this.#waits = this.#waits.filter((wait) => !isOver(wait))
  }

  /**
   * Whether it comes to say so before it is dead.
   * @param {string} what
   * @returns {Promise<boolean>}
   */
  says(what) {
    if (this.#said.has(what)) return Promise.resolve(true)
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return Promise.resolve(false)
    return new Promise((resolve) => this.#waits.push({ what, resolve }))
  }

  /**
   * Whether it comes to say so many lines more before it is dead: a measure of time that does not depend on the machine.
   * @param {number} lines
   * @returns {Promise<boolean>}
   */
  saysMore(lines) {
    return new Promise((resolve) => this.#waits.push({ what: this.#lines + lines, resolve }))
  }

  /** @param {Orders} orders @param {(line: unknown[]) => void} listener */
  go(orders, listener) {
    this.#listener = listener
    this.#child.stdin.write(`${JSON.stringify(orders)}\n`)
  }

  close() {
    this.#child.stdin.write('close\n')
  }

  kill() {
    this.#child.kill('SIGKILL')
  }
}

/** Reads a file to which others append: each time what is new. */
export class Tail {
  #file
  #offset = 0
  #rest = ''

  /** @param {string} path */
  constructor(path) {
    this.#file = openSync(path, 'r')
  }

  /** @returns {unknown[][]} */
  read() {
    const piece = Buffer.alloc(1024 * 1024)
    let text = this.#rest
    for (;;) {
      const length = readSync(this.#file, piece, 0, piece.length, this.#offset)
      if (length === 0) break
      this.#offset += length
      text += piece.toString('latin1', 0, length)
    }
    const lines = text.split('\n')
    this.#rest = lines.pop() ?? ''
    return lines.map((line) => JSON.parse(line))
  }

  close() {
    closeSync(this.#file)
  }
}

export const sleep = (/** @type {number} */ ms) => new Promise((resolve) => setTimeout(resolve, ms))

/**
 * Whether it comes true in time.
 * @param {number} ms
 * @param {Promise<unknown>} promise
 * @returns {Promise<boolean>}
 */
export async function within(ms, promise) {
  let timer
  const tooLate = new Promise((resolve) => {
    timer = setTimeout(resolve, ms)
  })
  try {
    return Boolean(await Promise.race([promise, tooLate]))
  } finally {
    clearTimeout(timer)
  }
}

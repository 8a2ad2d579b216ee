// Loaded before the program: in the thread where the store writes, the process ends at an operation on the disk that the orders
// name (`endAt`). Of a write only the first half is carried out, of anything else nothing. What it was is said on stdout.
import { createRequire } from 'node:module'

const threads = createRequire(import.meta.url)('node:worker_threads')
/** @param {number} operation */
const killer = (operation) => `{
  const fs = process.getBuiltinModule('node:fs')
  const { writeSync } = fs
  const { O_CREAT } = fs.constants
  const paths = new Map()
  let left = ${operation}
  const end = (name, path) => {
    writeSync(1, JSON.stringify(['ended', name, path.slice(path.lastIndexOf('/') + 1)]) + '\\n')
    process.kill(process.pid, 'SIGKILL')
  }
  const watch = (name, changes = () => true) => {
    const carryOut = fs[name]
    fs[name] = (target, ...args) => {
      const path = typeof target === 'string' ? target : paths.get(target) ?? ''
      if (changes(...args) && --left === 0) {
        const [bytes, offset, length, ...rest] = args
        if (name === 'writeSync') carryOut(target, bytes, offset, length >> 1, ...rest)
        end(name, path)
      }
      const result = carryOut(target, ...args)
      if (name === 'openSync') paths.set(result, target)
      if (name === 'renameSync') for (const [fd, path] of paths) if (path === target) paths.set(fd, args[0])
      return result
    }
  }
  for (const name of ['writeSync', 'fdatasyncSync', 'fsyncSync', 'ftruncateSync', 'renameSync', 'unlinkSync']) watch(name)
  watch('openSync', (flags) => (flags & O_CREAT) !== 0)
}
`

threads.Worker = class extends threads.Worker {
  /** @param {string | URL} code @param {import('node:worker_threads').WorkerOptions} [options] */
  constructor(code, options) {
    const operation = Number(process.env.CRASH_AT)
    super(options?.eval && operation ? killer(operation) + code : code, options)
  }
}

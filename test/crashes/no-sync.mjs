// Loaded before the program, for a control: in the thread where the store writes, `fdatasync` answers at once and does
// nothing. A disk that lies. (The first is true: else there would be no journal to lose something from.)
import { createRequire } from 'node:module'

const threads = createRequire(import.meta.url)('node:worker_threads')
const lie = `{
  const fs = process.getBuiltinModule('node:fs')
  const { fdatasyncSync } = fs
  let calls = 0
  fs.fdatasyncSync = (fd) => void (calls++ === 0 && fdatasyncSync(fd))
}
`

threads.Worker = class extends threads.Worker {
  /** @param {string | URL} code @param {import('node:worker_threads').WorkerOptions} [options] */
  constructor(code, options) {
    super(options?.eval ? lie + code : code, options)
  }
}

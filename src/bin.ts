#!/usr/bin/env node
import { readFileSync, realpathSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { runCli } from './cli/cli.ts'

/** The returned function resolves when the lines are written, and rejects when the reader of the stream has gone. */
const write = (stream: NodeJS.WriteStream) => {
  // The write that fails rejects with the same error.
  stream.on('error', () => {})
  return (lines: string) =>
    new Promise<void>((resolve, reject) => {
      stream.write(`${lines}\n`, (error) => (error ? reject(error) : resolve()))
    })
}

/** The first signal stops it in peace; a second one ends the process. */
function untilStopped(): AbortSignal {
  const stopped = new AbortController()
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stopped.abort())
  return stopped.signal
}

/** The program is started by way of a link. It lies in a folder of its package. */
function version(): string {
  const folder = dirname(realpathSync(process.argv[1] as string))
  return JSON.parse(readFileSync(join(folder, '..', 'package.json'), 'utf8')).version
}

void runCli({
  args: process.argv.slice(2),
  print: write(process.stdout),
  complain: (line) => write(process.stderr)(line).catch(() => {}),
  untilStopped,
  version,
}).then((exitCode) => {
  process.exitCode = exitCode
})

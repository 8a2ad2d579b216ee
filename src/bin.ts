#!/usr/bin/env node
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

void runCli({
  args: process.argv.slice(2),
  print: write(process.stdout),
  complain: (line) => write(process.stderr)(line).catch(() => {}),
}).then((exitCode) => {
  process.exitCode = exitCode
})

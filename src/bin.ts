#!/usr/bin/env node
import { runCli } from './cli/cli.ts'

/** Resolves when it is out, and rejects when nobody reads any more. */
const write = (stream: NodeJS.WriteStream) => {
  // The call that writes rejects with it.
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

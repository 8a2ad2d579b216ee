#!/usr/bin/env node
import { runCli } from './cli/cli.ts'

const write = (stream: NodeJS.WriteStream) => (line: string) => void stream.write(`${line}\n`)

void runCli({
  args: process.argv.slice(2),
  print: write(process.stdout),
  complain: write(process.stderr),
}).then((exitCode) => {
  process.exitCode = exitCode
})

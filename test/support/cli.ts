import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'
import { runCli } from '../../src/cli/cli.ts'

/** What the command line says to these arguments. */
export async function run(...args: string[]) {
  const [printed, complaints]: [string[], string[]] = [[], []]
  const code = await runCli({
    args,
    print: (line) => printed.push(line),
    complain: (line) => complaints.push(line),
    version: () => '1.2.3',
  })
  return { code, out: printed.join('\n'), complaints: complaints.join('\n'), prints: printed.length }
}

/** Builds the command line into one file, which can be run as a program. */
export const buildProgram = (outfile: string) =>
  build({
    entryPoints: [fileURLToPath(new URL('../../src/bin.ts', import.meta.url))],
    outfile,
    bundle: true,
    format: 'esm',
    platform: 'node',
  })

/** Processes of the system, as Linux shows them. */
import type { ChildProcess } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { endGroup } from '../support/process-group.mjs'

export interface Process {
  readonly pid: number
  readonly command: string
  /** The time of a processor that it has used, in hundredths of a second. */
  readonly ticks: number
}

/** All that is left of a group but its shell. */
export function processesOf(group: number): Process[] {
  const processes: Process[] = []
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue
    try {
      const stat = readFileSync(`/proc/${name}/stat`, 'utf8')
      // The name of the program, in brackets, may have anything in it.
      const [state, , pgrp, ...rest] = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
      if (Number(pgrp) !== group || state === 'Z' || Number(name) === group) continue
      const command = readFileSync(`/proc/${name}/cmdline`, 'utf8').replaceAll('\0', ' ')
      processes.push({ pid: Number(name), command, ticks: Number(rest[8]) + Number(rest[9]) })
    } catch {
      // It has ended meanwhile.
    }
  }
  return processes
}

/** Ends a group at once and waits until nothing of it is left. */
export async function killGroup(group: ChildProcess): Promise<void> {
  const { pid } = group
  if (!pid) return
  await endGroup(group)
  // What the shell has not started itself is nobody's child any more: nobody is told of its end.
  const until = Date.now() + 10_000
  while (processesOf(pid).length > 0) {
    try {
      process.kill(-pid, 'SIGKILL')
    } catch {
      // Nobody is left to be told.
    }
    if (Date.now() > until) throw new Error(`Process group ${pid} does not end.`)
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
}

// Tests that not every machine can run: each that is skipped says why.
import { spawnSync } from 'node:child_process'
import type { TestContext } from 'vitest'

export function skipUnless(context: TestContext, condition: boolean, reason: string): void {
  if (!condition) context.skip(reason)
}

export interface User {
  readonly uid: number
  readonly gid: number
}

/** Only root can run a process as another user, and only a program that this user can reach: `npx node@22` lies in root's home. */
export function skipUnlessRunsAs(context: TestContext, user: User): void {
  skipUnless(context, process.getuid?.() === 0, 'only root can run a process as another user')
  const { error } = spawnSync(process.execPath, ['--version'], user)
  skipUnless(context, !error, `user ${user.uid} cannot run ${process.execPath}: ${error?.message}`)
}

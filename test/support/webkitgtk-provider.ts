// A Vitest browser provider for WebKit. Playwright's WebKit cannot be had everywhere, but WebKitGTK is a Debian package.
import type { ChildProcess } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import type { IncomingMessage } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { defineBrowserProvider } from '@vitest/browser'
import type { BrowserProvider, TestProject } from 'vitest/node'
import { endGroup, startGroup } from './process-group.mjs'
import { type Display, startDisplay, webkitgtkCommand, webkitgtkEnv } from './webkitgtk.mjs'

declare module 'vitest/node' {
  interface _BrowserNames {
    webkitgtk: 'webkitgtk'
  }
}

export const webkitgtk = () =>
  defineBrowserProvider({
    name: 'webkitgtk',
    options: {},
    providerFactory: (project) => new WebKitGtkProvider(project),
  })

/** It takes one or two. */
const startSeconds = 20
const startsMax = 4
/** All of these, for `browser.connectTimeout`. */
export const startMsMax = (startsMax + 1) * startSeconds * 1_000

class WebKitGtkProvider implements BrowserProvider {
  readonly name = 'webkitgtk'
  readonly supportsParallelism = false
  readonly #project: TestProject
  /** A profile of its own, so that no run sees another's storage. */
  readonly #profile = mkdtempSync(join(tmpdir(), 'offstage-webkitgtk-'))
  #display: Display | undefined
  #browser: ChildProcess | undefined

  constructor(project: TestProject) {
    this.#project = project
  }

  getCommandsContext(): Record<string, unknown> {
    return {}
  }

  /** A browser that does not come up, on a machine that has much else to do, is no finding: it is started again, and said so. */
  async openPage(sessionId: string, url: string): Promise<void> {
    for (let starts = 1; starts <= startsMax; starts++) {
      const comesUp = this.#comesUp(sessionId)
      const isOpen = this.#start(url).then(() => comesUp)
      if (await Promise.race([comesUp, isOpen])) return
      console.log(`!!! WebKitGTK has not come up in ${startSeconds} s (start ${starts} of ${startsMax}).`)
    }
  }

  async #start(url: string): Promise<void> {
    await this.#end()
    this.#display = await startDisplay()
    const env = { ...webkitgtkEnv(this.#profile), DISPLAY: this.#display.name }
    this.#browser = startGroup(webkitgtkCommand(url), env)
  }

  /** Whether the page is there in time: the first that it does is to open a socket. */
  #comesUp(sessionId: string): Promise<boolean> {
    const server = this.#project.browser?.vite.httpServer
    return new Promise((resolve) => {
      const end = (isConnected: boolean) => {
        clearTimeout(timer)
        server?.off('upgrade', onUpgrade)
        resolve(isConnected)
      }
      const onUpgrade = ({ url }: IncomingMessage) => url?.includes(sessionId) && end(true)
      const timer = setTimeout(end, startSeconds * 1_000, false)
      server?.on('upgrade', onUpgrade)
    })
  }

  async #end(): Promise<void> {
    await endGroup(this.#browser)
    await this.#display?.end()
  }

  async close(): Promise<void> {
    await this.#end()
    // The last process of the group may still be writing for a moment.
    rmSync(this.#profile, { recursive: true, force: true, maxRetries: 10 })
  }
}

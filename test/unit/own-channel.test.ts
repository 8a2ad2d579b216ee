// The channel that a worker has by itself, and the hello that comes on it.
import { readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { createScheduler, inline } from 'offstage'
import { expect, onTestFinished, test } from 'vitest'
import { helloVersion } from '../../src/platform/hello.ts'
import { OwnChannel } from '../../src/platform/own-channel.ts'
import type { TabPlatform } from '../../src/platform/tabs.ts'
import { memoryStore } from '../../src/store/memory-store.ts'
import { shareAmongTabs } from '../../src/tabs/share.ts'
import { jobs } from '../fixtures/jobs.ts'
import { turn } from '../support/testing.ts'

const hello = { offstage: helloVersion, port: undefined, mark: 1, lock: '' }

/** Says what it is given to who listens, and returns whether it got to all of them. */
function openChannel() {
  const end = Object.assign(new EventTarget(), { postMessage() {} })
  const channel = new OwnChannel(end as never, false)
  const heard: unknown[] = []
  end.addEventListener('message', (event) => heard.push((event as MessageEvent).data))
  return { channel, heard, say: (data: unknown) => end.dispatchEvent(new MessageEvent('message', { data })) }
}

test('a hello that comes before anybody wants to hear it is kept, for the last who asks in that task', async () => {
  const { channel, heard, say } = openChannel()
  const hellos: unknown[] = []
  say(hello)
  channel.onHello((message) => hellos.push('first', message))
  channel.onHello((message) => hellos.push('last', message))
  expect(hellos).toEqual([])
  await turn()
  await turn()
  expect(hellos).toEqual(['last', hello])
  expect(heard).toEqual([])
})

test.each([
  ['no mark', { ...hello, mark: undefined }],
  ['a mark that is no number', { ...hello, mark: '1' }],
  ['no lock', { ...hello, lock: undefined }],
  ['a port that is none', { ...hello, port: 7 }],
  ['another version', { ...hello, offstage: helloVersion + 1 }],
])('a hello with %s is none, and gets to the others', async (_what, said) => {
  const { channel, heard, say } = openChannel()
  const hellos: unknown[] = []
  channel.onHello((message) => hellos.push(message))
  say(said)
  say(hello)
  await turn()
  expect([hellos, heard]).toEqual([[hello], [said]])
})

test('what has our mark is heard without it, and whatever else is said gets to the others', () => {
  const { channel, heard, say } = openChannel()
  const messages: unknown[] = []
  channel.mark(7, -7)
  channel.onMessage((message) => messages.push(message))
  const theirs = [null, undefined, 'x', -7, [], [7], ['-7'], [Number.NaN], { length: 1, 0: -7 }, [[-7]]]
  for (const message of [...theirs, [1, 2, -7], [-7]]) say(message)
  expect(messages).toEqual([[1, 2], []])
  expect(heard).toEqual([null, null, ...theirs.slice(2)])
})

test('what is not ours gets to the others, and all of it when the channel is left', () => {
  const { channel, heard, say } = openChannel()
  say('theirs')
  channel.leave()
  say(hello)
  expect(heard).toEqual(['theirs', hello])
})

test('a browser that refuses Web Locks is not said to lack https', async () => {
  const refused = new DOMException('Access to the Locks API is denied in this context.', 'SecurityError')
  const platform: TabPlatform = {
    requestLock(_name, _onHeld, onLost) {
      queueMicrotask(() => onLost(refused))
      return () => {}
    },
    openChannel: () => ({ post() {}, close() {} }),
    onSleep: () => () => {},
    onLeave: () => () => {},
    leaveMark() {},
    takeMark: () => false,
  }
  const scheduler = createScheduler<typeof jobs>(inline(jobs as never), {
    store: shareAmongTabs('x', memoryStore, platform),
  })
  onTestFinished(() => scheduler.close())
  const error = await scheduler.run.double(1).catch((reason: Error) => reason)
  expect(error).toMatchObject({ code: 'STORE_LOCKED', cause: refused })
  expect((error as Error).message).toContain('Locks API is denied')
  expect((error as Error).message).not.toContain('https')
})

test('no text of ours looks to a bundler plugin like a worker that it is to build', () => {
  const src = fileURLToPath(new URL('../../src', import.meta.url))
  for (const file of readdirSync(src, { recursive: true, encoding: 'utf8' }).filter((path) => path.endsWith('.ts'))) {
    const code = readFileSync(`${src}/${file}`, 'utf8').replace(/\/\*[\s\S]*?\*\//g, '')
    expect(code, file).not.toMatch(/new\s+Worker\s*\(\s*(new\s+URL\s*\(\s*)?['"`]/)
  }
})

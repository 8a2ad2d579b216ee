// `offstage/diagnostics`: the events of a scheduler on channels that tools find without knowing it.
import { type Channel, channel, subscribe, unsubscribe } from 'node:diagnostics_channel'
import { createScheduler, inline } from 'offstage'
import { type DiagnosticsMessage, publishDiagnostics } from 'offstage/diagnostics'
import { flows } from 'offstage/flows'
import { expect, onTestFinished, test, vi } from 'vitest'
import { jobs } from '../fixtures/jobs.ts'

function start() {
  const scheduler = createScheduler<typeof jobs>(inline(jobs))
  onTestFinished(() => scheduler.close({ mode: 'now' }))
  return scheduler
}

/** What comes on these channels. */
function received(...names: string[]): DiagnosticsMessage[] {
  const messages: DiagnosticsMessage[] = []
  const receive = (message: unknown) => void messages.push(message as DiagnosticsMessage)
  for (const name of names) subscribe(`offstage:${name}`, receive)
  onTestFinished(() => {
    for (const name of names) unsubscribe(`offstage:${name}`, receive)
  })
  return messages
}

test('each event is on a channel of its own, with the scheduler that it is of', async () => {
  const scheduler = start()
  publishDiagnostics(scheduler)
  const all = ['job:added', 'job:started', 'job:completed', 'job:failed', 'idle', 'worker:online', 'flow:completed']
  const messages = received(...all)
  const listened: unknown[] = []
  scheduler.on('failed', (event) => listened.push(event))
  await scheduler.run.double(1, { id: 'one' })
  await scheduler.run.fail('no', { id: 'two' }).catch(() => {})
  await (await flows(scheduler).add({ a: { name: 'double', input: 1 } } as never)).result()
  await scheduler.onIdle()
  const types = messages.map(({ event }) => event.type)
  for (const name of all) expect(types).toContain(name.replace('job:', ''))
  expect(messages.every((message) => message.scheduler === (scheduler as unknown))).toBe(true)
  expect(messages.find(({ event }) => event.type === 'failed')?.event).toBe(listened[0])
})

test('a second call publishes nothing twice; it ends when it is stopped, and with the scheduler', async () => {
  const scheduler = start()
  const stop = publishDiagnostics(scheduler)
  expect(publishDiagnostics(scheduler)).toBe(stop)
  const messages = received('job:completed')
  await scheduler.run.double(1)
  expect(messages).toHaveLength(1)
  stop()
  await scheduler.run.double(2)
  expect(messages).toHaveLength(1)
  expect(publishDiagnostics(scheduler)).not.toBe(stop)
  await scheduler.run.double(3)
  expect(messages).toHaveLength(2)
})

test('nothing is published where nobody has subscribed', async () => {
  const scheduler = start()
  publishDiagnostics(scheduler)
  const publish = vi.spyOn(Object.getPrototypeOf(channel('offstage:job:added')) as Channel, 'publish')
  onTestFinished(() => publish.mockRestore())
  await scheduler.run.double(1)
  expect(publish).not.toHaveBeenCalled()
})

test('an error that no listener takes is reported as it is without it', async () => {
  const reported = vi.spyOn(console, 'error').mockImplementation(() => {})
  onTestFinished(() => reported.mockRestore())
  const scheduler = start()
  publishDiagnostics(scheduler)
  scheduler.on('completed', () => {
    throw new Error('in a listener')
  })
  await scheduler.run.double(1)
  await vi.waitFor(() => expect(reported).toHaveBeenCalled())
})

test('only what createScheduler has made', () => {
  expect(() => publishDiagnostics({} as never)).toThrow('createScheduler')
})

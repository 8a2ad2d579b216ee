// The element: what is drawn, the keyboard, questions before anything is done to many, the address, and what assistive technology finds.
import axe from 'axe-core'
import { createScheduler, inline, type Scheduler } from 'offstage'
import { batches, flows } from 'offstage/flows'
import { history } from 'offstage/history'
import { idbStore } from 'offstage/idb'
import { mountPanel, type PanelOptions } from 'offstage/panel'
import { schedules } from 'offstage/schedules'
import { defineJobs, type JobContext } from 'offstage/worker'
import { afterEach, expect, onTestFinished, test, vi } from 'vitest'
import { start } from '../support/testing.ts'

afterEach(() => window.history.replaceState(null, '', location.pathname + location.search))

function paused(): Scheduler {
  const scheduler = start('inline', 'jobs', { maxQueued: 200_000 }) as unknown as Scheduler
  scheduler.pause()
  return scheduler
}

const requests = (count: number, options: object = {}) =>
  Array.from({ length: count }, (_, n) => ({
    name: 'echo',
    input: { to: `user-${n}` },
    options: { id: `job-${n}`, ...options },
  }))

function mount(scheduler: Scheduler, options: PanelOptions = {}, width = 1_100) {
  const target = document.createElement('div')
  target.style.width = `${width}px`
  document.body.append(target)
  const unmount = mountPanel(scheduler, { target, ...options })
  onTestFinished(() => {
    unmount()
    target.remove()
  })
  const panel = target.firstElementChild as HTMLElement
  const root = panel.shadowRoot as ShadowRoot
  const find = <Found extends HTMLElement = HTMLElement>(selector: string) => root.querySelector(selector) as Found
  const all = (selector: string) => [...root.querySelectorAll<HTMLElement>(selector)]
  const button = (label: string | RegExp) =>
    all('button').find((each) => {
      const name = each.getAttribute('aria-label') ?? each.textContent?.trim() ?? ''
      return typeof label === 'string' ? name === label : label.test(name)
    }) as HTMLButtonElement
  const press = (key: string, on: Element = find('.list')) =>
    on.dispatchEvent(new KeyboardEvent('keydown', { key, bubbles: true, composed: true, cancelable: true }))
  return {
    unmount,
    panel,
    root,
    find,
    all,
    button,
    press,
    rows: () => all('.body [role=row]').map((row) => row.textContent?.replace(/\s+/g, ' ').trim()),
    click: async (label: string | RegExp) => {
      await vi.waitUntil(() => button(label) && !button(label).disabled)
      button(label).click()
    },
    shows: (text: string | RegExp, selector = '*') =>
      vi.waitUntil(() => all(selector).some((each) => each.textContent?.match(text)), { timeout: 5_000 }),
    type: (name: string, text: string) => {
      const input = find<HTMLInputElement>(`[name=${name}]`)
      input.value = text
      input.dispatchEvent(new Event('change', { bubbles: true }))
    },
  }
}

async function findings(root: Element): Promise<string[]> {
  const { violations } = await axe.run(root)
  return violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(' ')}`)
}

test('jobs are listed with how many are in which state, failed first, and the list is live', async () => {
  const scheduler = paused()
  await scheduler.addMany(requests(3))
  const { shows, rows, all, panel } = mount(scheduler)
  await shows('job-2', '.id')
  expect(rows()).toHaveLength(3)
  expect(all('[aria-label="Jobs by state"] button')[0]?.textContent).toMatch(/failed 0/)
  await scheduler.cancel('job-1')
  await shows(/cancelled/, '.body [role=row]')
  await shows('cancelled 1', 'button')
  expect(panel.style.length).toBe(0)
})

test('filters by state, type, queue and tag, and searches in inputs', async () => {
  const scheduler = paused()
  await scheduler.addMany(requests(3))
  await scheduler.add.noop?.(undefined, { id: 'x', queue: 'mail', tags: ['red'] })
  const { shows, rows, type, click } = mount(scheduler)
  await shows('job-2', '.id')
  const listed = (count: number) => vi.waitUntil(() => rows().length === count)
  type('queue', 'mail')
  await listed(1)
  await click('Clear')
  await listed(4)
  type('text', 'USER-2')
  await shows('1 job found; searched 4', '.acts span')
  expect(rows()[0]).toMatch('job-2')
  await click('Clear')
  await click(/^cancelled/)
  await shows('No job matches.', '.empty')
})

test('one job: its attempts, error with cause and stack, input, actions', async () => {
  const scheduler = paused()
  const past = history(scheduler)
  const job = await scheduler.add.failWith?.('cause', { id: 'f', attempts: 1, tags: ['red'] })
  scheduler.resume()
  await job?.result().catch(() => {})
  const { shows, press, find, click } = mount(scheduler, { history: past })
  await shows('f', '.id')
  find('.list').focus()
  press('Enter')
  await shows('start', '.past li')
  await shows('"cause"', 'pre')
  await shows(/^Caused by: SyntaxError: inner/, 'pre.bad')
  await shows('jobs.ts', 'pre.bad')
  await vi.waitUntil(() => document.activeElement && find('.job').matches(':focus'))
  scheduler.pause()
  await click('Retry')
  await shows('Retried f.', '[role=status]')
  await shows(/paused/i, '.job li')
  press('Escape', find('.job'))
  await vi.waitUntil(() => !find('.job'))
  expect(find('.list').matches(':focus')).toBe(true)
})

test('the keyboard moves through a list of which only what is in sight is drawn', async () => {
  const scheduler = paused()
  await scheduler.addMany(requests(20_000))
  const { shows, press, find, all } = mount(scheduler)
  await shows('job-0', '.id')
  const most = () => expect(all('.body [role=row]').length).toBeLessThan(60)
  most()
  // It grows each time that its end is in sight.
  await vi.waitUntil(
    () => {
      press('End')
      return find('#active .id')?.textContent === 'job-9999'
    },
    { timeout: 5_000 },
  )
  most()
  await shows('The first 10,000 jobs, and more', '.acts span')
  press('Home')
  await vi.waitUntil(() => find('#active')?.getAttribute('aria-rowindex') === '2')
  press('ArrowDown')
  press('PageDown')
  await vi.waitUntil(() => Number(find('#active')?.getAttribute('aria-rowindex')) > 10)
  press('/')
  await vi.waitUntil(() => find('[name=text]').matches(':focus'))
})

test('what is done to all that is listed is shown first, with count and sample, and then done to these alone', async () => {
  const scheduler = paused()
  await scheduler.addMany(requests(12))
  await scheduler.add.noop?.(undefined, { id: 'other' })
  const { shows, type, click, find, rows } = mount(scheduler)
  await shows('other', '.id')
  type('name', 'echo')
  await vi.waitUntil(() => rows().length === 12)
  await click('Remove all…')
  await shows('Remove 12 jobs?', 'h2')
  await shows('and 4 more', 'dialog li')
  expect(find<HTMLDialogElement>('dialog').matches(':modal')).toBe(true)
  await scheduler.addMany([{ name: 'echo', options: { id: 'late' } }])
  await click('Keep as they are')
  await vi.waitUntil(() => !find<HTMLDialogElement>('dialog').open)
  expect(await scheduler.find()).toHaveLength(14)
  await click('Cancel all…')
  await scheduler.addMany([{ name: 'echo', options: { id: 'later' } }])
  await click('Cancel 13 jobs')
  await shows('Cancelled 13 jobs.', '[role=status]')
  expect((await scheduler.find({ state: 'queued' })).map(({ id }) => id)).toEqual(['other', 'later'])
})

test('queues are paused and limited, schedules run, flows and batches are shown', async () => {
  const scheduler = paused()
  const table = { schedules: schedules(scheduler), flows: flows(scheduler), batches: batches(scheduler) }
  await table.schedules.set('nightly', { cron: '0 3 * * *', timeZone: 'UTC' }, { name: 'noop' } as never)
  await table.flows.add({ a: { name: 'noop' }, b: { name: 'noop', after: ['a'] } } as never, { id: 'publish' })
  await table.batches.add([{ name: 'noop' }] as never, { id: 'import' })
  const { shows, click, find, button } = mount(scheduler, table)
  await click('Queues')
  await click('Pause default')
  await shows('Paused default.', '[role=status]')
  expect(scheduler.queue('default').isPaused).toBe(true)
  const form = find<HTMLFormElement>('form')
  ;(form.elements.namedItem('concurrency') as HTMLInputElement).value = '3'
  ;(form.elements.namedItem('limit') as HTMLInputElement).value = '5'
  ;(form.elements.namedItem('intervalMs') as HTMLInputElement).value = '1000'
  form.requestSubmit()
  await shows('Set the limits of default.', '[role=status]')
  const [state] = await scheduler.queues()
  expect(state).toMatchObject({ concurrency: 3, rateLimit: { limit: 5, intervalMs: 1_000 } })
  await click('Schedules')
  await click('Run now nightly')
  await shows('Added a job of nightly.', '[role=status]')
  await click('Flows and batches')
  await shows('import', 'td')
  await click('publish')
  await click('publish/b')
  await shows('publish/b', '.job h2')
  await click('Flows and batches')
  await click('Cancel publish')
  await shows('Cancelled publish.', '[role=status]')
  await vi.waitUntil(() => !button('Cancel publish'))
  await shows('failed', 'td .state')
  await click('Workers')
  await shows('None.', 'p')
})

test('the address keeps what is looked at, and that of an application stays', async () => {
  const scheduler = paused()
  await scheduler.addMany(requests(2))
  const { shows, click, find, press, unmount } = mount(scheduler)
  await shows('job-1', '.id')
  press('ArrowDown')
  press('Enter')
  await vi.waitUntil(() => location.hash === '#offstage:job=job-1')
  await click(/^queued/)
  await vi.waitUntil(() => location.hash.includes('state=queued'))
  unmount()
  const again = mount(scheduler)
  await again.shows('job-1', '.job h2')
  window.history.back()
  await vi.waitUntil(() => !again.find('.job'))
  expect(find('.job')).toBeNull()
  location.hash = '#/inbox'
  await again.click('Queues')
  await again.shows('default', 'td')
  expect(location.hash).toBe('#/inbox')
})

test('nothing that a job says becomes markup, or turns the order of text', async () => {
  const scheduler = paused()
  const evil = '<img src=x onerror="window.hit=1">\u202etxt'
  await scheduler.add.echo?.({ evil }, { id: evil, tags: [evil], headers: { evil } })
  const { shows, press, root } = mount(scheduler)
  await shows('onerror', '.id')
  press('Enter')
  await shows('onerror', 'pre')
  expect(root.querySelector('img')).toBeNull()
  expect(root.textContent).not.toContain('\u202e')
})

/** Whether all that is in it can be seen. */
function isWhole(element: Element): boolean {
  const inside = new Range()
  inside.selectNodeContents(element)
  return inside.getBoundingClientRect().right <= element.getBoundingClientRect().right + 1
}

test.each([1_100, 360])('a list without jobs says so in whole words: %s px', async (width) => {
  const scheduler = paused()
  const { shows, find, type, press } = mount(scheduler, {}, width)
  await shows('There are no jobs yet.', '.empty span')
  expect(isWhole(find('.empty span'))).toBe(true)
  await scheduler.addMany(requests(1))
  await shows('job-0', '.id')
  press('Enter')
  await shows('Timeline', 'h3')
  type('name', 'nobody')
  await shows('No job matches.', '.empty span')
  expect(isWhole(find('.empty span'))).toBe(true)
})

test('a narrow panel has its tables in its width, with the names of the columns at each value', async () => {
  const scheduler = paused()
  const table = schedules(scheduler)
  await table.set('nightly', { cron: '0 3 * * *', timeZone: 'UTC' }, { name: 'noop' } as never)
  const { click, shows, find, all } = mount(scheduler, { schedules: table }, 360)
  const named = () =>
    all('tbody tr:first-child td').map((cell) => {
      expect(getComputedStyle(cell, '::before').content).not.toBe('none')
      return cell.dataset.head
    })
  await click('Queues')
  await shows('default', 'td')
  expect(isWhole(find('.view'))).toBe(true)
  expect(named()).toEqual(['Queue', 'Waiting', 'Running', 'Limits', 'Actions'])
  await click('Schedules')
  await shows('nightly', 'td')
  expect(isWhole(find('.view'))).toBe(true)
  expect(find('th').checkVisibility()).toBe(false)
})

test('the job that is open is marked in the list, wherever the keyboard is', async () => {
  const scheduler = paused()
  await scheduler.addMany(requests(3))
  window.history.replaceState(null, '', '#offstage:job=job-1')
  const { shows, press, find, all } = mount(scheduler)
  const marked = () => all('[aria-selected=true] .id').map(({ textContent }) => textContent)
  await shows('job-2', '.id')
  expect(marked()).toEqual(['job-1'])
  press('End')
  await vi.waitUntil(() => find('#active .id').textContent === 'job-2')
  expect(marked()).toEqual(['job-1'])
})

test('of what is very long or very many the beginning or the newest is shown, and the rest is counted', async () => {
  const jobs = defineJobs({
    async many(count: number, job: JobContext) {
      for (let n = 0; n < count; n++) await job.step(`step ${n}`, () => n)
      throw new Error('x'.repeat(1_000_000))
    },
  })
  const scheduler = createScheduler<typeof jobs>(inline(jobs)) as unknown as Scheduler
  onTestFinished(() => scheduler.close())
  const past = history(scheduler)
  await scheduler.run.many?.(250).catch(() => {})
  const { shows, press, all } = mount(scheduler, { history: past })
  await shows('many', '.body span')
  press('Enter')
  await shows('50 earlier ones are not shown.', 'h3 + p')
  expect(all('.job dl:last-of-type dt')).toHaveLength(200)
  expect(all('.past li')).toHaveLength(200)
  await shows('step 249', 'dt')
  for (const each of all('pre, .past li')) expect(each.textContent?.length).toBeLessThan(11_000)
})

test('an object with very many fields is read no further than it is shown', async () => {
  const scheduler = paused()
  const fields = Object.fromEntries(Array.from({ length: 50_000 }, (_, n) => [`field ${n}`, n]))
  await scheduler.add.echo?.(fields, { id: 'many' })
  const entries = vi.spyOn(Object, 'entries')
  onTestFinished(() => entries.mockRestore())
  const { shows, press } = mount(scheduler)
  await shows('many', '.id')
  press('Enter')
  await shows('"field 0": 0', 'pre')
  expect(entries.mock.results.filter(({ value }) => value.length > 1_000)).toEqual([])
})

test('that the scheduler is closed is said in every view, also if it was closed before', async () => {
  const scheduler = paused()
  const { shows, click, unmount } = mount(scheduler)
  await click('Workers')
  await shows('What they run', 'h3')
  await scheduler.close()
  await shows('The scheduler is closed.', '[role=status]')
  unmount()
  await mount(scheduler).shows('The scheduler is closed.', '[role=status]')
})

test('two panels on a page look at different things', async () => {
  const scheduler = paused()
  await scheduler.addMany(requests(2))
  const [one, other] = [mount(scheduler), mount(scheduler, { hash: 'other' })]
  await one.shows('job-1', '.id')
  await other.shows('job-1', '.id')
  one.press('Enter')
  await one.shows('job-0', '.job h2')
  await other.click('Queues')
  await other.shows('default', 'td')
  expect(one.find('.job h2').textContent).toMatch('job-0')
  expect(location.hash).toBe('#offstage:job=job-0')
})

test.each([
  ['wide', 1_100, 'light'],
  ['narrow', 360, 'dark'],
] as const)('axe finds nothing: %s', async (_name, width, theme) => {
  const scheduler = start('inline', 'jobs') as unknown as Scheduler
  const extensions = {
    schedules: schedules(scheduler),
    flows: flows(scheduler),
    batches: batches(scheduler),
    history: history(scheduler),
  }
  await extensions.schedules.set('nightly', { cron: '0 3 * * *', timeZone: 'UTC' }, { name: 'noop' } as never)
  await extensions.flows.add({ a: { name: 'noop' }, b: { name: 'noop', after: ['a'] } } as never, { id: 'publish' })
  await extensions.batches.add([{ name: 'noop' }] as never, { id: 'import' })
  await scheduler.run.fail?.('no').catch(() => {})
  const job = await scheduler.add.hang?.(undefined, { id: 'h', tags: ['red'] })
  job?.result().catch(() => {})
  const { shows, click, panel, press, find } = mount(scheduler, { ...extensions, theme }, width)
  await shows('publish/a', '.id')
  expect(await findings(panel)).toEqual([])
  find('.list').focus()
  press('Enter')
  await shows('Timeline', 'h3')
  expect(await findings(panel)).toEqual([])
  for (const view of ['Workers', 'Queues', 'Schedules', 'Flows and batches']) {
    await click(view)
    await vi.waitUntil(() => find('td'))
    expect(await findings(panel)).toEqual([])
  }
  await click('publish')
  await shows('publish', 'h3')
  expect(await findings(panel)).toEqual([])
  await click('Jobs')
  await click('Set priority all…')
  await shows(/^Set priority of \d jobs?\?$/, 'h2')
  expect(await findings(panel)).toEqual([])
})

test('a tab that follows shows the jobs of the leading one, and acts on them', async () => {
  const store = `panel-${performance.timeOrigin}-${Math.random()}`
  const open = () => start('threads', 'jobs', { store: idbStore(store) }) as unknown as Scheduler
  const leader = open()
  leader.pause()
  await leader.addMany(requests(150))
  const stepped = await leader.add.steps?.(undefined, { id: 'stepped', attempts: 2 })
  const follower = open()
  const { shows, type, click, press, find } = mount(follower)
  await shows('job-0', '.id')
  await shows('queued 151', 'button')
  type('text', 'user-149')
  await shows('1 job found', '.acts span')
  await click('Cancel all…')
  await click('Cancel 1 job')
  await shows('Cancelled 1 job.', '[role=status]')
  expect((await leader.get('job-149'))?.snapshot().state).toBe('cancelled')
  leader.resume()
  await stepped?.result()
  type('text', 'stepped')
  await shows('stepped', '.id')
  find('.list').focus()
  press('Enter')
  await shows('first', '.job dt')
  await click('Queues')
  await click('Pause default')
  await vi.waitUntil(() => leader.queue('default').isPaused)
})

test('what is no scheduler, and an option that there is not, is refused by name', () => {
  expect(() => mountPanel({} as Scheduler)).toThrow('`scheduler`')
  const scheduler = createScheduler(null, { store: idbStore(`panel-none-${Math.random()}`) })
  onTestFinished(() => scheduler.close())
  expect(() => mountPanel(scheduler, { colour: 'red' } as PanelOptions)).toThrow('`colour`')
  expect(() => mountPanel(scheduler, { target: '#panel' as never })).toThrow('`target`')
})

test('an element that was there before it was known takes the scheduler that it was given, and can be moved', async () => {
  const scheduler = paused()
  await scheduler.addMany(requests(1))
  const { panel, shows, find } = mount(scheduler, { hash: false })
  await shows('job-0', '.id')
  const elsewhere = document.createElement('div')
  document.body.append(elsewhere)
  onTestFinished(() => elsewhere.remove())
  elsewhere.append(panel)
  await shows('job-0', '.id')
  Object.assign(panel, { scheduler: undefined })
  await vi.waitUntil(() => !find('.list'))
})

// The web demo, built and driven in a real browser.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type Browser, type BrowserContext, chromium, type Locator, type Page } from 'playwright'
import { build, type PreviewServer, preview } from 'vite'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { browserPath, isInstalled } from '../support/browsers.mjs'

if (!isInstalled('chromium')) {
  console.warn(
    '\n!!! SKIPPED: the web demo is not tested: chromium is not installed. As root: apt-get install -y chromium\n',
  )
}

const root = fileURLToPath(new URL('../../demo/web', import.meta.url))
/** The work of one run takes a few seconds; on a machine with other work to do, many times that. */
const runMs = 120_000
const eventually = <Value>(read: () => Value | Promise<Value>) => expect.poll(read, { timeout: runMs, interval: 10 })

describe.skipIf(!isInstalled('chromium'))('the web demo', { timeout: 3 * runMs }, () => {
  let outDir: string
  let server: PreviewServer
  let origin: string
  let browser: Browser
  let context: BrowserContext
  let page: Page
  let problems: string[]

  beforeAll(async () => {
    outDir = mkdtempSync(join(tmpdir(), 'offstage-demo-'))
    await build({ root, logLevel: 'warn', build: { outDir, emptyOutDir: true } })
    server = await preview({ root, logLevel: 'warn', build: { outDir }, preview: { port: 0, host: '127.0.0.1' } })
    origin = new URL(server.resolvedUrls?.local[0] as string).origin
    browser = await chromium.launch({
      executablePath: browserPath('chromium'),
      chromiumSandbox: false,
      args: ['--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking'],
    })
  }, runMs)

  afterAll(async () => {
    await browser?.close()
    await server?.close()
    rmSync(outDir, { recursive: true, force: true })
  })

  beforeEach(async () => {
    problems = []
    context = await browser.newContext({ viewport: { width: 1280, height: 900 } })
    context.on('page', watch)
    page = await context.newPage()
    await page.goto(origin)
  })

  /** Every tab, however it was opened. */
  function watch(tab: Page): void {
    tab.on('console', (message) => {
      // A busy machine takes long to start a worker, and is told so.
      const isSlow = message.text().includes('a worker that was started a second ago')
      if (/error|warning/.test(message.type()) && !isSlow) problems.push(message.text())
    })
    tab.on('pageerror', (error) => problems.push(String(error.stack)))
    tab.on('request', (request) => {
      const { protocol, origin: asked } = new URL(request.url())
      if (protocol !== 'data:' && protocol !== 'blob:' && asked !== origin) problems.push(`asked for ${request.url()}`)
    })
  }

  afterEach(async () => {
    await context?.close()
    expect(problems).toEqual([])
  })

  // What the page shows.

  const rows = (state: string) => page.locator(`#jobs .row[data-state=${state}]`)
  const row = (text: string) => page.locator('#jobs .row', { hasText: new RegExp(`${text.replace(' ', '\\s*')}`) })
  const titles = (locator: Locator) =>
    locator.evaluateAll((items) =>
      items.map((item) => ['.kind', '.subject'].map((part) => item.querySelector(part)?.textContent).join(' ')),
    )
  const tiles = async (name: 'queued' | 'running' | 'completed' | 'cancelled') =>
    Number(await page.locator(`[data-count=${name}]`).textContent())
  const button = (name: string) => page.getByRole('button', { name, exact: true })

  async function whenIdle(): Promise<void> {
    await eventually(() => page.locator('#jobs-empty').isVisible()).toBe(true)
    await eventually(() => rows('queued').or(rows('running')).count()).toBe(0)
    await eventually(async () => (await tiles('queued')) + (await tiles('running'))).toBe(0)
  }

  /** Nothing but what the test asks for. */
  async function cancelEverything(): Promise<void> {
    await button('Cancel all').click()
    await whenIdle()
  }

  // The jobs that outlive the tab.

  const prints = (tab: Page, state?: string) =>
    tab.locator(`#print-jobs .row${state === undefined ? '' : `[data-state=${state}]`}`)
  const subjects = async (rows: Locator) => (await rows.locator('.subject').allTextContents()).sort()
  const lead = (tab: Page) => tab.locator('#lead').innerText()

  async function print(...names: string[]): Promise<void> {
    await cancelEverything()
    for (const name of names) await page.getByRole('button', { name: `Print ${name}`, exact: true }).click()
    await eventually(() => subjects(prints(page))).toEqual([...names].sort())
  }

  /** What is seen of each sheet that is being printed, in percent. */
  const shares = (tab: Page) => percents(tab, '.state')
  /** Where those went on that were interrupted. */
  const starts = (tab: Page) => percents(tab, '.note')

  async function percents(tab: Page, part: string): Promise<Record<string, number>> {
    const texts = await prints(tab, 'running').evaluateAll(
      (rows, part) => rows.map((row) => ['.subject', part].map((each) => row.querySelector(each)?.textContent ?? '')),
      part,
    )
    return Object.fromEntries(
      texts.map(([name, text]) => [name, Number(/\d+/.exec(text as string)?.[0] ?? 0)] as const),
    )
  }

  /** Waits until two sheets are so far that one can see where they are, and answers how far. */
  async function halfPrinted(): Promise<Record<string, number>> {
    await eventually(async () => Object.values(await shares(page)).filter((share) => share >= 10).length).toBe(2)
    return shares(page)
  }

  /** No sheet begins again with what was seen of it. */
  async function expectToGoOn(tab: Page, seen: Readonly<Record<string, number>>): Promise<void> {
    await eventually(async () => Object.values(await starts(tab)).filter((start) => start > 0).length).toBe(2)
    const began = await starts(tab)
    for (const [name, share] of Object.entries(seen)) expect(began[name], name).toBeGreaterThanOrEqual(share)
  }

  async function expectAllPrinted(tab: Page, ...names: string[]): Promise<void> {
    await eventually(() => subjects(prints(tab, 'completed'))).toEqual([...names].sort())
    expect(await subjects(prints(tab))).toEqual([...names].sort())
  }

  /** All that the page does at once, waiting. */
  async function queueEverything(): Promise<void> {
    await button('Pause').click()
    await button('Run again').click()
    await eventually(() => rows('queued').count()).toBe(9)
  }

  test('shows pictures, globes, the set and figures before anybody does anything', async () => {
    await eventually(() => page.locator('.card .part > *').count()).toBe(3 * (3 + 6))
    await whenIdle()
    const middles = await page.locator('#globes canvas').evaluateAll((canvases) =>
      canvases.map((canvas) => {
        const { width, height } = canvas as HTMLCanvasElement
        return (canvas as HTMLCanvasElement).getContext('2d')?.getImageData(width / 2, height / 2, 1, 1).data[3]
      }),
    )
    expect(middles).toEqual([255, 255, 255, 255, 255, 255])
    expect(await tiles('completed')).toBeGreaterThan(10)
    expect(await page.locator('#stats').innerText()).toMatch(/online\s+[1-9]/)
  })

  test('shows how far jobs in workers are', async () => {
    await whenIdle()
    await run('in workers')
    // On the main thread no progress is ever seen.
    await eventually(async () => (await rows('running').locator('.state').allTextContents()).join()).toMatch(
      /[1-9]\d? %/,
    )
  })

  const run = (where: 'in workers' | 'on the main thread') => button(`Run ${where}`).click()
  const verdict = async () => (await page.locator('#verdict').innerText()).replaceAll('\u00a0', ' ')
  const whenKept = (lane: 'main' | 'workers') =>
    page.locator(`#lane-${lane}[data-state=kept]`).waitFor({ timeout: runMs })

  test('keeps both runs, with a verdict made of what was measured', async () => {
    await whenKept('workers')
    expect(await verdict()).toBe('Workers: 0 s frozen. Now run the same jobs on the main thread.')
    await run('on the main thread')
    await whenKept('main')
    const [, frozen] = /^Main thread: (\d+\.\d) s frozen\. Workers: 0 s\.$/.exec(await verdict()) ?? []
    expect(Number(frozen)).toBeGreaterThan(0.5)
    const lanes = await page.locator('.lane').allInnerTexts()
    // Both had the same to do.
    const jobs = lanes.map((text) => /(\d+) jobs/.exec(text)?.[1])
    expect(Number(jobs[0])).toBeGreaterThan(21)
    expect(jobs[1]).toBe(jobs[0])
    expect(await redPixels('main')).toBeGreaterThan(100)
    // However busy the machine is.
    expect(await redPixels('workers')).toBe(0)

    // Another run in workers, dropped half way, changes nothing; nor does a reload.
    const before = await verdict()
    await run('in workers')
    await eventually(() => rows('running').count()).toBeGreaterThan(0)
    await cancelEverything()
    expect(await verdict()).toBe(before)
    await page.reload()
    expect(await verdict()).toBe(before)
  })

  /** What is drawn of frames that jobs have frozen. */
  const redPixels = (lane: 'main' | 'workers') =>
    page.locator(`#lane-${lane} canvas`).evaluate((element) => {
      const canvas = element as HTMLCanvasElement
      const context = canvas.getContext('2d') as CanvasRenderingContext2D
      const { data } = context.getImageData(0, 0, canvas.width, canvas.height)
      let red = 0
      for (let at = 0; at < data.length; at += 4)
        if ((data[at] as number) > 180 && (data[at + 1] as number) < 100 && data[at + 3] === 255) red++
      return red
    })

  test('says that nothing waits only when nothing does', async () => {
    await cancelEverything()
    await button('Pause').click()
    await page.locator('#fractal').focus()
    for (let turn = 0; turn < 3; turn++) await page.keyboard.press('+')
    await eventually(() => tiles('queued')).toBeGreaterThan(0)
    await eventually(() => page.locator('#jobs-empty').isVisible()).toBe(false)
    expect(await rows('queued').count()).toBe(0)
    await button('Resume').click()
    await whenIdle()
  })

  test('lets who only scrolls past the picture of the set scroll', async () => {
    await cancelEverything()
    const { x, y } = (await page.locator('#fractal').boundingBox()) as { x: number; y: number }
    await page.mouse.move(x + 50, y + 50)
    await page.mouse.wheel(0, 300)
    await eventually(() => page.evaluate(() => scrollY)).toBe(300)
    await eventually(() => page.locator('#fractal-hint').getAttribute('class')).toContain('shown')
    expect(await page.locator('#fractal').evaluate((canvas) => getComputedStyle(canvas).touchAction)).toBe('pan-y')
  })

  test('shows the code behind each part, and copies the install line', async () => {
    await context.grantPermissions(['clipboard-read', 'clipboard-write'])
    await page.locator('#copy').click()
    await eventually(() => page.locator('#copy').innerText()).toBe('Copied')
    expect(await page.evaluate(() => navigator.clipboard.readText())).toBe('npm install offstage')

    const files = await page
      .locator('[data-code]')
      .evaluateAll((buttons) => buttons.map((each) => (each as HTMLElement).dataset.code))
    for (const [index, names] of files.entries()) {
      await page.locator('[data-code]').nth(index).click()
      for (const name of String(names).split(' ')) {
        await page.locator('#code').getByRole('button', { name, exact: true }).click()
        await eventually(() => page.locator('#code-text').textContent()).toBe(readFileSync(join(root, name), 'utf8'))
      }
      await page.keyboard.press('Escape')
      expect(await page.locator('#code').isVisible()).toBe(false)
    }
  })

  test('waits while paused', async () => {
    await queueEverything()
    const before = await titles(rows('queued'))
    expect(before.slice(0, 4)).toEqual(['landscape Dawn', 'landscape Noon', 'landscape Dusk', 'globe Americas'])
    await eventually(() => tiles('queued')).toBeGreaterThan(10)
    expect(await rows('running').count()).toBe(0)
    await button('Resume').click()
    await eventually(() => rows('running').count()).toBeGreaterThan(0)
  })

  test('moves a waiting job by buttons, keys and drag, and runs it in its new place', async () => {
    await queueEverything()
    await button('Move globe Americas up').click()
    await eventually(() => titles(rows('queued'))).toMatchObject({ 2: 'globe Americas', 3: 'landscape Dusk' })
    await button('Move globe Americas down').click()
    await eventually(() => titles(rows('queued'))).toMatchObject({ 2: 'landscape Dusk', 3: 'globe Americas' })

    const handle = page.getByRole('button', { name: /^Move globe Antarctica:/ })
    await handle.focus()
    await page.keyboard.press('ArrowUp')
    await eventually(() => titles(rows('queued'))).toMatchObject({ 7: 'globe Antarctica', 8: 'globe Pacific' })
    expect(await handle.evaluate((element) => element === document.activeElement)).toBe(true)

    await drag('globe Asia', 'landscape Dawn')
    await eventually(async () => (await titles(rows('queued')))[0]).toBe('globe Asia')
    expect((await titles(rows('queued'))).slice(1, 3)).toEqual(['landscape Dawn', 'landscape Noon'])
    await button('Resume').click()
    // What ended first is at the bottom.
    await eventually(async () => (await titles(rows('completed'))).at(-1)).toBe('globe Asia')
  })

  async function drag(from: string, to: string): Promise<void> {
    const target = await row(to).boundingBox()
    await row(from).locator('.handle').hover()
    await page.mouse.down()
    await page.mouse.move((target?.x ?? 0) + 10, (target?.y ?? 0) + 10, { steps: 12 })
    await page.mouse.up()
  }

  test('cancels one job, then all', async () => {
    await queueEverything()
    await button('Cancel globe Africa').click()
    await eventually(() => titles(rows('cancelled'))).toEqual(['globe Africa'])
    expect(await rows('queued').count()).toBe(8)
    await button('Resume').click()
    await eventually(() => rows('running').count()).toBeGreaterThan(0)
    await button('Cancel all').click()
    await whenIdle()
    expect(await rows('cancelled').count()).toBeGreaterThan(0)
    await button('Run again').click()
    await eventually(() => rows('completed').count()).toBeGreaterThan(0)
  })

  test('cancels stale tiles when zooming, and draws those that are in view', async () => {
    await cancelEverything()
    const before = { cancelled: await tiles('cancelled'), completed: await tiles('completed') }
    await page.locator('#fractal').click({ position: { x: 300, y: 100 } })
    for (let turn = 0; turn < 12; turn++) await page.mouse.wheel(0, -400)
    await eventually(() => tiles('cancelled')).toBeGreaterThan(before.cancelled)
    await whenIdle()
    expect(await tiles('completed')).toBeGreaterThan(before.completed)
    expect(await page.locator('#fractal-place').textContent()).toMatch(/× \d{4,}|10/)
  })

  test('draws first what is near the pointer', async () => {
    await cancelEverything()
    await page.getByLabel('Outline what waits').uncheck()
    const { width, height } = (await page.locator('#fractal').boundingBox()) as { width: number; height: number }
    const pointAt = (x: number, y: number) => page.locator('#fractal').hover({ position: { x, y } })
    // Into the seahorse valley, where every tile looks different.
    await pointAt(width / 2 - 20, height / 2 - 28)
    await page.locator('#fractal').focus()
    await page.mouse.wheel(0, -1_500)
    await eventually(() => tiles('queued')).toBeGreaterThan(0)
    await whenIdle()
    const [left, right] = [
      { x: 40, y: height - 40 },
      { x: width - 80, y: 40 },
    ]
    for (const [aim, opposite] of [
      [left, right],
      [right, left],
      [left, right],
      [right, left],
    ] as const) {
      const change = await firstTiles(() => pointAt(aim.x, aim.y))
      expect(distance(change, aim)).toBeLessThan(distance(change, opposite))
    }
  })

  interface Point {
    readonly x: number
    readonly y: number
  }

  const distance = (from: Point, to: Point) => Math.hypot(from.x - to.x, from.y - to.y)

  /** Zooms in by a level of tiles, and answers where the first of them are drawn. */
  async function firstTiles(point: () => Promise<void>): Promise<Point> {
    await button('Pause').click()
    await point()
    for (let turn = 0; turn < 2; turn++) await page.locator('#fractal').press('+')
    await eventually(() => tiles('queued')).toBeGreaterThan(10)
    const change = await firstChange()
    await whenIdle()
    // A machine that is busy elsewhere may show most tiles in one frame: that says nothing, so look again.
    return change.share < 0.25 ? change : firstTiles(point)
  }

  /** Resumes, and answers the middle of what changes first in the picture of the set, and how much of it that is. */
  const firstChange = () =>
    page.evaluate(async () => {
      const canvas = document.getElementById('fractal') as HTMLCanvasElement
      const { width, height } = canvas
      const copy = new OffscreenCanvas(width, height).getContext('2d', { willReadFrequently: true })
      const nextChange = async (framesMax: number, before: Uint32Array): Promise<number[]> => {
        for (let frame = 0; frame < framesMax; frame++) {
          await new Promise((resolve) => requestAnimationFrame(resolve))
          const now = read()
          const changed = [...now.keys()].filter((at) => now[at] !== before[at])
          if (changed.length > 0) return changed
        }
        return []
      }
      const read = () => {
        copy?.drawImage(canvas, 0, 0)
        return new Uint32Array(copy?.getImageData(0, 0, width, height).data.buffer as ArrayBuffer)
      }
      // The zoom comes to rest first.
      while ((await nextChange(5, read())).length > 0);
      const before = read()
      document.getElementById('pause')?.click()
      const changed = await nextChange(10_000, before)
      const mean = (of: (at: number) => number) => changed.reduce((sum, at) => sum + of(at), 0) / changed.length
      return {
        share: changed.length / before.length,
        x: mean((at) => at % width),
        y: mean((at) => Math.floor(at / width)),
      }
    })

  test('works on pictures that are given to it, and says which files are none', async () => {
    await cancelEverything()
    const buffer = await page.screenshot()
    await page.locator('#files').setInputFiles([
      { name: 'harbour.png', mimeType: 'image/png', buffer },
      { name: 'notes.txt', mimeType: 'text/plain', buffer: Buffer.from('not a picture') },
    ])
    const card = page.locator('.card', { hasText: 'harbour.png' })
    await eventually(() => card.locator('.part > *').count()).toBe(3 + 6)
    expect(await page.locator('#refused').innerText()).toContain('notes.txt')
  })

  test('a killed tab that is brought back goes on where it was, and keeps what is done', async () => {
    const names = ['Swallow', 'Jellyfish', 'Heron']
    await print(...names)
    expect(await lead(page)).toMatch('This tab runs the jobs.')
    const seen = await halfPrinted()
    await button('Kill this tab').click()
    await page.getByText('This tab is gone.').waitFor()
    await button('Bring it back').click()
    await expectToGoOn(page, seen)
    expect(await lead(page)).toMatch(/3 jobs from before: 2 were interrupted and went on from [1-9]\d % and [1-9]\d %/)
    await cancelEverything()
    await expectAllPrinted(page, ...names)
    expect((await prints(page).locator('.note').allTextContents()).sort()).toEqual(['', '2 attempts', '2 attempts'])

    await page.reload()
    await expectAllPrinted(page, ...names)
    await eventually(() => page.locator('.sheet:not(.empty-sheet)').count()).toBe(3)
    expect(await page.locator('.seam').count()).toBe(2)
    await page.locator('#prints-clear').click()
    await eventually(() => prints(page).count()).toBe(0)
    await page.reload()
    await eventually(() => lead(page)).toMatch('This tab runs the jobs.')
    expect(await prints(page).count()).toBe(0)
  })

  // The flow.

  const step = (title: string) =>
    page.locator('.step', { has: page.getByRole('heading', { name: title, exact: true }) })
  const stateOf = (title: string) => step(title).getAttribute('data-state')
  const news = () => page.locator('#poster-news').innerText()
  const plates = ['Swallow', 'Jellyfish', 'Zircon city', 'Lantern']
  const plateTexts = () => page.locator('#plates .step-state').allInnerTexts()
  const isBeyond = (share: number) => (text: string) => Number(/^(\d+) %/.exec(text)?.[1] ?? 0) >= share

  async function makePoster(): Promise<void> {
    await cancelEverything()
    await button('Make a poster').click()
    await eventually(async () => (await plateTexts()).filter(isBeyond(10)).length).toBe(2)
    expect(await stateOf('Proof')).toBe('blocked')
  }

  test('a flow goes on when its workers are killed, and the page is loaded again, and waits for a person', async () => {
    await makePoster()
    await button('Kill the workers').click()
    await eventually(async () => (await plateTexts()).filter((text) => /, from [1-9]\d? %$/.test(text)).length).toBe(2)
    expect(await news()).toContain('Swallow has lost its worker')
    expect(await page.locator('#poster-retry').isVisible()).toBe(false)

    await button('Reload the page').click()
    await eventually(news).toContain('has lost its worker')
    await eventually(async () => (await plateTexts()).filter((text) => /, from [1-9]\d? %$/.test(text)).length).toBe(2)
    await cancelEverything()
    await eventually(() => step('Your approval').innerText()).toMatch(/waits for you: \d+ s/)
    for (const title of [...plates, 'Proof']) expect(await stateOf(title)).toBe('completed')
    expect(await stateOf('Poster')).toBe('blocked')
    expect((await plateTexts()).filter((text) => text === 'done, interrupted 2 ×')).toHaveLength(2)
    // It holds no worker while it waits.
    await eventually(() => button('Kill the workers').isEnabled()).toBe(false)

    await page.reload()
    await button('Approve').click()
    await eventually(() => stateOf('Poster')).toBe('completed')
    const [download] = await Promise.all([
      page.waitForEvent('download'),
      page.getByRole('link', { name: 'Save it' }).click(),
    ])
    expect(
      readFileSync(await download.path())
        .subarray(1, 4)
        .toString(),
    ).toBe('PNG')
    expect(await page.locator('.arrows .done').count()).toBe(6)

    // The next one begins from nothing, in any tab.
    await button('Make another').click()
    await eventually(() => stateOf('Poster')).toBe('blocked')
    await button('Cancel').click()
    await eventually(() => stateOf('Swallow')).toBe('cancelled')
    expect(await stateOf('Poster')).toBe('cancelled')
  })

  test('a flow whose workers are killed three times in one job gives that job up, until it is tried again', async () => {
    await makePoster()
    for (let time = 1; time <= 3; time++) {
      // Its worker is at work. One that is killed before it has loaded its module would be missed much later.
      await eventually(() => step('Swallow').locator('.step-state').innerText()).toMatch(/^[1-9]\d? %/)
      await button('Kill the workers').click()
      await eventually(async () => (await news()).match(/Swallow has (lost its worker|failed)/g)?.length).toBe(time)
    }
    expect(await stateOf('Swallow')).toBe('failed')
    await eventually(() => stateOf('Poster')).toBe('failed')
    await button('Try again').click()
    await eventually(() => stateOf('Swallow')).toBe('running')
    await eventually(() => stateOf('Poster')).toBe('blocked')
    await button('Cancel').click()
    await eventually(() => stateOf('Poster')).toBe('cancelled')
  })

  test('a proof that is refused makes no poster', async () => {
    await makePoster()
    await eventually(() => button('Refuse').isEnabled()).toBe(true)
    await button('Refuse').click()
    await eventually(() => stateOf('Your approval')).toBe('failed')
    expect(await step('Your approval').innerText()).toContain('It was refused.')
    await eventually(() => stateOf('Poster')).toBe('failed')
    expect(await button('Make another').isEnabled()).toBe(true)
  })

  test('a sheet is printed again and again, and each tab shows the schedule', async () => {
    const again = (tab: Page) => tab.getByRole('checkbox', { name: /^Print Swallow every 20 seconds/ })
    await again(page).check()
    await eventually(() => page.getByText(/every 20 seconds, next at/).count()).toBe(1)
    const second = await context.newPage()
    await second.goto(origin)
    await second.getByRole('button', { name: 'Cancel all', exact: true }).click()
    await eventually(() => again(second).isChecked()).toBe(true)
    await eventually(() => subjects(prints(second))).toContain('Swallow')
    await again(second).uncheck()
    await eventually(() => second.getByText(/every 20 seconds, next at/).count()).toBe(0)
    await second.close()
    await page.reload()
    await eventually(() => again(page).isChecked()).toBe(false)
  })

  test('two tabs show the same jobs; when the one that runs them is closed, the other goes on', async () => {
    const names = ['Swallow', 'Jellyfish', 'Heron']
    await print(...names)
    const [second] = await Promise.all([
      context.waitForEvent('page'),
      page.getByRole('link', { name: 'Open a second tab' }).click(),
    ])
    await second.getByRole('button', { name: 'Cancel all', exact: true }).click()
    await eventually(() => lead(second)).toMatch('Another tab runs the jobs.')
    expect(await lead(page)).toMatch('This tab runs the jobs.')
    await eventually(() => subjects(prints(second))).toEqual([...names].sort())
    // What one tab does the other sees.
    await second.getByRole('button', { name: 'Cancel print Heron', exact: true }).click()
    await eventually(() => subjects(prints(page, 'cancelled'))).toEqual(['Heron'])
    await halfPrinted()
    await eventually(async () => Object.values(await shares(second)).filter((share) => share > 0).length).toBe(2)

    const seen = await shares(second)
    await page.close()
    await expectToGoOn(second, seen)
    expect(await lead(second)).toMatch(
      /This tab runs the jobs\.\s+The other tab is gone and left 2 jobs: 2 were interrupted and went on from \d\d % and/,
    )
    await eventually(() => subjects(prints(second, 'completed'))).toEqual(['Jellyfish', 'Swallow'])
    expect(await subjects(prints(second))).toEqual([...names].sort())
  })

  test('a tab that crashes loses no more', async () => {
    await print('Swallow', 'Jellyfish')
    const seen = await halfPrinted()
    const crashed = page.waitForEvent('crash')
    // It never answers.
    void (await context.newCDPSession(page)).send('Page.crash').catch(() => {})
    await crashed
    page = await context.newPage()
    await page.goto(origin)
    await expectToGoOn(page, seen)
    await cancelEverything()
    await expectAllPrinted(page, 'Swallow', 'Jellyfish')
  })

  test.each([
    ['wide', 'light', 1440],
    ['wide', 'dark', 1440],
    ['narrow', 'light', 375],
    ['narrow', 'dark', 375],
  ] as const)('has no fault that axe finds: %s, %s', async (_, colorScheme, width) => {
    await page.emulateMedia({ colorScheme })
    await page.setViewportSize({ width, height: 900 })
    await cancelEverything()
    await page.addScriptTag({ path: createRequire(import.meta.url).resolve('axe-core/axe.min.js') })
    expect(await axeFindings()).toEqual([])
    expect(await page.locator('a:not([href])').count()).toBe(0)
    await page.locator('[data-code]').first().click()
    await eventually(() => page.locator('#code-text').innerText()).not.toBe('')
    expect(await axeFindings()).toEqual([])
  })

  const axeFindings = () =>
    page.evaluate(async () => {
      const { violations } = await (Reflect.get(globalThis, 'axe') as typeof import('axe-core')).run()
      return violations.flatMap(({ id, nodes }) => nodes.map(({ target }) => `${id}: ${target.join(' ')}`))
    })

  test('fits a phone, in the dark, for those who want no motion', async () => {
    await page.emulateMedia({ colorScheme: 'dark', reducedMotion: 'reduce' })
    await page.setViewportSize({ width: 390, height: 844 })
    await cancelEverything()
    expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBe(390)
    await page.locator('#fractal').focus()
    await page.keyboard.press('+')
    // Drawn in the next frame, which is not there yet when nothing had to wait.
    await eventually(() => page.locator('#fractal-place').textContent()).not.toContain('× 1.0')
  })
})

// The playground, as somebody uses it who has just come.
import assert from 'node:assert/strict'
import { blocksOf, pagesOf, printedBy } from '../support/pages.mjs'
import { root } from '../support/process.mjs'

const mains = pagesOf(root)
  .flatMap((page) => blocksOf(root, page))
  .filter(({ marks, name }) => marks.playground && name === 'main.ts')

/**
 * The controls of the page.
 *
 * @param {import('playwright').Page} page
 */
const controlsOf = (page) => ({
  program: page.getByRole('combobox', { name: 'Program' }),
  jobs: page.getByRole('textbox', { name: 'jobs.ts' }),
  main: page.getByRole('textbox', { name: 'main.ts' }),
  run: page.getByRole('button', { name: 'Run', exact: true }),
  stop: page.getByRole('button', { name: 'Stop', exact: true }),
  reset: page.getByRole('button', { name: 'Reset', exact: true }),
  end: page.getByRole('status').getByText('has ended'),
  printed: async () => (await page.getByRole('log').locator('pre').allInnerTexts()).join('\n'),
  /** @param {number} share */
  hasCome: (share) => page.waitForFunction((share) => (document.querySelector('progress')?.value ?? 0) > share, share),
})

/**
 * @param {import('playwright').Page} page
 * @param {string} origin
 */
export async function checkPrograms(page, origin) {
  await page.goto(`${origin}/playground`)
  const { program, main, run, stop, end, printed, hasCome } = controlsOf(page)
  assert.ok(mains.length >= 7)
  for (const block of mains) {
    const { playground = '' } = block.marks
    await program.selectOption(playground)
    await run.click()
    await end.waitFor()
    assert.equal(await printed(), printedBy(block), `what the program '${playground}' prints`)
    assert.equal(await page.locator('.jobs tr:not([data-state=completed]):not([data-state=failed])').count(), 0)
  }

  // What a visitor sees of a job that takes longer, and how it is ended.
  await program.selectOption('primes')
  await main.fill((await main.inputValue()).replace('100_000', '100_000_000'))
  await run.click()
  await hasCome(0)
  await page.getByText(/\d+ frames a second/).waitFor()
  await stop.click()
  await end.waitFor()
  assert.equal(page.workers().length, 0)

  // The store outlives the page.
  await program.selectOption('durable')
  await run.click()
  await hasCome(0.1)
  await page.reload()
  await program.selectOption('durable')
  await run.click()
  await end.waitFor()
  assert.match(await printed(), /^goes on behind step \d+\n50 steps$/)
}

/**
 * @param {import('playwright').Page} page
 * @param {string} origin
 */
export async function checkMistakes(page, origin) {
  await page.goto(`${origin}/playground`)
  const { jobs, main, run, reset, end, printed } = controlsOf(page)
  await jobs.fill((await jobs.inputValue()).replace('let count = 0', "throw new RangeError('edited')"))
  await run.click()
  await end.waitFor()
  assert.match(await printed(), /RangeError: edited/)
  assert.equal(await page.locator('.jobs tr[data-state=failed]').count(), 1)

  for (const [code, words] of /** @type {const} */ ([
    ['let = 1', /main\.ts.*\(1:\d+\)/],
    ["import 'lodash'", /main\.ts imports 'lodash'/],
    ["import { nothing } from 'offstage'\nconsole.log(nothing)", /nothing/],
    ['await Promise.reject(new TypeError("thrown late"))', /TypeError: thrown late/],
    ['throw new TypeError("thrown at once")', /TypeError: thrown at once/],
  ])) {
    await main.fill(code)
    await run.click()
    await end.waitFor()
    assert.match(await printed(), words)
  }
  await reset.click()
  await run.click()
  await end.waitFor()
  assert.equal(await printed(), '9592')
}

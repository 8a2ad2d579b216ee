/** What is done to browsers, and what must hold then. */
import { networkInterfaces } from 'node:os'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Browser } from './browser.ts'
import type { Evidence } from './evidence.ts'
import type { Plant, StartOptions } from './protocol.ts'
import { Site, type Tab } from './site.ts'

export interface Stage {
  readonly browser: Browser
  readonly site: Site
  readonly evidence: Evidence
  readonly random: () => number
  readonly kills: number
  readonly plant: Plant | undefined
  /** For the line of the case. */
  note(text: string): void
}

const callers = 20
/** From the first job to the kill. */
const killMs = { from: 150, to: 1_000 }

const moment = ({ random }: Stage) => killMs.from + random() * (killMs.to - killMs.from)

/** Of room that is left, in Chromium; of records that IndexedDB takes, elsewhere. */
const quotaBytes = 8_000_000
const quotaRecords = 60

let loads = 0

async function startLoad(tab: Tab, count = callers): Promise<void> {
  const before = tab.count('added')
  await tab.ask('load', { prefix: `${tab.id}.${++loads}`, callers: count })
  await tab.until(() => tab.count('added') > before, 'no job was added')
}

async function start(tab: Tab, database: string, plant?: Plant): Promise<void> {
  const options: StartOptions = { database, plant }
  await tab.ask('start', options)
}

/** Opens the store where it was left, compares it with what was acknowledged, finishes, compares again. */
async function verify(stage: Stage, tab: Tab): Promise<void> {
  await compare(stage, tab, false)
  await tab.ask('idle')
  await compare(stage, tab, true)
}

async function compare({ evidence }: Stage, tab: Tab, isAtRest: boolean): Promise<void> {
  const askedAt = Date.now()
  evidence.compare(await tab.ask('list'), askedAt, isAtRest)
}

/** Kills at random moments while jobs are added and run, each time on what the last kill left behind. */
async function kills(stage: Stage, database: string, kill: (tab: Tab) => Promise<void>, isIsolated = true) {
  const { browser, plant } = stage
  let tab = await browser.openTab(isIsolated)
  await start(tab, database, plant)
  for (let round = 0; round < stage.kills; round++) {
    await startLoad(tab)
    await sleep(moment(stage))
    await kill(tab)
    stage.evidence.countKill()
    tab = await browser.openTab(isIsolated)
    await start(tab, database, plant)
    await verify(stage, tab)
    await tab.ask('prune')
  }
  await tab.ask('close')
  stage.note(`journal written anew ${await tab.ask('generation', database)} times`)
  await browser.closeTab(tab)
}

async function killBrowser({ browser }: Stage): Promise<void> {
  await browser.kill()
  await browser.start()
}

// Two tabs.

interface Pair {
  readonly leader: Tab
  readonly follower: Tab
}

async function openPair({ browser }: Stage, database: string): Promise<Pair> {
  const [one, other] = [await browser.openTab(), await browser.openTab()]
  await Promise.all([start(one, database), start(other, database)])
  // What a tab reports may be overtaken by its answer.
  await Promise.any([one, other].map((tab) => tab.until(() => tab.leads, 'it does not lead')))
  return one.leads ? { leader: one, follower: other } : { leader: other, follower: one }
}

/** Both add jobs, and wait for their results. */
async function loadBoth(stage: Stage, { leader, follower }: Pair): Promise<void> {
  await Promise.all([startLoad(leader, callers / 2), startLoad(follower, callers / 2)])
  await sleep(moment(stage))
}

/** Something ends the lead of one; answers how long it took the other to notice. */
async function handOver({ leader, follower }: Pair, end: () => Promise<void>): Promise<number> {
  if (follower.leads) throw new Error(`${follower.id} leads, too`)
  const endedAt = performance.now()
  try {
    await Promise.all([end(), follower.until(() => follower.leads, 'it does not take over')])
  } catch (error) {
    const [left, next] = [leader, follower].map(
      ({ id, heardAt }) => `${id} was heard of ${Date.now() - heardAt} ms ago`,
    )
    throw new Error(`${(error as Error).message}; ${left}, ${next}`, { cause: error })
  }
  return performance.now() - endedAt
}

/** Nothing that was asked for may be left open, and all must be there as it was acknowledged. */
async function settle(stage: Stage, tab: Tab): Promise<void> {
  await sleep(100 + stage.random() * 200)
  await tab.ask('stop')
  await verify(stage, tab)
}

async function takeOvers(stage: Stage): Promise<void> {
  const { browser, evidence } = stage
  let { leader, follower } = await openPair(stage, 'take-overs')
  const waits: number[] = []
  for (let round = 0; round < stage.kills; round++) {
    const killed = leader
    await loadBoth(stage, { leader, follower })
    waits.push(await handOver({ leader, follower }, () => browser.killTab(killed)))
    evidence.countKill()
    await settle(stage, follower)
    leader = follower
    follower = await browser.openTab()
    await start(follower, 'take-overs')
    await compare(stage, follower, true)
  }
  stage.note(`led ${Math.round(Math.min(...waits))} to ${Math.round(Math.max(...waits))} ms after the kill`)
  await closeBoth(stage, { leader, follower })
}

async function closeBoth({ browser }: Stage, { leader, follower }: Pair): Promise<void> {
  for (const tab of [follower, leader]) {
    await tab.ask('close')
    await browser.closeTab(tab)
  }
}

async function closedLeader(stage: Stage): Promise<void> {
  const { browser } = stage
  const pair = await openPair(stage, 'closed-leader')
  await loadBoth(stage, pair)
  const ms = await handOver(pair, () => browser.closeTab(pair.leader))
  stage.note(`led after ${Math.round(ms)} ms`)
  await settle(stage, pair.follower)
  await pair.follower.ask('close')
  await browser.closeTab(pair.follower)
}

/** Leaves the page that leads, and comes back to it. */
async function awayAndBack(stage: Stage, database: string, isAtWork: boolean): Promise<void> {
  const { browser, site, evidence } = stage
  const pair = await openPair(stage, database)
  await loadBoth(stage, pair)
  if (!isAtWork) for (const tab of [pair.leader, pair.follower]) await tab.ask('stop')
  const { leader: traveller, follower: other } = pair
  const away = site.newTab()
  const ms = await handOver(pair, async () => {
    await traveller.ask('leave', away.url)
    await away.until(() => away.isPolling, 'the other page has not opened')
  })
  stage.note(`led after ${Math.round(ms)} ms`)
  const hellos = traveller.count('hello')
  await away.ask('back')
  await traveller.until(() => traveller.count('hello') > hellos && traveller.isPolling, 'it has not come back')
  const { isPersisted, reasons } = traveller.last('hello') ?? {}
  stage.note(isPersisted ? 'back from the bfcache' : `loaded again (${reasons})`)
  if (isPersisted) await traveller.ask('stop')
  else await start(traveller, database)
  await settle(stage, other)
  await compare(stage, traveller, true)
  // It must be able to lead again.
  await loadBoth(stage, pair)
  await handOver({ leader: other, follower: traveller }, () => browser.killTab(other))
  evidence.countKill()
  await settle(stage, traveller)
  await traveller.ask('close')
  await browser.closeTab(traveller)
}

/** What runs in pages that are closed is not to blame; what runs in three that crash is. */
async function endings({ browser, evidence }: Stage): Promise<void> {
  evidence.expected = /result of hang: JOB_POISONED/
  const open = async () => {
    const tab = await browser.openTab()
    await start(tab, 'endings')
    await tab.ask('hang', 'hang')
    return tab
  }
  const run = async () => {
    const tab = await open()
    await tab.until(() => tab.count('ran') > 0, 'the job does not run')
    return tab
  }
  for (let closed = 0; closed < 4; closed++) await browser.closeTab(await run())
  for (let killed = 0; killed < 3; killed++) {
    await browser.killTab(await run())
    evidence.countKill()
  }
  const last = await open()
  const [{ state } = { state: 'gone' }] = await last.ask('list')
  if (state !== 'failed') evidence.violate(`after three crashes of its page a job is ${state}`)
  await last.ask('close')
  await browser.closeTab(last)
}

// Trouble with the store.

/** What was kept after the trouble is there for the next tab. */
async function killAndVerify(stage: Stage, tab: Tab, database: string): Promise<void> {
  const { browser, evidence } = stage
  await browser.killTab(tab)
  evidence.countKill()
  const next = await browser.openTab()
  await start(next, database)
  await verify(stage, next)
  await next.ask('close')
  await browser.closeTab(next)
}

async function deletedDatabase(stage: Stage): Promise<void> {
  const { browser, evidence } = stage
  evidence.expected = /^\w+: trouble: store:error: STORE_WRITE_FAILED: .*deleted/
  const [tab, deleter] = [await browser.openTab(), await browser.openTab()]
  await start(tab, 'deleted')
  await startLoad(tab)
  await sleep(moment(stage))
  const before = tab.count('added')
  stage.note(`${await deleter.ask('deleteDatabase', 'deleted')} after ${before} jobs`)
  await tab.until(() => tab.count('added') > before + callers, 'nothing is added any more')
  await tab.ask('stop')
  await tab.ask('idle')
  await killAndVerify(stage, tab, 'deleted')
}

/** Chromium deletes what it cannot read, and opens as if nothing had been there. */
async function damagedFiles(stage: Stage): Promise<void> {
  const { browser, evidence } = stage
  if (browser.name !== 'chromium') return stage.note('SKIPPED: only Chromium tells of it')
  const before = await browser.openTab()
  await start(before, 'damaged')
  await startLoad(before)
  await browser.kill()
  evidence.countKill()
  browser.damageDatabases()
  await browser.start()
  evidence.forget()
  evidence.expected = /trouble: store:error: STORE_CORRUPT: .*deleted/
  const tab = await browser.openTab()
  await start(tab, 'damaged')
  await tab.until(() => tab.count('trouble') > 0, 'nobody was told that all jobs are gone')
  evidence.expected = undefined
  await startLoad(tab)
  await tab.until(() => tab.count('completed') > callers, 'no jobs are done')
  await killAndVerify(stage, tab, 'damaged')
}

/** Chromium goes on behind what its end has torn off, and takes that for damage when it starts again. */
async function tornLog(stage: Stage): Promise<void> {
  const { browser } = stage
  if (browser.name !== 'chromium') return stage.note('SKIPPED: only Chromium has such logs')
  const kill = async () => {
    await browser.kill()
    browser.tearLogs()
    await browser.start()
  }
  await kills({ ...stage, kills: 2 }, 'torn', kill)
}

/** Only Chromium can be told how much it may store; in others IndexedDB is made to say that there is no room. */
async function limitStore({ browser, site }: Stage, tab: Tab): Promise<() => Promise<void>> {
  if (browser.name === 'chromium') return browser.limitQuota(site.origin, (await tab.ask('usage')) + quotaBytes)
  await tab.ask('stubQuota', quotaRecords)
  return () => tab.ask('stubQuota', undefined)
}

async function quota(stage: Stage): Promise<void> {
  const { browser, evidence } = stage
  const tab = await browser.openTab()
  // Before the database is there: Chromium asks only now and then how much room there is.
  const lift = await limitStore(stage, tab)
  await start(tab, 'quota')
  evidence.expected = /^\w+: (add of|trouble: store:error).* STORE_WRITE_FAILED: .*QuotaExceededError/
  const { added, refused } = await tab.ask('fill', 'fill')
  if (!/^STORE_WRITE_FAILED: .* < QuotaExceededError/.test(refused)) evidence.violate(`quota: refused with ${refused}`)
  stage.note(`full after ${added} large jobs`)
  await lift()
  await startLoad(tab)
  await sleep(moment(stage))
  await tab.ask('stop')
  await tab.ask('idle')
  await killAndVerify(stage, tab, 'quota')
}

/** Plain http to anything but the machine itself. */
async function withoutLocks(stage: Stage): Promise<void> {
  const { browser, evidence } = stage
  const host = Object.values(networkInterfaces())
    .flatMap((addresses) => addresses ?? [])
    .find(({ family, internal }) => family === 'IPv4' && !internal)?.address
  if (!host) return stage.note('SKIPPED: this machine has no address but its own')
  evidence.expected = /trouble: store:error: STORE_LOCKED/
  const site = await Site.start((heard) => evidence.hear(heard), host)
  try {
    const tab = await browser.openTab(false, site)
    await start(tab, 'no-locks').catch(() => {})
    for (const refusal of await tab.ask('refusals')) {
      if (!/ STORE_LOCKED: .*secure context/.test(refusal)) evidence.violate(`without Web Locks: ${refusal}`)
    }
    await browser.closeTab(tab)
  } finally {
    site.close()
  }
}

export type Case = (stage: Stage) => Promise<void>

export const cases: Record<string, Case> = {
  'tab kills': (stage) => kills(stage, 'tab-kills', (tab) => stage.browser.killTab(tab)),
  'browser kills': (stage) => kills(stage, 'browser-kills', () => killBrowser(stage)),
  'browser kill without isolation': (stage) =>
    kills({ ...stage, kills: 1 }, 'no-isolation', () => killBrowser(stage), false),
  'take-overs': takeOvers,
  'leader closed': closedLeader,
  endings,
  'away and back': (stage) => awayAndBack(stage, 'away', false),
  'away and back at work': (stage) => awayAndBack(stage, 'away-at-work', true),
  'database deleted': deletedDatabase,
  'files damaged': damagedFiles,
  'torn log': tornLog,
  quota,
  'without Web Locks': withoutLocks,
}

// All pools on Node. Each is loaded when it is asked for: the start-up case counts what loading takes.

import { cpSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { offstageFolder } from './offstage.js'

/** @import { Contestant } from '../lib/case.js' */

/** @type {Record<string, () => Promise<Contestant>>} */
const loaders = {
  offstage: async () => (await import('./offstage.js')).offstage(),
  piscina: async () => (await import('./piscina.js')).piscina('piscina'),
  'piscina, 10 tasks per worker': async () =>
    (await import('./piscina.js')).piscina('piscina, 10 tasks per worker', 10),
  tinypool: async () => (await import('./tinypool.js')).tinypool,
  workerpool: async () => (await import('./workerpool.js')).workerpoolThreads,
  poolifier: async () => (await import('./poolifier.js')).poolifier,
  'comlink, round robin': async () => (await import('./comlink.js')).comlink,
  'bare postMessage': async () => (await import('./bare.js')).bare,
  'bare postMessage, on the worker itself': async () => (await import('./bare.js')).direct,
  // Of all its promises, events cost something only while they are heard.
  'offstage, all events heard': async () =>
    (await import('./offstage.js')).offstage('offstage, all events heard', copyOfBuild(), true),
}

const baseline = process.env.OFFSTAGE_BENCH_BASELINE
if (baseline) loaders.baseline = async () => (await import('./offstage.js')).offstage('baseline', baseline)

/** Code of its own: an application listens or does not, and what is compiled for the one does not fit the other. */
function copyOfBuild() {
  const copy = mkdtempSync(join(tmpdir(), 'offstage-heard-'))
  process.once('exit', () => rmSync(copy, { recursive: true, force: true }))
  cpSync(new URL(offstageFolder), copy, { recursive: true })
  writeFileSync(join(copy, 'package.json'), '{ "type": "module" }')
  return `${pathToFileURL(copy).href}/`
}

/** @param {string} name @returns {Promise<Contestant>} */
export async function loadPool(name) {
  const load = loaders[name]
  if (!load) throw new Error(`There is no pool \`${name}\`.`)
  return load()
}

/** @returns {Promise<import('../lib/case.js').Field>} */
export async function nodeField() {
  const names = Object.keys(loaders).filter((name) => !name.startsWith('bare') && !name.endsWith('heard'))
  return {
    pools: await Promise.all(names.map(loadPool)),
    bare: await loadPool('bare postMessage'),
    direct: await loadPool('bare postMessage, on the worker itself'),
    heard: await loadPool('offstage, all events heard'),
  }
}

import { fileStore } from 'offstage/file'
import { idbStore } from 'offstage/idb'
import { memoryStore } from '../../src/store/memory-store.ts'
import { isBrowser, temporaryFolder } from './testing.ts'

/** By kind: begins a run and returns what opens a store at a place in it. */
export const stores = {
  memory: () => () => memoryStore(),
  file: () => {
    const folder = temporaryFolder()
    return (place: string) => fileStore(`${folder}/${place}`)
  },
  idb: () => {
    const run = Math.random().toString(36).slice(2)
    return (place: string) => idbStore(`${place}-${run}`)
  },
}

/** The kinds that there are here. */
export const kinds = (isBrowser ? ['memory', 'idb'] : ['memory', 'file']) as (keyof typeof stores)[]

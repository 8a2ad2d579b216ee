import { engineSource } from '../engine/engine-host.ts'
import { type TabPlatform, webTabs } from '../platform/tabs.ts'
import type { Store } from '../store/store.ts'
import { TabEngine } from './tab-engine.ts'

/**
 * A store that several tabs may have open: one of them runs the jobs, the others reach them through it. `name` is the
 * same in all of them. Each time that a tab comes to lead it opens a store of its own.
 */
export function shareAmongTabs(name: string, makeStore: () => Store, platform?: TabPlatform): Store {
  // The platform is asked for late: to name a store touches nothing.
  const engine = engineSource((host) => new TabEngine(name, makeStore, platform ?? webTabs(), host))
  return Object.assign(makeStore(), { engine })
}

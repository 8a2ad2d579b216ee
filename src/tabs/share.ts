import { engineSource } from '../engine/engine-host.ts'
import { type TabPlatform, webTabs } from '../platform/tabs.ts'
import type { Store } from '../store/store.ts'
import { TabEngine } from './tab-engine.ts'

/**
 * Returns a store that several tabs may have open: one of them runs the jobs, and the others reach them through it. `name` is the
 * same in all tabs. Each time that a tab begins to lead, it opens a new store that `makeStore` returns.
 */
export function shareAmongTabs(name: string, makeStore: () => Store, platform?: TabPlatform): Store {
  // The platform is asked for late, so that naming a store touches nothing.
  const engine = engineSource((host) => new TabEngine(name, makeStore, platform ?? webTabs(), host))
  return Object.assign(makeStore(), { engine })
}

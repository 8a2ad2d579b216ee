export { type ExtensionCheck, extensionChecks, type OpenForChecks } from './extension-checks.ts'
export { type ManualClock, manualClock } from './shared/manual-clock.ts'
export { seededRandom } from './shared/seeded-random.ts'
export { type StoreCheck, storeChecks } from './store/store-checks.ts'

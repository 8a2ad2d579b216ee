export { type ManualClock, manualClock } from './shared/manual-clock.ts'
export { seededRandom } from './shared/seeded-random.ts'

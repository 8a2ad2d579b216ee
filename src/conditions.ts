export { onSync, registerSync, type SyncOptions } from './conditions/background-sync.ts'
export { type BatteryOptions, batteryOk, online } from './conditions/device.ts'
export { hidden, type VisibilityOptions, visible } from './conditions/visibility.ts'
export type { Condition } from './queue/gate.ts'

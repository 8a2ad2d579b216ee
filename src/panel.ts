export type { PanelBatches, PanelFlows } from './panel/families.ts'
export type { Extras as PanelExtras, PanelSchedules } from './panel/model.ts'
export type { PanelHistory } from './panel/open-job.ts'
export { definePanel, mountPanel, type OffstagePanel, type PanelOptions } from './panel/panel.ts'

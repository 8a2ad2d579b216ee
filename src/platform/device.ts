/** As Chromium has it. */
export interface Battery extends EventTarget {
  readonly level: number
  readonly charging: boolean
}

interface Device extends Partial<Navigator> {
  getBattery?(): Promise<Battery>
}

/** Returns what the browser knows about the device; on servers little or nothing. */
export const device = (): Device => (globalThis.navigator ?? {}) as Device

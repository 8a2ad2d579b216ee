import { systemRandom } from './host.ts'

const part = (): string => systemRandom().toString(36).slice(2)

/** Makes an id that a caller has not given. Two parts are as many digits as no two ids have in common. */
export const randomId = (prefix: string): string => `${prefix}-${part()}${part()}`

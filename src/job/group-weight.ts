import * as check from '../shared/check.ts'

/** How many jobs a group may start in its turn. */
export const weightCheck = check.integer(1, 1_000)

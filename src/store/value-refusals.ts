import { platformNameOf } from '../shared/kind.ts'
import { isA, Refusal } from '../shared/refusal.ts'
import { tagOf } from '../shared/show.ts'

/**
 * Throws for an object that cannot be stored as a plain one. Data must never disappear silently. So an object of which nothing
 * would be left is refused too, although structured clone makes `{}` of it.
 */
export function refuseUnstorable(value: object): void {
  const platformName = platformNameOf(value)
  if (platformName) throw new Refusal(isA(platformName))
  if (Object.keys(value).length === 0)
    throw new Refusal(`${isA(classNameOf(value))}, and has no fields that could be stored`)
}

function classNameOf(value: object): string {
  const name = Object.getPrototypeOf(value).constructor?.name
  return typeof name === 'string' && name !== '' && name !== 'Object' ? name : tagOf(value)
}

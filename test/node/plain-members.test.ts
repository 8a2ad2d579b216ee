// The build step that gives private members plain names: what it must not mix up, and what it refuses.
import { transform } from 'esbuild'
import { expect, test } from 'vitest'
import { checkParents, withPlainMembers } from '../../tsup.plain-members.ts'

/** The exports of a module that was built. */
async function built(text: string) {
  const tsconfigRaw = { compilerOptions: { useDefineForClassFields: false } }
  const { code } = await transform(withPlainMembers('module.ts', text), { loader: 'ts', tsconfigRaw })
  expect(code.replace(/\/\/# source.*/, '')).not.toContain('#')
  return import(/* @vite-ignore */ `data:text/javascript,${encodeURIComponent(code)}`)
}

test('a class, the one that it extends and the one around it have members of their own', async () => {
  const { values } = await built(`
    class Base { #value = 'base'; get base() { return this.#value } }
    class Derived extends Base { #value = 'derived'; get derived() { return this.#value } }
    class Outer {
      #value = 'outer'
      #other = 'other'
      inner() {
        const outer = this
        return new (class { #value = 'inner'; get all() { return [this.#value, outer.#other] } })()
      }
      get outer() { return this.#value }
    }
    const derived = new Derived()
    export const values = [derived.base, derived.derived, new Outer().outer, ...new Outer().inner().all]
  `)
  expect(values).toEqual(['base', 'derived', 'outer', 'inner', 'other'])
})

test('methods and accessors', async () => {
  const { sum } = await built(`
    class Sum { #sum = 0; get #next() { return this.#sum + 1 } set #next(n) { this.#sum = n } #add() { this.#next += 1; return this.#sum } run() { return this.#add() } }
    export const sum = new Sum().run()
  `)
  expect(sum).toBe(2)
})

test('a field without a value is there from the start, unless it is only declared or the constructor sets it', async () => {
  const { keys } = await built(`
    class Thing { #late: string | undefined; early: number; declare other: string; constructor() { this.early = 1 } set() { this.#late = '' } }
    export const keys = Object.entries(new Thing())
  `)
  expect(keys).toEqual([
    ['e', undefined],
    ['early', 1],
  ])
})

test.each([
  ['a brand check', 'class A { #b; static is(a) { return #b in a } }', '`#b in a` needs a private member'],
  ['a member whose name is short', 'class A { x = 1 }', '`x` of A may be the plain name of a private member'],
  [
    'more members than there are letters',
    `class A { ${Array.from({ length: 53 }, (_, n) => `#m${n}`).join('; ')} }`,
    'There are more private members in A than letters',
  ],
])('refused: %s', (_what, text, message) => {
  expect(() => withPlainMembers('module.ts', text)).toThrow(message)
})

test('refused: a class that extends one that extends one', () => {
  const parents = new Map()
  withPlainMembers('a.ts', 'class A extends Error { #a }\n class B extends A { #a }', parents)
  checkParents(parents)
  withPlainMembers('c.ts', 'class C extends B { #a }', parents)
  expect(() => checkParents(parents)).toThrow('C extends B, which extends A')
})

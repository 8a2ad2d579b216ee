/**
 * Makes an object with a function for every name: `scheduler.run.<type>`, the commands of an extension. Any string is a name,
 * even `constructor` and `__proto__`; which ones exist is known only where jobs run. Each function is made once.
 */
export function byName<Call>(make: (name: string) => Call): object {
  const calls = new Map<string, Call>()
  return new Proxy(Object.create(null), {
    get(_target, name) {
      // Without `then`, `await scheduler.run` does not call a job of that name.
      if (typeof name === 'symbol' || name === 'then') return undefined
      let call = calls.get(name)
      if (!call) {
        call = make(name)
        calls.set(name, call)
      }
      return call
    },
  })
}

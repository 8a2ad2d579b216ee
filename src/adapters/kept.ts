/**
 * Returns a function that reads the input, and returns what `make` makes of it: the same as before while the input is equal to the
 * last one, as JSON.
 */
export function kept<Input, Made>(read: () => Input, make: (input: Input) => Made): () => Made {
  let last: { readonly key: string | undefined; readonly made: Made } | undefined
  return () => {
    const input = read()
    const key = JSON.stringify(input) as string | undefined
    if (!last || last.key !== key) last = { key, made: make(input) }
    return last.made
  }
}

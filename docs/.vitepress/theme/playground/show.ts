/** A value as Node prints it, so that an example prints the same here and there. */
export function show(value: unknown, depth = 0): string {
  if (typeof value === 'string') return depth === 0 ? value : `'${value.replaceAll("'", "\\'")}'`
  if (typeof value === 'bigint') return `${value}n`
  if (typeof value === 'function') return `[Function: ${value.name || 'anonymous'}]`
  if (typeof value !== 'object' || value === null) return String(value)
  // Objects come from another frame, so no `instanceof`.
  const kind = Object.prototype.toString.call(value).slice(8, -1)
  if (kind === 'Error' || kind === 'DOMException') return showError(value as Error)
  if (kind === 'Date') return (value as Date).toISOString()
  if (depth > 3) return `[${kind}]`
  if (kind === 'Array') return list('', value as unknown[], depth)
  if (/Array$/.test(kind))
    return list(`${kind}(${(value as Uint8Array).length}) `, Array.from(value as Uint8Array), depth)
  if (kind === 'Map')
    return `Map(${(value as Map<unknown, unknown>).size}) ${pairs([...(value as Map<unknown, unknown>)], ' => ', depth)}`
  if (kind === 'Set') return list(`Set(${(value as Set<unknown>).size}) `, [...(value as Set<unknown>)], depth)
  return `${kind === 'Object' ? '' : `${kind} `}${pairs(Object.entries(value), ': ', depth)}`
}

const itemsMax = 100

function list(before: string, items: readonly unknown[], depth: number) {
  const shown = items.slice(0, itemsMax).map((item) => show(item, depth + 1))
  if (items.length > itemsMax) shown.push(`… ${items.length - itemsMax} more`)
  return shown.length === 0 ? `${before}[]` : `${before}[ ${shown.join(', ')} ]`
}

function pairs(entries: readonly (readonly [unknown, unknown])[], between: string, depth: number) {
  const shown = entries
    .slice(0, itemsMax)
    .map(([key, value]) => `${between === ': ' ? key : show(key, depth + 1)}${between}${show(value, depth + 1)}`)
  return shown.length === 0 ? '{}' : `{ ${shown.join(', ')} }`
}

function showError({ name, message, cause }: Error): string {
  return `${name}: ${message}${cause === undefined ? '' : ` [cause: ${show(cause, 1)}]`}`
}

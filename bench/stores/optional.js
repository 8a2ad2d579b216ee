const howTo = 'In bench/: npm_config_build_from_source=true npm rebuild'

/**
 * A peer with native code is an optional dependency: it is left out, loudly, where it could not be built.
 *
 * @param {string} name
 * @returns {Promise<{ module: any, skip: string | undefined }>}
 */
export async function optional(name) {
  try {
    const module = await import(name)
    // Some load their native part at first use.
    if (name === 'better-sqlite3') new module.default(':memory:').close()
    return { module, skip: undefined }
  } catch (error) {
    const [line] = String(error).split('\n')
    return { module: undefined, skip: `${name} does not load (${line}). ${howTo}` }
  }
}

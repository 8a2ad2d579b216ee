/**
 * So many callers, each waiting for its job before it adds the next, until `count` are done. Answers the results by job.
 *
 * @param {number} callers
 * @param {number} count
 * @param {(index: number) => unknown} run a promise, as a rule
 * @returns {Promise<any[]>}
 */
export async function runCallers(callers, count, run) {
  const results = new Array(count)
  let next = 0
  const call = async () => {
    while (next < count) {
      const index = next++
      results[index] = await run(index)
    }
  }
  await Promise.all(Array.from({ length: callers }, call))
  return results
}

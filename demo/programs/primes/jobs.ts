import { defineJobs } from 'offstage/worker'

export const jobs = defineJobs({
  /** Counts the primes up to a number. */
  *countPrimes({ upTo }: { upTo: number }) {
    let count = 0
    for (let n = 2; n <= upTo; n++) {
      if (isPrime(n)) count++
      if (n % 10_000 === 0) yield n / upTo // progress, and a place to stop
    }
    return count
  },
})

function isPrime(n: number): boolean {
  for (let d = 2; d * d <= n; d++) if (n % d === 0) return false
  return true
}

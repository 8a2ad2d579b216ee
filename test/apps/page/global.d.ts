import type { JobPage } from './page.js'

declare global {
  var jobPage: JobPage
  /** How many pictures a page has shown, whenever that may have changed. */
  var numbersShown: number[]
}

import type { JobPage } from './page.js'

declare global {
  var jobPage: JobPage
}

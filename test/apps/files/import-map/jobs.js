import { handlers } from './handlers.js'
import { defineJobs } from './node_modules/offstage/dist/worker.js'

export const jobs = defineJobs(handlers)

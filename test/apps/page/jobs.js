import { defineJobs } from 'offstage/worker'
import { handlers } from './handlers.js'

export const jobs = defineJobs(handlers)
